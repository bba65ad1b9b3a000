"""The kept rows of a motion, with what follows from its positions and momenta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.mechanics import FlatMechanics

from .constraint_forces import Forces, forces
from .integration import Integration


class Series(NamedTuple):
    """The kept rows with the start put first: t (rows,), q, p, v (rows, n), energy (rows,).

    `forces` are those of the constraints, where there are any; `acted`: events have set states.
    """

    t: np.ndarray
    q: np.ndarray
    p: np.ndarray
    v: np.ndarray
    energy: np.ndarray
    forces: Forces | None
    acted: bool


@eqx.filter_jit
def _states(mechanics: FlatMechanics, q, p, t, theta):
    return mechanics.states(q, p, t, theta)


def series(run: Integration, samples: Mapping[str, np.ndarray]) -> Series:
    """Of the rows of a run."""
    n, flat = run.system.n, run.integrator.mechanics.flattened
    t = np.concatenate([[0.0], samples["t"]])
    q, p = (
        np.concatenate([np.asarray(start)[None, :n], samples[name]])
        for name, start in (("q", run.q), ("p", run.p))
    )
    rows = jnp.asarray(q), jnp.asarray(p), jnp.asarray(t)
    v, energy = map(np.asarray, _states(flat, *rows, run.theta))
    acted = len(samples.get("act", ())) > 0
    return Series(t, q, p, v, energy, forces(run.integrator, q, v, t, run.theta), acted)
