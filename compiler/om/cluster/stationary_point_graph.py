"""Graph of stationary points (a kinetic transition network): minima and saddles as arrays of fixed
capacity, which a checkpoint holds.

Only what can still lower the best pass is kept: saddles at or above the lid, the top of the best
verified way, and minima that are reached through such saddles alone, are dropped when it falls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from actionrun.compiler.numerics.molecular.minimax_path import (
    MinimaxPath,
    connected_groups,
    minimax_energies,
    minimax_path,
)
from actionrun.compiler.numerics.molecular.superposition import Relabelling, identity

from .labelled_ways import LabelledWay, LabelledWays

TOLERANCE = 1e-7  # difference of energies of one stationary point, in units of the energy scale
ALIKE = 1e-5  # relative difference of its invariants
UNVERIFIED, VERIFIED, REFUSED = (
    0,
    1,
    2,
)  # verification status of a saddle: L-BFGS alone, steepest descent, none

State = dict[str, Any]


def empty(
    shape: tuple[int, int], minima: int, saddles: int, pairs: int, labelled: bool = False
) -> State:
    """No minima, no saddles, no pairs of minima that a string has joined; room for so many.
    `labelled`: with the operations that bring the known copies of minima to a saddle's sides."""
    size = 1 + shape[1] if labelled else 0
    return {
        "minimum_q": np.zeros((minima, *shape)),
        "minimum_energy": np.full(minima, np.inf),
        "minimum_fingerprint": np.zeros((minima, 2)),
        "minimum_tries": np.zeros(minima, dtype=np.int64),
        "minima": np.zeros((), dtype=np.int64),
        "saddle_q": np.zeros((saddles, *shape)),
        "saddle_energy": np.full(saddles, np.inf),
        "saddle_fingerprint": np.zeros((saddles, 2)),
        "saddle_endpoints": np.full((saddles, 2), -1, dtype=np.int64),
        "saddle_operations": np.zeros((saddles, 2, size), dtype=np.int64),
        "saddle_status": np.zeros(saddles, dtype=np.int64),
        "saddles": np.zeros((), dtype=np.int64),
        "pair_minima": np.full((pairs, 2), -1, dtype=np.int64),
        "pairs": np.zeros((), dtype=np.int64),
        "lost": np.zeros((), dtype=np.int64),
    }


