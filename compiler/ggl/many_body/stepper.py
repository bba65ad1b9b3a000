"""From a ggl study of many bodies to its integrator, the state that it starts from, its exact
solution and the balance of its charges."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.ggl.charge_balance import SymmetryCharges
from actionrun.compiler.ggl.settings import InitialState, Settings
from actionrun.compiler.ggl.stepper import in_transformed_time
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.many_body.charges import ManyBodyCharges
from actionrun.compiler.numerics.integrators.many_body.exact_solution import ManyBodyExactSolution
from actionrun.compiler.numerics.integrators.many_body.flattened import FlattenedMechanics
from actionrun.compiler.numerics.integrators.many_body.mechanics import ManyBodyMechanics
from actionrun.compiler.numerics.integrators.many_body.time_transform import (
    TimeTransformedMechanics,
)
from actionrun.compiler.numerics.integrators.time_marching import Integrator
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.constraints import many_body_constraints, start_on_constraints
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import arguments_of
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.noether import symmetries
from actionrun.compiler.symbolic.regularity import require_masses
from actionrun.compiler.symbolic.time_transform import many_body_clock

MOST = 3000  # unknowns of a step with constraints: its matrix is dense
CHARGES = {"time": "energy", "translation": "shift", "rotation": "turn"}


@eqx.filter_jit
def _momenta(mechanics: ManyBodyMechanics, at, theta):
    """Momenta and inverse masses at (q, v) (components, bodies)."""
    q, v = at
    return mechanics.momentum(q, v, 0.0, theta), mechanics.inverse_mass(q, v, 0.0, theta)


def _start(
    given: InitialState, system: LagrangianSystem, mechanics: ManyBodyMechanics, theta
) -> tuple[np.ndarray, np.ndarray]:
    """Initial positions and discrete momenta (n,), component by component. Raises Faults for a body
    without mass."""
    moving = given.given == "velocity"
    v = given.speed if moving else np.zeros(given.q.shape)
    at = tuple(jax.device_put(x.reshape(-1, system.body_count)) for x in (given.q, v))
    p, inverse = map(np.asarray, _momenta(mechanics, at, theta))
    require_masses(system.words, inverse)
    return given.q, p.ravel() if moving else given.speed


def stepper(
    settings: Settings, system: LagrangianSystem, arrays: ManyBodyMechanics, theta
) -> tuple[Integrator, np.ndarray, np.ndarray]:
    """The integrator of the settings and the state (q, p) that it starts from, as `ggl.stepper`."""
    r, count = settings.r, system.body_count
    q, p = _start(settings.start, system, arrays, theta)
    plain, flat, surface = GGL(arrays, r), arrays.flattened, None
    if system.holonomic:
        surface = many_body_constraints(system)
        unknowns = (system.n + surface.m) * (r + 1)
        if unknowns > MOST:
            raise study_error(
                system.words, ("system", "constraints"), "too-many-bodies",
                f"a step of {count} bodies with constraints has {unknowns} unknowns, "
                f"{MOST} at most",
                "take fewer bodies, or a smaller integrator.r",
            )  # fmt: skip
        on = Constrained(GGL(flat, r), surface)
        q, p = start_on_constraints(system, on, theta, q, p, settings.start.given)
    transform = settings.time_transform
    if transform is None:
        return plain if surface is None else Constrained(GGL(flat, r), surface), q, p
    clock = many_body_clock(system, transform, arrays)
    slow = TimeTransformedMechanics(arrays, clock.formula)
    inner = GGL(FlattenedMechanics(slow), r, clock)
    inner = inner if surface is None else Constrained(inner, surface)
    result = Transformed(inner, flat, clock)
    return in_transformed_time(settings, system.words, result, plain.energies, theta, q, p)


def exact(settings: Settings, system: LagrangianSystem) -> ManyBodyExactSolution | None:
    """The true positions of all bodies at a time; None where they are not known."""
    if not settings.exact:
        return None
    words = system.words
    parts = [words.scalar(e, each=True) for e in settings.exact]
    symbols, places = arguments_of(system, parts)
    values = lowered(parts, [*symbols, words.t, *system.constants])
    return ManyBodyExactSolution(system.body_count, len(system.values), places, values)


def charges(
    system: LagrangianSystem, mechanics: ManyBodyMechanics, integrator: Integrator
) -> SymmetryCharges:
    """The charges of a system of bodies, for steps of any kind."""
    if any(one.symbols("minus_v") for one in system.nonconservative_terms):
        return SymmetryCharges((), None, "no ledger: minus velocities in K are not followed for "
                                         "many bodies in this version")  # fmt: skip
    kept = symmetries(system)
    if not kept:
        return SymmetryCharges((), None)
    names = tuple((CHARGES[one.kind], one.components) for one in kept)
    flows = bool(system.nonconservative_terms)
    balance = ManyBodyCharges(
        mechanics=mechanics, r=integrator.r, clock=integrator.clock, charges=names,
        energy=names[0][0] == "energy", flows=flows,
    )  # fmt: skip
    return SymmetryCharges(kept, balance)
