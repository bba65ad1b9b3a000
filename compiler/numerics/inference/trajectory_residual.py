"""Shooting: the residuals of modelled trajectories at measured samples.

Bock (Springer Series in Chemical Physics 18, 102, 1981); the unknowns are coefficients and initial
states, and derivatives go through the integrator.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.shooting import (
    BatchIntegrator,
    Grid,
    Motion,
    motions_on,
)
from actionrun.compiler.numerics.optimizers.inequality_constraints import InequalityConstraints
from jaxtyping import Array, Float, Int

from .measured_expressions import KEY, MeasuredExpressions
from .observables import observe


class SerialCorrelation(NamedTuple):
    """Noise that remembers: of each sample the sample of its channel before it, by number, and the
    correlation with it, zero for the first, (samples, channels, trials)."""

    previous: Int[Array, "samples channels trials"]
    correlation: Float[Array, "samples channels trials"]


class StartPrior(NamedTuple):
    """What is known of q and v at the starts, with errors: means, and weights over deviations, zero
    where nothing is."""

    mean: Float[Array, "state trials"]
    weight: Float[Array, "state trials"]


class TrajectoryResidual(eqx.Module):
    """Coefficients and initial states x -> weighted residuals.

    A trial (or a segment of one) is a lane of its own: x is (k + 2 n, trials, *lanes), the
    coefficients and then q and v at the trial's first time; where starts are `given` (2 n, trials),
    x has only those of them that are `free`. `values`, `weight` (samples, channels, trials), `t`
    (samples, trials); `names`: observable and component of each channel; `contracts`: fixed-point
    iterations are known to converge; `formulas`: the observables that a study writes; `serial`: the
    residuals are made white; `start_prior` adds residuals of the starts.
    """

    ggl: BatchIntegrator
    fixed: Float[Array, " parameters"]
    grid: Grid
    values: Float[Array, "samples channels trials"]
    weight: Float[Array, "samples channels trials"]
    t: Float[Array, "samples trials"]
    names: tuple[tuple[str, int], ...] = eqx.field(static=True)
    k: int = eqx.field(static=True)
    contracts: bool = eqx.field(static=True, default=False)
    inequalities: InequalityConstraints | None = None
    given: Float[Array, "state trials"] | None = None
    serial: SerialCorrelation | None = None
    formulas: MeasuredExpressions | None = None
    free: tuple[int, ...] = eqx.field(static=True, default=())
    start_prior: StartPrior | None = None

    def _to_batch(self, data: Array, x: Array) -> Array:
        """An array that ends with trials, to broadcast with the batch."""
        return data[(..., *(None,) * (x.ndim - 2))]

    def _initial(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """Constants (constants, *batch), initial q, v and p (n, *batch)."""
        n, batch = self.ggl.mechanics.n, x.shape[1:]
        c, state = x[: self.k], x[self.k :]
        if self.given is not None:
            given = self._to_batch(self.given.astype(x.dtype), x)
            given = jnp.broadcast_to(given, (2 * n, *batch))
            state = given.at[jnp.array(self.free, int)].set(state) if self.free else given
        fixed = self.fixed.reshape((-1,) + (1,) * len(batch))
        theta = jnp.concatenate([jnp.broadcast_to(fixed, (*self.fixed.shape, *batch)), c])
        q, v = state[:n], state[n:]
        first = self.grid.theta_at_start(theta)
        p = self.ggl.mechanics.momentum(q, v, self._to_batch(self.t[0], x), first)
        return theta, q, v, p

    def _observed(self, x: Array) -> tuple[Array, Motion, Array, Array, Array, Array]:
        """Modelled channels, the motion, and theta and the initial q, v and p."""
        theta, q, v, p = self._initial(x)
        motion = motions_on(self.ggl, theta, q, p, self.grid, self.contracts)
        keys = [key for key, _ in self.names if key != KEY]
        t = self._to_batch(self.t, x)
        each = self.grid.theta_at_samples(theta)
        seen = observe(keys, self.ggl.mechanics, motion.q, motion.p, t, each)
        if self.formulas is not None:
            seen[KEY] = self.formulas(self.ggl.mechanics.flattened, motion.q, motion.p, t, each)
        return jnp.stack([seen[key][:, i] for key, i in self.names], axis=1), motion, theta, q, v, p

    def initial_momenta(self, x: Float[Array, "unknowns *batch"]) -> Float[Array, "n *batch"]:
        """The momenta that each trial begins with."""
        return self._initial(x)[3]

    def motion(
        self, x: Float[Array, "unknowns *batch"]
    ) -> tuple[Float[Array, "samples channels *batch"], Float[Array, "*batch"]]:
        """Modelled channels, and the worst change of the integrator's iteration."""
        modelled, motion, *_ = self._observed(x)
        return modelled, motion.change

    def residual(self, x: Float[Array, "unknowns *batch"]) -> Float[Array, "rows *batch"]:
        """Weighted misfits, and how far the initial states lie off the constraints."""
        return self._rows(x)[0]

    def rows_with_states(self, x: Float[Array, "unknowns *batch"]) -> Float[Array, "rows *batch"]:
        """Those residuals, then the positions and momenta at the last time, and at the first one
        (2 n each): what segments of one motion have to agree on."""
        rows, motion, q, p = self._rows(x)
        return jnp.concatenate([rows, motion.q[-1], motion.p[-1], q, p])

    def _rows(self, x: Array) -> tuple[Array, Motion, Array, Array]:
        modelled, motion, theta, q, v, p = self._observed(x)
        miss = self.apart(modelled - self._to_batch(self.values, x))
        miss = miss * self._to_batch(self.weight, x)
        if self.serial is not None:
            miss = self._whitened(self.serial, miss, x)
        t = self._to_batch(self.t[0], x)
        span = self._to_batch(jnp.max(self.t - self.t[0], axis=0), x)
        first = self.grid.theta_at_start(theta)
        off = self.ggl.initial_constraint_residual(q, p, t, first, span)
        rows = [miss.reshape((-1, *x.shape[1:])), off.reshape((-1, *x.shape[1:]))]
        if self.start_prior is not None:
            mean, weight = (self._to_batch(a, x) for a in self.start_prior)
            rows.append((jnp.concatenate([q, v]) - mean) * weight)
        return jnp.concatenate(rows), motion, q, p

    def apart(self, miss: Array) -> Array:
        """Misfits (samples, channels, ...), of channels with a period less its multiples."""
        if self.formulas is None or not any(self.formulas.periods):
            return miss
        return jnp.stack(
            [
                self.formulas.nearest(miss[:, k], i) if key == KEY else miss[:, k]
                for k, (key, i) in enumerate(self.names)
            ],
            axis=1,
        )

    def _whitened(self, serial: SerialCorrelation, miss: Array, x: Array) -> Array:
        """Innovations of an autoregressive noise, each in its own deviation."""
        before = jnp.broadcast_to(self._to_batch(serial.previous, x), miss.shape)
        rho = self._to_batch(serial.correlation, x)
        earlier = jnp.take_along_axis(miss, before, axis=0)
        return (miss - rho * earlier) / jnp.sqrt(1 - rho**2)


@eqx.filter_jit
def modelled(
    trajectory: TrajectoryResidual, x: Float[Array, "unknowns *batch"]
) -> tuple[Array, Float[Array, "*batch"]]:
    """The modelled channels of x (unknowns, *batch), and the worst change of the iteration."""
    return trajectory.motion(x)
