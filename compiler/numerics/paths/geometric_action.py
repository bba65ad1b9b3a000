"""Minimum-action paths of weak noise, the duration free: the geometric action

    S = 2 int |phi'| |b(phi)| - phi' . b(phi) ds

of curves between two places, b a drift (Heymann and Vanden-Eijnden, Comm. Pure Appl. Math. 61,
1052, 2008, whose scheme relaxes the curve: the second derivative implicit, images kept at equal
distances). At its minimum 1/(4 D) of it is the exponent of the probability as D goes to 0.

The integral is taken along a cubic spline through the images: where the curve is off its place by
an error of second order, S is by one of the fourth.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.interpolate import CubicSpline

NODES = 8  # of Gauss, between two images
SHORT = 0.02  # of the length: the most that an iteration pushes an image
TINY = 1e-300

Drift = Callable[[Array], Array]


@eqx.filter_jit
def relaxed(
    drift: Drift, q: Float[Array, "curves dim images"], count: Int[Array, ""]
) -> tuple[Float[Array, "curves dim images"], Float[Array, " curves"]]:
    """Curves after `count` iterations, and how far the last one moved any image."""

    def body(_, s):
        following = jax.vmap(lambda one: _iterated(drift, one))(s[0])
        return following, jnp.max(jnp.linalg.norm(following - s[0], axis=1), axis=1)

    return jax.lax.fori_loop(0, count, body, (q, jnp.zeros(q.shape[0], q.dtype)))


def _iterated(drift: Drift, q: Array) -> Array:
    """One iteration of a curve (dim, images)."""
    ds = 1 / (q.shape[1] - 1)
    b = drift(q)
    slopes = jax.vmap(jax.jacfwd(lambda x: drift(x[:, None])[:, 0]))(q.T)  # (images, dim, dim)
    stiff = jnp.max(jnp.sum(slopes**2, axis=(1, 2)))
    edges = jnp.stack([q[:, 1] - q[:, 0], q[:, -1] - q[:, -2]]) / ds
    rate = (q[:, 2:] - q[:, :-2]) / (2 * ds)
    along = jnp.concatenate([edges[:1].T, rate, edges[1:].T], axis=1)
    pace = jnp.linalg.norm(b, axis=0) / (jnp.linalg.norm(along, axis=0) + TINY)
    growth = (pace[2:] - pace[:-2]) / (2 * ds)
    inner = slopes[1:-1]
    turn = jnp.einsum("pij,jp->ip", inner - jnp.swapaxes(inner, 1, 2), rate)
    pull = jnp.einsum("pji,jp->ip", inner, b[:, 1:-1])
    push = pace[1:-1] * (growth * rate - turn) - pull
    length = jnp.sum(jnp.linalg.norm(jnp.diff(q, axis=1), axis=0))
    fastest = jnp.max(jnp.linalg.norm(push, axis=0))
    step = jnp.minimum(1 / (stiff + TINY), SHORT * length / (fastest + TINY))
    spread = step * pace[1:-1] ** 2 / ds**2
    right = q[:, 1:-1] + step * push
    right = right.at[:, 0].add(spread[0] * q[:, 0]).at[:, -1].add(spread[-1] * q[:, -1])
    low, high = jnp.where(jnp.arange(len(spread)) > 0, -spread, 0.0), -spread
    high = high.at[-1].set(0.0)
    moved = jax.lax.linalg.tridiagonal_solve(low, 1 + 2 * spread, high, right.T).T
    return evenly(jnp.concatenate([q[:, :1], moved, q[:, -1:]], axis=1))


def evenly(q: Float[Array, "dim images"]) -> Float[Array, "dim images"]:
    """Images at equal distances along the curve through images."""
    steps = jnp.linalg.norm(jnp.diff(q, axis=1), axis=0)
    length = jnp.concatenate([jnp.zeros(1, q.dtype), jnp.cumsum(steps)])
    wanted = jnp.linspace(0.0, 1.0, q.shape[1]) * length[-1]
    inner = jax.vmap(lambda x: jnp.interp(wanted, length, x))(q)
    return jnp.concatenate([q[:, :1], inner[:, 1:-1], q[:, -1:]], axis=1)


def geometric_action(drift: Drift, q: Float[np.ndarray, "dim images"]) -> float:
    """S along the spline through images, no two of which are one."""
    steps = np.linalg.norm(np.diff(q, axis=1), axis=0)
    kept = np.concatenate([[True], steps > 1e-12 * max(steps.sum(), TINY)])
    if kept.sum() < 2:
        return 0.0
    q = q[:, kept]
    s = np.concatenate([[0.0], np.cumsum(steps[kept[1:]])])
    x, w = np.polynomial.legendre.leggauss(NODES)
    at = (s[:-1, None] + np.diff(s)[:, None] * (x + 1) / 2).ravel()
    weights = (np.diff(s)[:, None] * w / 2).ravel()
    curve = CubicSpline(s, q, axis=1)
    b, rate = np.asarray(drift(jnp.asarray(curve(at)))), curve(at, 1)
    size = np.linalg.norm(b, axis=0) * np.linalg.norm(rate, axis=0)
    return float(2 * np.sum(weights * (size - np.sum(rate * b, axis=0))))
