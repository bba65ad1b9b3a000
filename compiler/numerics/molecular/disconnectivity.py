"""Disconnectivity graph of an energy landscape (Becker & Karplus, J. Chem. Phys. 106, 1495, 1997;
Wales, Miller & Walsh, Nature 394, 758, 1998): which minima can reach which, below a height."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .minimax_path import connected_groups

LEVELS = 30  # heights at which the landscape is cut
ABOVE = 1e-9  # of the whole height, that the highest cut is above the highest saddle
GAP = (np.nan, np.nan)  # between two lines


class DisconnectivityGraph(NamedTuple):
    """A tree as lines: x, y (K,), NaN between two of them; `places` (M,) of the minima along x, NaN
    for those that are not drawn."""

    x: np.ndarray
    y: np.ndarray
    places: np.ndarray


def disconnectivity_graph(
    energies: Float[np.ndarray, " m"], joins: Int[np.ndarray, "s 2"],
    tops: Float[np.ndarray, " s"], leaves: np.ndarray | None = None, levels: int = LEVELS,
) -> DisconnectivityGraph:  # fmt: skip
    """The graph of minima with `energies` (M,) that saddles of energies `tops` (S,) join by pairs
    `joins` (S, 2). Minima that are none of the `leaves` (M,) join others and are not drawn; nor is
    one that no saddle joins to the lowest."""
    count = len(energies)
    drawn = np.ones(count, dtype=bool) if leaves is None else leaves.astype(bool)
    known = np.isfinite(tops) & np.all(joins >= 0, axis=1)
    joins, tops = joins[known], tops[known]
    lowest = int(np.argmin(np.where(drawn, energies, np.inf)))
    high = float(np.max(tops, initial=float(energies[lowest])))
    high += ABOVE * (high - float(energies[lowest]))
    cuts = np.linspace(high, float(energies[lowest]), levels, endpoint=False)
    cuts = np.append(cuts, -np.inf)  # below all saddles each minimum is alone
    groups = np.stack([connected_groups(count, joins[tops < cut]) for cut in cuts])
    drawn &= groups[0] == groups[0, lowest]
    order: list[int] = []
    lines: list[tuple[float, float]] = []
    places = np.full(count, np.nan)

    def parted(members: np.ndarray, level: int) -> list[np.ndarray]:
        own = groups[level, members]
        return [members[own == g] for g in np.unique(own)]

    def ordered(members: np.ndarray, level: int) -> None:
        """Number the leaves: of each split the group with the lowest minimum in the middle."""
        if len(members) < 2:
            order.extend(members.tolist())
            return
        parts = parted(members, level)
        parts.sort(key=lambda part: (-len(part), float(np.min(energies[part]))))
        for part in _around(parts):
            ordered(part, level + 1)

    def draw(members: np.ndarray, level: int, above: tuple[float, float]) -> None:
        """The lines of a group from the node above it."""
        place, alone = float(np.mean(places[members])), len(members) == 1
        here, end = (place, float(cuts[level])), (place, float(energies[members[0]]))
        if alone and end[1] >= here[1]:
            lines.extend((above, end, GAP))
            return
        lines.extend((above, here, GAP))
        if alone:
            lines.extend((here, end, GAP))
            return
        for part in parted(members, level + 1):
            draw(part, level + 1, here)

    members = np.flatnonzero(drawn)
    ordered(members, 0)
    places[order] = np.arange(len(order))
    root = (float(np.mean(places[members])), float(cuts[0]))
    draw(members, 0, root)
    x, y = np.array(lines).T
    return DisconnectivityGraph(x, y, places)


def _around(parts: list) -> list:
    """The first in the middle, the others to both sides in turn."""
    result: list = []
    for k, part in enumerate(parts):
        result = [part, *result] if k % 2 else [*result, part]
    return result
