"""Energy, forces and Hessian products of sums over bodies within sums and over triples: embedded
atoms (Daw & Baskes, Phys. Rev. B 29, 6443, 1984), bond angles (Stillinger & Weber, Phys. Rev. B 31,
5262, 1985).

A sum is an axis of an array: N bodies, or N^2, or N^3 numbers at once, of each image. The images
are the last, contiguous axis, which vector registers are filled along. Derivatives are JAX's.
Beyond the cut-off the quintic switch of pairs takes each summand to zero, a factor for each
distance that the sum joins new bodies by.

Shapes: q, v (dim, N, T).
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction, Energies, Positions
from jaxtyping import Array, Float

from .interaction import Neighborhood
from .neighbor_list import NeighborList
from .pair_potential import switching_function
from .periodic_cell import Cell, minimum_image

NEAR = 2**16  # numbers of one array, of as many images as are done at once: those a cache holds
ROOM = 2**21  # the most, where that would be fewer images than a vector register
WIDE = 4
GOLDEN = 0.6180339887498949
ITSELF = 1.0  # distance of a body from itself, in place of zero, where its summand is not counted


class Argument(NamedTuple):
    """What a formula's argument stands for, of two bodies by the numbers of their letters: their
    "distance", a component `of` their "way" from the second to the first, or a parameter `of` their
    pair of species ("paired")."""

    what: str
    bodies: tuple[int, int]
    of: str


class SummedTerm(eqx.Module):
    """A sum over `new` bodies within `outer` ones: a formula of its arguments, of inner sums and of
    the parameters."""

    formula: ArrayFunction
    outer: int = eqx.field(static=True)
    new: int = eqx.field(static=True)
    arguments: tuple[Argument, ...] = eqx.field(static=True)
    inner: tuple[SummedTerm, ...]

    @property
    def size(self) -> int:
        """The most bodies that a sum in it joins."""
        return max([self.outer + self.new, *(one.size for one in self.inner)])


class _Geometry(NamedTuple):
    """Ways d (dim, N, N, T) from the second body to the first, distances r (N, N, T), and the
    switch S (N, N, T) of each."""

    d: jax.Array
    r: jax.Array
    switch: jax.Array | None


class ManyBodyPotential(eqx.Module):
    """Sums over bodies. `theta` (P,) are the parameters; `table` (Q, K, K) those that differ from
    pair to pair, by `names`; `kind` (N,) the species. `cutoff` and `switch` are distances;
    without a switch each summand vanishes at the cut-off by itself."""

    terms: tuple[SummedTerm, ...]
    theta: jax.Array
    names: tuple[str, ...] = eqx.field(static=True)
    table: jax.Array
    kind: jax.Array | None
    cutoff: jax.Array | None
    switch: jax.Array | None
    cell: Cell

    moves_freely = True

    @property
    def neighborhood(self) -> Neighborhood:
        return Neighborhood(self.cutoff, self.cell)

    def energy(self, q: Positions, neighbors: NeighborList | None = None) -> Energies:
        """The energy of each image, over all bodies."""
        return self._each(self._energy, q)

    def forces(self, q: Positions, neighbors: NeighborList | None = None) -> Positions:
        return -self._each(jax.grad(self._total), q)

    def energy_and_forces(
        self, q: Positions, neighbors: NeighborList | None = None
    ) -> tuple[Energies, Positions]:
        def both(q):
            energy, pull = jax.vjp(self._energy, q)
            return energy, pull(jnp.ones_like(energy))[0]

        energy, slope = self._each(both, q)
        return energy, -slope

    def hessian_product(
        self, q: Positions, v: Positions, neighbors: NeighborList | None = None
    ) -> Positions:
        def product(q, v):
            return jax.jvp(jax.grad(self._total), (q,), (v,))[1]

        return self._each(product, q, v)

    def _total(self, q: Positions) -> jax.Array:
        """Of all images: its gradient is that of each, since they do not act on each other."""
        return jnp.sum(self._energy(q))

    def _each(self, function, *fields: jax.Array):
        """A function of images (dim, N, T), of as many at once as there is room for."""
        fields = tuple(map(jnp.asarray, fields))
        dim, n, images = fields[0].shape
        size = n ** max(term.size for term in self.terms)
        count = max(NEAR // size // WIDE * WIDE, min(WIDE, ROOM // size), 1)
        if images <= count:
            return function(*fields)
        parts = -(-images // count)
        # The last part is filled up with images of its own.
        rows = (
            jnp.pad(x, ((0, 0), (0, 0), (0, parts * count - images)), mode="edge")
            .reshape(dim, n, parts, count).transpose(2, 0, 1, 3)
            for x in fields
        )  # fmt: skip
        result = jax.lax.map(lambda x: function(*x), tuple(rows))
        return jax.tree.map(
            lambda x: jnp.moveaxis(x, 0, -2).reshape(*x.shape[1:-1], parts * count)[..., :images],
            result,
        )

    def _energy(self, q: Positions) -> Energies:
        n = q.shape[1]
        d = minimum_image(q[:, :, None] - q[:, None, :], self.cell)
        eye = jnp.eye(n, dtype=bool)[..., None]
        s = jnp.where(eye, ITSELF**2, jnp.sum(d * d, axis=0))
        switched = None
        if self.cutoff is not None and self.switch is not None:
            low, high = self.switch**2, self.cutoff**2
            switched = switching_function(jnp.minimum(s, high), low, high)[0]
        there = _Geometry(d, jnp.sqrt(s), switched)
        return sum((self._sum(term, there) for term in self.terms), jnp.zeros(q.shape[2], q.dtype))

    def _sum(self, term: SummedTerm, there: _Geometry) -> jax.Array:
        """The values (N, ..., T) of a sum, an axis for each body around it."""
        n, size = there.r.shape[0], term.outer + term.new
        number = jnp.arange(n)[:, None]
        counted = jnp.ones((n,) * size + (1,), bool)
        for a, b in combinations(range(size), 2):
            one, other = (number.reshape(_axes(size, k, n)) for k in (a, b))
            ordered = a >= term.outer  # both are new
            counted = counted & (one < other if ordered else one != other)
        pairs = {one.bodies for one in term.arguments if one.what != "paired"}
        joined = [(a, b) for a, b in sorted({(min(x), max(x)) for x in pairs}) if b >= term.outer]
        if self.cutoff is not None and there.switch is None:
            for a, b in joined:
                counted = counted & _spread(there.r < self.cutoff, a, b, size)
        # Of bodies that are not counted the formula sees numbers that no formula dislikes.
        values = [
            jnp.where(counted, self._argument(one, there, size), 1 + (k * GOLDEN) % 1)
            for k, one in enumerate(term.arguments)
        ]
        values += [self._sum(one, there) for one in term.inner]
        (value,) = term.formula(*values, *self.theta.astype(there.r.dtype))
        value = jnp.broadcast_to(value, (*(n,) * size, there.r.shape[-1]))
        if there.switch is not None:
            for a, b in joined:
                value = value * _spread(there.switch, a, b, size)
        return jnp.sum(jnp.where(counted, value, 0), axis=tuple(range(term.outer, size)))

    def _argument(self, one: Argument, there: _Geometry, size: int) -> jax.Array:
        a, b = one.bodies
        if one.what == "distance":
            return _spread(there.r, a, b, size)
        if one.what == "way":
            d = there.d[int(one.of)]
            return _spread(d, a, b, size) if a < b else _spread(jnp.swapaxes(d, 0, 1), b, a, size)
        table = self.table[self.names.index(one.of)]
        if self.kind is not None:
            table = table[self.kind[:, None], self.kind[None, :]]
        return _spread(table[..., None], a, b, size)


def _axes(size: int, axis: int, n: int) -> tuple[int, ...]:
    return (*(n if k == axis else 1 for k in range(size)), 1)


def _spread(x: Float[Array, "n n images"], a: int, b: int, size: int) -> jax.Array:
    """x (N, N, T) along the axes a < b of `size` axes."""
    n = x.shape[0]
    return x.reshape(*(n if k in (a, b) else 1 for k in range(size)), x.shape[-1])
