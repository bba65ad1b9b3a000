"""Pathway of minima and saddles: the best verified way, each structure aligned with the one
before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from actionrun.compiler.numerics.molecular.alignment import Freedom, nearest_alignments
from actionrun.compiler.numerics.molecular.stationary_points import StationaryPoint
from actionrun.compiler.numerics.molecular.steepest_descent import DescentPath, descend_both_sides

from .endpoints import Endpoint
from .pathway_search import PathwaySearch
from .stationary_point_graph import TOLERANCE

TURNS = 60  # rotations tried for each link


@dataclass(frozen=True)
class StationaryStructure:
    """A stationary structure of the pathway: q (dim, N) turned and labelled to follow the one
    before, `along` the distance travelled so far by steepest descent.

    `back` and `on`, of a saddle, are the paths of steepest descent to the minima beside it:
    distances from the saddle and energies (2, K), None where there is no minimum on that side, or
    where the descent ended in another one; `tracks` (dim, N, K) are the places on these.
    """

    name: str
    is_saddle: bool
    point: StationaryPoint
    q: np.ndarray
    along: float = 0.0
    back: np.ndarray | None = None
    on: np.ndarray | None = None
    tracks: tuple[np.ndarray, ...] = ()


def pathway(search: PathwaySearch, state: Mapping[str, Any]) -> tuple[StationaryStructure, ...]:
    """The structures from start to end; empty where no verified way joins them."""
    graph = search.graph(search.copied(dict(state)))
    way, s = graph.verified_way(), graph.state
    if way is None:
        return ()
    stops: list[StationaryStructure] = []
    last = len(way.minima) - 1
    ends = {last: ("end", search.ends.end), 0: ("start", search.ends.start)}
    for k, (m, operation) in enumerate(zip(way.path.minima, way.minima, strict=True)):
        if k:
            q = way.saddles[k - 1].on(s["saddle_q"][way.path.saddles[k - 1]])
            point = search.point(q)
            # An end that is a saddle is there already.
            if not any(_is_saddle(ends[j][1], point) for j in (k - 1, k) if j in ends):
                stops.append(_stop("saddle", point))
        if k in ends:
            name, end = ends[k]
            named = _stop("saddle" if end.point.negative else "minimum", end.point)
            stops.append(replace(named, name=name))
        else:
            stops.append(_stop("minimum", search.point(operation.on(s["minimum_q"][m]))))
    return _laid(_numbered(stops), search)


def _is_saddle(end: Endpoint, point: StationaryPoint) -> bool:
    return end.point.negative > 0 and abs(end.point.energy - point.energy) < 1e-9


def _stop(kind: str, point: StationaryPoint) -> StationaryStructure:
    return StationaryStructure(kind, kind == "saddle", point, point.q)


def _numbered(stops: list[StationaryStructure]) -> list[StationaryStructure]:
    counts = {"saddle": 0, "minimum": 0}
    result = []
    for stop in stops:
        if stop.name in counts:
            counts[stop.name] += 1
            stop = replace(stop, name=f"{stop.name} {counts[stop.name]}")
        elif stop.is_saddle:
            stop = replace(stop, name=f"{stop.name} (a saddle)")
        result.append(stop)
    return result


def _laid(
    stops: list[StationaryStructure], search: PathwaySearch
) -> tuple[StationaryStructure, ...]:
    ends = search.ends
    freedom = ends.listed._replace(motion=True) if ends.labelled else Freedom()
    stops = [_descended(stops, k, search) for k in range(len(stops))]
    result = [stops[0]]
    for stop in stops[1:]:
        before = result[-1]
        near = nearest_alignments(
            before.q, stop.q, ends.symmetry.kinds, starts=TURNS, freedom=freedom,
            symmetry=ends.symmetry,
        )[0]  # fmt: skip
        course = before.on if before.is_saddle else stop.back
        far = near.distance if course is None else float(course[0, -1])
        moved = near.q - stop.q  # of bodies that are turned or relabelled no track is shown
        tracks = tuple(track + moved[..., None] for track in stop.tracks)
        result.append(replace(stop, q=near.q, along=before.along + far, tracks=tracks))
    return tuple(result)


def _descended(
    stops: list[StationaryStructure], k: int, search: PathwaySearch
) -> StationaryStructure:
    """A saddle with the paths of steepest descent to the minima beside it."""
    stop = stops[k]
    if not stop.is_saddle:
        return stop
    one, other = descend_both_sides(search.potential, stop.point.q, stop.point.mode)
    beside = [stops[j].point if 0 <= j < len(stops) else None for j in (k - 1, k + 1)]

    def course(down: DescentPath, minimum: StationaryPoint | None) -> np.ndarray | None:
        if minimum is None or not down.converged:
            return None
        near = abs(down.point.energy - minimum.energy) < TOLERANCE * search.scale
        return down.course if near else None

    straight = [course(one, beside[0]), course(other, beside[1])]
    turned = [course(other, beside[0]), course(one, beside[1])]
    back, on = max(straight, turned, key=lambda pair: sum(x is not None for x in pair))
    return replace(stop, back=back, on=on, tracks=(one.track, other.track))
