"""Laws of a term with constants inside: which base, factor and function, by variable projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from actionrun.compiler.pnn.laws.sum_law import Link
from actionrun.compiler.pnn.laws.terms import Base, Term, power_products
from actionrun.compiler.pnn.row_choice import evenly_apart

from .law import ShapedLaw
from .shapes import Shape

MOST_ROWS = 200  # that grids are looked through by
MOST_BASES, MOST_FACTORS = 14, 7
KEPT = 10  # laws of each number of constants that are fitted
FINER, POINTS = 12, 13  # times as many that are looked at between points of the grid, how finely
DISTINCT = 1e-9  # 1 - r^2 of columns that are not one
Aim = tuple[float, np.ndarray, np.ndarray]
Ranked = dict[int, list[tuple[float, int, ShapedLaw]]]


def shaped_laws(
    inputs: np.ndarray,
    aims: Mapping[Link, Aim],
    shapes: Sequence[Shape],
    plain: Sequence[Term],
) -> list[ShapedLaw]:
    """The best laws h(plain terms + factor * shape) by the least squares that they leave at points
    of grids, for inputs (rows, inputs) and the links' aims: the sign of the output, u of each row,
    and what its residual counts there. At most two of the terms `plain`, one of them a constant."""
    rows = evenly_apart(len(inputs), MOST_ROWS)
    x, count = inputs[rows], inputs.shape[1]
    links = [*aims]
    projections = [_Projection.of(x, plain, aims[link][1][rows], aims[link][2][rows])
                   for link in links]  # fmt: skip
    products = power_products(count, 2)
    bases = [Base(one) for one in products if any(one)][:MOST_BASES]
    factors = [Term(one) for one in products[: 2 * count + 1]][:MOST_FACTORS]
    best: Ranked = {}
    number = 0
    for place, shape in enumerate(shapes):
        for base in bases if shape.constants == 1 else bases[:count]:
            grid, columns = _on_grid(shape, base, x)
            if not len(grid):
                continue
            for factor in factors if shape.constants == 1 else factors[:1]:
                with np.errstate(all="ignore"):
                    scaled = columns * factor.values(x)
                if not np.all(np.isfinite(scaled)):
                    continue
                for link, projection in zip(links, projections, strict=True):
                    rest = projection.left(scaled)
                    for which, k in enumerate(np.argmin(rest, axis=0)):
                        some = projection.sets[which]
                        size = len(some) + shape.functions + shape.constants
                        number += 1
                        least = float(rest[k, which])
                        if _fits(best, size, least, FINER * KEPT):
                            law = ShapedLaw(
                                link, aims[link][0], some, factor, shape, base,
                                tuple(map(float, grid[k])), place,
                            )  # fmt: skip
                            _keep(best, FINER * KEPT, least, number, law)
    finest: Ranked = {}
    for rest, number, law in chain.from_iterable(best[k] for k in sorted(best)):
        if law.shape.constants == 1:
            rest, law = _between(law, rest, x, projections[links.index(law.link)])
        _keep(finest, KEPT, rest, number, law)
    return [law for _, _, law in chain.from_iterable(finest[k] for k in sorted(finest))]


def _between(
    law: ShapedLaw, rest: float, x: np.ndarray, projection: _Projection
) -> tuple[float, ShapedLaw]:
    """What is left at the best point between neighbours of the grid, and the law from there."""
    grid, _ = _on_grid(law.shape, law.base, x)
    apart = np.abs(grid[:, 0] - law.start[0])
    step = float(np.min(apart[apart > 0], initial=abs(law.start[0])))
    which = projection.sets.index(law.above)
    of, factor = law.base.values(x), law.factor.values(x)
    for _ in range(2):
        near = law.start[0] + step * np.linspace(-1, 1, POINTS)[:, None]
        with np.errstate(all="ignore"):
            fine = np.stack([law.shape.values(of, c).T * factor for c in near])
        fine = fine[np.isfinite(fine).all(axis=(1, 2))]
        if len(fine) < POINTS:
            break
        several = projection.left(fine)[:, which]
        k = int(np.argmin(several))
        if several[k] < rest:
            rest, law = float(several[k]), replace(law, start=(float(near[k, 0]),))
        step *= 2 / (POINTS - 1)
    return rest, law


def _on_grid(shape: Shape, base: Base, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of the shape's grid where it is a number on all rows, and its values there
    (points, functions, rows)."""
    with np.errstate(all="ignore"):
        u = base.values(x)
        if not np.all(np.isfinite(u)):
            return np.zeros((0, shape.constants)), np.zeros((0, shape.functions, len(x)))
        grid = shape.grid(u)
        columns = np.stack([shape.values(u, c).T for c in grid])
    sound = np.isfinite(columns).all(axis=(1, 2)) & (np.abs(columns).max((1, 2)) < 1e150)
    return grid[sound], columns[sound]


