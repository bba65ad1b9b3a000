"""Balls and the bonds between them, seen from the front: what is far is paler and behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

if TYPE_CHECKING:
    from actionrun.compiler.findings import Curve
    from matplotlib.axes import Axes

BALL = 0.25  # radius of a ball, in distances to its nearest
PALE = 0.25  # how much of its colour the farthest ball keeps
SHRINK = 0.25  # by how much the farthest ball is smaller


def draw_bodies(
    curve: Curve, ax: Axes, color: str, ink: str, paper: str, names: Sequence[str]
) -> None:
    """The bodies of a curve of style "bodies", from the farthest to the nearest."""
    x, y = (np.asarray(part, dtype=float) for part in (curve.x, curve.y))
    z = np.zeros_like(x) if curve.depth is None else np.asarray(curve.depth, dtype=float)
    low, high = float(np.min(z)), float(np.max(z))
    near = (z - low) / (high - low) if high > low else np.ones_like(z)
    radius = BALL * _spacing(np.stack([x, y, z]))
    for i, j in curve.bonds:
        depth = (near[i] + near[j]) / 2
        ax.add_line(
            Line2D(
                [x[i], x[j]],
                [y[i], y[j]],
                color=ink,
                linewidth=0.6 + 1.2 * depth,
                alpha=PALE + (0.75 - PALE) * depth,
                zorder=2 + min(near[i], near[j]),
            )
        )
    for k in range(len(x)):
        size, zorder = radius * (1 - SHRINK * (1 - near[k])), 2.001 + near[k]
        ball = {"edgecolor": ink, "linewidth": 0.7}
        ax.add_patch(Circle((x[k], y[k]), size, facecolor=paper, zorder=zorder, **ball))
        shade = PALE + (1 - PALE) * near[k]
        ax.add_patch(Circle((x[k], y[k]), size, facecolor=color, alpha=shade, zorder=zorder))
    for a, b, name, depth in zip(x, y, names, near, strict=False):
        if name:
            tone = paper if depth > 0.45 else ink
            ax.text(
                a, b, name, fontsize=8, ha="center", va="center", color=tone, zorder=2.002 + depth
            )
    ax.autoscale_view()


def _spacing(q: np.ndarray) -> float:
    """The median distance of a body to its nearest; 1 where there is one body."""
    if q.shape[1] < 2:
        return 1.0
    d = np.linalg.norm(q[:, :, None] - q[:, None, :], axis=0)
    return float(np.median(np.min(d + np.where(np.eye(q.shape[1]) > 0, np.inf, 0.0), axis=1)))