@dataclass(frozen=True)
class StationaryPointGraph:
    """A state's minima and saddles, whose arrays change in place; `scale` is the unit of energies.

    Minimum 0 is the start, minimum 1 the end, whatever they are. Where invariants alone do not tell
    stationary points apart, `alike` compares two. `ways`, where copies of one structure are told
    apart: `ends` are then the numbers of minima, and the operations of their copies.
    """

    state: State
    scale: float
    alike: Callable[[np.ndarray, np.ndarray], bool] | None = None
    ways: LabelledWays | None = None
    ends: tuple[tuple[int, Relabelling], ...] = ()

    @property
    def minima(self) -> int:
        return int(self.state["minima"])

    @property
    def saddles(self) -> int:
        return int(self.state["saddles"])

    @property
    def endpoints(self) -> np.ndarray:
        return self.state["saddle_endpoints"][: self.saddles]

    @property
    def energies(self) -> np.ndarray:
        """Energies (S,) of saddles that join something, inf where steepest descent refused."""
        result = self.state["saddle_energy"][: self.saddles]
        return np.where(self.state["saddle_status"][: self.saddles] == REFUSED, np.inf, result)

    def known(self, kind: str, q: np.ndarray, energy: float, fingerprint: np.ndarray) -> int:
        """The minimum or saddle of this energy and these invariants, -1 where there is none."""
        s, count = self.state, int(self.state[{"minimum": "minima", "saddle": "saddles"}[kind]])
        near = np.abs(s[f"{kind}_energy"][:count] - energy) < TOLERANCE * self.scale
        for k in np.flatnonzero(near).tolist():
            theirs = s[f"{kind}_fingerprint"][k]
            if np.all(np.abs(theirs - fingerprint) <= ALIKE * np.abs(fingerprint)) and (
                self.alike is None or self.alike(s[f"{kind}_q"][k], q)
            ):
                return k
        return -1

    def minimum(self, q: np.ndarray, energy: float, fingerprint: np.ndarray) -> int:
        """Its number, a new one where it was not known; -1 where there is no room."""
        s = self.state
        result = self.known("minimum", q, energy, fingerprint)
        if result >= 0:
            return result
        k = self.minima
        if k == len(s["minimum_energy"]):
            s["lost"] = s["lost"] + 1
            return -1
        s["minimum_q"][k], s["minimum_energy"][k], s["minimum_fingerprint"][k] = (
            q,
            energy,
            fingerprint,
        )
        s["minimum_tries"][k] = 0
        s["minima"] = s["minima"] + 1
        return k

    def saddle(
        self,
        q: np.ndarray,
        energy: float,
        fingerprint: np.ndarray,
        endpoints: tuple[int, int],
        status: int,
        operations: np.ndarray | None = None,
    ) -> int:
        """A new saddle's number; -1 where there is no room."""
        s, k = self.state, self.saddles
        if k == len(s["saddle_energy"]) or min(endpoints) < 0:
            s["lost"] = s["lost"] + 1
            return -1
        s["saddle_q"][k], s["saddle_energy"][k], s["saddle_fingerprint"][k] = q, energy, fingerprint
        s["saddle_endpoints"][k], s["saddle_status"][k] = endpoints, status
        if operations is not None:
            s["saddle_operations"][k] = operations
        s["saddles"] = s["saddles"] + 1
        return k

    def tried(self, pairs: np.ndarray) -> None:
        """Remember that strings have joined these `pairs` (K, 2) of minima."""
        first, last = int(self.state["pairs"]), int(self.state["pairs"]) + len(pairs)
        self.state["pair_minima"][first:last] = pairs
        self.state["pairs"] = np.asarray(last)

    def times(self, pairs: np.ndarray) -> np.ndarray:
        """How often (K,) strings have joined each of `pairs` (K, 2)."""
        known = np.sort(self.state["pair_minima"][: int(self.state["pairs"])], axis=1)
        return np.sum(np.all(np.sort(pairs, axis=1)[:, None] == known[None], axis=2), axis=1)

    def groups(self, bar: float) -> np.ndarray:
        """For each minimum the number of the group (M,) that saddles below `bar` join it to."""
        wanted = (self.energies < bar) & np.all(self.endpoints >= 0, axis=1)
        joins = self.endpoints[wanted]
        if self.ends and self.ends[1][0] == 0:  # the end is a copy of the start
            joins = np.append(joins, [[0, 1]], axis=0)
        return connected_groups(self.minima, joins)

    def way(self) -> MinimaxPath | None:
        """The best way from start to end through all saddles, verified or not."""
        way = self._way(self.energies)
        return None if way is None else way.path

    def verified_way(self) -> LabelledWay | None:
        """The best way from start to end through verified saddles."""
        return self._way(self._verified)

    def _way(self, energies: np.ndarray) -> LabelledWay | None:
        if self.ways is not None:
            operations = self.state["saddle_operations"][: self.saddles]
            return self.ways.way(self.endpoints, operations, energies, *self.ends)
        tree = minimax_energies(self.minima, self.endpoints, energies, 0)
        path = minimax_path(tree, self.endpoints, 1)
        if path is None:
            return None
        still = identity(self.state["minimum_q"].shape[2])
        return LabelledWay(path, [still] * len(path.minima), [still] * len(path.saddles), True)

    @property
    def _verified(self) -> np.ndarray:
        status = self.state["saddle_status"][: self.saddles]
        return np.where(status == VERIFIED, self.energies, np.inf)

    def prune(self, lid: float, kept: MinimaxPath) -> None:
        """Drop saddles at the lid or above it that are not on the way `kept`, then minima that no
        saddle joins."""
        s, count = self.state, self.saddles
        stay = s["saddle_energy"][:count] < lid - TOLERANCE * self.scale
        stay |= np.isin(np.arange(count), kept.saddles)
        self._pack("saddle", "saddles", stay)
        used = np.zeros(self.minima, dtype=bool)
        used[:2] = True
        used[self.endpoints[self.endpoints >= 0]] = True
        number = np.cumsum(used) - 1
        self.endpoints[...] = np.where(self.endpoints >= 0, number[self.endpoints], -1)
        self._pack("minimum", "minima", used)
        pairs = self.state["pair_minima"]
        known = pairs[: int(self.state["pairs"])]
        known = number[known[np.all(used[known], axis=1)]]
        pairs[...] = -1
        pairs[: len(known)] = known
        self.state["pairs"] = np.asarray(len(known))

    def _pack(self, kind: str, counter: str, stay: np.ndarray) -> None:
        left = int(np.sum(stay))
        for name, array in self.state.items():
            if name.startswith(f"{kind}_"):
                array[:left] = array[: len(stay)][stay]
                array[left:] = {"energy": np.inf, "endpoints": -1}.get(name.partition("_")[2], 0)
        self.state[counter] = np.asarray(left, dtype=np.int64)
