"""The fit of measured motions (trials of one law) to a family, without a network.

Weak form, solved where the law is linear in its coefficients and searched elsewhere; its answers to
Levenberg-Marquardt through the integrator, by multiple shooting where single shooting does not
reach the noise; the noise of channels and trials by maximum likelihood; the step refined until its
error is nothing beside the errors of the coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.inference.measured_expressions import MeasuredExpressions
from actionrun.compiler.numerics.inference.residual_tests import f_tail
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator
from actionrun.compiler.numerics.optimizers.block_least_squares import (
    BlockFit,
    Unknowns,
    best_lane,
    joined,
    lane_of,
)
from actionrun.compiler.program import Report, Tell
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import parameters

from .bounds import Ranges, active_constraints
from .library.selection import library_law
from .measured.by_trial import searched_by_trial
from .measured.goodness_of_fit import CREDIBLE, ChannelFit, channel_fits
from .measured.noise import SURE, Noise, WhiteFit, correlated, first_noise, updated_noise
from .measured.scatter import is_hidden, scattered_fit
from .measured.segments import rows_at, shooting_fit
from .measured.settings import FitSettings
from .measured.shooting_problem import ShootingProblem, Solution, local_scales
from .measured.starts import Starter, initial_states, smooth_motions
from .observations import ObservedMotions, noise_without_model
from .term_selection import TermSelection, select_terms

SAME = 1e-6  # relative difference of costs that are one minimum's
ROUNDS = 2  # of them, where none reaches the noise
SETTLED = 0.01  # relative change of the deviations at which the noise is known
NOISE_ROUNDS = 25
STEP_SHARE = 0.1  # of a standard deviation that the step may shift a coefficient by
HALVINGS = 4  # rounds of refinement, each of as many halvings as the order asks for
LOST = 2.0  # of the cost before: a smaller step that leaves more has lost the motion
EXACT = 1e-8  # of a coefficient: a shift by less is none, however exact the samples are


@dataclass(frozen=True)
class FittedMotion:
    """A finished fit of a problem: coefficients x (k,), starts (2 n, trials); what was made of
    terms that may vanish; by how much half of the problem's step would shift the coefficients, in
    deviations."""

    problem: ShootingProblem
    noise: Noise
    solution: Solution
    x: np.ndarray
    starts: np.ndarray
    at_bound: np.ndarray
    converged: bool
    active_constraints: tuple[str, ...]
    choice: TermSelection | None
    step_shift: float

    @property
    def settings(self) -> FitSettings:
        return self.problem.settings

    @property
    def symbolic(self) -> LagrangianSystem:
        return self.problem.symbolic

    @property
    def within(self) -> Ranges:
        return self.problem.within

    @property
    def observed(self) -> ObservedMotions:
        return self.problem.observed

    @property
    def local(self) -> np.ndarray:
        """The unknown starts (m, trials) in their scales."""
        return self.starts[self.problem.free] / self.problem.local[:, None]

    @cached_property
    def channels(self) -> tuple[ChannelFit, ...]:
        """The goodness of fit, channel by channel."""
        at = self.solution
        return channel_fits(self.observed, self.noise, at.miss, at.white, at.leverage, at.expected)


class Fitting:
    """The solver of a family study with [data] and no network (see `program`): nothing to march,
    the fit itself is made when it is reported."""

    stage = "fit"
    total = 0
    quantum = 1

    def __init__(
        self,
        settings: FitSettings,
        symbolic: LagrangianSystem,
        within: Ranges,
        observed: ObservedMotions,
        ggl: BatchIntegrator,
        formulas: MeasuredExpressions | None = None,
    ):
        self.observed = observed
        motions = smooth_motions(observed, symbolic.n)
        scales = local_scales(observed, motions, symbolic.n)
        self.problem = ShootingProblem(
            settings, symbolic, within, observed, ggl, parameters(symbolic), motions, scales,
            settings.dt, formulas=formulas,
        )  # fmt: skip

    def first_positions(self) -> np.ndarray:
        """The positions (n,) that the first trial begins with."""
        n, o = self.problem.symbolic.n, self.observed
        return initial_states(o, self.problem.motions, n, o.t[:1])[:n, 0, 0]

    def start(self) -> dict[str, np.ndarray]:
        return {}

    def advance(self, state, done: int, count: int):
        return state, Report()

    def fit(self, tell: Tell, named: np.ndarray | None = None) -> FittedMotion:
        """The fit from the weak form's answers, and from a network's where there is one: named
        (k,)."""
        problem, settings = self.problem, self.problem.settings
        noise = first_noise(self.observed, settings)
        if settings.sparse and named is None and (law := library_law(problem, tell)) is not None:
            return self.fit_from(law.x, law.starts, tell, law.choice)
        tell("weak form", 0, 1, {})
        candidates = _starter(problem, noise).candidates(problem.motions)
        if named is not None:
            candidates[0] = np.concatenate([named[:, None], candidates[0]], axis=1)
        tell("weak form", 1, 1, {})
        problem = replace(problem, contracts=problem.can_contract(noise, candidates[0][:, :1]))
        fit, choice = _searched(problem, noise, candidates, tell), None
        if settings.sparse:
            choice = _selected(problem, fit, noise, tell)
            fit = fit if choice.fit is None else choice.fit
            problem = _without(problem, choice)
        return _finished(problem, fit, noise, choice, tell)

    def fit_from(
        self, x: np.ndarray, starts: np.ndarray, tell: Tell, choice: TermSelection | None = None
    ) -> FittedMotion:
        """The fit from coefficients (k,) and states (2 n, trials) near it, without a search."""
        problem = self.problem if choice is None else _without(self.problem, choice)
        noise = first_noise(self.observed, problem.settings)
        x = np.clip(x, problem.within.low, problem.within.high)[:, None]
        problem = replace(problem, contracts=problem.can_contract(noise, x))
        local = starts[problem.free] / problem.local[:, None]
        at = Unknowns(jnp.asarray(x), jnp.asarray(local[:, None, :, None]))
        tell("refine", 0, 1, {})
        fit = problem.shot(problem.shooting(problem.trajectory(noise)), at, noise)
        tell("refine", 1, 1, {"cost": float(fit.cost[0])})
        return _finished(problem, fit, noise, choice, tell)


def _without(problem: ShootingProblem, choice: TermSelection) -> ShootingProblem:
    """The problem without the terms that were dropped."""
    within = problem.within
    dropped = {term.name for term in choice.terms if not term.kept}
    gone = np.array([c.name in dropped for c in problem.symbolic.coefficients])
    low, high = (np.where(gone, 0.0, end) for end in (within.low, within.high))
    return replace(problem, within=within._replace(low=low, high=high))


def _finished(
    problem: ShootingProblem, fit: BlockFit, noise: Noise, choice: TermSelection | None, tell: Tell
) -> FittedMotion:
    """The fit with its own noise, and a step whose error is nothing beside its errors."""
    fit, noise, at = _with_noise(problem, fit, noise, tell)
    shift = _step_shift(problem, fit, noise, at)
    for halving in range(HALVINGS):
        if not shift > STEP_SHARE:
            break
        tell("step", halving, HALVINGS, {"shift": shift})
        order = 2 * problem.ggl.r + 2
        finer = int(np.ceil(np.log2(2 * shift / STEP_SHARE) / order)) if shift < 1e6 else 2
        problem = replace(problem, dt=problem.dt / 2 ** min(max(finer, 1), 3))
        fit, noise, at = _with_noise(problem, _finer(problem, fit, noise), noise, tell)
        shift = _step_shift(problem, fit, noise, at)
    return _fitted_motion(problem, fit, noise, at, shift, choice)


def _starter(problem: ShootingProblem, noise: Noise) -> Starter:
    o, n = problem.observed, problem.symbolic.n
    absolute = np.mean(noise.sigma, axis=(0, 2)) * o.size
    of_positions, of_momenta = (
        np.array([absolute[places[i]] if i in places else 1.0 for i in range(n)])
        for places in (o.places("position"), o.places("momentum"))
    )
    return Starter(problem.symbolic, problem.ggl, problem.fixed, problem.within,
                   problem.settings.seed, of_positions, of_momenta, o.driving)  # fmt: skip


def _searched(
    problem: ShootingProblem, noise: Noise, candidates: list[np.ndarray], tell: Tell
) -> BlockFit:
    """The best fit from candidates (k, lanes), round after round until one reaches the noise."""
    fits: list[BlockFit] = []
    tell("refine", 0, ROUNDS, {})
    for number, fit in _attempts(problem, noise, candidates):
        fits.append(searched_by_trial(problem, best_lane(fit), noise))
        tell("refine", number, ROUNDS, {"cost": float(fits[-1].cost[0])})
        if _reached(problem, fits[-1], noise) or not problem.settings.iterations:
            return fits[-1]
    return min(fits, key=lambda fit: float(np.nan_to_num(fit.cost[0], nan=np.inf)))


def _attempts(
    problem: ShootingProblem, noise: Noise, candidates: list[np.ndarray]
) -> Iterator[tuple[int, BlockFit]]:
    """Fits with the numbers of their rounds, one after the other: from candidates by single and by
    multiple shooting, or of a motion that is not seen from many draws."""
    for number in range(ROUNDS):
        if is_hidden(problem):
            yield number, scattered_fit(problem, noise, number)
            continue
        lanes, least = candidates[number], []
        for shot in (problem.single, problem.multiple):
            fit = shot(noise, lanes)
            least.append(float(best_lane(fit).cost[0]))
            yield number, fit
        if abs(least[1] - least[0]) <= SAME * least[0]:
            return  # two ways to one minimum: the law leaves this much


def _reached(problem: ShootingProblem, fit: BlockFit, noise: Noise) -> bool:
    """Whether a fit leaves no more than the noise that samples show without a model."""
    o = problem.observed
    if float(fit.cost[0]) == 0:
        return True
    variance, of = noise_without_model(o)
    total = of.sum()
    if not total or np.sqrt(np.nansum(variance * of) / total) > CREDIBLE:
        return False
    counts = o.there.sum(axis=0)
    rows = int(counts.sum())
    freedom = max(rows - len(problem.within.low) - len(problem.local) * o.t.shape[1], 1)
    pooled = np.nansum(variance * of, axis=1) / np.maximum(of.sum(axis=1), 1e-9)
    square = np.mean(noise.sigma**2, axis=0)
    wanted = float(np.sum(counts * pooled[:, None] / square)) * freedom / rows
    ratio = float(fit.cost[0]) / noise.unit**2 / wanted if wanted > 0 else np.inf
    return f_tail(ratio, freedom, total) > SURE


def _selected(problem: ShootingProblem, fit: BlockFit, noise: Noise, tell: Tell) -> TermSelection:
    names = [c.name for c in problem.symbolic.coefficients]
    shooting, settings = problem.shooting(problem.trajectory(noise)), problem.settings

    def refit(x: Unknowns, low: jax.Array, high: jax.Array) -> BlockFit:
        return shooting_fit(shooting, x, low, high, settings.iterations, settings.tolerance, None)

    tell("choice of terms", 0, 1, {})
    low, high = problem.within.low, problem.within.high
    choice = select_terms(fit, names, low, high, int(problem.observed.there.sum()), refit)
    tell("choice of terms", 1, 1, {})
    return choice


def _with_noise(
    problem: ShootingProblem, fit: BlockFit, noise: Noise, tell: Tell
) -> tuple[BlockFit, Noise, Solution]:
    """The fit and the noise that its residuals have, each from the other until both stay; noise
    with a memory where that is what the residuals have. And the fit linearized."""
    o, settings = problem.observed, problem.settings
    tell("noise", 0, 1, {})
    if noise.tau.any():  # as it was with a larger step
        plain = replace(noise, tau=0 * noise.tau)
        fit, noise = _settled(problem, fit, noise, _white_fit(plain, problem.solution(fit, plain)))
        at = problem.solution(fit, noise)
    else:
        fit, noise = _settled(problem, fit, noise)
        at = problem.solution(fit, noise)
        white = _white_fit(noise, at)
        with_memory = correlated(noise, o, at.miss, white, settings)
        if with_memory is not None:
            again, with_memory = _settled(problem, fit, with_memory, white)
            at_again = problem.solution(again, with_memory)
            if at_again.is_white(o) or settings.correlation == "ar1":
                fit, noise, at = again, with_memory, at_again
    tell("noise", 1, 1, {})
    return fit, noise, at


def _white_fit(noise: Noise, at: Solution) -> WhiteFit:
    return WhiteFit(noise.sigma, at.projected, at.inverse, at.expected)


def _settled(
    problem: ShootingProblem, fit: BlockFit, noise: Noise, white: WhiteFit | None = None
) -> tuple[BlockFit, Noise]:
    fit = problem.shot(problem.shooting(problem.trajectory(noise)), fit.unknowns, noise)
    for _ in range(NOISE_ROUNDS):
        at, o, settings = problem.solution(fit, noise), problem.observed, problem.settings
        new = updated_noise(noise, o, at.miss, at.white, at.leverage, settings)
        if white is not None and new.tau.any():
            again = correlated(replace(new, tau=0 * new.tau), o, at.miss, white, settings)
            new = replace(new, tau=0 * new.tau if again is None else again.tau)
        change = np.log(new.sigma / noise.sigma)
        if problem.prior(noise) is None and settings.start_prior is None:
            change = change - change.flat[0]  # weights but for a common factor: the same fit
        moved = max(
            float(np.max(np.abs(change))),
            float(np.max(np.abs(new.tau - noise.tau) / (new.tau + 1e-300))),
            float(np.max(np.abs(new.robust - noise.robust))),
        )
        noise = new
        if moved < SETTLED:
            break
        fit = problem.shot(problem.shooting(problem.trajectory(noise)), fit.unknowns, noise)
    return fit, noise


def _finer(problem: ShootingProblem, fit: BlockFit, noise: Noise) -> BlockFit:
    """A fit of a problem with a smaller step, from one with a larger: by multiple shooting where
    single shooting loses it, as it does where nearby motions part."""
    again = problem.shot(problem.shooting(problem.trajectory(noise)), fit.unknowns, noise)
    if float(again.cost[0]) <= LOST * float(fit.cost[0]):
        return again
    other = best_lane(problem.multiple(noise, np.asarray(fit.unknowns.shared)))
    return min(again, other, key=lambda one: float(np.nan_to_num(one.cost[0], nan=np.inf)))


def _step_shift(problem: ShootingProblem, fit: BlockFit, noise: Noise, at: Solution) -> float:
    """By how much half the step would move the coefficients, in their deviations, at most."""
    half = replace(problem, dt=problem.dt / 2)
    finer = half.shooting(half.trajectory(noise))
    fine = np.asarray(rows_at(finer, joined(fit.unknowns)))[..., 0] / noise.unit
    moved = at.inverse @ np.einsum("rkt,rt->k", at.projected.rows, fine - at.rows)
    std = np.sqrt(np.diag(at.inverse))
    known = std > 0
    unit = np.maximum(std, EXACT * np.abs(np.asarray(fit.unknowns.shared)[:, 0]))
    return float(np.max(np.abs(moved[known]) / unit[known], initial=0.0))


def _fitted_motion(
    problem: ShootingProblem, fit: BlockFit, noise: Noise, at: Solution, shift: float,
    choice: TermSelection | None,
) -> FittedMotion:  # fmt: skip
    fit = lane_of(fit, 0)
    starts = np.zeros((len(problem.scales), problem.observed.t.shape[1]))
    if problem.settings.start is not None:
        starts = problem.settings.start.copy()
    if problem.free:
        starts[problem.free] = np.asarray(fit.unknowns.local)[:, 0, :, 0] * problem.local[:, None]
    return FittedMotion(
        problem, noise, at, np.asarray(fit.unknowns.shared)[:, 0], starts,
        np.asarray(fit.at_bound)[:, 0], bool(np.asarray(fit.converged)[0]),
        active_constraints(fit, problem.within.inequalities)[0], choice, shift,
    )  # fmt: skip
