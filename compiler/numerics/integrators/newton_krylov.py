"""Newton's method for the step of many bodies, without a matrix.

The linear system of each pass is solved by one cycle of GMRES (Saad and Schultz, SIAM J. Sci. Stat.
Comput. 7, 856, 1986) on derivatives of the residual along directions, so that memory grows with the
bodies and not with their square. A cycle that leaves something over costs another pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import gmres

from .nodal import nodal

if TYPE_CHECKING:
    from .variational import GGL

CYCLE = 48  # directions of a pass; of fewer unknowns, all, and the pass is exact
PASSES = 30


def columns(size: int) -> int:
    """Evaluations that a pass of a step with `size` unknowns adds to one of the residual."""
    return min(CYCLE, size)


def found(ggl: GGL, q, p, t, h, theta, seed) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Nodal velocities of a step, passes, and the last change relative to them: infinite where it
    did not come to rest. Arrays are (n, s, ...); masses are diagonal."""
    eps = jnp.finfo(seed.dtype).eps
    minv = ggl.preconditioner(q, p, t, theta)[:, None]
    V = ggl.velocities(p, t, h, theta, seed)
    w = nodal(ggl.rule.coefficients, V)

    def lacking(w):
        return minv * ggl.residual(q, p, t, h, theta, w)

    def unfinished(s):
        return ~s[3] & (s[1] < PASSES)

    def body(s):
        w, passes, previous, _ = s
        lack, along = jax.linearize(lacking, w)
        step, _ = gmres(along, lack, tol=float(eps), restart=columns(w.size), maxiter=1)
        w = w - step
        scale = jnp.max(jnp.abs(w)) + jnp.finfo(w.dtype).tiny
        change = jnp.max(jnp.abs(step)) / scale
        small = 1e3 * (ggl.r + 2) * eps + 8 * eps * jnp.max(jnp.abs(q)) / (jnp.abs(h) * scale)
        stalled = (change > 0.5 * previous) & (change < small)
        return w, passes + 1, change, (change <= eps) | stalled | ~jnp.isfinite(change)

    start = (w, jnp.asarray(0), jnp.asarray(jnp.inf, w.dtype), jnp.asarray(False))
    w, passes, change, done = jax.lax.while_loop(unfinished, body, start)
    return nodal(ggl.rule.modes, w), passes, jnp.where(done, change, jnp.inf)
