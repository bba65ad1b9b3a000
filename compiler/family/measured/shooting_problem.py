"""A fit as a problem of least squares: trajectories through all samples, single and multiple
shooting, and what a solution says of the samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.family.bounds import Ranges
from actionrun.compiler.family.observations import ObservedMotions, grid
from actionrun.compiler.numerics.inference.block_covariance import (
    ProjectedJacobian,
    inverse_information,
    project,
)
from actionrun.compiler.numerics.inference.measured_expressions import MeasuredExpressions
from actionrun.compiler.numerics.inference.residual_tests import LAGS, ljung_box
from actionrun.compiler.numerics.inference.trajectory_residual import (
    SerialCorrelation,
    StartPrior,
    TrajectoryResidual,
    modelled,
)
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator, Grid
from actionrun.compiler.numerics.optimizers.block_least_squares import (
    BlockFit,
    Prior,
    Unknowns,
    joined,
)
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem

from .noise import EXACT, OF_MEMORY, Noise, serial_correlation
from .segments import (
    ITERATIONS,
    STIFFNESS,
    ScaledShooting,
    first_momenta,
    linearized,
    segment_count,
    segmented,
    segmented_fit,
    shooting_fit,
)
from .settings import FitSettings
from .starts import SmoothMotion, initial_states

STRETCHES = (0.15, 0.4, 1.0)  # of the motion, one after the other


@dataclass(frozen=True)
class Solution:
    """A fit linearized: residuals (rows, trials) and their Jacobian (rows, k + m, trials) in
    deviations, local unknowns in units of their sizes; the same projected on the coefficients, and
    the inverse of its information (k, k); modelled samples, their misfits over the channel's size,
    white residuals in deviations and leverages (samples, channels, trials); `expected` (channels,
    lags): the autocorrelations that the fit itself gives to residuals of white noise."""

    rows: np.ndarray
    jacobian: np.ndarray
    projected: ProjectedJacobian
    inverse: np.ndarray
    model: np.ndarray
    miss: np.ndarray
    white: np.ndarray
    leverage: np.ndarray
    expected: np.ndarray

    def is_white(self, o: ObservedMotions) -> bool:
        """Whether no channel's residuals, made white, follow one another any more."""
        return all(
            np.max(np.abs(self.miss[:, k]), initial=0.0) < EXACT
            or ljung_box(self.white[:, k], o.there[:, k], self.expected[k])
            > OF_MEMORY / len(o.names)
            for k in range(len(o.names))
        )


