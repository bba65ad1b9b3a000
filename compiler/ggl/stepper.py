"""From a ggl study to its integrator, the state that it starts from and the solver of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.constrained import Constrained, Constraints
from actionrun.compiler.numerics.integrators.mechanics import DiscreteMechanics, TimeTransform
from actionrun.compiler.numerics.integrators.time_marching import Integrator
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.constraints import constraints, start_on_constraints
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.regularity import require_masses
from actionrun.compiler.symbolic.vocabulary import Vocabulary
from actionrun.spec import Expression

from .settings import InitialState, Settings

MOST = 3000  # unknowns of a step of bodies with constraints: its matrix is dense


@eqx.filter_jit
def _momenta(mechanics: DiscreteMechanics, q, v, theta):
    """Momenta (n,) at q, v (n,), and inverse masses as the mechanics folds them."""
    at = mechanics.fold(q), mechanics.fold(v), 0.0, theta
    return mechanics.flat(mechanics.momentum(*at)), mechanics.inverse_mass(*at)


def _start(
    given: InitialState, system: LagrangianSystem, arrays: DiscreteMechanics, theta
) -> tuple[np.ndarray, np.ndarray]:
    """Initial positions and discrete momenta (n,); p = P(q, v, t) where velocities are given.
    Raises Faults for a body without mass."""
    q, moving = given.q, given.given == "velocity"
    if system.body_count:
        v = given.speed if moving else np.zeros(q.shape)
        moved = _momenta(arrays, jax.device_put(q), jax.device_put(v), theta)
        p, inverse = map(np.asarray, moved)
        require_masses(system.words, inverse)
        return q, p if moving else given.speed
    if not moving:
        return q, given.speed
    words = system.words
    symbols = [*words.q, *words.v, words.t, *system.constants]
    values = [*q, *given.speed, 0.0, *system.values.values()]
    at = dict(zip(symbols, values, strict=True))
    return q, numbers(system.momentum, at)[:, 0]


def stepper(
    settings: Settings, system: LagrangianSystem, arrays: DiscreteMechanics,
    slowed: Callable[[Expression], tuple[DiscreteMechanics, TimeTransform]], theta: Any,
) -> tuple[Integrator, np.ndarray, np.ndarray]:  # fmt: skip
    """The integrator of the settings and the state (q, p) that it starts from.

    `slowed` gives the mechanics of a transformed time and its clock; its state holds time and
    -energy behind positions and momenta. Raises Faults for constraints and transforms that the
    start does not allow.
    """
    r, flat, transform = settings.r, arrays.flattened, settings.time_transform
    q, p = _start(settings.start, system, arrays, theta)
    plain, surface = GGL(arrays, r), None
    if system.holonomic:
        surface = constraints(system)
        if system.body_count:
            _require_room(system, surface, r)
        on = Constrained(GGL(flat, r), surface)
        q, p = start_on_constraints(system, on, theta, q, p, settings.start.given)
    if transform is None:
        return plain if surface is None else Constrained(GGL(flat, r), surface), q, p
    slow, clock = slowed(transform)
    inner = GGL(slow, r, clock)
    inner = inner if surface is None else Constrained(inner, surface)
    result = Transformed(inner, flat, clock)
    return _in_transformed_time(transform, system.words, result, plain.energies, theta, q, p)


def _require_room(system: LagrangianSystem, surface: Constraints, r: int) -> None:
    """Raises Faults for a step of bodies whose matrix would not fit."""
    unknowns = (system.n + surface.m) * (r + 1)
    if unknowns > MOST:
        raise study_error(
            system.words, ("system", "constraints"), "too-many-bodies",
            f"a step of {system.body_count} bodies with constraints has {unknowns} unknowns, "
            f"{MOST} at most",
            "take fewer bodies, or a smaller integrator.r",
        )  # fmt: skip


def _in_transformed_time(
    transform: Expression, words: Vocabulary, integrator: Transformed, energies: Callable, theta,
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
            transform,
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
