"""Inequality constraints of a bounded least-squares problem, by an active set.

Nocedal and Wright (Numerical Optimization, 2006, chapter 16). Constraints are functions of the
variables that must not be negative, their gaps: a step that would go through one goes along it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.linalg import solve
from jaxtyping import Array, Bool, Float

TOUCH = 1e-10  # a gap, in units of its size, that counts as none
STIFF = 1e9  # how much harder it is to move against an active constraint than along it
PULLS = 6  # Newton steps that bring a point back to feasible ones

Gaps = Callable[[jax.Array], jax.Array]  # of variables (k, *batch), (m, *batch)


class InequalityConstraints(eqx.Module):
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
        result = self.gaps(*self.fixed.astype(c.dtype), *c[: self.k])
        rows = [jnp.broadcast_to(jnp.asarray(gap, c.dtype), c.shape[1:]) for gap in result]
        sizes = self.sizes.astype(c.dtype).reshape((-1,) + (1,) * (c.ndim - 1))
        return jnp.stack(rows) / sizes

    def allowed(self, c: jax.Array) -> jax.Array:
        """Whether each member (*batch) is allowed; not where a gap has no value."""
        return jnp.all(self(c) >= 0, axis=0)


class ConstraintNormals(NamedTuple):
    """Constraints at a point, in scaled variables: gaps (m, *batch), over the length of their
    slopes, and the unit normals (m, k, *batch); zero for one that no free variable moves."""

    gap: Float[Array, "m ..."]
    unit: Float[Array, "m k ..."]


def constraint_normals(
    inequalities: Gaps,
    x: Float[Array, "k ..."],
    scale: Float[Array, "k ..."],
    free: Bool[Array, "k ..."],
) -> ConstraintNormals:
    """The constraints at x (k, *batch) in the variables scale * x; only the `free` ones move."""
    gap, slope = value_and_jacobian(inequalities, x)
    slope = jnp.where(free[None], slope / scale[None], 0)
    length = jnp.sqrt(jnp.sum(slope**2, axis=1))
    there = length > 0
    length = jnp.where(there, length, 1)
    return ConstraintNormals(jnp.where(there, gap / length, gap), slope / length[:, None])


def value_and_jacobian(
    function: Callable[[jax.Array], jax.Array], x: Float[Array, "k ..."]
) -> tuple[Float[Array, "m ..."], Float[Array, "m k ..."]]:
    """Values (m, *batch) at x (k, *batch) and the Jacobian (m, k, *batch), by forward mode.

    Lanes of the batch must not see each other.
    """
    k = x.shape[0]
    basis = jnp.eye(k, dtype=x.dtype).reshape((k, k) + (1,) * (x.ndim - 1))
    value, push = jax.linearize(function, x)
    return value, jax.vmap(push, out_axes=1)(jnp.broadcast_to(basis, (k, *x.shape)))


def project_feasible(
    inequalities: Gaps,
    x: Float[Array, "k ..."],
    scale: Float[Array, "k ..."],
    low: Float[Array, "k ..."],
    high: Float[Array, "k ..."],
) -> Float[Array, "k ..."]:
    """x (k, *batch) brought within [low, high] and to where no gap is negative, by the shortest way
    in the variables scale * x; where it is already, as it was."""

    def once(_, x):
        for j in range(jax.eval_shape(inequalities, x).shape[0]):
            gap, slope = (part[j] for part in value_and_jacobian(inequalities, x))
            slope = jnp.where(jnp.where(slope > 0, x < high, x > low), slope / scale, 0)
            square = jnp.sum(slope**2, axis=0)
            moved = x - slope / scale * jnp.minimum(gap, 0) / jnp.where(square > 0, square, 1)
            x = jnp.where(gap < 0, jnp.clip(moved, low, high), x)
        return x

    return jax.lax.fori_loop(0, PULLS, once, jnp.clip(x, low, high))


def add_penalty(
    matrix: Float[Array, "k k ..."],
    right: Float[Array, "k ..."],
    at: ConstraintNormals,
    active: Bool[Array, "m ..."],
) -> tuple[Float[Array, "k k ..."], Float[Array, "k ..."]]:
    """A linear system (k, k, *batch), (k, *batch) whose solution does not leave the constraints
    that are `active` (m, *batch), and goes back to them where it is off."""
    unit = jnp.where(active[:, None], at.unit, 0)
    stiff = STIFF * jnp.einsum("mi...,mj...->ij...", unit, unit)
    return matrix + stiff, right - STIFF * jnp.einsum("mi...,m...->i...", unit, at.gap)


def active_set(
    matrix: Float[Array, "k k ..."], right: Float[Array, "k ..."], at: ConstraintNormals
) -> Bool[Array, "m ..."]:
    """The constraints (m, *batch) that the solution of a linear system would go through from a
    point that is on them."""
    active = jnp.zeros(at.gap.shape, bool)
    for _ in range(len(at.gap)):  # along one it may go through the next
        stiff, side = add_penalty(matrix, right, at, active)
        step = solve(stiff, side[:, None])[:, 0]
        active = active | ((at.gap <= TOUCH) & (jnp.sum(at.unit * step[None], axis=1) < 0))
    return active


def allowed_cost(
    inequalities: Gaps | None, x: Float[Array, "k ..."], cost: Float[Array, "..."]
) -> Float[Array, "..."]:
    """A cost (*batch), infinite where x breaks a constraint."""
    if inequalities is None:
        return cost
    return jnp.where(jnp.all(inequalities(x) >= -TOUCH, axis=0), cost, jnp.inf)


def feasible_start(
    inequalities: Gaps | None,
    x: Float[Array, "k ..."],
    low: Float[Array, "k ..."],
    high: Float[Array, "k ..."],
) -> Float[Array, "k ..."]:
    """x brought within [low, high] and to where no gap is negative, ranges counting alike."""
    x = jnp.clip(x, low, high)
    if inequalities is None:
        return x
    width = jnp.where(jnp.isfinite(high - low) & (high > low), high - low, jnp.abs(x) + 1)
    return project_feasible(inequalities, x, 1 / width, low, high)


def feasible_step(
    inequalities: Gaps | None,
    x: Float[Array, "k ..."],
    scale: Float[Array, "k ..."],
    system: tuple[Float[Array, "k k ..."], Float[Array, "k ..."]],
    free: Bool[Array, "k ..."],
    bounds: tuple[Float[Array, "k ..."], Float[Array, "k ..."]],
) -> Float[Array, "k ..."]:
    """x and the solution of a linear system in the variables scale * x, within bounds; along the
    constraints that it would go through."""
    if inequalities is not None:
        at = constraint_normals(inequalities, x, scale, free)
        system = add_penalty(*system, at, active_set(*system, at))
    matrix, right = system
    x = x + solve(matrix, right[:, None])[:, 0] / scale
    if inequalities is None:
        return jnp.clip(x, *bounds)
    return project_feasible(inequalities, x, scale, *bounds)


def ended_on(
    inequalities: Gaps,
    x: Float[Array, "k ..."],
    scale: Float[Array, "k ..."],
    system: tuple[Float[Array, "k k ..."], Float[Array, "k ..."]],
    free: Bool[Array, "k ..."],
) -> tuple[Float[Array, "m k ..."], Bool[Array, "k ..."]]:
    """Slopes of the constraints that a fit ended on, else zero; and the variables that one of them
    alone holds."""
    at = constraint_normals(inequalities, x, scale, free)
    on = active_set(*system, at)
    slopes = jnp.where(on[:, None], at.unit * scale[None], 0)
    return slopes, jnp.max(jnp.where(on[:, None], jnp.abs(at.unit), 0), axis=0) > 1 - 1e-9
