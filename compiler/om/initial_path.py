"""Initial paths of the minimisation: between the ends alone, or marched from both ends."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.potential_energy import PotentialEnergy
from actionrun.compiler.numerics.paths import gauss_collocation as collocation
from actionrun.compiler.numerics.paths.network_path import initial_layers

from .path_problem import PathProblem

REACH = 0.8  # window of a march times the fastest frequency at the ends
SPARE = 6  # doublings of the number of windows before the march gives up
PRODUCTS = 40  # of a power iteration
ROOM = 1.4  # spare length of the lists of a march, which is not stopped to make them longer
WAVES = 3  # functions that a random start uses


class StartError(ValueError):
    """The march from both ends cannot be taken."""


def interpolated_start(problem: PathProblem, given: jax.Array) -> Any:
    """Hermite interpolation of the ends, as parameters of the path: a straight line where no
    velocities are given; of a network, random ones."""
    dim, n = problem.system.shape
    if problem.network is not None:
        middle = np.zeros((dim, n)) if problem.exact else np.asarray(given[..., :2]).mean(axis=2)
        key = jax.random.key(problem.settings.seed)
        layers = initial_layers(key, problem.network.hidden, middle, problem.dtype)
        if problem.exact:  # nothing is added to the lift at first
            *rest, (w, b) = layers
            layers = (*rest, (jnp.zeros_like(w), b))
        return layers
    c = jnp.zeros((dim, n, problem.basis.count))
    return c if problem.exact else (given, c)


def perturbed_start(problem: PathProblem, given: jax.Array, number: int) -> Any:
    """The interpolated start with random long waves of once or twice the size of the way (`number`
    >= 1 is odd or even)."""
    draw = np.random.default_rng((problem.settings.seed, number))
    x = interpolated_start(problem, given)
    c = x if problem.exact else x[1]
    way = float(jnp.sqrt(jnp.mean((given[..., 1] - given[..., 0]) ** 2)))
    size = (1 + (number + 1) % 2) * 4 * way / problem.duration**1.5
    waves = min(WAVES, c.shape[2])
    c = c.at[..., :waves].set(draw.normal(size=(*c.shape[:2], waves)) * size) * problem.mass
    return c if problem.exact else (given, c)


def marched_start(problem: PathProblem, given: jax.Array) -> Any:
    """Collocation from both ends to the middle, as parameters of the path: the accelerations met on
    the way, as far as the basis holds them. Raises StartError."""
    basis, potential = problem.basis, problem.system.potential
    half, t = basis.duration / 2, basis.nodes
    q, v = given[..., :2], given[..., 2:]
    settled = _windows(problem, q, v, np.array([half, -half]), window_count(problem, q, half))
    if settled is None:
        raise StartError(
            "the march from both ends did not settle: the forces at the ends or near them are "
            "too strong. Check that no two bodies overlap at the ends"
        )
    march, h = settled
    left = collocation.dense_output(march, h, np.minimum(t, half), 0)[0]
    right = collocation.dense_output(march, h, np.minimum(basis.duration - t, half), 1)[0]
    met = jnp.asarray(np.where(t < half, left, right))
    a = _accelerations(potential, problem.mass, potential.neighbor_list(met), met)
    bent = jnp.asarray(basis.functions(t)[2] * basis.weights[:, None])
    lift = given @ jnp.asarray(basis.lift(t)[2].T)
    c = ((a - lift) @ bent) * problem.mass
    return c if problem.exact else (given, c)


def reintegration(
    problem: PathProblem, q: jax.Array, v: jax.Array, t: np.ndarray
) -> np.ndarray | None:
    """Newton's motion from q, v (dim, N, 1) by collocation of order 16: positions (dim, N, len(t));
    None where it does not settle."""
    duration = problem.duration
    windows = 2 * window_count(problem, q, duration)
    settled = _windows(problem, q, v, np.array([duration]), windows)
    return None if settled is None else collocation.dense_output(*settled, t, 0)[0]


def _windows(
    problem: PathProblem, q: jax.Array, v: jax.Array, durations: np.ndarray, windows: int
) -> tuple[collocation.CollocationWindows, np.ndarray] | None:
    """Motions from q, v over `durations`, in so many windows or more that all settle, and the
    lengths of these; None where they do not."""
    potential = problem.system.potential
    for _ in range(SPARE):
        neighbors, h = window_neighbors(potential, q), durations / windows
        march = _march(potential, problem.mass, neighbors, q, v, jnp.asarray(h), windows)
        if bool(jnp.all(march.settled)) and bool(jnp.all(march.listed)):
            return march, h
        windows *= 2
    return None


def window_neighbors(potential: PotentialEnergy, q: jax.Array):
    """A list for the nodes of windows that begin at q, its rows with room for what follows."""
    q = jnp.repeat(q, collocation.NODES, axis=2)
    neighbors = potential.neighbor_list(q)
    return potential.neighbor_list(q, int(ROOM * neighbors.others.shape[1]))


def window_count(problem: PathProblem, q: jax.Array, duration: float) -> int:
    """Windows of `duration` that resolve the fastest frequency at q (dim, N, images)."""
    potential = problem.system.potential
    fastest = float(_fastest(potential, problem.mass, potential.neighbor_list(q), q))
    if not np.isfinite(fastest):
        raise StartError("the forces at the ends are not finite. Check that no two bodies overlap")
    return max(2, int(np.ceil(duration * np.sqrt(fastest) / REACH)))


@eqx.filter_jit
def _fastest(potential: PotentialEnergy, mass: jax.Array, neighbors, q: jax.Array) -> jax.Array:
    """The largest size of an eigenvalue of the Hessian over masses, of all images."""

    def turned(_, w):
        w = potential.hessian_product(q, w, neighbors) / mass
        return w / (jnp.sqrt(jnp.sum(w * w, axis=(0, 1))) + 1e-300)

    w = jax.random.normal(jax.random.key(0), q.shape, q.dtype)
    w = jax.lax.fori_loop(0, PRODUCTS, turned, w)
    w = potential.hessian_product(q, w, neighbors) / mass
    return jnp.max(jnp.sqrt(jnp.sum(w * w, axis=(0, 1))))


@eqx.filter_jit
def _march(potential, mass, neighbors, q, v, h, windows: int) -> collocation.CollocationWindows:
    return collocation.collocate(potential, mass, neighbors, q, v, h, windows)[0]


@eqx.filter_jit
def _accelerations(
    potential: PotentialEnergy, mass: jax.Array, neighbors, q: jax.Array
) -> jax.Array:
    return potential.forces(q, neighbors) / mass
