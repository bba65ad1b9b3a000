"""Single shooting: the residuals of modelled trajectories at measured samples.

Bock (Springer Series in Chemical Physics 18, 102, 1981); the unknowns are coefficients and initial
states, and derivatives go through the integrator.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator, Grid, motions_on
from actionrun.compiler.numerics.optimizers.inequality_constraints import InequalityConstraints
from jaxtyping import Array, Float

from .observables import observe


class TrajectoryResidual(eqx.Module):
    """Coefficients and initial states x -> weighted residuals.

    Where `pooled`, all trials have the same coefficients: x is (k + 2 n trials, lanes), k
    coefficients and then q and v of each trial, and the batch is (trials, lanes). Otherwise each
    has its own: x is (k + 2 n, trials), a trial a lane.
    `values`, `weight` (samples, channels, trials), `t` (samples, trials); `names`: observable and
    component of each channel; `contracts`: fixed-point iterations are known to converge.
    """

    ggl: BatchIntegrator
    fixed: Float[Array, " parameters"]
    grid: Grid
    values: Float[Array, "samples channels trials"]
    weight: Float[Array, "samples channels trials"]
    t: Float[Array, "samples trials"]
    names: tuple[tuple[str, int], ...] = eqx.field(static=True)
    k: int = eqx.field(static=True)
    pooled: bool = eqx.field(static=True)
    contracts: bool = eqx.field(static=True, default=False)
    inequalities: InequalityConstraints | None = None

    def _lanes(self, x: Array) -> Array:
        """An array that ends with trials, to broadcast with the batch."""
        return x[..., None] if self.pooled else x

    def _initial(self, x: Array) -> tuple[Array, Array, Array]:
        """Constants (constants, *batch), initial q and p (n, *batch)."""
        n, c, state = self.ggl.mechanics.n, x[: self.k], x[self.k :]
        if self.pooled:
            trials, lanes = self.values.shape[-1], x.shape[-1]
            c = jnp.broadcast_to(c[:, None], (self.k, trials, lanes))
            state = jnp.moveaxis(state.reshape((trials, 2, n, lanes)), 0, 2)
        else:
            state = state.reshape((2, n, -1))
        fixed = self.fixed.reshape((-1,) + (1,) * (c.ndim - 1))
        fixed = jnp.broadcast_to(fixed, (*self.fixed.shape, *c.shape[1:]))
        theta, (q, v) = jnp.concatenate([fixed, c]), state
        return theta, q, self.ggl.mechanics.momentum(q, v, self._lanes(self.t[0]), theta)

    def motion(
        self, x: Float[Array, "unknowns lanes"]
    ) -> tuple[Float[Array, "samples channels *batch"], Float[Array, "*batch"]]:
        """Modelled channels, and the worst change of the integrator's iteration."""
        theta, q, p = self._initial(x)
        motion = motions_on(self.ggl, theta, q, p, self.grid, self.contracts)
        keys = [key for key, _ in self.names]
        t = self._lanes(self.t)
        modelled = observe(keys, self.ggl.mechanics, motion.q, motion.p, t, theta)
        return jnp.stack([modelled[key][:, i] for key, i in self.names], axis=1), motion.change

    def residual(self, x: Float[Array, "unknowns lanes"]) -> Float[Array, "rows lanes"]:
        """Weighted misfits, and how far the initial states lie off the constraints."""
        modelled, _ = self.motion(x)
        miss = (modelled - self._lanes(self.values)) * self._lanes(self.weight)
        theta, q, p = self._initial(x)
        span = self._lanes(jnp.max(self.t - self.t[0], axis=0))
        off = self.ggl.initial_constraint_residual(q, p, self._lanes(self.t[0]), theta, span)
        rows = (miss.reshape((-1, x.shape[-1])), off.reshape((-1, x.shape[-1])))
        return jnp.concatenate(rows)
