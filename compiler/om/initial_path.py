"""Where the minimisation begins: between the ends alone, or from a march from both ends."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.potential_energy import Landscape
from actionrun.compiler.numerics.paths import gauss_collocation as collocation
from actionrun.compiler.numerics.paths.network_path import fresh

from .path_problem import Setting

REACH = 0.8  # window of a march times the fastest frequency at the ends
SPARE = 6  # doublings of the number of windows before the march gives up
PRODUCTS = 40  # of a power iteration
ROOM = 1.4  # spare length of the lists of a march, which is not stopped to make them longer
WAVES = 3  # functions that a random start uses


class NoStartError(ValueError):
    """The march from both ends cannot be taken."""


def blind(setting: Setting, given: jax.Array) -> Any:
    """Parameters of the path that only knows its ends: their Hermite polynomial, a straight line
    where no velocities are given; of a network, random ones."""
    dim, n = setting.bodies.shape
    if setting.name == "network":
        assert setting.study.network is not None
        middle = np.zeros((dim, n)) if setting.exact else np.asarray(given[..., :2]).mean(axis=2)
        key = jax.random.key(setting.study.seed)
        layers = fresh(key, setting.study.network.hidden, middle, setting.dtype)
        if setting.exact:  # nothing is added to the lift at first
            *rest, (w, b) = layers
            layers = (*rest, (jnp.zeros_like(w), b))
        return layers
    c = jnp.zeros((dim, n, setting.basis.count))
    return c if setting.exact else (given, c)


def shaken(setting: Setting, given: jax.Array, number: int) -> Any:
    """The blind start with random long waves of once or twice the size of the way (`number` >= 1
    is odd or even)."""
    draw = np.random.default_rng((setting.study.seed, number))
    x = blind(setting, given)
    c = x if setting.exact else x[1]
    way = float(jnp.sqrt(jnp.mean((given[..., 1] - given[..., 0]) ** 2)))
    size = (1 + (number + 1) % 2) * 4 * way / setting.duration**1.5
    waves = min(WAVES, c.shape[2])
    c = c.at[..., :waves].set(draw.normal(size=(*c.shape[:2], waves)) * size) * setting.mass
    return c if setting.exact else (given, c)


def marched(setting: Setting, given: jax.Array) -> Any:
    """Parameters of the path that is marched from both ends to the middle, an integration: the
    accelerations met on the way, as far as the basis holds them. Raises NoStartError."""
    basis, landscape = setting.basis, setting.bodies.landscape
    half, t = basis.duration / 2, basis.nodes
    q, v = given[..., :2], given[..., 2:]
    windows = windows_of(setting, q, half)
    for _ in range(SPARE):
        h = np.array([half, -half]) / windows
        march = _march(
            landscape, setting.mass, near_of(landscape, q), q, v, jnp.asarray(h), windows
        )
        if bool(jnp.all(march.settled)) and bool(jnp.all(march.listed)):
            break
        windows *= 2
    else:
        raise NoStartError(
            "the march from both ends did not settle: the forces at the ends or near them are "
            "too strong. Check that no two bodies overlap at the ends"
        )
    left = collocation.along(march, h, np.minimum(t, half), 0)[0]
    right = collocation.along(march, h, np.minimum(basis.duration - t, half), 1)[0]
    met = jnp.asarray(np.where(t < half, left, right))
    a = _accelerations(landscape, setting.mass, landscape.near(met), met)
    bent = jnp.asarray(basis.functions(t)[2] * basis.weights[:, None])
    lift = given @ jnp.asarray(basis.lift(t)[2].T)
    c = ((a - lift) @ bent) * setting.mass
    return c if setting.exact else (given, c)


def reintegrated(setting: Setting, q: jax.Array, v: jax.Array, t: np.ndarray) -> np.ndarray | None:
    """Positions (dim, N, len(t)) of Newton's motion from q, v (dim, N, 1), by collocation of order
    16; None where it does not settle."""
    landscape = setting.bodies.landscape
    windows = 2 * windows_of(setting, q, setting.duration)
    for _ in range(SPARE):
        h = np.array([setting.duration / windows])
        march = _march(
            landscape, setting.mass, near_of(landscape, q), q, v, jnp.asarray(h), windows
        )
        if bool(jnp.all(march.settled)) and bool(jnp.all(march.listed)):
            return collocation.along(march, h, t, 0)[0]
        windows *= 2
    return None


def near_of(landscape: Landscape, q: jax.Array):
    """A list for the nodes of windows that begin at q, its rows with room for what follows."""
    q = jnp.repeat(q, collocation.NODES, axis=2)
    near = landscape.near(q)
    return landscape.near(q, int(ROOM * near.others.shape[1]))


def windows_of(setting: Setting, q: jax.Array, duration: float) -> int:
    """Windows of `duration` that resolve the fastest frequency at q (dim, N, images)."""
    landscape = setting.bodies.landscape
    fastest = float(_fastest(landscape, setting.mass, landscape.near(q), q))
    if not np.isfinite(fastest):
        raise NoStartError(
            "the forces at the ends are not finite. Check that no two bodies overlap"
        )
    return max(2, int(np.ceil(duration * np.sqrt(fastest) / REACH)))


@eqx.filter_jit
def _fastest(landscape: Landscape, mass: jax.Array, near, q: jax.Array) -> jax.Array:
    """The largest size of an eigenvalue of the Hessian over masses, of all images."""

    def turned(_, w):
        w = landscape.hessian_product(q, w, near) / mass
        return w / (jnp.sqrt(jnp.sum(w * w, axis=(0, 1))) + 1e-300)

    w = jax.random.normal(jax.random.key(0), q.shape, q.dtype)
    w = jax.lax.fori_loop(0, PRODUCTS, turned, w)
    w = landscape.hessian_product(q, w, near) / mass
    return jnp.max(jnp.sqrt(jnp.sum(w * w, axis=(0, 1))))


@eqx.filter_jit
def _march(landscape, mass, near, q, v, h, windows: int) -> collocation.March:
    return collocation.march(landscape, mass, near, q, v, h, windows)[0]


@eqx.filter_jit
def _accelerations(landscape: Landscape, mass: jax.Array, near, q: jax.Array) -> jax.Array:
    return landscape.forces(q, near) / mass
