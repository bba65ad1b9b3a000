"""Energy, forces and Hessian-vector products of a sum over pairs, for many images at once.

V = sum_{i<j} e(s_ij),  s = |q_i - q_j|^2 by the nearest image.  With d = q_i - q_j, w = v_i - v_j:

    -F_i   = sum_j 2 e'(s) d
    (Hv)_i = sum_j 2 e'(s) w + 4 e''(s) (d.w) d

so no root is taken where e needs none, and no derivative is left to autodiff. Beyond the cut-off
the quintic switch S has e S = 0 with two derivatives, exactly: pairs beyond it, and the padding of
a neighbour list, are clipped to the cut-off, where every term is a finite zero. (Numbers: the
node's size does not grow with N; 20 atoms unrolled took 30 s to compile.)

Shapes: q, v (dim, N, T); the T images are the contiguous axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction, Energies, Positions
from jaxtyping import Array, Float

from .interaction import Neighborhood
from .neighbor_list import NeighborList, all_neighbors
from .periodic_cell import Cell, minimum_image

FEW = 4  # images below which a loop over neighbours serves all bodies at once


class PairKernel(NamedTuple):
    """A function of pairs to be summed: numbers of each image from e, e', e'' and the differences
    of the fields, then arrays (rows, ..., T) from these; rows 0 means a vector."""

    coefficients: Callable[..., tuple[jax.Array, ...]]
    combined: Callable[..., tuple[jax.Array, ...]]
    rows: tuple[int, ...]


ENERGY = PairKernel(lambda e, e1, e2, d: (e,), lambda e, d: (e[None],), (1,))
FORCES = PairKernel(lambda e, e1, e2, d: (-2 * e1,), lambda a, d: (a * d,), (0,))
BOTH = PairKernel(lambda e, e1, e2, d: (e, -2 * e1), lambda e, a, d: (e[None], a * d), (1, 0))
PRODUCT = PairKernel(
    lambda e, e1, e2, d, w: (2 * e1, 4 * e2 * jnp.sum(d * w, axis=0)),
    lambda a, c, d, w: (a * w + c * d,),
    (0,),
)


def switching_function(
    s: Float[Array, "*shape"], start, stop
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The quintic that falls from 1 at s = start to 0 at s = stop, and two derivatives by s.

    All three are continuous; at s = stop they are exactly zero.
    """
    scale = 1 / (stop - start)
    x = jnp.clip((s - start) * scale, 0, 1)
    x = jnp.where(s >= stop, 1, x)  # whatever the rounding of scale
    y = 1 - x
    value = y * y * y * (1 + x * (3 + 6 * x))
    return value, -30 * scale * (x * y) ** 2, -60 * scale * scale * x * y * (y - x)


