"""From a ggl study to its integrator, the state that it starts from and the solver of its steps."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..spec.ggl import Ggl
from .arrays import components, mechanics
from .modules.constrained import Constrained
from .modules.ggl import GGL
from .modules.march import Single
from .modules.mechanics import Mechanics
from .modules.transformed import Transformed
from .problem import Problem
from .refusal import refusal
from .surface import constraints, placed
from .transform import transformed


def _start(
    study: Ggl, symbolic: Problem, arrays: Mechanics, theta
) -> tuple[np.ndarray, np.ndarray]:
    """Initial positions and discrete momenta; p = P(q, v, t) where velocities are given."""
    assert study.start is not None
    q = components(symbolic, study.start.position, study.number)
    if study.start.momentum is not None:
        return q, components(symbolic, study.start.momentum, study.number)
    assert study.start.velocity is not None
    v = components(symbolic, study.start.velocity, study.number)
    return q, np.asarray(arrays.momentum(jnp.asarray(q), jnp.asarray(v), 0.0, theta))


def stepper(
    study: Ggl, symbolic: Problem, arrays: Mechanics, theta
) -> tuple[Single, np.ndarray, np.ndarray]:
    """The integrator of the study and the state (q, p) that it starts from.

    The state of a transformed time holds time and -energy behind positions and momenta. Raises
    Faults for constraints and transforms that the start does not allow.
    """
    q, p = _start(study, symbolic, arrays, theta)
    r, surface = study.integrator.r, None
    plain = GGL(arrays, r)
    if symbolic.constraints:
        surface = constraints(symbolic)
        q, p = placed(study, Constrained(plain, surface), theta, q, p)
    if study.integrator.time_transform is None:
        return plain if surface is None else Constrained(plain, surface), q, p
    slow, clock = transformed(study, symbolic)
    inner = GGL(mechanics(slow), r, clock)
    energy, _ = plain.energies(jnp.asarray(q), jnp.asarray(p), 0.0, theta)
    rate = float(clock.rate(jnp.asarray(q), theta)[0])
    if not (rate > 0 and np.isfinite(energy)):
        raise refusal(
            study,
            study.integrator.time_transform,
            "time-stands",
            f"the time transform is {rate:.4g} at the start, and time would not go on",
            "dt = g ds needs g > 0 wherever the motion goes",
        )
    inner = inner if surface is None else Constrained(inner, surface)
    return Transformed(inner, arrays), np.append(q, 0.0), np.append(p, -float(energy))


def solver(ggl: Single, q, p, h, theta, mapped: bool = True) -> str:
    """One linear map, else fixed-point passes where the first step contracts well, else Newton.

    `mapped`: whether a linear map will do, which knows nothing of the nodes of a step.
    """
    if mapped and isinstance(ggl, GGL) and ggl.mechanics.linear:
        return "linear"
    inner = ggl.inner if isinstance(ggl, Transformed) else ggl
    if isinstance(inner, Constrained) or isinstance(ggl, Constrained):
        return "newton"
    if ggl.explicit:
        return "fixed point"

    @eqx.filter_jit
    def first(q, p, h, theta):
        minv = ggl.preconditioner(q, p, 0.0, theta)
        done = ggl.fixed_point(q, p, jnp.zeros(()), h, theta, minv, ggl.guess(q, p, 0.0, theta))
        return done.passes, done.change

    passes, change = first(jnp.asarray(q), jnp.asarray(p), jnp.asarray(h), theta)
    return "fixed point" if float(change) < 1e-12 and int(passes) <= 40 else "newton"
