"""The energy landscape that a search leaves: its minima and saddles, and their disconnectivity
graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.molecular.disconnectivity import disconnectivity_graph
from actionrun.compiler.om.path_problem import PathProblem

from .endpoints import Endpoints
from .stationary_point_graph import REFUSED, VERIFIED

LEAST, MOST = 4, 200  # minima of a disconnectivity graph: fewer have a profile, more no room


@dataclass(frozen=True)
class Landscape:
    """Minima q (dim, N, M) and their energies (M,), saddles and theirs, the pairs of minima (S, 2)
    that they join, and which (S,) steepest descent has verified; in the study's units. Minimum 0 is
    the start, 1 the end; `minimal` (2,) says whether these are minima."""

    minimum_q: np.ndarray
    minimum_energy: np.ndarray
    saddle_q: np.ndarray
    saddle_energy: np.ndarray
    joins: np.ndarray
    verified: np.ndarray
    minimal: tuple[bool, bool]


def landscape(problem: PathProblem, ends: Endpoints, search: Mapping[str, Any]) -> Landscape:
    """The landscape of the state of a search; `ends` are in the surface's units."""
    length = float(ends.surface.length)
    energy = float(ends.surface.energy_unit) * problem.settings.energy_unit.scale
    minima, saddles = (slice(int(search[name])) for name in ("minima", "saddles"))
    status, joins = search["saddle_status"][saddles], search["saddle_endpoints"][saddles]
    kept = (status != REFUSED) & np.all(joins >= 0, axis=1)

    def places(rows: np.ndarray) -> np.ndarray:
        return problem.system.whole(np.moveaxis(rows, 0, 2) * length)

    return Landscape(
        places(search["minimum_q"][minima]), search["minimum_energy"][minima] * energy,
        places(search["saddle_q"][saddles][kept]), search["saddle_energy"][saddles][kept] * energy,
        joins[kept], status[kept] == VERIFIED, (ends.start.is_minimum, ends.end.is_minimum),
    )  # fmt: skip


def landscape_arrays(land: Landscape, unit: str) -> dict[str, Array]:
    """Minima, saddles and their connections, for data.nc; `unit` is that of energies."""
    place = ("body", "axis")
    return {
        "minimum_q": Array(land.minimum_q.T, ("minimum", *place), "",
                           "minima below the barrier, the start first, then the end"),
        "minimum_energy": Array(land.minimum_energy, ("minimum",), unit, "their energies"),
        "saddle_q": Array(land.saddle_q.T, ("saddle", *place), "", "saddles between them"),
        "saddle_energy": Array(land.saddle_energy, ("saddle",), unit, "their energies"),
        "saddle_minima": Array(land.joins, ("saddle", "side"), "",
                               "the two minima that each joins, numbered from 0"),
        "saddle_verified": Array(land.verified.astype(np.int64), ("saddle",), "",
                                 "1: left by steepest descent, 0: by a quench"),
    }  # fmt: skip


def disconnectivity_figure(land: Landscape, unit: str) -> Figure | None:
    """The disconnectivity graph; None of a few minima, whose profile says it all."""
    count = len(land.minimum_energy)
    leaves = np.ones(count, dtype=bool)
    leaves[:2] = land.minimal
    whole = int(np.sum(leaves))
    if whole < LEAST:
        return None
    lowest = np.argsort(np.where(leaves, land.minimum_energy, np.inf), kind="stable")[:MOST]
    shown = np.isin(np.arange(count), [0, 1, *lowest]) & leaves
    graph = disconnectivity_graph(land.minimum_energy, land.joins, land.saddle_energy, shown)
    drawn = np.flatnonzero(np.isfinite(graph.places))
    if len(drawn) < LEAST:
        return None
    curves = [Curve(graph.x, graph.y)]
    ends = [k for k in (0, 1) if k in drawn]
    if ends:
        curves.append(
            Curve(graph.places[ends], land.minimum_energy[ends], "", "points",
                  names=tuple(("start", "end")[k] for k in ends))
        )  # fmt: skip
    panel = Panel(Axis(f"{len(drawn)} minima"), Axis("energy", unit), tuple(curves))
    some = "all" if len(drawn) == whole else f"the lowest {len(drawn)}"
    caption = (
        "Disconnectivity graph: each line ends at a minimum, and lines meet at the height below "
        "which no saddle joins them. Of the minima that the search kept, those below the barrier, "
        f"{some} are drawn. Saddles: {len(land.saddle_energy)}, of which "
        f"{int(np.sum(land.verified))} were left by steepest descent, the others by a quench alone."
    )
    return Figure("landscape", caption, (panel,))
