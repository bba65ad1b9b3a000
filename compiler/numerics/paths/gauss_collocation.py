"""Gauss collocation of Newton's equations from given positions and velocities, window by window.

    q'' = F(q)/m at s Gauss nodes of a window, q a polynomial of degree s + 1 there

Order 2s, symmetric, with the polynomial as dense output (Hairer, Norsett and Wanner, Solving ODE I,
II.14). The nodes' equations are solved by fixed-point passes, which contract where the window is
shorter than the fastest vibration.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Motion, Positions
from actionrun.compiler.numerics.molecular.neighbor_list import NeighborList
from actionrun.compiler.numerics.molecular.potential_energy import PotentialEnergy
from jaxtyping import Array, Float

from .basis import gauss_legendre, legendre_derivatives

NODES = 8  # of a window: order 16
ITERATIONS = 60
SETTLED = 1e-14  # change of the positions, relative to their size, at which passes stop
TINY = 1e-300


@lru_cache(maxsize=8)
def integration_matrices(
    count: int, x: tuple[float, ...]
) -> tuple[Float[np.ndarray, "times nodes"], Float[np.ndarray, "times nodes"]]:
    """Matrices (len(x), count): nodal accelerations on [0, 1] to their first and second integral
    from 0 to x."""
    nodes, w = gauss_legendre(count, 1.0)
    degree = np.arange(count)
    coefficients = (
        (2 * degree + 1)[:, None] * legendre_derivatives(2 * nodes - 1, count - 1)[0].T * w
    )
    P = legendre_derivatives(2 * np.asarray(x) - 1, count + 1)[0]

    def below(columns: list[np.ndarray], n: int, lowest: np.ndarray) -> np.ndarray:
        return columns[n - 1] if n else lowest

    # The integral of P_n from 0 is (P_n+1 - P_n-1) / (4 n + 2) with P_-1 = -1, and once more.
    P = list(P.T)
    once = [(P[n + 1] - below(P, n, -np.ones(len(x)))) / (4 * n + 2) for n in range(count + 1)]
    twice = [(once[n + 1] - below(once, n, -np.asarray(x))) / (4 * n + 2) for n in range(count)]
    return np.stack(once[:count], axis=1) @ coefficients, np.stack(twice, axis=1) @ coefficients


class CollocationWindows(NamedTuple):
    """Where every window began, (W, dim, N, B), its nodal accelerations (W, dim, N, B, s), and
    whether its passes settled and its neighbour list was good (W,)."""

    q: jax.Array
    v: jax.Array
    a: jax.Array
    settled: jax.Array
    listed: jax.Array


def collocate(
    potential: PotentialEnergy,
    mass: jax.Array,
    neighbors: NeighborList,
    q: Positions,
    v: Positions,
    h: Float[Array, " t"],
    windows: int,
) -> tuple[CollocationWindows, Positions, Positions]:
    """Collocate B motions from q, v (dim, N, B) over `windows` windows of length h (B,); a negative
    length goes back in time. `neighbors` is a list of q, each NODES times in a row. Returns the
    windows and q, v at the end."""
    at = tuple(gauss_legendre(NODES, 1.0)[0])
    _, inner = (jnp.asarray(m.T) for m in integration_matrices(NODES, at))
    once, twice = (jnp.asarray(m[0]) for m in integration_matrices(NODES, (1.0,)))
    c = jnp.asarray(at)

    def accelerations(x: jax.Array, neighbors: NeighborList) -> jax.Array:
        images = x.reshape(*x.shape[:2], -1)
        return (potential.forces(images, neighbors) / mass).reshape(x.shape)

    def window(carry, _):
        q, v, last, neighbors = carry
        free = q[..., None] + (h * v)[..., None] * c
        neighbors = potential.updated_list(neighbors, free.reshape(*q.shape[:2], -1))

        def swept(s):
            a, _, count = s
            x = free + h[:, None] ** 2 * (a @ inner)
            new = accelerations(x, neighbors)
            step = h[:, None] ** 2 * ((new - a) @ inner)
            return new, jnp.max(jnp.abs(step)) / (jnp.max(jnp.abs(x)) + TINY), count + 1

        start = (jnp.broadcast_to(last, free.shape), jnp.asarray(jnp.inf, q.dtype), jnp.asarray(0))
        a, change, _ = jax.lax.while_loop(
            lambda s: (s[1] > SETTLED) & (s[2] < ITERATIONS), swept, start
        )
        x = (free + h[:, None] ** 2 * (a @ inner)).reshape(*q.shape[:2], -1)
        kept = (
            q,
            v,
            a,
            change < 100 * SETTLED,
            ~neighbors.lost & ~potential.outdated(neighbors, x),
        )
        q = q + h * v + h**2 * (a @ twice)
        return (q, v + h * (a @ once), a[..., -1:], neighbors), kept

    still = jnp.broadcast_to(q[..., None], (*q.shape, NODES))
    first = accelerations(still, neighbors)[..., -1:]
    (q, v, _, _), kept = jax.lax.scan(window, (q, v, first, neighbors), None, length=windows)
    return CollocationWindows(*kept), q, v


def dense_output(
    marched: CollocationWindows, h: Float[np.ndarray, " b"], t: Float[np.ndarray, " k"], lane: int
) -> tuple[Motion, Motion]:
    """Positions and velocities (dim, N, len(t)) of one motion at times t >= 0 from its start, by
    the windows' polynomials."""
    q, v, a = (np.asarray(x)[:, :, :, lane] for x in marched[:3])
    step = float(h[lane])
    place = np.clip((t / abs(step)).astype(int), 0, len(q) - 1)
    x = t / abs(step) - place
    once, twice = integration_matrices(NODES, tuple(x))
    begin, rate = (np.moveaxis(y[place], 0, -1) for y in (q, v))
    where = begin + step * x * rate + step**2 * np.einsum("ts,tdns->dnt", twice, a[place])
    return where, rate + step * np.einsum("ts,tdns->dnt", once, a[place])
