"""From a ggl study to its integrator, the state that it starts from and the solver of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.mechanics import (
    Mechanics,
    TimeTransform,
)
from actionrun.compiler.numerics.integrators.time_marching import Integrator
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.constraints import constraints, start_on_constraints
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import components, mechanics
from actionrun.compiler.symbolic.time_transform import transformed
from actionrun.spec.kinds.ggl import Ggl


def _start(study: Ggl, symbolic: LagrangianSystem) -> tuple[np.ndarray, np.ndarray]:
    """Initial positions and discrete momenta; p = P(q, v, t) where velocities are given."""
    assert study.start is not None
    q = components(symbolic, study.start.position, study.number)
    if study.start.momentum is not None:
        return q, components(symbolic, study.start.momentum, study.number)
    assert study.start.velocity is not None
    v = components(symbolic, study.start.velocity, study.number)
    words = symbolic.words
    symbols = [*words.q, *words.v, words.t, *symbolic.constants]
    at = dict(zip(symbols, [*q, *v, 0.0, *symbolic.values.values()], strict=True))
    return q, numbers(symbolic.momentum, at)[:, 0]


def stepper(
    study: Ggl, symbolic: LagrangianSystem, arrays: Mechanics, theta
) -> tuple[Integrator, np.ndarray, np.ndarray]:
    """The integrator of the study and the state (q, p) that it starts from.

    The state of a transformed time holds time and -energy behind positions and momenta. Raises
    Faults for constraints and transforms that the start does not allow.
    """
    q, p = _start(study, symbolic)
    r, surface = study.integrator.r, None
    plain = GGL(arrays, r)
    if symbolic.constraints:
        surface = constraints(symbolic)
        q, p = start_on_constraints(
            symbolic, Constrained(plain, surface), theta, q, p, given_speed(study)
        )
    transform = study.integrator.time_transform
    if transform is None:
        return plain if surface is None else Constrained(plain, surface), q, p
    slow, clock = transformed(symbolic, transform)
    inner = GGL(mechanics(slow), r, clock)
    inner = inner if surface is None else Constrained(inner, surface)
    result = Transformed(inner, arrays, clock)
    return in_transformed_time(study, result, plain.energies, theta, q, p)


def given_speed(study: Ggl) -> Literal["velocity", "momentum"]:
    return "momentum" if study.start.velocity is None else "velocity"


def in_transformed_time(
    study: Ggl, integrator: Transformed, energies: Callable, theta, q: np.ndarray, p: np.ndarray
) -> tuple[Transformed, np.ndarray, np.ndarray]:
    """The integrator of a transformed time and its start (n + 1,): time and -energy stand behind
    positions and momenta. `energies` are those by t. Raises Faults where time would not go on."""
    at = jax.device_put(q), jax.device_put(p)
    energy, _ = eqx.filter_jit(lambda q, p: energies(q, p, 0.0, theta))(*at)
    _require_running(study, integrator.clock, q, theta, float(energy))
    return integrator, np.append(q, 0.0), np.append(p, -float(energy))


def _require_running(study: Ggl, clock: TimeTransform, q: np.ndarray, theta, energy: float) -> None:
    """Raises Faults for a time that does not go on at the start."""
    rate = float(clock.rate(jnp.asarray(q), theta)[0])
    if not (rate > 0 and np.isfinite(energy)):
        raise study_error(
            study,
            study.integrator.time_transform,
            "time-stands",
            f"the time transform is {rate:.4g} at the start, and time would not go on",
            "dt = g ds needs g > 0 wherever the motion goes",
        )


def solver(integrator: Integrator, mapped: bool = True) -> str:
    """One linear map, Newton on a surface, else fixed-point iterations.

    `mapped`: whether a linear map will do, which knows nothing of the nodes of a step.
    """
    if mapped and integrator.linear:
        return "linear"
    return "fixed point" if integrator.surface is None else "newton"
