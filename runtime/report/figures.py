"""Figures as data to SVG, PDF and PNG, by Matplotlib: the same bytes for the same figure.

The palette is Okabe and Ito's (colour-blind safe) in an order of alternating lightness, and each
curve has its own dash, so that a figure reads in grey. Colours of a drawing for the page become
CSS variables, which the page sets for light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.runtime.storage.findings_file import decimated
from matplotlib.axes import Axes
from matplotlib.backend_bases import get_registered_canvas_class
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from .draw_bodies import draw_bodies
from .draw_network import draw_network

INK, FAINT, PAPER = "#1b1f24", "#d5d9de", "#ffffff"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3a8fc4")
DASHES = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.2, 2)), (0, (9, 3)), (0, (3, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")
COLORS = {INK: "ink", FAINT: "faint", PAPER: "paper"} | {
    color: f"c{number}" for number, color in enumerate(PALETTE, 1)
}
MOST_LETTERS = 48  # of a label
WIDTH = 4.8  # inches of a panel; 1 inch is 72 units of the drawing

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
}


MOST_TICKS = 6
DPI = 300  # of pictures made of pixels

Format = Literal["svg", "pdf", "png"]
UNDATED: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def svg(figure: Figure, salt: str, panels: Sequence[Panel] | None = None) -> str:
    """One drawing of the figure (or of these panels of it) as an SVG document; `salt` makes ids
    that no other drawing of the page has."""
    return drawn(figure, "svg", salt, panels).decode()


def drawn(
    figure: Figure, form: Format, salt: str = "", panels: Sequence[Panel] | None = None
) -> bytes:
    """One drawing of the figure (or of these panels of it) in this format, without a date."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt, "pdf.fonttype": 42}):
        drawing = matplotlib_figure(figure, panels)
        get_registered_canvas_class(form)(drawing)  # imports no backend that is not wanted
        stream = io.BytesIO()
        drawing.savefig(stream, format=form, dpi=DPI, metadata=UNDATED[form])
    return stream.getvalue()


def matplotlib_figure(figure: Figure, panels: Sequence[Panel] | None = None) -> Drawing:
    """The figure (or these panels of it) as Matplotlib's, in our style.

    Panels over the same x axis are stacked on it; others stand side by side.
    """
    shown = tuple(figure.panels if panels is None else panels)
    stack = stacked(shown)
    height = _heights(shown, stack)
    rows, columns = (len(shown), 1) if stack else (1, len(shown))
    with mpl.rc_context(STYLE):
        drawing = Drawing(figsize=(WIDTH * columns, sum(height)), layout="constrained")
        axes = drawing.subplots(
            rows, columns, sharex=stack, squeeze=False,
            gridspec_kw={"height_ratios": height} if stack else None,
        ).ravel()  # fmt: skip
        for index, (panel, ax) in enumerate(zip(shown, axes, strict=True)):
            above = shown[index - 1] if stack and index else None
            _draw(panel, ax, above, last=not stack or index == len(shown) - 1)
            ax.xaxis.label.set_gid(f"x-label_{index}")
            ax.yaxis.label.set_gid(f"y-label_{index}")
        if stack and len(shown) > 1:
            drawing.align_ylabels(list(axes))
    return drawing


def parts(figure: Figure, salt: str, document: str | None = None) -> list[str]:
    """The figure as inline SVG: one drawing where panels share their x axis, else one a panel,
    so that a narrow screen can put them below each other. `document`: its drawing as a whole."""
    together = stacked(figure.panels)
    if together and document is not None:
        return [inline(document)]
    groups = [figure.panels] if together else [(panel,) for panel in figure.panels]
    return [
        inline(svg(figure, f"{salt}-{index}", group)) for index, group in enumerate(groups) if group
    ]


def stacked(panels: Sequence[Panel]) -> bool:
    return len({(panel.x, panel.equal) for panel in panels}) == 1 and not panels[0].equal


