"""The integrator of a family, and starts that lie on the surface of its constraints."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.inference.population import Population
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.constraints import constraints, dependences, distances
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import mechanics, parameters
from actionrun.spec import Faults

from .bounds import Ranges

STARTS = 64  # drawn to see whether a motion can start there
ON = 1e-12  # of the size of the terms: a start this near to the surface lies on it


def integrator(symbolic: LagrangianSystem, r: int) -> BatchIntegrator:
    """The integrator of a family's motions, on the surface of its constraints where it has any."""
    plain = GGL(mechanics(symbolic), r)
    return Constrained(plain, constraints(symbolic)) if symbolic.constraints else plain


def require_starts(symbolic: LagrangianSystem, drawn: Population, seed: int) -> None:
    """Raises Faults where constraints follow from others or contradict them, and where starts
    cannot be put on their surface."""
    ggl = drawn.ggl
    if not isinstance(ggl, Constrained):
        return
    c, q, rate = drawn.draw(jax.random.key(seed), STARTS)
    theta, p = drawn.theta(c), drawn.momenta(c, q, rate)
    require_surface(symbolic, ggl, theta[:, 0], q[:, 0], p[:, 0])
    if bool(jnp.all(drawn.q_low == drawn.q_high)):
        require_on(symbolic, ggl, theta[:, 0], q[:, 0], p[:, 0])
    none = jnp.zeros(())
    q, p = ggl.project_to_constraints(q, p, none, theta)
    off = jnp.max(jnp.abs(ggl.constraint_residual(q, none, theta)), axis=0)
    lost = int(np.sum(~np.asarray((off < ON) & jnp.all(jnp.isfinite(p), axis=0))))
    if lost:
        one = "the constraint" if len(symbolic.constraints) == 1 else "the constraints"
        raise study_error(
            symbolic.words, ("start", "position"), "constraint-start",
            f"{lost} of {STARTS} starts drawn cannot be moved onto {one}",
            "choose ranges near its surface, or narrower ones of the coefficients in it",
        )  # fmt: skip


def require_surface(symbolic: LagrangianSystem, ggl: BatchIntegrator, theta, q, p) -> None:
    """Raises Faults where constraints at q (n,) follow from others or contradict them."""
    if isinstance(ggl, Constrained):
        faults = dependences(symbolic, ggl, theta, np.asarray(q), np.asarray(p))
        if faults:
            raise Faults(tuple(faults))


def require_on(symbolic: LagrangianSystem, ggl: BatchIntegrator, theta, q, p) -> None:
    """Raises Faults for a start q (n,) in plain numbers that is off the constraints.

    Where a coefficient stands in them their surface is another for each member, and the start is
    moved onto it.
    """
    held = set().union(*(phi.free_symbols for phi in symbolic.constraints))
    if isinstance(ggl, Constrained) and not held & {*symbolic.coefficients}:
        faults = distances(symbolic, ggl, theta, np.asarray(q), np.asarray(p))
        if faults:
            raise Faults(tuple(faults))


def require_fit_surface(
    symbolic: LagrangianSystem, ggl: BatchIntegrator, within: Ranges,
    first: np.ndarray, start: np.ndarray | None, driven: np.ndarray | None = None,
) -> None:  # fmt: skip
    """Raises Faults for constraints of a fit that do not go together at its `first` positions (n,),
    and for a `start` q, v (2 n, trials) off them; `driven`: constants (m,) of files there."""
    if not symbolic.constraints:
        return
    middle = jnp.asarray((within.low + within.high) / 2)
    more = jnp.zeros(0) if driven is None else jnp.asarray(driven)
    theta = jnp.concatenate([parameters(symbolic), middle, more])
    require_surface(symbolic, ggl, theta, first, np.zeros_like(first))
    if start is not None and np.isfinite(start[: symbolic.n, 0]).all():
        q = start[: symbolic.n, 0]
        require_on(symbolic, ggl, theta, q, np.zeros_like(q))
