"""findings.json: all that the report is made of, so that the page can be made again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args, get_type_hints

import numpy as np
from actionrun.compiler.findings import (
    Array,
    Axis,
    Check,
    Curve,
    Equation,
    Figure,
    Findings,
    Panel,
    Section,
    Table,
)
from actionrun.runtime.errors import Refused

from .atomic_write import plain_data
from .json_shapes import ANY, EQUATION, METRICS, NUMBER, Optional
from .regular_files import ARRAY_BYTES, is_regular
from .run_folder import Folder

MOST_POINTS = 4000
# Far beyond what a program of ours draws: a stranger's file could keep us drawing for days.
MOST_CURVES, MOST_FIGURES, MOST_DRAWN = 5000, 500, 20_000_000
MOST_BODIES = 5000
DRAWINGS = ("bodies", "network", "contours")
STYLES = get_args(get_type_hints(Curve)["style"])
AXIS = {"label": str, "unit": str, "log": bool}
SIDE = Optional(([NUMBER], None))
CURVE = {
    "x": [NUMBER], "y": [NUMBER], "label": str, "style": str, "low": SIDE, "high": SIDE,
    "depth": SIDE, "names": [str], "bonds": Optional([[int]]), "along": Optional([str]),
}  # fmt: skip
PANEL = {"x": AXIS, "y": AXIS, "title": str, "equal": bool, "curves": [CURVE]}
FINDINGS = {
    "format": int,
    "asked": [{"title": str, "text": str, "equations": [EQUATION]}],
    "metrics": METRICS,
    "equations": [EQUATION],
    "extra": {str: ANY},
    "summary": [[str]],
    "figures": [{"name": str, "caption": str, "panels": [PANEL]}],
    "tables": [{
        "name": str, "caption": str, "header": [str], "rows": [[(str, float, None)]],
        "latex": [[(str, None)]],
    }],
    "checks": [{"name": str, "passed": bool, "text": str}],
    "notes": [str],
}  # fmt: skip


@dataclass(frozen=True)
class Content:
    findings: Findings
    asked: tuple[Section, ...]


def content_data(findings: Findings, asked: Sequence[Section]) -> dict[str, Any]:
    """Findings and the explanation of the study as JSON data; arrays are in data.nc alone."""
    return plain_data(
        {
            "format": 1,
            "asked": [section_data(section) for section in asked],
            "metrics": findings.metrics,
            "equations": [equation_data(equation) for equation in findings.equations],
            "extra": findings.extra,
            "summary": findings.summary,
            "figures": [_figure_data(figure) for figure in findings.figures],
            "tables": [vars(table) for table in findings.tables],
            "checks": [vars(check) for check in findings.checks],
            "notes": findings.notes,
        }
    )


def section_data(section: Section) -> dict[str, Any]:
    """A part of what a study means."""
    equations = [equation_data(equation) for equation in section.equations]
    return {"title": section.title, "text": section.text, "equations": equations}


def equation_data(equation: Equation) -> dict[str, Any]:
    """One equation as result.json has it."""
    return {
        "name": equation.name,
        "latex": equation.latex,
        "text": equation.text,
        "values": {
            symbol: {"value": value, "std": std} for symbol, (value, std) in equation.values.items()
        },
    } | ({"exact": equation.exact} if equation.exact else {})


def read(folder: Folder) -> Findings:
    """The findings of a finished run; its arrays are read when one is asked for. Raises Refused
    where the folder is damaged."""
    return replace(read_content(folder).findings, arrays=StoredArrays(folder))


class StoredArrays(Mapping[str, Array]):
    """The arrays of data.nc by their names, read at the first look. Raises Refused then where they
    are damaged."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        if not is_regular(self._folder / "data.nc"):
            return {}  # this run made none
        from .netcdf import arrays  # at start-up: HDF5, for those who ask for arrays

        try:
            return arrays(self._folder.content("data.nc", limit=ARRAY_BYTES))
        except ValueError as error:
            raise Refused(f"{self._folder / 'data.nc'} is missing or damaged ({error})") from None

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def read_content(folder: Folder) -> Content:
    """What `content_data` wrote. Raises Refused where it is missing or damaged."""
    data = folder.data(folder.findings, FINDINGS)
    if wrong := _inconsistent(data):
        raise Refused(
            f"{folder.findings} is missing or damaged ({wrong}). Run the study again with --fresh"
        )
    sections = tuple(
        Section(section["title"], section["text"], tuple(map(_equation, section["equations"])))
        for section in data["asked"]
    )
    findings = Findings(
        metrics=data["metrics"],
        equations=tuple(map(_equation, data["equations"])),
        extra=data["extra"],
        summary=tuple((name, value) for name, value in data["summary"]),
        figures=tuple(map(_figure, data["figures"])),
        tables=tuple(
            Table(
                table["name"],
                table["caption"],
                tuple(table["header"]),
                tuple(map(tuple, table["rows"])),
                tuple(map(tuple, table["latex"])),
            )
            for table in data["tables"]
        ),
        checks=tuple(Check(**check) for check in data["checks"]),
        notes=tuple(data["notes"]),
    )
    return Content(findings, sections)