def inline(document: str) -> str:
    """An SVG document as an element of the page: its colours, fonts and ids are the page's."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r' id="(axes|x-label|y-label)[_0-9]*"', r' class="\1"', body)
    used = set(re.findall(r"#([\w.-]+)[\"')]", body))
    body = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", body)
    for color, name in COLORS.items():
        body = body.replace(color, f"var(--{name})")
    body = re.sub(r" font-family: [^;\"]+;", "", body)
    body = re.sub(r' (width|height)="[\d.]+pt"', "", body, count=2)
    body = re.sub(r' xmlns(:xlink)?="[^"]+"', "", body)
    return body.replace("xlink:href", "href").replace("<svg", '<svg role="img"', 1).strip()


def _heights(panels: Sequence[Panel], stack: bool) -> list[float]:
    """Inches: a square where lengths are equal, less for each panel below the first."""
    if not stack:
        return [WIDTH * 0.95 if any(panel.equal for panel in panels) else WIDTH * 0.62]
    return [WIDTH * (0.58 if index == 0 else 0.36) for index in range(len(panels))]


def _draw(panel: Panel, ax: Axes, above: Panel | None, *, last: bool) -> None:
    index = 0
    for curve in panel.curves:
        _draw_curve(decimated(curve), ax, index)
        index += curve.style != "contours"  # which are drawn in ink, and leave the next its color
    if last:
        ax.set_xlabel(_labelled(panel.x))
    ax.set_ylabel(_labelled(panel.y))
    if panel.title:
        ax.set_title(_plain(panel.title))
    x, y = ([getattr(curve, name) for curve in panel.curves] for name in "xy")
    if panel.x.log and _positive(x):
        ax.set_xscale("log", nonpositive="mask")
        _few_decades(ax, x)
    else:
        counts = all(bool(np.all(np.asarray(one) % 1 == 0)) for one in x)
        # Wide numbers would run into each other.
        ax.locator_params(axis="x", nbins=MOST_TICKS, integer=counts)
    if panel.y.log and _positive(y):
        ax.set_yscale("log", nonpositive="mask")
    if panel.equal:
        ax.set_aspect("equal", adjustable="datalim")
    labels = _labels(panel)
    if sum(map(bool, labels)) > 1 and (above is None or _labels(above) != labels):
        # Above the axes no curve is hidden, whatever the data are.
        named = [curve.label for curve in panel.curves if curve.label]
        columns = min(3 if max(map(len, named)) <= 14 else 2, len(named))
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2,
            handlelength=2.6, columnspacing=1.4,
        )  # fmt: skip
        if panel.title:
            ax.set_title(_plain(panel.title), pad=8 + 16 * -(-len(panel.curves) // columns))


def _few_decades(ax: Axes, values: Sequence[np.ndarray]) -> None:
    """Less than two powers of ten hold too few ticks, and Matplotlib's further ones overlap."""
    known = np.concatenate([np.asarray(one, dtype=float) for one in values])
    known = known[np.isfinite(known) & (known > 0)]
    if known.max() < 100 * known.min():
        short = known.min() >= 1e-3 and known.max() < 1e5  # longer numbers would touch
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if short else (1, 3)))
        ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        ax.xaxis.set_minor_formatter(NullFormatter())


CONTOURS = 18  # lines of equal height


@dataclass(frozen=True)
class Stroke:
    """How the curve of this number in its panel is drawn, so that each differs from the others."""

    color: str
    dash: Any
    marker: str
    label: str | None

    @property
    def line(self) -> dict[str, Any]:
        return {"color": self.color, "linestyle": self.dash, "label": self.label}


