"""Alignment of a structure with another: rotation, inversion, translation, relabelling of equal
bodies.

The best rotation of given labels is a singular value decomposition (Kabsch, Acta Cryst. A 32, 922,
1976), the best labels of a given rotation an assignment problem. Each in turn, from many rotations,
ends in a local optimum; the best of them is the alignment, the next ones are further candidates.

Shapes: configurations (dim, N), NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from actionrun.compiler.numerics.array_types import Structure
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment

from .periodic_cell import Cell, minimum_image
from .superposition import EnergySymmetry, motion_towards, moved_by, proper_rotation

ROUNDS = 60  # most turns of rotation and assignment; a few are usual
SAME = 1e-4  # difference of distances below which two candidates are one, relative


class AlignedStructure(NamedTuple):
    """A copy q (dim, N) of a structure and its distance to the other, the norm over all bodies."""

    q: np.ndarray
    distance: float


class Freedom(NamedTuple):
    """What may be done to a structure to bring it near another: `motion` (rotation with
    translation, or what the energy's symmetry leaves of them), inversion, permutation of equals."""

    motion: bool = True
    inversion: bool = True
    permutation: bool = True


EVERY = Freedom()


def nearest_alignments(
    target: Structure,
    moved: Structure,
    kinds: Sequence[str] | np.ndarray | None = None,
    *,
    count: int = 1,
    starts: int = 200,
    seed: int = 0,
    freedom: Freedom = EVERY,
    symmetry: EnergySymmetry | None = None,
) -> list[AlignedStructure]:
    """Up to `count` copies of `moved` near `target`, the nearest first, all different.

    `kinds` are the species of the bodies in `target`'s order and in `moved`'s: only equals change
    places. `symmetry` says by which motions and in which cell, None: all of a free cluster.
    """
    dim, n = target.shape
    groups = _groups(kinds, n) if freedom.permutation else []
    draw = np.random.default_rng((seed, 7))
    if symmetry is not None and (symmetry.motions is not None or symmetry.cell is not None):
        return _restricted(target, moved, groups, count, starts, draw, freedom, symmetry)
    if not freedom.motion:
        middle = moved.mean(axis=1, keepdims=True)
        mirrored = [moved, 2 * middle - moved] if freedom.inversion else [moved]
        copies = [one[:, _assigned(target, one, groups)] for one in mirrored]
        near = [AlignedStructure(q, float(np.linalg.norm(q - target))) for q in copies]
        return sorted(near, key=lambda x: x.distance)[:count]
    middle = target.mean(axis=1, keepdims=True)
    a, b = target - middle, moved - moved.mean(axis=1, keepdims=True)
    onto = _onto if freedom.inversion else proper_rotation
    result: list[AlignedStructure] = []
    for trial in range(max(starts, count) if groups else 1):
        turn = np.eye(dim) if trial == 0 else _rotation(draw, dim)
        if not freedom.inversion and np.linalg.det(turn) < 0:
            turn[0] = -turn[0]
        _keep(result, _settled(a, turn @ b, groups, onto), count)
    return [AlignedStructure(x.q + middle, x.distance) for x in result]


def _keep(result: list[AlignedStructure], near: AlignedStructure, count: int) -> None:
    if not any(abs(near.distance - x.distance) <= SAME * near.distance for x in result):
        result.append(near)
        result.sort(key=lambda x: x.distance)
        del result[count:]


def _restricted(
    target: np.ndarray, moved: np.ndarray, groups: list[np.ndarray], count: int, starts: int,
    draw: np.random.Generator, freedom: Freedom, symmetry: EnergySymmetry,
) -> list[AlignedStructure]:  # fmt: skip
    """By the motions that a field, held bodies and a cell leave, each from many places."""
    motions = symmetry.combinations(len(target))
    some = freedom.motion and len(motions) > 0
    signs = (1, -1) if freedom.inversion and symmetry.inversion else (1,)
    result: list[AlignedStructure] = []
    for trial in range(max(starts, count) if some and groups else 1):
        for sign in signs:
            q = sign * moved
            if trial and some:
                q = moved_by((draw.normal(size=len(motions)) * 3) @ motions, q)
                if groups:  # a body of one on a body of the other
                    k, j = (int(draw.choice(groups[0])) for _ in range(2))
                    step = minimum_image(target[:, k] - q[:, j], symmetry.cell)
                    shifts = symmetry.shifts(len(q))
                    q = q + (shifts.T @ (shifts @ step))[:, None]
            _keep(result, _settled_within(target, q, groups, symmetry, some), count)
    return result


def _settled_within(
    target: np.ndarray, q: np.ndarray, groups: list[np.ndarray], symmetry: EnergySymmetry,
    some: bool,
) -> AlignedStructure:  # fmt: skip
    distance, last, best = np.inf, np.inf, q
    for _ in range(ROUNDS):
        q = q[:, _assigned(target, q, groups, symmetry.cell)]
        if some:
            q = moved_by(motion_towards(symmetry, q, target), q)
        near = target - minimum_image(target - q, symmetry.cell)
        distance = float(np.linalg.norm(near - target))
        if distance < last:
            best = near
        if distance >= last * (1 - 1e-12):
            break
        last = distance
    return AlignedStructure(best, min(distance, last))


def _settled(
    a: np.ndarray, b: np.ndarray, groups: list[np.ndarray], onto: Callable[..., np.ndarray]
) -> AlignedStructure:
    distance, last = np.inf, np.inf
    for _ in range(ROUNDS):
        b = b[:, _assigned(a, b, groups)]
        b = onto(a, b) @ b
        distance = float(np.linalg.norm(a - b))
        if distance >= last * (1 - 1e-12):
            break
        last = distance
    return AlignedStructure(b, min(distance, last))


def _onto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The orthogonal matrix R that minimises |a - R b|."""
    left, _, right = np.linalg.svd(a @ b.T)
    return left @ right


def _assigned(
    a: np.ndarray, b: np.ndarray, groups: list[np.ndarray], cell: Cell = None
) -> np.ndarray:
    """Labels p such that b[:, p] is nearest to a, equals among themselves."""
    labels = np.arange(a.shape[1])
    for group in groups:
        cost = -a[:, group].T @ b[:, group]
        if cell is not None:
            d = minimum_image(a[:, group, None] - b[:, None, group], cell)
            cost = np.sum(d * d, axis=0)
        rows, columns = linear_sum_assignment(cost)
        labels[group[rows]] = group[columns]
    return labels


def _groups(kinds: Sequence[str] | np.ndarray | None, n: int) -> list[np.ndarray]:
    if kinds is None:
        return [np.arange(n)]
    names = np.asarray(kinds)
    return [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]


def _rotation(draw: np.random.Generator, dim: int) -> np.ndarray:
    """A random orthogonal matrix, uniform."""
    q, r = np.linalg.qr(draw.normal(size=(dim, dim)))
    return q * np.sign(np.diag(r))


def matching_order(first: Sequence[str], second: Sequence[str]) -> Int[np.ndarray, " n"]:
    """Places of `second`'s bodies such that their species stand in `first`'s order."""
    order = np.argsort(np.asarray(second), kind="stable")
    back = np.argsort(np.argsort(np.asarray(first), kind="stable"), kind="stable")
    return order[back]
