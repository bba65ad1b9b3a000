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
from actionrun.compiler.numerics.linalg import inverse
from jaxtyping import Array, Bool, Float, Int

from .damping import DampingSchedule
from .inequality_constraints import (
    STIFF,
    allowed_cost,
    ended_on,
    feasible_start,
    feasible_step,
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


class Progress(NamedTuple):
    """Where each problem of a batch stands: its cost, its damping, whether it is done; and how many
    steps were tried."""

    cost: Float[Array, "..."]
    damping: Float[Array, "..."]
    done: Bool[Array, "..."]
    tried: Int[Array, ""]

    @classmethod
    def start(cls, batch: tuple[int, ...], dtype: jnp.dtype) -> Progress:
        """Before the first evaluation, which counts as a step."""
        cost, damping = jnp.full(batch, jnp.inf, dtype), jnp.full(batch, DAMPING.start, dtype)
        return cls(cost, damping, jnp.zeros(batch, bool), jnp.asarray(0))

    def after(
        self,
        cost: Float[Array, "..."],
        size: Float[Array, "..."],
        tolerance: float | jax.Array,
        rounding: float | jax.Array,
    ) -> tuple[Progress, Bool[Array, "..."]]:
        """After steps of a relative `size` to a `cost`, and which of them are taken."""
        eps, first = jnp.finfo(cost.dtype).eps, self.tried == 0
        better = (cost < self.cost) | first
        still = ~better & ((self.damping > 1e10) | (size <= 1e-16))
        flat = jnp.abs(cost - self.cost) <= FLAT * eps * self.cost
        small = (better & (size <= tolerance)) | flat
        keep = better & ~self.done
        cost = jnp.where(keep, cost, self.cost)
        damping = jnp.where(first, self.damping, DAMPING.next(self.damping, better))
        ended = jnp.where(first, ~jnp.isfinite(cost), still | small) | (cost <= rounding)
        return Progress(cost, damping, self.done | ended, self.tried + 1), keep


def outward(
    x: Float[Array, "k ..."], gradient: Float[Array, "k ..."],
    low: Float[Array, "k ..."], high: Float[Array, "k ..."],
) -> Bool[Array, "k ..."]:  # fmt: skip
    """Variables at a bound whose gradient points outward."""
    return ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))


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
        cost = allowed_cost(inequalities, x, jnp.sum(r * r, axis=0))
        return cost, jnp.einsum("mi...,mj...->ij...", J, J), jnp.einsum("mi...,m...->i...", J, r)

    eye = jnp.eye(x.shape[0], dtype=x.dtype).reshape((x.shape[0],) * 2 + (1,) * (x.ndim - 1))

    def stepped(x, A, g, damping):
        """The damped step from x, inside the bounds."""
        free = ~outward(x, g, low, high)
        scale = jnp.sqrt(jnp.maximum(jnp.einsum("ii...->i...", A), tiny))
        scaled = jnp.where(free[:, None] & free[None], A / (scale[:, None] * scale[None]), 0)
        scaled = scaled + eye * (damping + jnp.where(free, 0, 1)[:, None])
        right = jnp.where(free, -g / scale, 0)
        return feasible_step(inequalities, x, scale, (scaled, right), free, (low, high))

    def body(s):
        x, trial, A, g, before = s
        cost, new_A, new_g = normal_equations(trial)
        size = jnp.max(jnp.abs(trial - x) / (jnp.abs(x) + jnp.abs(trial) + tiny), axis=0)
        now, keep = before.after(cost, size, tolerance, rounding)
        x = jnp.where(keep, trial, x)
        A = jnp.where(keep, new_A, A)
        g = jnp.where(keep, new_g, g)
        return x, stepped(x, A, g, now.damping), A, g, now

    rounding = (ROUNDING * jnp.finfo(x.dtype).eps) ** 2 * jax.eval_shape(residual, x).shape[0]
    k, batch = x.shape[0], x.shape[1:]
    x = feasible_start(inequalities, x, low, high)
    A, g = jnp.zeros((k, k, *batch), x.dtype), jnp.zeros((k, *batch), x.dtype)
    start = (x, x, A, g, Progress.start(batch, x.dtype))
    x, _, A, g, last = jax.lax.while_loop(
        lambda s: ~jnp.all(s[-1].done) & (s[-1].tried <= iterations), body, start
    )
    held, converged = outward(x, g, low, high), last.done & jnp.isfinite(last.cost)
    fit = Fit(x, last.cost, A, held, last.tried - 1, converged)
    if inequalities is None:
        return fit
    scale = jnp.sqrt(jnp.maximum(jnp.einsum("ii...->i...", A), tiny))
    matrix = jnp.where(~held[:, None] & ~held[None], A / (scale[:, None] * scale[None]), eye)
    system = matrix, jnp.where(held, 0, -g / scale)
    slopes, alone = ended_on(inequalities, x, scale, system, ~held)
    return fit._replace(active_normals=slopes, at_bound=held | alone)


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