@dataclass(frozen=True)
class ShootingProblem:
    """Samples and the law that is to go through them; `motions`: the samples smoothed, by trial;
    `scales` (2 n,) of the starts; the step `dt`; whether fixed points of it contract."""

    settings: FitSettings
    symbolic: LagrangianSystem
    within: Ranges
    observed: ObservedMotions
    ggl: BatchIntegrator
    fixed: jax.Array
    motions: dict[int, SmoothMotion]
    scales: np.ndarray
    dt: float
    contracts: bool = False
    formulas: MeasuredExpressions | None = None

    @property
    def free(self) -> list[int]:
        """Which of q and v at the starts are unknown."""
        start = self.settings.start
        count = len(self.scales)
        return [*range(count)] if start is None else [
            i for i in range(count) if not np.isfinite(start[i]).all()
        ]  # fmt: skip

    @property
    def local(self) -> np.ndarray:
        """Sizes (m,) of the unknown starts."""
        return self.scales[self.free]

    @cached_property
    def steps(self) -> Grid:
        """The integrator's steps between all samples."""
        return grid(self.observed.t, self.dt, self.observed.driving)

    def trajectory(self, noise: Noise, share: float = 1.0) -> TrajectoryResidual:
        o = self.observed
        span = np.nanmax(o.t - o.t[:1], axis=0)
        used = noise.weights(o) * ((o.t - o.t[:1]) <= share * span + 1e-12)[:, None]
        serial = serial_correlation(noise, o)
        given, start = None, self.settings.start
        if start is not None:
            given = jnp.asarray(np.where(np.isfinite(start), start, 0.0))
        prior = self.settings.start_prior
        if prior is not None:
            mean, std = prior
            prior = StartPrior(jnp.asarray(mean), jnp.asarray(noise.unit / std))
        return TrajectoryResidual(
            self.ggl, self.fixed, self.steps, jnp.asarray(o.values),
            jnp.asarray(used), jnp.asarray(o.t), o.names, len(self.within.low), self.contracts,
            self.within.inequalities, given,
            None if serial is None else SerialCorrelation(*(jnp.asarray(a) for a in serial)),
            self.formulas, () if start is None else tuple(self.free), prior,
        )  # fmt: skip

    def shooting(self, trajectory: TrajectoryResidual) -> ScaledShooting:
        return ScaledShooting(trajectory, jnp.asarray(self.local))

    def states(self, times: np.ndarray, lanes: int) -> jax.Array:
        """Local unknowns (m, times, trials, lanes) from the smoothed data."""
        if not len(self.local):
            return jnp.zeros((0, 1, times.shape[1], lanes))
        states = initial_states(self.observed, self.motions, self.symbolic.n, times)
        if (prior := self.settings.start_prior) is not None:
            states[:, 0] = np.where(np.isfinite(prior[1]), prior[0], states[:, 0])
        scaled = states[self.free] / self.local[:, None, None]
        return jnp.asarray(np.repeat(scaled[..., None], lanes, axis=-1))

    def prior(self, noise: Noise) -> Prior | None:
        """Priors of coefficients, in units of the weights."""
        mean, std = self.settings.prior
        if not np.isfinite(std).any():
            return None
        return Prior(jnp.asarray(mean), jnp.asarray((noise.unit / std) ** 2))

    def bounds(self, lanes: int = 1) -> tuple[jax.Array, jax.Array]:
        """Bounds (k, lanes)."""
        low, high = (
            jnp.asarray(np.repeat(e[:, None], lanes, axis=1))
            for e in (self.within.low, self.within.high)
        )
        return low, high

    def shot(self, shooting: ScaledShooting, x: Unknowns, noise: Noise) -> BlockFit:
        settings = self.settings
        return shooting_fit(shooting, x, *self.bounds(x.shared.shape[1]), settings.iterations,
                            settings.tolerance, self.prior(noise))  # fmt: skip

    def can_contract(self, noise: Noise, x: np.ndarray) -> bool:
        """Whether fixed-point passes converge over the whole motion from the best candidate."""
        if self.symbolic.constraints or self.ggl.linear:
            return False
        shooting = self.shooting(replace(self, contracts=True).trajectory(noise))
        at = Unknowns(jnp.asarray(x), self.states(self.observed.t[:1], 1))
        worst = modelled(shooting.trajectory, shooting.unscaled(joined(at)))[1]
        return bool(np.all(np.asarray(worst) < 1e-10))

    def single(self, noise: Noise, lanes: np.ndarray) -> BlockFit:
        """Single shooting over a growing stretch of the motion."""
        states = self.states(self.observed.t[:1], lanes.shape[1])
        return self.grown(noise, Unknowns(jnp.asarray(lanes), states))

    def grown(self, noise: Noise, x: Unknowns, fitted: float = 0.0) -> BlockFit:
        """Fits over stretches that grow to the whole motion, from one whose first share is `fitted`
        already: over less, what only the rest tells would be lost again."""
        for share in STRETCHES[:-1]:
            if share > fitted:
                x = self.shot(self.shooting(self.trajectory(noise, share)), x, noise).unknowns
        return self.shot(self.shooting(self.trajectory(noise, STRETCHES[-1])), x, noise)

    def multiple(self, noise: Noise, lanes: np.ndarray) -> BlockFit:
        """Multiple shooting, then single shooting from what it comes to."""
        count = segment_count(self.observed, self.motions)
        whole = self.trajectory(noise)
        if not len(self.local) or count < 2:
            return self.single(noise, lanes)
        if self.settings.start is not None:
            every = replace(self, settings=replace(self.settings, start=None))
            x = every.multiple(noise, lanes).unknowns
            return self.shot(self.shooting(whole), Unknowns(x.shared, x.local[self.free]), noise)
        o = self.observed
        t, values, weight, linked = segmented(o, noise.weights(o), count)
        trials = o.t.shape[1]
        part = replace(
            whole, grid=grid(t, self.dt, o.driving), values=jnp.asarray(values),
            weight=jnp.asarray(weight), t=jnp.asarray(t), serial=None, start_prior=None,
        )  # fmt: skip
        states = self.states(t[0].reshape(count, trials), lanes.shape[1])
        x = Unknowns(jnp.asarray(lanes), states)
        scaled = ScaledShooting(part, jnp.asarray(self.local), self.joint_scales(noise, part, x))
        bounds = self.bounds(lanes.shape[1])
        fine = np.ones(lanes.shape[1], bool)
        for stiffness in STIFFNESS:
            held = jnp.asarray(stiffness)  # an array: a number would be compiled anew each time
            fit = segmented_fit(scaled, jnp.asarray(linked), held, x, *bounds, ITERATIONS)
            x, fine = fit.unknowns, np.isfinite(np.asarray(fit.cost))
        shared = jnp.where(fine, x.shared, jnp.asarray(lanes))
        local = jnp.where(fine, x.local[:, :1], states[:, :1])
        return self.shot(self.shooting(whole), Unknowns(shared, local), noise)

    def joint_scales(self, noise: Noise, part: TrajectoryResidual, x: Unknowns) -> jax.Array:
        """What a difference of positions and momenta at a joint counts, (4 n, 1, lanes)."""
        n, o = self.symbolic.n, self.observed
        places = o.places("position")
        weight = np.array([
            np.max(noise.weights(o)[:, places[i]]) if i in places else 1.0 for i in range(n)
        ])  # fmt: skip
        p = first_momenta(ScaledShooting(part, jnp.asarray(self.local)), joined(x))
        most = jnp.max(jnp.abs(p), axis=1)
        size = most * jnp.sqrt(jnp.mean((p / jnp.where(most > 0, most, 1)[:, None]) ** 2, axis=1))
        size = jnp.where(jnp.isfinite(size) & (size > 0), size, 1.0)
        of_q = jnp.broadcast_to(jnp.asarray(weight)[:, None], size.shape)
        of_p = of_q * jnp.asarray(self.local[:n])[:, None] / size
        return jnp.concatenate([of_q, of_p, of_q, of_p])[:, None]

    def solution(self, fit: BlockFit, noise: Noise) -> Solution:
        o, k = self.observed, len(self.within.low)
        shooting = self.shooting(self.trajectory(noise))
        rows, J, model = (np.asarray(a)[..., 0] for a in linearized(shooting, joined(fit.unknowns)))
        rows, J = rows / noise.unit, J / noise.unit
        projected = project(J, k)
        normal, prior = projected.normal, self.prior(noise)
        if prior is not None:
            normal = normal + np.diag(np.asarray(prior.precision)) / noise.unit**2
        normals = fit.active_normals
        inverse = inverse_information(
            normal, ~np.asarray(fit.at_bound)[:, 0],
            None if normals is None else np.asarray(normals)[..., 0],
        )  # fmt: skip
        shape, count = o.values.shape, o.values.shape[0] * o.values.shape[1]
        apart = np.asarray(shooting.trajectory.apart(jnp.asarray(model - o.values)))
        miss = np.where(o.there, apart / o.size[:, None], 0.0)
        return Solution(
            rows, J, projected, inverse, model, miss, rows[:count].reshape(shape),
            projected.leverages(inverse)[:count].reshape(shape),
            np.stack([self._expected(projected, inverse, k) for k in range(len(o.names))]),
        )  # fmt: skip

    def _expected(self, projected: ProjectedJacobian, inverse: np.ndarray, channel: int):
        o = self.observed
        channels = len(o.names)
        rows = [
            np.flatnonzero(o.there[:, channel, trial]) * channels + channel
            for trial in range(o.t.shape[1])
        ]
        lagged = projected.lagged_leverages(inverse, rows, LAGS)
        pairs = np.array([sum(max(len(r) - h, 0) for r in rows) for h in range(1, LAGS + 1)])
        return -lagged / np.maximum(pairs, 1)


def local_scales(o: ObservedMotions, motions: dict[int, SmoothMotion], n: int) -> np.ndarray:
    """Sizes (2 n,) of q and v, about their means."""
    places = o.places("position")
    size = np.array([o.size[places[i]] if i in places else 1.0 for i in range(n)])
    rates = np.zeros(n)
    for motion in motions.values():
        v = np.array([np.max(np.abs(f(motion.times, 1))) for f in motion.smooth])
        rates = np.maximum(rates, v)
    span = np.max(o.t[-1] - o.t[0])
    slow = size / span if span > 0 else size
    return np.concatenate([size, np.maximum(rates, slow)])
