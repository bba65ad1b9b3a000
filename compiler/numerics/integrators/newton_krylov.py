"""Newton-Krylov: Newton's method without a matrix, for the steps of many bodies.

The linear system of each iteration is solved by one cycle of GMRES (Saad and Schultz, SIAM J. Sci.
Stat. Comput. 7, 856, 1986) on derivatives of the residual along directions, so that memory grows
with the bodies and not with their square. A cycle that leaves something over costs an iteration
more.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import gmres
from jaxtyping import Array, Float

CYCLE = 48  # directions of an iteration; of fewer unknowns, all, and the iteration is exact
MAX_ITERATIONS = 30


def directional_derivatives(size: int) -> int:
    """Evaluations that an iteration on `size` unknowns adds to one of the residual."""
    return min(CYCLE, size)


def newton_gmres(
    residual: Callable[[jax.Array], jax.Array],
    w: Float[Array, "..."],
    round_off: Callable[[jax.Array], jax.Array],
) -> tuple[Float[Array, "..."], jax.Array, jax.Array]:
    """A zero of a (preconditioned) residual from w on, iterations, and the last change relative to
    it: infinite where it did not come to rest.

    It rests where a change is at the last digit, or no longer halves below `round_off(scale)`, the
    relative change that rounding may cause in unknowns of size `scale`.
    """
    eps = jnp.finfo(w.dtype).eps

    def unfinished(s):
        return ~s[3] & (s[1] < MAX_ITERATIONS)

    def body(s):
        w, iterations, previous, _ = s
        rhs, along = jax.linearize(residual, w)
        step, _ = gmres(
            along, rhs, tol=float(eps), restart=directional_derivatives(w.size), maxiter=1
        )
        w = w - step
        scale = jnp.max(jnp.abs(w)) + jnp.finfo(w.dtype).tiny
        change = jnp.max(jnp.abs(step)) / scale
        stalled = (change > 0.5 * previous) & (change < round_off(scale))
        return w, iterations + 1, change, (change <= eps) | stalled | ~jnp.isfinite(change)

    start = (w, jnp.asarray(0), jnp.asarray(jnp.inf, w.dtype), jnp.asarray(False))
    w, iterations, change, done = jax.lax.while_loop(unfinished, body, start)
    return w, iterations, jnp.where(done, change, jnp.inf)
