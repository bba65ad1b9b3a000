"""Starting points of a fit: smoothed motions, and coefficients by the weak form of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.family.bounds import Ranges
from actionrun.compiler.family.observations import ObservedMotions
from actionrun.compiler.numerics.inference.driving import Driving
from actionrun.compiler.numerics.inference.smoothing import smoothing_spline
from actionrun.compiler.numerics.inference.weak_form import (
    SampledMotion,
    WeakForm,
    weak_fit,
    weak_form,
)
from actionrun.compiler.numerics.inference.weak_solution import (
    linear_design,
    linear_solutions,
    projected_draws,
    spectral_peaks,
    weak_rows,
)
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from scipy.interpolate import CubicSpline

STARTS = 64  # of the draws, that may start a fit
IMPROVED = 24  # of them, the best, that the weak form improves first; of a linear law, a few
FEW = 8
DRAWS = 512  # of the coefficients that a law is not linear in, at most
DRAWS_OF_ONE = 64  # of one of them; twice as many for each more
REPEATS = 6  # sets of noise added to see its bias
MOST_SAMPLES = 3000  # of the trials that the weak form sees: it only starts the fit
PEAKS = 6  # of the spectrum
PHASES = 6  # of a wave that are tried
MOST_FREQUENCIES = 200
LEAST = 5  # samples of a curve
AT_ONCE = 4  # starting points that are tried together
APART = 1e-2  # relative difference of two starting points that are two

Curve = Callable[..., np.ndarray]


@dataclass(frozen=True)
class SmoothMotion:
    """The positions of one trial as curves of time, smoothed and as they are, one a coordinate,
    between the times that all are seen at; momenta where seen."""

    trial: int
    smooth: tuple[Curve, ...]
    exact: tuple[CubicSpline, ...]
    times: np.ndarray
    momenta: tuple[np.ndarray, np.ndarray] | None

    @cached_property
    def rate(self) -> float:
        """The typical angular frequency of the fastest coordinate."""
        each = [(np.std(f(self.times, 1)), np.std(f(self.times))) for f in self.smooth]
        return float(max((v / q for v, q in each if q > 0), default=0.0))


def smooth_motions(o: ObservedMotions, n: int) -> dict[int, SmoothMotion]:
    """By trial, those of which every coordinate is seen often enough."""
    places = o.places("position")
    momenta = o.places("momentum")
    result = {}
    for trial in range(o.t.shape[1]):
        seen = [o.there[:, places[i], trial] if i in places else None for i in range(n)]
        if any(s is None or s.sum() < LEAST for s in seen):
            continue
        smooth, exact, ends, base = [], [], [], np.zeros(0)
        for i, s in enumerate(seen):
            t, x = o.t[s, trial], o.values[s, places[i], trial]
            exact.append(CubicSpline(t, x))
            smooth.append(_smoothed(t, x, float(o.size[places[i]])))
            ends.append((t[0], t[-1]))
            base = t if len(t) > len(base) else base
        low, high = max(a for a, _ in ends), min(b for _, b in ends)
        times = base[(base >= low) & (base <= high)]
        if len(times) < LEAST:
            continue
        known = None
        if len(momenta) == n:
            both = np.all([o.there[:, momenta[i], trial] for i in range(n)], axis=0)
            both &= (o.t[:, trial] >= low) & (o.t[:, trial] <= high)
            known = (
                o.t[both, trial],
                np.stack([o.values[both, momenta[i], trial] for i in range(n)], axis=1),
            )
        result[trial] = SmoothMotion(trial, tuple(smooth), tuple(exact), times, known)
    return result


def _smoothed(t: np.ndarray, x: np.ndarray, size: float) -> Curve:
    """A cubic smoothing spline, its smoothness by generalized cross-validation (Craven and Wahba,
    Numer. Math. 31, 377, 1979)."""
    span, middle = t[-1] - t[0], float(np.mean(x))
    try:
        spline = smoothing_spline((t - t[0]) / span, (x - middle) / size)
    except (ValueError, np.linalg.LinAlgError):
        return CubicSpline(t, x)
    if not np.isfinite(spline.c).all():
        return CubicSpline(t, x)

    def curve(at: np.ndarray, order: int = 0) -> np.ndarray:
        value = spline((at - t[0]) / span, order) * size / span**order
        return value + middle if order == 0 else value

    return curve


def initial_states(
    o: ObservedMotions, motions: Mapping[int, SmoothMotion], n: int, times: np.ndarray
) -> np.ndarray:
    """q and v (2 n, times, trials) of every trial at times (times, trials), from its curves; of a
    trial without them from its first samples."""
    result = np.zeros((2 * n, *times.shape))
    places = o.places("position")
    rates = o.places("velocity")
    for trial in range(times.shape[1]):
        at = times[:, trial]
        if (motion := motions.get(trial)) is not None:
            at = np.clip(at, motion.times[0], motion.times[-1])
            result[:n, :, trial] = [curve(at) for curve in motion.smooth]
            result[n:, :, trial] = [curve(at, 1) for curve in motion.smooth]
            continue
        for i in range(n):
            if i not in places:
                continue
            seen = np.flatnonzero(o.there[:, places[i], trial])
            if not len(seen):
                continue
            t, x = o.t[seen, trial], o.values[seen, places[i], trial]
            result[i, :, trial] = np.interp(at, t, x)
            if len(t) > 1:
                result[n + i, :, trial] = (x[1] - x[0]) / (t[1] - t[0])
            if i in rates and o.there[seen[0], rates[i], trial]:
                result[n + i, :, trial] = o.values[seen[0], rates[i], trial]
    return result


def linear_coefficients(symbolic: LagrangianSystem) -> np.ndarray:
    """Which coefficients (k,) the law is linear in together, the others given: one after the other,
    as long as no product of two is met."""
    parts = [e for e in (symbolic.lagrangian, symbolic.nonconservative) if e is not None]
    coefficients, chosen = list(symbolic.coefficients), []
    for k, c in enumerate(coefficients):
        slopes = [sp.diff(e, c) for e in parts]
        if not any(s.has(x) for s in slopes for x in (c, *(coefficients[j] for j in chosen))):
            chosen.append(k)
    linear = np.zeros(len(coefficients), bool)
    linear[chosen] = True
    return linear


def frequencies(symbolic: LagrangianSystem) -> dict[int, float]:
    """Coefficients that are, but for a factor, the angular frequency of a drive: cos(w*t)."""
    t, result = symbolic.words.t, {}
    parts = [e for e in (symbolic.lagrangian, symbolic.nonconservative) if e is not None]
    waves = {w for e in parts for w in e.atoms(sp.sin, sp.cos)}
    for wave in sorted(waves, key=str):
        rate = sp.diff(wave.args[0], t)
        for k, c in enumerate(symbolic.coefficients):
            factor = rate / c
            if factor.is_number and factor.is_real and factor != 0:
                result[k] = abs(float(factor))
    return result


def phases(symbolic: LagrangianSystem) -> dict[int, float]:
    """Coefficients that are the phase of waves, and nothing else, with their periods."""
    parts = [e for e in (symbolic.lagrangian, symbolic.nonconservative) if e is not None]
    waves = sorted({w for e in parts for w in e.atoms(sp.sin, sp.cos)}, key=str)
    rest = [e.xreplace({w: sp.Dummy() for w in waves}) for e in parts]
    result = {}
    for k, c in enumerate(symbolic.coefficients):
        slopes = [sp.diff(w.args[0], c) for w in waves if w.has(c)]
        if slopes and not any(e.has(c) for e in rest) and all(s.is_number for s in slopes):
            result[k] = 2 * np.pi / min(abs(float(s)) for s in slopes)
    return result


@dataclass(frozen=True)
class Starter:
    """What finds starting points: the integrator, its constants, the bounds, the seed; `noise` of
    the positions (n,), absolute, and of the momenta."""

    symbolic: LagrangianSystem
    ggl: BatchIntegrator
    fixed: jax.Array
    within: Ranges
    seed: int
    noise: np.ndarray
    momentum_noise: np.ndarray
    driving: Driving | None = None

    def candidates(self, motions: dict[int, SmoothMotion]) -> list[np.ndarray]:
        """Rounds of coefficients (k, candidates), at most AT_ONCE in each, the most promising
        first."""
        k, low, high = len(self.within.low), self.within.low, self.within.high
        even = jax.random.uniform(jax.random.key(self.seed), (k, DRAWS))
        drawn = self.within.coefficients(np.asarray(even))
        if not motions:
            return [drawn[:, i : i + AT_ONCE] for i in range(0, STARTS, AT_ONCE)]
        chosen = self._chosen(motions)
        linear = linear_coefficients(self.symbolic)
        smooth = self._weak(chosen, [m.smooth for m in chosen])
        exact = self._weak(chosen, [m.exact for m in chosen])
        found: list[np.ndarray] = []
        if linear.all():
            for designs in ([self._design(exact, linear), *self._noisy(chosen, linear)],
                            [self._design(smooth, linear)]):  # fmt: skip
                if all(np.isfinite(d).all() for d in designs):
                    found += linear_solutions(designs, low, high)
            starts, count = drawn[:, :STARTS], FEW if found else STARTS
        else:
            waves = frequencies(self.symbolic)
            others = int(np.sum(~linear)) - len(waves)
            drawn = drawn[:, : DRAWS_OF_ONE * 2 ** max(others - 1, 0)]
            if waves:
                drawn = self._with_waves(drawn, chosen, waves)
            drawn, costs = projected_draws(self._rows(smooth), linear, drawn, low, high)
            starts, count = drawn[:, np.argsort(costs, kind="stable")[:STARTS]], IMPROVED
        x, cost = self._searched(smooth, starts[:, :count])
        if (again := self._turned(x)) is not None:
            other, of_other = self._searched(smooth, again)
            x, cost = np.where(of_other < cost, other, x), np.minimum(cost, of_other)
        found += [x[:, lane] for lane in np.argsort(cost, kind="stable")]
        best = _distinct(found, high - low)
        # the weak form may be wrong where samples are sparse: later ones begin anywhere
        later = [*best[AT_ONCE : AT_ONCE + 2], *starts.T]
        rounds = [best[:AT_ONCE], *(later[i : i + AT_ONCE] for i in range(0, STARTS, AT_ONCE))]
        return [np.stack(some, axis=1).reshape(k, -1) for some in rounds]

    def _chosen(self, motions: dict[int, SmoothMotion]) -> list[SmoothMotion]:
        """Trials evenly out of all, of not more samples than the weak form is to see."""
        each = [*motions.values()]
        total = sum(len(m.times) for m in each)
        every = max(1, -(-total // MOST_SAMPLES))
        return each[:: min(every, len(each))]

    def _weak(self, chosen: list[SmoothMotion], curves) -> WeakForm:
        spacing = float(np.median(np.concatenate([np.diff(m.times) for m in chosen])))
        motions = [
            SampledMotion(c, m.times, m.momenta, self._driven(m.trial), m.rate)
            for m, c in zip(chosen, curves, strict=True)
        ]
        mass = np.ones(len(self.noise))
        known = [
            (m.momenta, c) for m, c in zip(chosen, curves, strict=True) if m.momenta is not None
        ]
        if known:
            rates = np.concatenate([[f(t, 1) for f in c] for (t, _), c in known], axis=1)
            momenta = np.concatenate([p.T for (_, p), _ in known], axis=1)
            below = np.sqrt(np.mean(rates**2, axis=1))
            mass = np.sqrt(np.mean(momenta**2, axis=1)) / np.where(below > 0, below, 1)
            mass = np.where(mass > 0, mass, 1)
        precision = 1 / (self.noise * np.sqrt(spacing) * mass)
        return weak_form(motions, precision, 1 / self.momentum_noise)

    def _driven(self, trial: int) -> Callable[[np.ndarray], np.ndarray] | None:
        driving = self.driving
        return None if driving is None else lambda times: driving.of_trial(trial, times)

    def _rows(self, weak: WeakForm):
        return lambda c: np.asarray(weak_rows(self.ggl, weak, self.fixed, jnp.asarray(c)))

    def _design(self, weak: WeakForm, linear: np.ndarray) -> np.ndarray:
        return linear_design(self._rows(weak), linear, np.zeros((len(linear), 1)))[0]

    def _noisy(self, chosen: list[SmoothMotion], linear: np.ndarray) -> list[np.ndarray]:
        """Designs of the motions with their noise added once more."""
        dice, result = np.random.default_rng(self.seed), []
        for _ in range(REPEATS):
            curves = [
                tuple(
                    CubicSpline(f.x, f(f.x) + noise * dice.normal(size=len(f.x)))
                    for f, noise in zip(m.exact, self.noise, strict=True)
                )
                for m in chosen
            ]
            result.append(self._design(self._weak(chosen, curves), linear))
        return result

    def _with_waves(
        self, drawn: np.ndarray, chosen: list[SmoothMotion], waves: dict[int, float]
    ) -> np.ndarray:
        """Draws, and for a drive's unknown frequency more: over its range, as densely as the
        longest motion tells frequencies apart, and about the peaks of the spectrum; each with
        PHASES values of an unknown phase."""
        low, high, dice = self.within.low, self.within.high, np.random.default_rng(self.seed)
        turns, more = phases(self.symbolic), [drawn]
        longest = max(chosen, key=lambda m: m.times[-1] - m.times[0])
        t = np.linspace(longest.times[0], longest.times[-1], max(4 * len(longest.times), 64))
        for k, factor in waves.items():
            apart = np.pi / (2 * (t[-1] - t[0]) * factor)
            count = int(np.clip((high[k] - low[k]) / apart, 16, MOST_FREQUENCIES))
            peaks = np.concatenate([spectral_peaks(t, f(t), PEAKS) for f in longest.smooth])
            peaks = peaks / factor
            tried = np.concatenate([low[k] + (high[k] - low[k]) * (np.arange(count) + 0.5) / count,
                                    peaks[(peaks >= low[k]) & (peaks <= high[k])]])  # fmt: skip
            lanes = np.repeat(tried, PHASES if turns else 1)
            part = self.within.coefficients(dice.uniform(size=(len(low), len(lanes))))
            part[k] = lanes
            for j, period in turns.items():
                first = (low[j] + high[j] - min(period, high[j] - low[j])) / 2
                share = (np.arange(len(lanes)) % PHASES + 0.5) / PHASES
                part[j] = first + min(period, high[j] - low[j]) * share
            more.append(part)
        return np.concatenate(more, axis=1)

    def _searched(self, weak: WeakForm, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (k, lanes) of least weak residuals from starting points, and their costs."""
        ends = jnp.asarray(self.within.low[:, None]), jnp.asarray(self.within.high[:, None])
        fit = weak_fit(self.ggl, weak, self.fixed, jnp.asarray(starts), *ends)
        cost = np.asarray(fit.cost)
        return np.asarray(fit.x), np.where(np.isfinite(cost), cost, np.inf)

    def _turned(self, x: np.ndarray) -> np.ndarray | None:
        """Coefficients (k, lanes) with phases that ended at a bound one period from there; None
        where there are none."""
        low, high, result = self.within.low, self.within.high, x.copy()
        for j, period in phases(self.symbolic).items():
            if period > 1.01 * (high[j] - low[j]):
                continue  # the range is a part of a turn
            result[j] = np.where(x[j] <= low[j], low[j] + period, result[j])
            result[j] = np.where(x[j] >= high[j], high[j] - period, result[j])
            result[j] = np.clip(result[j], low[j], high[j])
        return None if (result == x).all() else result


def are_apart(x: np.ndarray, y: np.ndarray, width: np.ndarray) -> bool:
    """Whether two starting points (k,) are two, within ranges of some width."""
    size = np.abs(x) + np.abs(y) + 1e-6 * width + 1e-300
    return bool(np.max(np.abs(x - y) / size) > APART)


def _distinct(found: list[np.ndarray], width: np.ndarray) -> list[np.ndarray]:
    """Starting points without those that are all but an earlier one."""
    result: list[np.ndarray] = []
    for x in found:
        if np.isfinite(x).all() and all(are_apart(x, y, width) for y in result):
            result.append(x)
    return result or found[:1]
