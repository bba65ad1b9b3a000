"""The forces of constraint along a motion: multipliers, arrays and their figure."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.integrators.constrained import Constrained, multipliers
from actionrun.compiler.numerics.integrators.many_body.flattened import Flat
from actionrun.compiler.numerics.integrators.mechanics import Mechanics
from actionrun.compiler.numerics.integrators.time_marching import Stepper
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.symbolic.vocabulary import Vocabulary
from actionrun.spec.kinds.ggl import Ggl


class Forces(NamedTuple):
    """Multipliers (rows, m) and the forces of all constraints on the coordinates (rows, n)."""

    multipliers: np.ndarray
    forces: np.ndarray


@eqx.filter_jit
def _forces(mechanics, constraints, q, v, t, theta):
    weights = multipliers(mechanics, constraints, q, v, t, theta)
    pull = jnp.sum(constraints.gradient(q, t, theta) * weights[:, None], axis=0)
    return weights.T, pull.T


@eqx.filter_jit
def _forces_of_many(mechanics, constraints, q, v, t, theta):
    def of(row):
        q, v, t = row
        weights = multipliers(mechanics, constraints, q, v, t, theta)
        return weights, constraints.pull(q, t, theta, weights)

    return jax.lax.map(of, (q, v, t))  # a row at a time: its matrix is of all bodies


def forces(ggl: Stepper, q, v, t, theta) -> Forces | None:
    """The forces of constraint at rows of positions and velocities (rows, n); None without any."""
    mechanics = ggl.mechanics
    inner = ggl.inner if isinstance(ggl, Transformed) else ggl
    if not isinstance(inner, Constrained):
        return None
    assert isinstance(mechanics, Mechanics | Flat)
    if isinstance(mechanics, Flat):
        weights, pull = _forces_of_many(mechanics, inner.constraints, q, v, t, theta)
        return Forces(np.asarray(weights), np.asarray(pull))
    q, v, t = (jnp.asarray(x) for x in (q.T, v.T, t))
    weights, pull = _forces(mechanics, inner.constraints, q, v, t, theta[:, None])
    return Forces(np.asarray(weights), np.asarray(pull))


def force_arrays(study: Ggl, words: Vocabulary, forces: Forces) -> dict[str, Array]:
    """`multiplier_1`, ... of L + sum_k multiplier_k phi_k, and `force_NAME` by coordinate."""
    arrays: dict[str, Array] = {}
    for k, constraint in enumerate(study.system.holonomic, 1):
        unit = study.unit(f"multiplier_{k}")
        meaning = f"multiplier of the constraint {constraint.text}"
        arrays[f"multiplier_{k}"] = Array(forces.multipliers[:, k - 1], ("t",), unit, meaning)
    for name, part in words.slices.items():
        vector = study.system.is_vector(name)
        data = forces.forces[:, part] if vector else forces.forces[:, part.start]
        dims = ("t", f"{name}_component") if vector else ("t",)
        meaning = f"force of constraint on {name}"
        arrays[f"force_{name}"] = Array(data, dims, study.unit(f"force_{name}"), meaning)
    return arrays


def force_figure(study: Ggl, words: Vocabulary, t: np.ndarray, forces: Forces) -> Figure:
    """Forces of constraint against time, one panel for the coordinates that share a unit."""
    curves: dict[str, list[Curve]] = {}
    for name, part in words.slices.items():
        for k in range(part.start, part.stop):
            curve = Curve(t, forces.forces[:, k], f"on {words.names[k]}")
            curves.setdefault(study.unit(f"force_{name}"), []).append(curve)
    time = Axis("time t", study.unit("t"))
    panels = tuple(
        Panel(time, Axis("force of constraint", unit), tuple(group))
        for unit, group in curves.items()
    )
    return Figure("constraint_forces", "The forces that keep the constraints.", panels)
