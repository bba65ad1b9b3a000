"""The forces of constraint along a motion: multipliers, arrays and their figure."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.integrators.constrained import Constraints, multipliers
from actionrun.compiler.numerics.integrators.mechanics import FlatMechanics
from actionrun.compiler.numerics.integrators.time_marching import Integrator
from actionrun.compiler.symbolic.constraints import numbered
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.vocabulary import Vocabulary


class Forces(NamedTuple):
    """Multipliers (rows, m) and the forces of all constraints on the coordinates (rows, n)."""

    multipliers: np.ndarray
    forces: np.ndarray


@eqx.filter_jit
def _forces(mechanics: FlatMechanics, surface: Constraints, q, v, t, theta):
    def of(row):
        q, v, t = row
        weights = multipliers(mechanics, surface, q, v, t, theta)
        return weights, surface.pull(q, t, theta, weights)

    return jax.lax.map(of, (q, v, t))  # a row at a time: of bodies, its matrix is of them all


def forces(integrator: Integrator, q, v, t, theta) -> Forces | None:
    """The forces of constraint at rows of positions and velocities (rows, n); None without any."""
    if integrator.surface is None:
        return None
    q, v, t = map(jnp.asarray, (q, v, t))
    flat = integrator.mechanics.flattened
    return Forces(*map(np.asarray, _forces(flat, integrator.surface, q, v, t, theta)))


def force_arrays(system: LagrangianSystem, forces: Forces) -> dict[str, Array]:
    """`multiplier_1`, ... of L + sum_k multiplier_k phi_k, one for every body where a constraint
    holds for each, and `force_NAME` by coordinate."""
    arrays: dict[str, Array] = {}
    bodies, at = ("body",) * bool(system.body_count), 0
    for k, (one, first, count) in enumerate(numbered(system), 1):
        data, key = forces.multipliers[:, at : at + count], f"multiplier_{k}"
        at += count
        of = f" for i = {first} ... {first + count - 1}" if one.each else ""
        meaning = f"multiplier of the constraint {one.where.text}{of}"
        dims = ("t", f"{key}_i") if one.each else ("t",)
        data = data if one.each else data[:, 0]
        arrays[key] = Array(data, dims, system.words.unit(key), meaning)
    each = " of each body" if system.body_count else ""
    for name in system.words.slices:
        data = system.of_coordinate(forces.forces, name)
        dims = ("t", *bodies, f"{name}_component")[: data.ndim]
        meaning = f"force of constraint on {name}{each}"
        arrays[f"force_{name}"] = Array(data, dims, system.words.unit(f"force_{name}"), meaning)
    return arrays


def force_figure(words: Vocabulary, t: np.ndarray, forces: Forces) -> Figure:
    """Forces of constraint against time, one panel for the coordinates that share a unit."""
    curves: dict[str, list[Curve]] = {}
    for name, part in words.slices.items():
        for k in range(part.start, part.stop):
            curve = Curve(t, forces.forces[:, k], f"on {words.names[k]}")
            curves.setdefault(words.unit(f"force_{name}"), []).append(curve)
    time = Axis("time t", words.unit("t"))
    panels = tuple(
        Panel(time, Axis("force of constraint", unit), tuple(group))
        for unit, group in curves.items()
    )
    return Figure("constraint_forces", "The forces that keep the constraints.", panels)
