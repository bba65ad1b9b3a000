"""Gauss-Newton with Levenberg's damping for large least squares, matrix-free.

The linear problems are solved by conjugate gradients on the normal equations (CGLS; Hestenes and
Stiefel, 1952), which needs products with the Jacobian and its transpose only. Unknowns are expected
to be scaled such that the Jacobian is close to orthonormal; the damping is absolute then. Where
there are as many unknowns as residuals this is a Newton-Krylov method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.linalg import sum_of_squares

from .damping import DampingSchedule

FORCING = 1e-2  # by which the linear problem is solved, of its right-hand side
INNER = 400  # most passes of a linear problem
SETTLED = 1e-9  # change of the residuals at which the iteration ends, relative to size(x)
DAMPING = DampingSchedule(start=0.0, floor=0.0, failed=1e-3, lower=10, cutoff=1e-6, gain=(0.2, 0.7))
STUCK = 1e12  # damping at which no step however short lowers the loss


class LeastSquaresProblem(Protocol):
    """A sum of squares of residuals (a pytree) of x (a pytree)."""

    def residual(self, x: Any) -> Any: ...

    def size(self, x: Any) -> jax.Array: ...

    def linearised(self, x: Any) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]: ...


class GaussNewtonState(NamedTuple):
    """x, its cost (the sum of squares), the damping, iterations and passes of their linear
    problems so far, and how it ended: 0 not yet, 1 settled, 2 stuck (no step lowers the cost)."""

    x: Any
    cost: jax.Array
    damping: jax.Array
    iterations: jax.Array
    passes: jax.Array
    ended: jax.Array

    @property
    def place(self) -> Any:
        """The parameters whose neighbour list the next iteration goes by."""
        return self.x


def start(x: Any) -> GaussNewtonState:
    """Before the first iteration; the cost is not known yet."""
    zero = jnp.asarray(0)
    return GaussNewtonState(x, jnp.asarray(jnp.inf), jnp.asarray(DAMPING.start), zero, zero, zero)


def step(problem: LeastSquaresProblem, s: GaussNewtonState) -> GaussNewtonState:
    """One iteration."""
    residual, push, pull = problem.linearised(s.x)
    now = sum_of_squares(residual)
    d, left, passes = _solved(push, pull, residual, s.damping)
    trial = jax.tree.map(jnp.add, s.x, d)
    cost = sum_of_squares(problem.residual(trial))
    predicted = now - sum_of_squares(left)
    ratio = (now - cost) / predicted
    change = jnp.sqrt(sum_of_squares(jax.tree.map(jnp.subtract, left, residual)))
    small = change <= SETTLED * problem.size(s.x)
    # At the bottom rounding decides whether the cost falls: a small step is taken on trust.
    better = jnp.isfinite(cost) & ((cost < now) | (small & (cost <= now * (1 + 1e-6))))
    damping = DAMPING.next(s.damping, better, ratio)
    ended = jnp.where(small & jnp.isfinite(cost), 1, jnp.where(damping > STUCK, 2, 0))
    x = jax.tree.map(lambda new, old: jnp.where(better, new, old), trial, s.x)
    cost = jnp.where(better, cost, now)
    return GaussNewtonState(x, cost, damping, s.iterations + 1, s.passes + passes, ended)


def _solved(push, pull, residual: Any, damping: jax.Array):
    """d that minimises |push(d) + residual|^2 + damping |d|^2, and push(d) + residual."""

    def advanced(s):
        d, left, slope, p, size, count = s
        w = push(p)
        length = size / (sum_of_squares(w) + damping * sum_of_squares(p))
        d = jax.tree.map(lambda a, b: a + length * b, d, p)
        left = jax.tree.map(lambda a, b: a + length * b, left, w)
        slope = jax.tree.map(lambda a, b: -a - damping * b, pull(left), d)
        new = sum_of_squares(slope)
        p = jax.tree.map(lambda a, b: a + new / size * b, slope, p)
        return d, left, slope, p, new, count + 1

    slope = jax.tree.map(jnp.negative, pull(residual))
    first = sum_of_squares(slope)
    zero = jax.tree.map(jnp.zeros_like, slope)
    state = (zero, residual, slope, slope, first, jnp.asarray(0))
    result = jax.lax.while_loop(
        lambda s: (s[4] > FORCING**2 * first) & (s[5] < INNER), advanced, state
    )
    return result[0], result[1], result[5]