def _fits(best: Ranked, size: int, rest: float, most: int) -> bool:
    several = best.get(size, [])
    return bool(np.isfinite(rest)) and (len(several) < most or rest < several[-1][0])


def _keep(best: Ranked, most: int, rest: float, number: int, law: ShapedLaw) -> None:
    """Among the best of as many constants."""
    several = best.setdefault(law.constants, [])
    several.append((rest, number, law))
    several.sort(key=lambda one: one[:2])
    del several[most:]


@dataclass(frozen=True)
class _Projection:
    """What sets of plain terms leave of an aim, all weighed: the terms and the aim (rows, terms +
    1), each set's orthonormal basis in the terms (terms, sets, 2), and what is left (sets,) and
    along the basis (sets, 2) of the aim; `square`: the weights' squares (rows,)."""

    sets: list[tuple[Term, ...]]
    square: np.ndarray
    weighed: np.ndarray
    basis: np.ndarray
    along: np.ndarray
    rest: np.ndarray

    @classmethod
    def of(
        cls, x: np.ndarray, plain: Sequence[Term], target: np.ndarray, weight: np.ndarray
    ) -> _Projection:
        flat = Term((0,) * x.shape[1])
        others = [one for one in plain if one != flat]
        sets = [(), (flat,), *((one,) for one in others), *((flat, one) for one in others)]
        terms = [flat, *others]
        columns = np.stack([one.values(x) * weight for one in terms], axis=1)
        aim = target * weight
        basis = np.zeros((len(terms), len(sets), 2))
        for k, some in enumerate(sets):
            places = [terms.index(one) for one in some]
            if places:
                triangle = np.linalg.qr(columns[:, places], mode="r")
                basis[places, k, : len(places)] = np.linalg.pinv(triangle)
        along = np.einsum("t,tsk->sk", columns.T @ aim, basis)
        rest = np.maximum(aim @ aim - np.square(along).sum(axis=1), 0.0)
        both = np.concatenate([columns, aim[:, None]], axis=1) * weight[:, None]
        return cls(sets, weight**2, both, basis, along, rest)

    def left(self, columns: np.ndarray) -> np.ndarray:
        """Sums of squares (points, sets) that each set leaves with the columns (points, functions,
        rows) of each point; infinite where these are made of the set's terms."""
        inner = columns @ self.weighed  # (points, functions, terms + 1)
        terms, sets, _ = self.basis.shape
        within = inner[..., :-1] @ self.basis.reshape(terms, -1)
        within = within.reshape(*inner.shape[:2], sets, 2)
        aims = inner[..., -1:] - (within * self.along).sum(axis=-1)  # (points, functions, sets)
        whole = np.square(columns) @ self.square
        own = whole[..., None] - np.square(within).sum(axis=-1)
        fine = own[:, 0] > DISTINCT * whole[:, :1]
        length = np.where(fine, own[:, 0], 1.0)
        rest = self.rest - np.where(fine, aims[:, 0] ** 2 / length, 0.0)
        if columns.shape[1] == 2:
            both = (columns[:, 0] * columns[:, 1]) @ self.square
            both = both[:, None] - (within[:, 0] * within[:, 1]).sum(axis=-1)
            other = own[:, 1] - both**2 / length
            fine &= other > DISTINCT * whole[:, 1:]
            second = aims[:, 1] - both / length * aims[:, 0]
            rest = rest - np.where(fine, second**2 / np.where(fine, other, 1.0), 0.0)
        return np.where(fine, np.maximum(rest, 0.0), np.inf)
