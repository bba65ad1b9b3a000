"""Initial guesses of a refinement: the network's answer or the weak form's, whichever has the lower
residual."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Coefficients, Series, States
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import Residual, levenberg_marquardt
from jaxtyping import Array, Bool, Float
from scipy.interpolate import CubicSpline

from .observables import by_state
from .population import Population
from .weak_form import weak_form_of_many, weak_residuals

ITERATIONS, TOLERANCE = 12, 1e-6  # one iteration solves a law that is linear in its coefficients


def weak_form_estimate(
    population: Population, times: np.ndarray, series: Series, named: Coefficients
) -> Coefficients | None:
    """Coefficients (k, batch) by the weak form of series (samples, channels, batch) at times
    (samples,), searched from `named`; None where positions are not observed."""
    seen = _by_state(population, series)
    if "position" not in seen:
        return None
    weak = weak_form_of_many(times, seen["position"], seen.get("momentum"))

    def residual(c: jax.Array) -> jax.Array:
        return weak_residuals(population.ggl, weak, population.theta(c))

    low, high = population.low[:, None], population.high[:, None]
    return levenberg_marquardt(residual, named, low, high, ITERATIONS, TOLERANCE).x


def observed_start(
    population: Population, times: np.ndarray, series: Series, c: Coefficients
) -> tuple[States, States]:
    """Starting positions and momenta (n, batch) as the first samples show them, for coefficients c
    (k, batch); what they do not show is in the middle of its range."""
    seen, shape = _by_state(population, series), (len(population.q_low), c.shape[-1])

    def middle(low: jax.Array, high: jax.Array) -> jax.Array:
        return jnp.broadcast_to(((low + high) / 2)[:, None], shape)

    q = (
        seen["position"][:, 0]
        if "position" in seen
        else middle(population.q_low, population.q_high)
    )
    if "momentum" in seen:
        return q, seen["momentum"][:, 0]
    if "velocity" in seen:
        v = seen["velocity"][:, 0]
    elif "position" in seen:
        slope = CubicSpline(times, np.eye(len(times)))(times[0], 1)
        v = jnp.einsum("s,nsb->nb", jnp.asarray(slope), seen["position"])
    else:
        return q, population.momenta(c, q, middle(population.rate_low, population.rate_high))
    return q, population.ggl.mechanics.momentum(q, v, jnp.zeros((), q.dtype), population.theta(c))


def _by_state(population: Population, series: jax.Array) -> dict[str, jax.Array]:
    """Series (n, samples, batch) of each observable that is part of the state."""
    n, variables = len(population.q_low), population.variables
    return {
        state: series[:, k * n : k * n + n].swapaxes(0, 1)
        for state, key in by_state(variables).items()
        for k in (variables.index(key),)
    }


def lower_residual_start(
    residual: Residual,
    joined: Callable[[jax.Array], jax.Array],
    named: Float[Array, "k batch"],
    weak: Float[Array, "k batch"] | None,
) -> tuple[Float[Array, "parameters batch"], Bool[Array, " batch"]]:
    """The start (parameters, batch) of less residual, and where that is the weak form's (batch,).

    `joined` makes the parameters of `residual` from coefficients (k, batch).
    """
    first = joined(named)
    if weak is None:
        return first, jnp.zeros(named.shape[-1], bool)
    second = joined(weak)
    both = jnp.stack([first, second])
    costs = jax.lax.map(lambda x: jnp.sum(residual(x) ** 2, axis=0), both)  # compiled once
    costs = jnp.where(jnp.isfinite(costs), costs, jnp.inf)
    wins = costs[1] < costs[0]
    return jnp.where(wins, second, first), wins