def _points(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    alone = len(curve.x) == 1  # a mark, such as the start of an orbit
    size = 6 if alone else 4.5 if len(curve.x) <= 200 else 2.6
    ax.plot(
        curve.x, curve.y, stroke.marker, color=stroke.color, label=stroke.label, markersize=size,
        markerfacecolor=stroke.color if alone else "none", markeredgewidth=0.9,
    )  # fmt: skip
    for x, y, name in zip(curve.x, curve.y, curve.names, strict=False):
        if name:
            ax.annotate(_plain(name), (x, y), (4, 4), textcoords="offset points", fontsize=9)


def _steps(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    ax.step(curve.x, curve.y, where="mid", **stroke.line)


def _dashed(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    style: dict[str, Any] = {**stroke.line, "linestyle": DASHES[1]}
    ax.plot(curve.x, curve.y, **style)


def _line(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    ax.plot(curve.x, curve.y, **_first_is_solid(ax, stroke))


def _marked(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    ax.plot(curve.x, curve.y, stroke.marker, **_first_is_solid(ax, stroke), markersize=4.5)


def _band(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    ax.plot(curve.x, curve.y, **stroke.line)


def _bodies(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    draw_bodies(curve, ax, stroke.color, INK, PAPER, [*map(_plain, curve.names)])


def _network(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    names, along = ([*map(_plain, texts)] for texts in (curve.names, curve.along))
    ax.plot([], [], **stroke.line)
    draw_network(curve, ax, stroke.color, stroke.dash, (INK, PAPER), names, along)


def _contours(curve: Curve, ax: Axes, stroke: Stroke) -> None:
    if curve.depth is not None and np.ptp(curve.depth) > 0:
        ax.tricontour(
            curve.x, curve.y, curve.depth, levels=CONTOURS, colors=[INK], linewidths=0.5,
            linestyles="solid",  # Matplotlib's own are dashed below 0, as paths may be
        )  # fmt: skip


# How the styles of curves are drawn. A new one is a function here, and its name in `Curve.style`.
STYLES: dict[str, Callable[[Curve, Axes, Stroke], None]] = {
    "line": _line, "dashed": _dashed, "points": _points, "marked": _marked, "band": _band,
    "steps": _steps, "bodies": _bodies, "network": _network,
    "contours": _contours,
}  # fmt: skip


def _draw_curve(curve: Curve, ax: Axes, index: int) -> None:
    color = PALETTE[index % len(PALETTE)]
    dash, marker = DASHES[index % len(DASHES)], MARKERS[index % len(MARKERS)]
    STYLES[curve.style](curve, ax, Stroke(color, dash, marker, _plain(curve.label) or None))
    if curve.low is None or curve.high is None:
        return
    low, high = np.asarray(curve.low), np.asarray(curve.high)
    if curve.style in ("points", "marked"):
        reach = np.abs(np.stack([curve.y - low, high - curve.y]))
        ax.errorbar(curve.x, curve.y, yerr=reach, fmt="none", ecolor=color, elinewidth=0.8)
    else:
        ax.fill_between(curve.x, low, high, color=color, alpha=0.22, linewidth=0)


def _first_is_solid(ax: Axes, stroke: Stroke) -> dict[str, Any]:
    return stroke.line | ({"linestyle": "-"} if _first_line(ax) else {})


def _positive(values: Sequence[np.ndarray]) -> bool:
    return any(bool(np.any(np.asarray(value) > 0)) for value in values)


def _first_line(ax: Axes) -> bool:
    return all(line.get_linestyle() == "None" for line in ax.lines)


def _labels(panel: Panel) -> list[tuple[str, str] | None]:
    return [(curve.label, curve.style) if curve.label else None for curve in panel.curves]


def _labelled(axis: Axis) -> str:
    return _plain(f"{axis.label} [{axis.unit}]" if axis.unit else axis.label)


def _plain(text: str) -> str:
    """Text without Matplotlib's own markup, which a study's names must not reach, and no longer
    than a drawing has room for."""
    short = text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
    return short.replace("\\", "\\\\").replace("$", r"\$") if "$" in short else short