def _inconsistent(data: dict[str, Any]) -> str:
    """What does not fit together in data of the right shape; "" where all does."""
    if data["format"] != 1:
        return f"format {data['format']}"
    if any(len(pair) != 2 for pair in data["summary"]):
        return "summary"
    for table in data["tables"]:
        width, maths = len(table["header"]), table["latex"] or [[None] * len(table["header"])]
        if {len(row) for row in (*table["rows"], *maths)} - {width}:
            return f"the rows of {table['name'][:40]}"
        if table["latex"] and len(maths) != len(table["rows"]):
            return f"the rows of {table['name'][:40]}"
    curves = [c for one in data["figures"] for panel in one["panels"] for c in panel["curves"]]
    drawn = sum(len(curve["x"]) for curve in curves)
    if len(data["figures"]) > MOST_FIGURES or len(curves) > MOST_CURVES or drawn > MOST_DRAWN:
        return f"{len(curves)} curves of {drawn} points in {len(data['figures'])} figures"
    wrong = next((curve for curve in curves if not _is_curve(curve)), None)
    return "" if wrong is None else f"the curve {wrong['label'][:40]}"


def _is_curve(curve: dict[str, Any]) -> bool:
    """Whether the parts of a curve have the lengths that they must."""
    count = len(curve["x"])
    sides = [curve.get(name) for name in ("y", "low", "high", "depth")]
    bonds = curve.get("bonds", [])
    return (
        curve["style"] in STYLES
        and (curve["style"] not in DRAWINGS or count <= MOST_BODIES)
        and all(side is None or len(side) == count for side in sides)
        and len(curve["names"]) in (0, count)
        and all(len(pair) == 2 and min(pair) >= 0 and max(pair) < count for pair in bonds)
        and len(curve.get("along", [])) in (0, len(bonds))
    )


def _equation(data: dict[str, Any]) -> Equation:
    values = {symbol: (pair["value"], pair["std"]) for symbol, pair in data["values"].items()}
    return Equation(data["name"], data["latex"], data["text"], values, data.get("exact", ""))


def _figure_data(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "caption": figure.caption,
        "panels": [
            {
                "x": vars(panel.x),
                "y": vars(panel.y),
                "title": panel.title,
                "equal": panel.equal,
                "curves": [vars(decimated(curve)) for curve in panel.curves],
            }
            for panel in figure.panels
        ],
    }


def _figure(data: dict[str, Any]) -> Figure:
    return Figure(data["name"], data["caption"], tuple(map(_panel, data["panels"])))


def _panel(data: dict[str, Any]) -> Panel:
    curves = tuple(_curve(curve) for curve in data["curves"])
    return Panel(Axis(**data["x"]), Axis(**data["y"]), curves, data["title"], data["equal"])


def _curve(data: dict[str, Any]) -> Curve:
    arrays = {
        name: np.array(data[name], dtype=float)
        for name in ("x", "y", "low", "high", "depth")
        if data.get(name) is not None
    }
    names, bonds = tuple(data["names"]), tuple((i, j) for i, j in data.get("bonds", ()))
    along = tuple(data.get("along", ()))
    return Curve(
        **arrays, label=data["label"], style=data["style"], names=names, bonds=bonds, along=along
    )


def decimated(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """The curve with at most about `most` points.

    Lines keep the smallest and the largest of each bin, so that no spike is lost. Points are
    thinned evenly, bodies and networks stay as they are.
    """
    if curve.style in DRAWINGS:
        return curve
    x, y = np.asarray(curve.x, dtype=float), np.asarray(curve.y, dtype=float)
    kept = np.arange(len(x))
    if len(x) > most and curve.style == "points":
        kept = np.unique(np.linspace(0, len(x) - 1, most).astype(int))
    elif len(x) > most:
        edges = np.linspace(0, len(x), most // 2, endpoint=False).astype(int)
        values = np.where(np.isfinite(y), y, np.nan)
        picked = [
            start + extreme
            for start, part in zip(edges, np.split(values, edges[1:]), strict=True)
            for extreme in (
                (np.nanargmin(part), np.nanargmax(part)) if not np.isnan(part).all() else (0,)
            )
        ]
        kept = np.unique([0, *picked, len(x) - 1])
    band = {
        name: None if side is None else np.asarray(side, dtype=float)[kept]
        for name, side in (("low", curve.low), ("high", curve.high))
    }
    names = tuple(curve.names[k] for k in kept) if curve.names else ()
    low, high = band["low"], band["high"]
    return replace(curve, x=x[kept], y=y[kept], low=low, high=high, names=names)
