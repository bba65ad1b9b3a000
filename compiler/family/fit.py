"""The fit of one measured motion (or several trials of it) to a family, without a network.

Weak form from many starting points, the best of them to Levenberg-Marquardt through the integrator
over a growing stretch of the motion, then the covariance at the solution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.inference.trajectory_residual import TrajectoryResidual
from actionrun.compiler.numerics.inference.weak_form import weak_fit, weak_form
from actionrun.compiler.numerics.optimizers.inequality_constraints import value_and_jacobian
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import (
    Fit,
    covariance,
    levenberg_marquardt,
)
from actionrun.compiler.program import Report, Tell
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import components, parameters
from actionrun.spec.kinds.family import Family

from .bounds import Ranges, active_constraints
from .constraints import integrator, require_on, require_surface
from .observations import grid, observed_motions
from .term_selection import TermSelection, select_terms

STARTS = 64  # random starting points of the weak form
LANES = 4  # of them go through the integrator
STRETCHES = (0.15, 0.4, 1.0)  # of the motion, one after the other


class FittedMotion(NamedTuple):
    """A finished fit. Samples (samples, [channels,] trials); x, held, covariance over coefficients
    and then q, v of each trial; jacobian (rows, parameters) of the weighted residuals; `choice`:
    what was made of terms that may vanish."""

    study: Family
    problem: LagrangianSystem
    t: np.ndarray
    values: np.ndarray
    weight: np.ndarray
    size: np.ndarray
    names: tuple[tuple[str, int], ...]
    model: np.ndarray
    jacobian: np.ndarray
    x: np.ndarray
    covariance: np.ndarray
    at_bound: np.ndarray
    converged: bool
    noise: float  # of the samples over their RMS: given, or estimated from the residuals
    noise_given: bool
    active_constraints: tuple[str, ...]  # the constraints that the fit ended on
    choice: TermSelection | None


class Fitting:
    """The solver of a family study with [data] and no network (see `program`): nothing to march,
    the fit itself is made when it is reported."""

    stage = "fit"
    total = 0
    quantum = 1

    def __init__(
        self,
        study: Family,
        symbolic: LagrangianSystem,
        within: Ranges,
        observations: Mapping[str, np.ndarray],
    ):
        self.study, self.symbolic = study, symbolic
        self.low, self.high, self.inequalities = within.low, within.high, within.inequalities
        self.observed = observed_motions(study, symbolic, observations)
        self.motions = self._complete_motions()
        self.given_start = self._given_start()
        self.ggl = integrator(study, symbolic)
        self.fixed = parameters(symbolic)
        self.grid = grid(self.observed.t, study.number(study.integrator.dt))
        self.key = jax.random.key(study.seed)
        self._require_surface()

    def _require_surface(self) -> None:
        """Raises Faults for constraints that do not go together, and for a start off them."""
        if not self.symbolic.constraints:
            return
        theta = jnp.concatenate([self.fixed, jnp.asarray((self.low + self.high) / 2)])
        q = self.motions[0][1][0]
        require_surface(self.symbolic, self.ggl, theta, q, np.zeros_like(q))
        if self.given_start is not None:
            q = self.given_start[: self.symbolic.n]
            require_on(self.study, self.symbolic, self.ggl, theta, q, np.zeros_like(q))

    def start(self) -> dict[str, np.ndarray]:
        return {}

    def advance(self, state, done: int, count: int):
        return state, Report()

    def fit(self, tell: Tell, named: np.ndarray | None = None) -> FittedMotion:
        """The fit from the weak form's answers, and from a network's where there is one: named
        (k,)."""
        tell("weak form", 0, 1, {})
        candidates = self._candidates()
        if named is not None:
            candidates = np.concatenate([candidates, named[:, None]], axis=1)
        tell("weak form", 1, 1, {})
        stretches = len(STRETCHES)
        x, low, high = self._starts(candidates)
        contracts = self._contracts(x)
        refine = self.study.refine
        iterations = refine.iterations if refine.method != "none" else 0
        fits = []
        for k, share in enumerate(STRETCHES):
            tell("refine", k, stretches, {})
            fits.append(_refined(self._trajectory(share, contracts), x, low, high, iterations,
                                 refine.tolerance))  # fmt: skip
            x = fits[-1].x
        fit = fits[-1]
        tell("refine", stretches, stretches, {"cost": float(jnp.nanmin(fit.cost))})
        fit, choice, trajectory = _best(fit), None, self._trajectory(1.0, contracts)
        if refine.sparse:
            names = [c.name for c in self.symbolic.coefficients]
            rows = int((self.observed.weight > 0).sum())
            tell("choice of terms", 0, 1, {})
            choice = select_terms(fit, names, low, high, rows, lambda x, low, high: _refined(
                trajectory, x, low, high, iterations, refine.tolerance))  # fmt: skip
            tell("choice of terms", 1, 1, {})
            fit = choice.fit
        return self._fitted_motion(fit, trajectory, choice)

    # -- starting points -------------------------------------------------------------------------

    def _candidates(self) -> np.ndarray:
        """Coefficients (k, lanes), best first, by the weak form from random starting points."""
        k = len(self.low)
        drawn = jax.random.uniform(self.key, (k, STARTS), jnp.float64)
        low, high = self.low[:, None], self.high[:, None]
        wide = (self.low > 0) & (self.high > 100 * self.low)
        safe = np.where(self.low > 0, self.low, 1.0)[:, None]
        start = np.where(
            wide[:, None], safe * (high / safe) ** np.asarray(drawn), low + (high - low) * drawn
        )
        weak = weak_form(self.motions)
        fit = weak_fit(
            self.ggl, weak, self.fixed, jnp.asarray(start), jnp.asarray(low), jnp.asarray(high),
        )  # fmt: skip
        cost = np.where(np.isfinite(np.asarray(fit.cost)), np.asarray(fit.cost), np.inf)
        chosen: list[int] = []
        for lane in np.argsort(cost, kind="stable"):
            x = np.asarray(fit.x)[:, lane]
            apart = all(
                np.max(np.abs(x - fit.x[:, j]) / (np.abs(x) + np.abs(fit.x[:, j]) + 1e-12)) > 1e-3
                for j in chosen
            )
            if apart:
                chosen.append(int(lane))
            if len(chosen) == LANES:
                break
        return np.asarray(fit.x)[:, chosen]

    def _complete_motions(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Complete samples of each trial for the weak form: t, q and momenta where observed."""
        places, momenta = map(self.observed.channels, ("position", "momentum"))
        motions = []
        for trial in range(self.observed.t.shape[1]):
            values, weight = self.observed.values[..., trial], self.observed.weight[..., trial]
            whole = (weight[:, places] > 0).all(axis=1)
            if momenta:
                whole &= (weight[:, momenta] > 0).all(axis=1)
            t, part = self.observed.t[whole, trial], values[whole]
            motions.append((t, part[:, places], part[:, momenta] if momenta else None))
        return motions

    def _starts(self, candidates: np.ndarray):
        """x (k + 2 n trials, lanes) with its bounds: coefficients, then q and v of each trial."""
        n, parts = self.symbolic.n, []
        for t, q, _ in self.motions:
            # A short polynomial through the first samples: robust against their noise.
            first = min(len(t), 12)
            degree = 3 if first > 6 else 2
            place = np.polynomial.Polynomial
            fits = [place.fit(t[:first] - t[0], q[:first, i], degree) for i in range(n)]
            q0 = np.array([f(0.0) for f in fits])
            v0 = np.array([f.deriv()(0.0) for f in fits])
            parts += [q0, v0]
        state = np.concatenate(parts)
        known = self.given_start is not None
        if self.given_start is not None:
            state = self.given_start
        lanes = candidates.shape[1]
        x = np.concatenate([candidates, np.repeat(state[:, None], lanes, axis=1)])
        free = np.full(len(state), 0.0 if known else np.inf)
        middle = state if known else np.zeros(len(state))
        low = np.concatenate([self.low, middle - free])
        high = np.concatenate([self.high, middle + free])
        return jnp.asarray(x), jnp.asarray(low)[:, None], jnp.asarray(high)[:, None]

    def _given_start(self) -> np.ndarray | None:
        """q and v of every trial as [start] gives them, where it does."""
        start = self.study.start
        if start is None or start.velocity is None or self.study.network.kind != "none":
            return None
        q = components(self.symbolic, start.position, self.study.number)
        v = components(self.symbolic, start.velocity, self.study.number)
        return np.concatenate([q, v] * self.observed.t.shape[1])

    # -- shooting --------------------------------------------------------------------------------

    def _contracts(self, x) -> bool:
        """Whether fixed-point passes converge over the whole motion from the best candidate."""
        if self.symbolic.constraints or self.ggl.linear:
            return False
        worst = _worst(self._trajectory(1.0, True), x[:, :1])
        return bool(np.all(np.asarray(worst) < 1e-10))

    def _trajectory(self, share: float, contracts: bool) -> TrajectoryResidual:
        o = self.observed
        span = np.nanmax(o.t - o.t[:1], axis=0)
        used = o.weight * ((o.t - o.t[:1]) <= share * span + 1e-12)[:, None]
        return TrajectoryResidual(
            self.ggl, self.fixed, self.grid, jnp.asarray(o.values), jnp.asarray(used),
            jnp.asarray(o.t), o.names, len(self.low), True, contracts, self.inequalities,
        )  # fmt: skip

    def _fitted_motion(
        self, fit: Fit, trajectory: TrajectoryResidual, choice: TermSelection | None
    ) -> FittedMotion:
        lane, cost = fit, float(np.asarray(fit.cost)[0])
        rows = int((self.observed.weight > 0).sum())
        on = active_constraints(lane, self.inequalities)[0]
        free = int((~np.asarray(lane.at_bound)[:, 0]).sum()) - len(on)
        free -= 2 * len(self.symbolic.constraints) * self.observed.t.shape[1]  # of the starts
        noise = self.study.observe.noise
        variance = noise**2 if noise else cost / max(rows - free, 1)
        spread = np.asarray(covariance(lane, jnp.asarray(variance)))[..., 0]
        model, jacobian = _modelled(trajectory, lane.x)
        return FittedMotion(
            self.study, self.symbolic, self.observed.t, self.observed.values, self.observed.weight,
            self.observed.size, self.observed.names, np.asarray(model)[..., 0],
            np.asarray(jacobian)[..., 0], np.asarray(lane.x)[:, 0], spread,
            np.asarray(lane.at_bound)[:, 0], bool(np.asarray(lane.converged)[0]),
            float(np.sqrt(variance)), noise is not None and noise > 0, on, choice,
        )  # fmt: skip


def _best(fit: Fit) -> Fit:
    """The lane of least cost, as a fit of one lane."""
    cost = np.asarray(fit.cost)
    best = int(np.nanargmin(np.where(np.isfinite(cost), cost, np.inf)))
    return jax.tree.map(lambda a: a[..., best : best + 1] if jnp.ndim(a) else a, fit)


@eqx.filter_jit
def _refined(trajectory: TrajectoryResidual, x, low, high, iterations, tolerance) -> Fit:
    return levenberg_marquardt(
        trajectory.residual, x, low, high, iterations, tolerance, trajectory.inequalities
    )


@eqx.filter_jit
def _worst(trajectory: TrajectoryResidual, x):
    return trajectory.motion(x)[1]


@eqx.filter_jit
def _modelled(trajectory: TrajectoryResidual, x):
    """The modelled channels, and the Jacobian of the weighted residuals."""
    return trajectory.motion(x)[0], value_and_jacobian(trajectory.residual, x)[1]
