"""Inequalities between variables, as walls that a search and a draw stay on one side of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.linalg import solve

TOUCH = 1e-10  # a gap, in units of its size, that counts as none
STIFF = 1e9  # how much harder it is to move against a wall than along it
PULLS = 6  # Newton steps that bring a point back to the walls


class Walls(eqx.Module):
    """Gaps (m, *batch) of coefficients (k, *batch), in units of their sizes: a member is allowed
    where none is negative. `gaps` takes the fixed constants and then the coefficients, one
    argument each; `texts` are the constraints as the study has them. More rows than k may be
    given, such as starts that are fitted with the coefficients."""

    gaps: Callable[..., Sequence[jax.Array | float]]
    k: int = eqx.field(static=True)
    fixed: jax.Array
    sizes: jax.Array
    texts: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, c: jax.Array) -> jax.Array:
        found = self.gaps(*self.fixed.astype(c.dtype), *c[: self.k])
        rows = [jnp.broadcast_to(jnp.asarray(gap, c.dtype), c.shape[1:]) for gap in found]
        sizes = self.sizes.astype(c.dtype).reshape((-1,) + (1,) * (c.ndim - 1))
        return jnp.stack(rows) / sizes

    def allowed(self, c: jax.Array) -> jax.Array:
        """Whether each member (*batch) is allowed; not where a gap has no value."""
        return jnp.all(self(c) >= 0, axis=0)


class Faces(NamedTuple):
    """Walls at a point, in scaled variables: gaps (m, *batch), over the length of their slopes,
    and the unit slopes (m, k, *batch); zero for a wall that no free variable moves."""

    gap: jax.Array
    unit: jax.Array


def faces(walls: Callable[[jax.Array], jax.Array], x, scale, free) -> Faces:
    """The walls at x (k, *batch) in the variables scale * x, of which the `free` ones move."""
    gap, slope = sloped(walls, x)
    slope = jnp.where(free[None], slope / scale[None], 0)
    length = jnp.sqrt(jnp.sum(slope**2, axis=1))
    there = length > 0
    length = jnp.where(there, length, 1)
    return Faces(jnp.where(there, gap / length, gap), slope / length[:, None])


def sloped(function: Callable[[jax.Array], jax.Array], x: jax.Array):
    """Values (m, *batch) and slopes (m, k, *batch), lane by lane."""
    k = x.shape[0]
    basis = jnp.eye(k, dtype=x.dtype).reshape((k, k) + (1,) * (x.ndim - 1))
    value, push = jax.linearize(function, x)
    return value, jax.vmap(push, out_axes=1)(jnp.broadcast_to(basis, (k, *x.shape)))


def pulled(walls: Callable[[jax.Array], jax.Array], x, scale, low, high) -> jax.Array:
    """x (k, *batch) brought within [low, high] and to the right side of every wall, by the shortest
    way in the variables scale * x; where it is already, as it was."""

    def once(_, x):
        for j in range(jax.eval_shape(walls, x).shape[0]):
            gap, slope = (part[j] for part in sloped(walls, x))
            slope = jnp.where(jnp.where(slope > 0, x < high, x > low), slope / scale, 0)
            square = jnp.sum(slope**2, axis=0)
            moved = x - slope / scale * jnp.minimum(gap, 0) / jnp.where(square > 0, square, 1)
            x = jnp.where(gap < 0, jnp.clip(moved, low, high), x)
        return x

    return jax.lax.fori_loop(0, PULLS, once, jnp.clip(x, low, high))


def stiffened(matrix, right, at: Faces, held) -> tuple[jax.Array, jax.Array]:
    """A linear system (k, k, *batch), (k, *batch) whose solution does not leave the walls that are
    `held` (m, *batch), and goes back to them where it is off."""
    unit = jnp.where(held[:, None], at.unit, 0)
    stiff = STIFF * jnp.einsum("mi...,mj...->ij...", unit, unit)
    return matrix + stiff, right - STIFF * jnp.einsum("mi...,m...->i...", unit, at.gap)


def touched(matrix, right, at: Faces) -> jax.Array:
    """The walls (m, *batch) that the solution of a linear system would go through from a point
    that is on them."""
    held = jnp.zeros(at.gap.shape, bool)
    for _ in range(len(at.gap)):  # along one wall it may go through the next
        stiff, side = stiffened(matrix, right, at, held)
        step = solve(stiff, side[:, None])[:, 0]
        held = held | ((at.gap <= TOUCH) & (jnp.sum(at.unit * step[None], axis=1) < 0))
    return held
