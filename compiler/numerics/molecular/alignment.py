"""Alignment of a structure with another: rotation, inversion, translation, relabelling of equal
bodies.

The best rotation of given labels is a singular value decomposition (Kabsch, Acta Cryst. A 32, 922,
1976), the best labels of a given rotation an assignment problem. Each in turn, from many rotations,
ends in a local optimum; the best of them is the alignment, the next ones are further candidates.

Shapes: configurations (dim, N), NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from actionrun.compiler.numerics.array_types import Structure
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment

ROUNDS = 60  # most turns of rotation and assignment; a few are usual
SAME = 1e-4  # difference of distances below which two candidates are one, relative


class AlignedStructure(NamedTuple):
    """A copy q (dim, N) of a structure and its distance to the other, the norm over all bodies."""

    q: np.ndarray
    distance: float


def nearest_alignments(
    target: Structure,
    moved: Structure,
    kinds: Sequence[str] | None = None,
    *,
    count: int = 1,
    starts: int = 200,
    seed: int = 0,
    turned: bool = True,
) -> list[AlignedStructure]:
    """Up to `count` copies of `moved` near `target`, the nearest first, all different.

    `kinds` are the species of the bodies in `target`'s order and in `moved`'s: only equals change
    places. `turned` False: neither rotation nor translation, as in an external field. An improper
    rotation is allowed: the energy does not see it.
    """
    dim, n = target.shape
    if not turned:
        labels = _assigned(target, moved, _groups(kinds, n))
        return [
            AlignedStructure(moved[:, labels], float(np.linalg.norm(moved[:, labels] - target)))
        ]
    middle = target.mean(axis=1, keepdims=True)
    a, b = target - middle, moved - moved.mean(axis=1, keepdims=True)
    groups, draw = _groups(kinds, n), np.random.default_rng((seed, 7))
    result: list[AlignedStructure] = []
    for trial in range(max(starts, count)):
        turn = np.eye(dim) if trial == 0 else _rotation(draw, dim)
        near = _settled(a, turn @ b, groups)
        if not any(abs(near.distance - x.distance) <= SAME * near.distance for x in result):
            result.append(near)
            result.sort(key=lambda x: x.distance)
            del result[count:]
    return [AlignedStructure(x.q + middle, x.distance) for x in result]


def _settled(a: np.ndarray, b: np.ndarray, groups: list[np.ndarray]) -> AlignedStructure:
    distance, last = np.inf, np.inf
    for _ in range(ROUNDS):
        b = b[:, _assigned(a, b, groups)]
        b = _onto(a, b) @ b
        distance = float(np.linalg.norm(a - b))
        if distance >= last * (1 - 1e-12):
            break
        last = distance
    return AlignedStructure(b, min(distance, last))


def _onto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The orthogonal matrix R that minimises |a - R b|."""
    left, _, right = np.linalg.svd(a @ b.T)
    return left @ right


def _assigned(a: np.ndarray, b: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Labels p such that b[:, p] is nearest to a, equals among themselves."""
    labels = np.arange(a.shape[1])
    for group in groups:
        rows, columns = linear_sum_assignment(-a[:, group].T @ b[:, group])
        labels[group[rows]] = group[columns]
    return labels


def _groups(kinds: Sequence[str] | None, n: int) -> list[np.ndarray]:
    if kinds is None:
        return [np.arange(n)]
    names = np.asarray(kinds)
    return [np.flatnonzero(names == name) for name in dict.fromkeys(kinds)]


def _rotation(draw: np.random.Generator, dim: int) -> np.ndarray:
    """A random orthogonal matrix, uniform."""
    q, r = np.linalg.qr(draw.normal(size=(dim, dim)))
    return q * np.sign(np.diag(r))


def matching_order(first: Sequence[str], second: Sequence[str]) -> Int[np.ndarray, " n"]:
    """Places of `second`'s bodies such that their species stand in `first`'s order."""
    order = np.argsort(np.asarray(second), kind="stable")
    back = np.argsort(np.argsort(np.asarray(first), kind="stable"), kind="stable")
    return order[back]
