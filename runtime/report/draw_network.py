"""Networks: named nodes, and lines with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

if TYPE_CHECKING:
    from actionrun.compiler.findings import Curve
    from matplotlib.axes import Axes

ALONG = 0.37, 0.56  # where on a slanting line a short weight stands (in the middle lines cross),
SHORT = 4  # letters; and a longer one, which would reach into the node before it


def draw_network(
    curve: Curve, ax: Axes, color: str, dash, inks: tuple[str, str],
    names: Sequence[str], along: Sequence[str],
) -> None:  # fmt: skip
    """A curve of style "network"; `inks`: of letters, of the paper."""
    ink, paper = inks
    for (i, j), text in zip(curve.bonds, along, strict=True):
        x, y = curve.x[[i, j]], curve.y[[i, j]]
        ax.add_line(
            Line2D(x, y, color=color, linestyle=dash, linewidth=1.1 if dash == "-" else 2, zorder=2)
        )
        at = 0.5 if y[0] == y[1] else ALONG[len(text) > SHORT]
        ax.text(
            x[0] + at * (x[1] - x[0]), y[0] + at * (y[1] - y[0]), text, fontsize=9, color=ink,
            ha="center", va="center", zorder=4,
            bbox={"boxstyle": "square,pad=0.12", "facecolor": paper, "edgecolor": "none"},
        )  # fmt: skip
    for x, y, name in zip(curve.x, curve.y, names, strict=False):
        ax.text(
            x, y, name, fontsize=9.5, color=ink, ha="center", va="center", zorder=5,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": paper, "edgecolor": ink,
                  "linewidth": 0.8},
        )  # fmt: skip
    ax.set_axis_off()
    ax.set_xlim(curve.x.min() - 0.35, curve.x.max() + 0.45)
    ax.set_ylim(curve.y.min() - 0.45, curve.y.max() + 0.45)
