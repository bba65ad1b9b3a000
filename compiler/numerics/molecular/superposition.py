"""Superpositions of copies of one structure: the relabellings, with or without inversion, that lay
one on the other by a motion that costs no energy.

Those of a structure on itself are its point group, as a group of relabellings (Longuet-Higgins,
Mol. Phys. 6, 445, 1963).

Shapes: configurations (dim, M), NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from actionrun.compiler.numerics.array_types import Structure
from jaxtyping import Float
from scipy.linalg import expm, logm

from .periodic_cell import Cell, minimum_image
from .zero_modes import generators

NEAR = 0.02  # distance of bodies, in distances of neighbours, below which two are one
FLAT = 1e-3  # area, likewise, below which bodies are in a row


class Relabelling(NamedTuple):
    """An operation: body j of the result is `sign` times body `order[j]` of what it acts on."""

    sign: int
    order: np.ndarray

    def then(self, other: Relabelling) -> Relabelling:
        """This operation, and after it the other."""
        return Relabelling(self.sign * other.sign, self.order[other.order])

    def inverse(self) -> Relabelling:
        return Relabelling(self.sign, np.argsort(self.order, kind="stable"))

    def on(self, q: np.ndarray) -> np.ndarray:
        """q (dim, M, ...) after the operation."""
        return self.sign * q[:, self.order]


def identity(size: int) -> Relabelling:
    """The operation that leaves each of `size` bodies where it is."""
    return Relabelling(1, np.arange(size))


@dataclass(frozen=True)
class EnergySymmetry:
    """What leaves the energy as it is: bodies of one kind (M,) change places; `motions`
    (Z', Z), combinations of rigid motions (None: all); `inversion`; the lattice of a `cell`."""

    kinds: np.ndarray
    motions: np.ndarray | None = None
    inversion: bool = True
    cell: Cell = None

    @property
    def turns(self) -> bool:
        """Whether rotations are among the motions."""
        return self.motions is None or bool(np.any(self.motions[:, self._dim :]))

    @property
    def _dim(self) -> int:
        """Of space, from the number of rigid motions dim + dim (dim - 1)/2."""
        size = 0 if self.motions is None else self.motions.shape[1]
        return round((np.sqrt(8 * size + 1) - 1) / 2)

    def combinations(self, dim: int) -> Float[np.ndarray, "m z"]:
        """The motions as combinations (M, Z) of the generators."""
        return np.eye(dim + dim * (dim - 1) // 2) if self.motions is None else self.motions

    def shifts(self, dim: int) -> Float[np.ndarray, "k dim"]:
        """Orthonormal translations (K, dim) that cost nothing."""
        if self.motions is None:
            return np.eye(dim)
        if not len(self.motions):
            return np.zeros((0, dim))
        if dim == 1:
            return np.eye(1)
        _, values, right = np.linalg.svd(self.motions[:, dim:].T)
        still = right[int(np.sum(values > 1e-9)) :]
        return np.linalg.qr((still @ self.motions)[:, :dim].T)[0].T

    def superpositions(self, a: Structure, b: Structure, near: float = NEAR) -> list[Relabelling]:
        """All operations that lay a on b, to a distance `near` of each body."""
        result: list[Relabelling] = []
        seen: set[tuple[int, bytes]] = set()
        for sign in (1, -1) if self.inversion else (1,):
            for moved in self._candidates(sign * a, b):
                order = self._labels(moved, b, near)
                if order is None or (sign, order.tobytes()) in seen:
                    continue
                seen.add((sign, order.tobytes()))
                result.append(Relabelling(sign, order))
        return result

    def _labels(self, moved: np.ndarray, b: np.ndarray, near: float) -> np.ndarray | None:
        """For each body of b the one of `moved` that lies on it; None where some has none."""
        d = minimum_image(moved[:, :, None] - b[:, None, :], self.cell)
        far = np.sum(d * d, axis=0)
        far[self.kinds[:, None] != self.kinds[None, :]] = np.inf
        order = np.argmin(far, axis=0)
        if np.max(np.min(far, axis=0)) > near**2 or len({*order.tolist()}) < len(order):
            return None
        return order

    def _candidates(self, a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
        """Copies of a, moved such that they may lie on b."""
        if self.turns and self.cell is None and len(a) > 1:
            yield from self._turned(a, b)
            return
        shifts = self.shifts(len(a))
        if not len(shifts):
            yield a
            return
        names, counts = np.unique(self.kinds, return_counts=True)
        rare = np.flatnonzero(self.kinds == names[np.argmin(counts)])
        for k in rare:
            step = minimum_image(b[:, k] - a[:, rare[0]], self.cell)
            moved = a + (shifts.T @ (shifts @ step))[:, None]
            rest = minimum_image(b[:, k] - moved[:, rare[0]], self.cell)
            if float(rest @ rest) < 1:
                yield moved

    def _turned(self, a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
        """Turned such that two bodies of a, seen from the middle, lie on two of b."""
        dim = len(a)
        middle, there = a.mean(axis=1), b.mean(axis=1)
        x, y = a - middle[:, None], b - there[:, None]
        size, size_b = np.linalg.norm(x, axis=0), np.linalg.norm(y, axis=0)
        p = int(np.argmax(size))
        across = np.sqrt(np.maximum(size**2 * size[p] ** 2 - (x.T @ x[:, p]) ** 2, 0))
        q = int(np.argmax(across))
        if across[q] < FLAT or dim < 3:
            q = p
        apart = np.linalg.norm(x[:, p] - x[:, q])
        for i in np.flatnonzero((self.kinds == self.kinds[p]) & (np.abs(size_b - size[p]) < NEAR)):
            far = np.linalg.norm(y - y[:, i, None], axis=0)
            fits = (np.abs(far - apart) < 2 * NEAR) & (np.abs(size_b - size[q]) < NEAR)
            for j in np.flatnonzero(fits & (self.kinds == self.kinds[q])):
                turn = proper_rotation(y[:, [i, j]], x[:, [p, q]])
                if self._allowed(turn, there - turn @ middle):
                    yield turn @ x + there[:, None]

    def _allowed(self, turn: np.ndarray, shift: np.ndarray) -> bool:
        """Whether a rigid motion is one of those that cost nothing."""
        if self.motions is None:
            return True
        dim = len(shift)
        matrix = np.eye(dim + 1)
        matrix[:dim, :dim], matrix[:dim, dim] = turn, shift
        steps = np.real(logm(matrix))
        rates = [*steps[:dim, dim], *(steps[a, b] for a in range(dim) for b in range(a))]
        # in the plane (a, b): component a falls with b
        signs = np.array([1.0] * dim + [-1.0] * (len(rates) - dim))
        rates = signs * np.array(rates)
        basis = np.linalg.qr(self.motions.T)[0]
        left = rates - basis @ (basis.T @ rates)
        return float(np.linalg.norm(left)) < NEAR


def proper_rotation(
    a: Float[np.ndarray, "dim atoms"], b: Float[np.ndarray, "dim atoms"]
) -> Float[np.ndarray, "dim dim"]:
    """The rotation R that minimises |a - R b| (Kabsch), never a reflection."""
    left, _, right = np.linalg.svd(a @ b.T)
    flip = np.ones(len(a))
    flip[-1] = np.sign(np.linalg.det(left @ right))
    return (left * flip) @ right


def moved_by(rates: Float[np.ndarray, " z"], q: Structure) -> Structure:
    """q (dim, M) after the rigid motion of these rates of the generators (Z,)."""
    dim = len(q)
    matrix, k = np.zeros((dim + 1, dim + 1)), dim
    matrix[:dim, dim] = rates[:dim]
    for a in range(dim):
        for b in range(a):
            matrix[a, b], matrix[b, a] = -rates[k], rates[k]
            k += 1
    whole = expm(matrix)
    return whole[:dim, :dim] @ q + whole[:dim, dim:]


def motion_towards(
    symmetry: EnergySymmetry, q: Structure, target: Structure
) -> Float[np.ndarray, " z"]:
    """Rates (Z,) of the generators by which the motions that cost nothing bring q nearest to the
    target, to first order."""
    motions = symmetry.combinations(len(q))
    moved = motions @ generators(q).reshape(motions.shape[1], -1)
    way = minimum_image(target - q, symmetry.cell).ravel()
    share = np.linalg.lstsq(moved.T, way, rcond=1e-9)[0]
    return share @ motions
