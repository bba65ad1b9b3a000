"""From a ggl study to its integrator, the state that it starts from and the solver of its steps."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.mechanics import Mechanics
from actionrun.compiler.numerics.integrators.time_marching import Integrator
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.constraints import constraints, start_on_constraints
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import mechanics
from actionrun.compiler.symbolic.time_transform import transformed
from actionrun.compiler.symbolic.vocabulary import Vocabulary

from .settings import InitialState, Settings


def _start(given: InitialState, symbolic: LagrangianSystem) -> tuple[np.ndarray, np.ndarray]:
    """Initial positions and discrete momenta; p = P(q, v, t) where velocities are given."""
    if given.given == "momentum":
        return given.q, given.speed
    words = symbolic.words
    symbols = [*words.q, *words.v, words.t, *symbolic.constants]
    values = [*given.q, *given.speed, 0.0, *symbolic.values.values()]
    at = dict(zip(symbols, values, strict=True))
    return given.q, numbers(symbolic.momentum, at)[:, 0]


def stepper(
    settings: Settings, symbolic: LagrangianSystem, arrays: Mechanics, theta
) -> tuple[Integrator, np.ndarray, np.ndarray]:
    """The integrator of the settings and the state (q, p) that it starts from.

    The state of a transformed time holds time and -energy behind positions and momenta. Raises
    Faults for constraints and transforms that the start does not allow.
    """
    q, p = _start(settings.start, symbolic)
    r, surface = settings.r, None
    plain = GGL(arrays, r)
    if symbolic.constraints:
        surface = constraints(symbolic)
        q, p = start_on_constraints(
            symbolic, Constrained(plain, surface), theta, q, p, settings.start.given
        )
    transform = settings.time_transform
    if transform is None:
        return plain if surface is None else Constrained(plain, surface), q, p
    slow, clock = transformed(symbolic, transform)
    inner = GGL(mechanics(slow), r, clock)
    inner = inner if surface is None else Constrained(inner, surface)
    result = Transformed(inner, arrays, clock)
    return in_transformed_time(settings, symbolic.words, result, plain.energies, theta, q, p)


def in_transformed_time(
    settings: Settings, words: Vocabulary, integrator: Transformed, energies: Callable, theta,
    q: np.ndarray, p: np.ndarray,
) -> tuple[Transformed, np.ndarray, np.ndarray]:  # fmt: skip
    """The integrator of a transformed time and its start (n + 1,): time and -energy stand behind
    positions and momenta. `energies` are those by t. Raises Faults where time would not go on."""
    at = jax.device_put(q), jax.device_put(p)
    energy, _ = eqx.filter_jit(lambda q, p: energies(q, p, 0.0, theta))(*at)
    rate = float(integrator.clock.rate(jnp.asarray(q), theta)[0])
    if not (rate > 0 and np.isfinite(float(energy))):
        raise study_error(
            words,
            settings.time_transform,
            "time-stands",
            f"the time transform is {rate:.4g} at the start, and time would not go on",
            "dt = g ds needs g > 0 wherever the motion goes",
        )
    return integrator, np.append(q, 0.0), np.append(p, -float(energy))


def solver(integrator: Integrator, mapped: bool = True) -> str:
    """One linear map, Newton on a surface, else fixed-point iterations.

    `mapped`: whether a linear map will do, which knows nothing of the nodes of a step.
    """
    if mapped and integrator.linear:
        return "linear"
    return "fixed point" if integrator.surface is None else "newton"