class PairPotential(eqx.Module):
    """A pair potential. `terms` gives (e, e', e'') by s, 1/s, sqrt(s) and the parameters theta.

    `theta` is (P,), or (P, K, K) where K species have their own, `kind` (N,) then the species of
    each body. `cutoff` and `switch` are distances;
    without a switch e vanishes at the cut-off by itself.
    """

    terms: ArrayFunction
    theta: jax.Array
    kind: jax.Array | None
    cutoff: jax.Array | None
    switch: jax.Array | None
    cell: Cell

    moves_freely = True

    @property
    def neighborhood(self) -> Neighborhood:
        return Neighborhood(self.cutoff, self.cell)

    def energy(self, q: Positions, neighbors: NeighborList | None) -> Energies:
        """Potential energy of each image; `neighbors` None: of all pairs, without a list."""
        (each,) = self._summed(ENERGY, neighbors, q)
        return 0.5 * jnp.sum(each, axis=(0, 1))

    def forces(self, q: Positions, neighbors: NeighborList | None) -> Positions:
        """-dV/dq."""
        return self._summed(FORCES, neighbors, q)[0]

    def energy_and_forces(
        self, q: Positions, neighbors: NeighborList | None
    ) -> tuple[Energies, Positions]:
        """V and -dV/dq in one go."""
        each, forces = self._summed(BOTH, neighbors, q)
        return 0.5 * jnp.sum(each, axis=(0, 1)), forces

    def hessian_product(
        self, q: Positions, v: Positions, neighbors: NeighborList | None
    ) -> Positions:
        """(d2V/dq dq) v."""
        return self._summed(PRODUCT, neighbors, q, v)[0]

    def hessian(self, q: Float[Array, "dim n"]) -> Float[Array, "dim n dim n"]:
        """The Hessian at q (dim, N): a block for each pair, -2 e' - 4 e'' d d^T, those of a body
        with itself minus the sum of its others."""
        dim, n = q.shape
        number = jnp.arange(n)
        eye = jnp.eye(n, dtype=bool)
        d = minimum_image(q[:, :, None] - q[:, None, :], self.cell)
        s = jnp.where(eye, 1.0, jnp.sum(d * d, axis=0))
        theta = self.between(number[:, None], number[None, :])
        _, e1, e2 = (jnp.where(eye, 0.0, x) for x in self._filled(s, theta))
        blocks = 4 * e2 * d[:, None] * d[None]
        blocks = blocks.at[jnp.arange(dim), jnp.arange(dim)].add(2 * e1)
        own = jnp.sum(blocks, axis=3)  # (dim, dim, N)
        result = -blocks.at[:, :, number, number].set(0.0)
        return result.at[:, :, number, number].set(own).transpose(0, 2, 1, 3)

    def energies(self, r: Float[Array, " m"], theta: Float[Array, " p"]) -> Float[Array, " m"]:
        """Energy of single pairs at distances r, with the switch; theta (P,)."""
        return self._terms(r * r, theta)[0]

    def between(self, i, j) -> Float[Array, "p *pairs"]:
        """The parameters (P, ...) of the pairs of bodies i and j."""
        if self.kind is None or self.theta.ndim == 1:
            return self.theta
        return self.theta[:, self.kind[i], self.kind[j]]

    def _terms(self, s: jax.Array, theta) -> tuple[jax.Array, jax.Array, jax.Array]:
        """e, e', e'' with the switch; zeros where s is at the cut-off or beyond."""
        if self.cutoff is None:
            return self._bare(s, theta)
        if self.switch is None:
            within = jnp.sqrt(s) < self.cutoff  # as laws see it: no pole there by rounding
            e, e1, e2 = self._bare(jnp.where(within, s, self.cutoff**2 / 4), theta)
            return jnp.where(within, e, 0.0), jnp.where(within, e1, 0.0), jnp.where(within, e2, 0.0)
        start, stop = self.switch**2, self.cutoff**2
        s = jnp.minimum(s, stop)
        e, e1, e2 = self._bare(s, theta)
        S, S1, S2 = switching_function(s, start, stop)
        return e * S, e1 * S + e * S1, e2 * S + 2 * e1 * S1 + e * S2

    def _bare(self, s, theta):
        e, e1, e2 = map(jnp.asarray, self.terms(s, 1 / s, jnp.sqrt(s), *theta))
        return e, e1, e2

    def _summed(
        self, what: PairKernel, neighbors: NeighborList | None, *fields: jax.Array
    ) -> tuple[jax.Array, ...]:
        """The sum over j of `what` of each pair i, j: arrays (rows, N, T). The first of `fields`,
        (dim, N, T), is the place."""
        fields = tuple(map(jnp.asarray, fields))
        dim, n, images = fields[0].shape

        def added(theta, differences):
            """What a set of pairs adds. The condition skips pairs that are apart in all images;
            and it keeps XLA from computing the coefficients anew for each component."""
            d, *more = differences
            d = minimum_image(d, self.cell)
            s = jnp.sum(d * d, axis=0)
            # A NaN is not skipped; without cut-off nothing is.
            apart = s[0] >= jnp.inf if self.cutoff is None else jnp.min(s) >= self.cutoff**2

            def of():
                return what.coefficients(*self._filled(s, theta), d, *more)

            zeros = jax.eval_shape(of)
            result = jax.lax.cond(
                apart,
                lambda: tuple(jnp.zeros(x.shape, x.dtype) for x in zeros),
                of,
            )
            return what.combined(*result, d, *more)

        none = tuple(jnp.zeros((k or dim, n, images), fields[0].dtype) for k in what.rows)
        if n < 2:
            return none
        if images < FEW:
            return self._by_slot(what, neighbors or all_neighbors(fields[0]), none, fields)
        return self._by_body(added, neighbors, none, fields)

    def _filled(self, s, theta):
        return tuple(jnp.broadcast_to(x, s.shape) for x in self._terms(s, theta))

    def _by_body(self, added, neighbors: NeighborList | None, none, fields):
        """One body after the other, its neighbours one by one: what is at work then stays in the
        nearest cache."""
        n = none[0].shape[1]

        def body(i, out):
            def add(m, total):
                j = m + (m >= i) if neighbors is None else neighbors.others[i, m]
                value = added(self.between(i, j), [x[:, i] - x[:, j] for x in fields])
                return tuple(a + b for a, b in zip(total, value, strict=True))

            nothing = tuple(x[:, 0] for x in none)
            total = jax.lax.fori_loop(
                0, n - 1 if neighbors is None else neighbors.counts[i], add, nothing
            )
            return tuple(x.at[:, i].set(y) for x, y in zip(out, total, strict=True))

        return jax.lax.fori_loop(0, n, body, none)

    def _by_slot(self, what: PairKernel, neighbors: NeighborList, none, fields):
        """One neighbour of every body after the other: where there are few images."""
        n, longest = neighbors.others.shape
        far = 1.0 if self.cutoff is None else self.cutoff**2

        def slot(m, out):
            j = neighbors.others[:, m]
            d, *more = (x - x.at[:, j].get(mode="promise_in_bounds") for x in fields)
            d = minimum_image(d, self.cell)
            s = jnp.where((m < neighbors.counts)[:, None], jnp.sum(d * d, axis=0), far)
            terms = self._filled(s, self._columns(jnp.arange(n), j))
            value = what.combined(*what.coefficients(*terms, d, *more), d, *more)
            return tuple(a + b for a, b in zip(out, value, strict=True))

        return jax.lax.fori_loop(0, longest, slot, none) if longest else none

    def _columns(self, i: jax.Array, j: jax.Array) -> jax.Array:
        """The parameters of pairs (i, j) of many bodies, to be broadcast over images."""
        theta = self.between(i, j)
        return theta if theta.ndim == 1 else theta[..., None]
