"""A symbolic problem as array functions: what the integrator and all that is built on it call."""

from __future__ import annotations

import jax
import numpy as np
from actionrun.compiler.numerics.integrators.mechanics import Mechanics

from .lagrangian_system import LagrangianSystem
from .lowering import lowered
from .structure import structure


def mechanics(problem: LagrangianSystem) -> Mechanics:
    """Force, momentum, mass and energy of a problem, compiled; theta = `problem.constants`."""
    words = problem.words
    arguments = [*words.q, *words.v, words.t, *problem.constants]
    found = structure(problem)
    return Mechanics(
        n=problem.n,
        linear=found.linear,
        positional=found.positional,
        constant_mass=found.constant_mass,
        diagonal_mass=found.diagonal_mass,
        bare=found.bare,
        affine_momentum=found.affine_momentum,
        forces=lowered(problem.force, arguments),
        momenta=lowered(problem.momentum, arguments),
        masses=lowered(list(problem.mass), arguments),
        energies=lowered([problem.energy], arguments),
    )


def parameters(problem: LagrangianSystem) -> jax.Array:
    """The numbers of the parameters, in the order of `problem.values`."""
    return jax.device_put(np.array(list(problem.values.values()), dtype=np.float64))


def components(problem: LagrangianSystem, by_name, number) -> np.ndarray:
    """A table by coordinate (numbers or tuples) as an array (n,), in the order of components."""
    parts: list[float] = []
    for name in problem.words.slices:
        value = by_name[name]
        parts += [number(x) for x in value] if isinstance(value, tuple) else [number(value)]
    return np.array(parts, dtype=np.float64)
