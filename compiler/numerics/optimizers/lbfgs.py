"""L-BFGS for many functions at once: the history of steps and the two-loop recursion.

Liu & Nocedal, Math. Program. 45, 503, 1989; Nocedal, Math. Comput. 35, 773, 1980. What becomes of
one function does not depend on the others, to the last bit.

Shapes: configurations (dim, N, B) of B functions.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

MEMORY = 4  # as GMIN; more costs more than it saves

Configurations = Float[Array, "dim n b"]


class LBFGSHistory(NamedTuple):
    """The last steps s and changes of the gradient y, (MEMORY, dim, N, B), with rho = 1/(s.y)
    (MEMORY, B), zero where nothing was learned; the newest in row `at`; `scale` (B,) is s.y/y.y of
    the last that taught something, zero before."""

    s: jax.Array
    y: jax.Array
    rho: jax.Array
    scale: jax.Array
    at: jax.Array


def dot(a: Float[Array, "*m dim n b"], b: Float[Array, "*m dim n b"]) -> Float[Array, "*m b"]:
    """The product of configurations (..., dim, N, B): (..., B)."""
    return jnp.sum(a * b, axis=(-3, -2))


def empty(like: Configurations) -> LBFGSHistory:
    """An empty history."""
    none = jnp.zeros((MEMORY, *like.shape), like.dtype)
    rho = jnp.zeros((MEMORY, like.shape[-1]), like.dtype)
    return LBFGSHistory(none, none, rho, rho[0], jnp.asarray(0))


def push(
    history: LBFGSHistory, s: Configurations, y: Configurations, keep: Bool[Array, " b"]
) -> LBFGSHistory:
    """The history with a step more, of which the configurations `keep` (B,) learn if it has a
    positive curvature."""
    sy, yy = dot(s, y), dot(y, y)
    keep = keep & (sy > 1e-14 * yy)
    inverse = 1 / jnp.where(keep, sy, 1)
    at = (history.at + 1) % MEMORY
    put = jax.lax.dynamic_update_index_in_dim
    return LBFGSHistory(
        put(history.s, jnp.where(keep, s, 0), at, 0),
        put(history.y, jnp.where(keep, y, 0), at, 0),
        put(history.rho, jnp.where(keep, inverse, 0), at, 0),
        jnp.where(keep, sy / jnp.where(keep, yy, 1), history.scale),
        at,
    )


def reset(history: LBFGSHistory, lanes: Bool[Array, " b"]) -> LBFGSHistory:
    """The history without what the configurations `lanes` (B,) have learned."""
    rho, scale = jnp.where(lanes, 0, history.rho), jnp.where(lanes, 0, history.scale)
    return history._replace(rho=rho, scale=scale)


def two_loop_direction(
    history: LBFGSHistory, gradient: Configurations, scale: Float[Array, " b"]
) -> Configurations:
    """-H g by the two loops; `scale` (B,) is H where nothing is known yet."""
    alphas, d = [], gradient
    rows = [(history.at - k) % MEMORY for k in range(MEMORY)]
    for k in rows:
        alphas.append(history.rho[k] * dot(history.s[k], d))
        d = d - alphas[-1] * history.y[k]
    d = jnp.where(history.scale > 0, history.scale, scale) * d
    for k, alpha in zip(reversed(rows), reversed(alphas), strict=True):
        d = d + (alpha - history.rho[k] * dot(history.y[k], d)) * history.s[k]
    return -d


def capped(step: Configurations, cap: jax.Array | float) -> Configurations:
    """Steps of at most `cap` in length."""
    length = jnp.sqrt(dot(step, step))
    return step * jnp.minimum(1, cap / jnp.maximum(length, jnp.finfo(step.dtype).tiny))
