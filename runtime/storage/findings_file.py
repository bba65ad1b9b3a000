"""findings.json: all that the report is made of, so that the page can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from actionrun.compiler.findings import (
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
from .run_folder import Folder

MOST_POINTS = 4000


@dataclass(frozen=True)
class Content:
    findings: Findings
    asked: tuple[Section, ...]


def content_data(findings: Findings, asked: Sequence[Section]) -> dict[str, Any]:
    """Findings and the explanation of the study as JSON data; arrays are in data.nc alone."""
    return plain_data(
        {
            "format": 1,
            "asked": [
                {
                    "title": section.title,
                    "text": section.text,
                    "equations": [equation_data(equation) for equation in section.equations],
                }
                for section in asked
            ],
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


def equation_data(equation: Equation) -> dict[str, Any]:
    """One equation as result.json has it."""
    return {
        "name": equation.name,
        "latex": equation.latex,
        "text": equation.text,
        "values": {
            symbol: {"value": value, "std": std} for symbol, (value, std) in equation.values.items()
        },
    }


def read(folder: Folder) -> Findings:
    return read_content(folder).findings


def read_content(folder: Folder) -> Content:
    """What `content_data` wrote. Raises Refused where it is missing or damaged."""
    data = folder.read_json(folder.findings)
    if data.get("format") != 1:
        raise Refused(f"{folder.findings} is missing or damaged; run the study again with --fresh")
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


def _equation(data: dict[str, Any]) -> Equation:
    values = {symbol: (pair["value"], pair["std"]) for symbol, pair in data["values"].items()}
    return Equation(data["name"], data["latex"], data["text"], values)


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
    if curve.style in ("bodies", "network"):
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
