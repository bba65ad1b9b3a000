"""Levenberg-Marquardt with bounds for a batch of small problems in one compiled loop.

Marquardt's scaling by the diagonal of J^T J (SIAM J. Appl. Math. 11, 431, 1963), bounds by
projection with an active set: a variable at a bound whose gradient points outward is held there.
Inequalities between variables likewise: a step that would go through one goes along it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.linalg import inverse, solve
from jaxtyping import Array, Bool, Float, Int

from .damping import DampingSchedule
from .inequality_constraints import (
    STIFF,
    TOUCH,
    active_set,
    add_penalty,
    constraint_normals,
    project_feasible,
    value_and_jacobian,
)

DAMPING = DampingSchedule(start=1e-3, floor=1e-14, failed=1e-8)
FLAT = 8.0  # units of rounding by which a cost may change and count as unchanged
ROUNDING = 16.0  # units of rounding that the residuals of an exact solution have

Residual = Callable[[jax.Array], jax.Array]


class Fit(NamedTuple):
    """Solutions x (k, *batch); cost = sum of squares (*batch); normal = J^T J (k, k, *batch);
    `at_bound` (k, *batch) marks variables at a bound; iterations taken; whether each converged.
    `active_normals` (m, k, *batch): slopes of the inequalities that it ended on, else zero."""

    x: Float[Array, "k ..."]
    cost: Float[Array, "..."]
    normal: Float[Array, "k k ..."]
    at_bound: Bool[Array, "k ..."]
    iterations: Int[Array, ""]
    converged: Bool[Array, "..."]
    active_normals: Float[Array, "m k ..."] | None = None


def levenberg_marquardt(
    residual: Residual,
    x: Float[Array, "k ..."],
    low: Float[Array, "..."],
    high: Float[Array, "..."],
    iterations: int | jax.Array,
    tolerance: float | jax.Array,
    inequalities: Callable[[jax.Array], jax.Array] | None = None,
) -> Fit:
    """Minimise the sum of squares of `residual` from x within [low, high] (k, broadcast to batch)
    and, where there are `inequalities`, where these functions of x, (m, *batch), are not negative.

    A lane has converged when its step is below `tolerance` relative to x, when a step changes its
    cost by no more than its rounding, when its residuals, taken to be of order one, are no more
    than rounding themselves, or when no step however short lowers the cost. Where no point within
    the bounds meets all inequalities the cost is infinite.
    """
    low, high = jnp.broadcast_to(low, x.shape), jnp.broadcast_to(high, x.shape)
    tiny = jnp.finfo(x.dtype).tiny

    def normal_equations(x):
        r, J = value_and_jacobian(residual, x)
        cost = jnp.sum(r * r, axis=0)
        if inequalities is not None:
            cost = jnp.where(jnp.all(inequalities(x) >= -TOUCH, axis=0), cost, jnp.inf)
        return cost, jnp.einsum("mi...,mj...->ij...", J, J), jnp.einsum("mi...,m...->i...", J, r)

    def at_bound(x, g):
        return ((x <= low) & (g > 0)) | ((x >= high) & (g < 0))

    eye = jnp.eye(x.shape[0], dtype=x.dtype).reshape((x.shape[0],) * 2 + (1,) * (x.ndim - 1))

    def stepped(x, A, g, damping):
        """The damped step from x, inside the bounds."""
        free = ~at_bound(x, g)
        scale = jnp.sqrt(jnp.maximum(jnp.einsum("ii...->i...", A), tiny))
        scaled = jnp.where(free[:, None] & free[None], A / (scale[:, None] * scale[None]), 0)
        scaled = scaled + eye * (damping + jnp.where(free, 0, 1)[:, None])
        right = jnp.where(free, -g / scale, 0)
        if inequalities is None:
            return jnp.clip(x + solve(scaled, right[:, None])[:, 0] / scale, low, high)
        at = constraint_normals(inequalities, x, scale, free)
        scaled, right = add_penalty(scaled, right, at, active_set(scaled, right, at))
        return project_feasible(
            inequalities, x + solve(scaled, right[:, None])[:, 0] / scale, scale, low, high
        )

    def body(s):
        x, trial, cost, A, g, damping, done, count = s
        new_cost, new_A, new_g = normal_equations(trial)
        first = count == 0
        better = (new_cost < cost) | first
        size = jnp.max(jnp.abs(trial - x) / (jnp.abs(x) + jnp.abs(trial) + tiny), axis=0)
        still = ~better & ((damping > 1e10) | (size <= 1e-16))
        small = (better & (size <= tolerance)) | (jnp.abs(new_cost - cost) <= FLAT * eps * cost)
        keep = better & ~done
        x = jnp.where(keep, trial, x)
        cost = jnp.where(keep, new_cost, cost)
        A = jnp.where(keep, new_A, A)
        g = jnp.where(keep, new_g, g)
        damping = jnp.where(first, damping, DAMPING.next(damping, better))
        ended = jnp.where(first, ~jnp.isfinite(cost), still | small) | (cost <= rounding)
        return x, stepped(x, A, g, damping), cost, A, g, damping, done | ended, count + 1

    eps = jnp.finfo(x.dtype).eps
    rounding = (ROUNDING * eps) ** 2 * jax.eval_shape(residual, x).shape[0]
    k, batch = x.shape[0], x.shape[1:]
    x = jnp.clip(x, low, high)
    if inequalities is not None:
        width = jnp.where(jnp.isfinite(high - low) & (high > low), high - low, jnp.abs(x) + 1)
        x = project_feasible(inequalities, x, 1 / width, low, high)
    cost = jnp.full(batch, jnp.inf, x.dtype)
    A, g = jnp.zeros((k, k, *batch), x.dtype), jnp.zeros((k, *batch), x.dtype)
    damping, done = jnp.full(batch, DAMPING.start, x.dtype), jnp.zeros(batch, bool)
    start = (x, x, cost, A, g, damping, done, jnp.asarray(0))
    x, _, cost, A, g, _, done, count = jax.lax.while_loop(
        lambda s: ~jnp.all(s[6]) & (s[7] <= iterations), body, start
    )
    fit = Fit(x, cost, A, at_bound(x, g), count - 1, done & jnp.isfinite(cost))
    if inequalities is None:
        return fit
    scale = jnp.sqrt(jnp.maximum(jnp.einsum("ii...->i...", A), tiny))
    at = constraint_normals(inequalities, x, scale, ~fit.at_bound)
    both = ~fit.at_bound[:, None] & ~fit.at_bound[None]
    matrix = jnp.where(both, A / (scale[:, None] * scale[None]), eye)
    on = active_set(matrix, jnp.where(fit.at_bound, 0, -g / scale), at)
    slope = jnp.where(on[:, None], at.unit * scale[None], 0)
    alone = jnp.max(jnp.where(on[:, None], jnp.abs(at.unit), 0), axis=0) > 1 - 1e-9
    return fit._replace(active_normals=slope, at_bound=fit.at_bound | alone)


def covariance(fit: Fit, variance: Float[Array, "..."]) -> Float[Array, "k k ..."]:
    """Covariance (k, k, *batch) at a least-squares solution, variance (J^T J)^-1 over the variables
    that are not at a bound; zero for those, and across the inequalities that the fit ended on."""
    k = fit.x.shape[0]
    eye = jnp.eye(k, dtype=fit.x.dtype).reshape((k, k) + (1,) * (fit.x.ndim - 1))
    tiny = jnp.finfo(fit.x.dtype).tiny
    scale = jnp.sqrt(jnp.maximum(jnp.einsum("ii...->i...", fit.normal), tiny))
    free = ~fit.at_bound
    both = free[:, None] & free[None]
    scaled = jnp.where(both, fit.normal / (scale[:, None] * scale[None]), eye)
    if fit.active_normals is not None:
        unit = jnp.where(free[None], fit.active_normals / scale[None], 0)
        unit = unit / jnp.sqrt(jnp.sum(unit**2, axis=1, keepdims=True) + tiny)
        scaled = scaled + STIFF * jnp.einsum("mi...,mj...->ij...", unit, unit)
    return jnp.where(both, inverse(scaled) / (scale[:, None] * scale[None]), 0) * variance
