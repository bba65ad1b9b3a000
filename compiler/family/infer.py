"""Inference on new motions by a trained network: each trial is a system of its own, read by the
network and refined through the integrator, all of them in one compiled program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Inference
from actionrun.compiler.numerics.inference.encoder import Encoder
from actionrun.compiler.numerics.inference.initial_guess import weak_form_estimate
from actionrun.compiler.numerics.inference.population import Population
from actionrun.compiler.numerics.inference.trajectory_residual import TrajectoryResidual
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import (
    Fit,
    covariance,
    levenberg_marquardt,
)
from actionrun.compiler.numerics.sharding import shard_batch
from actionrun.compiler.program import Reported
from actionrun.compiler.symbolic.identifiability import identified_coefficients
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.spec.tables.observables import OBSERVABLES
from scipy.interpolate import CubicSpline

from .bounds import active_constraints
from .evaluation import read
from .measured.goodness_of_fit import ChannelFit
from .measured.motion_noise import MotionNoise, motion_noise
from .observations import ObservedMotions, grid, observed_motions, outliers
from .train import Training

NOISE_PASSES = 3  # of fit and noise, each from the other
SHORT = 0.5  # of a step: how much shorter than those of training a motion may be


def infer(program: Reported[Training], state: Any, motions: Mapping[str, np.ndarray]) -> Inference:
    """What a training's last state says of new motions (see `kinds`)."""
    result = infer_motions(program.solver, state, motions)
    return Inference(result.names, result.units, result.data())


@dataclass(frozen=True)
class InferredMotions:
    """What was made of new motions. Coefficients (k, trials) by the network, refined and their
    standard deviations (NaN where the motion does not determine one); relative RMS misfit (trials,)
    of both; whether each refinement converged, and the constraints that it ended on. Samples as in
    `ObservedMotions`, `model` like values, and `equal`, the model where all channels count the
    same; `channels`: the names of theirs, `sizes` (channels, trials): the RMS of each about its
    mean; the goodness of fit of each motion by channel."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    trials: np.ndarray
    network: np.ndarray
    refined: np.ndarray
    std: np.ndarray
    network_residual: np.ndarray
    residual: np.ndarray
    converged: np.ndarray
    active_constraints: list[tuple[str, ...]]
    seen: ObservedMotions
    model: np.ndarray
    equal: np.ndarray
    channels: tuple[str, ...]
    sizes: np.ndarray
    goodness: list[tuple[ChannelFit, ...]]

    def data(self) -> list[dict[str, Any]]:
        """A dict a motion, for JSON and CSV; None for what is not determined."""

        def number(x: float) -> float | None:
            return float(x) if np.isfinite(x) else None

        return [
            {
                "trial": int(trial),
                "network": {n: float(self.network[k, i]) for k, n in enumerate(self.names)},
                "coefficients": {
                    n: {
                        "value": number(self.refined[k, i]),
                        "std": number(self.std[k, i]),
                        "unit": self.units[k],
                    }
                    for k, n in enumerate(self.names)
                },
                "network_residual": number(self.network_residual[i]),
                "residual": number(self.residual[i]),
                "converged": bool(self.converged[i]),
                "ended_on": list(self.active_constraints[i]),
                "goodness_of_fit": {
                    n: c.data() for n, c in zip(self.channels, self.goodness[i], strict=True)
                },
                "noise_only": all(c.is_noise and c.is_white for c in self.goodness[i]),
                "strays": self._strays(i),
            }
            for i, trial in enumerate(self.trials)
        ]

    def _strays(self, trial: int) -> list[dict[str, Any]]:
        """Samples of a motion that lie far from its fit: their variable and time."""
        o, result = self.seen, []
        for k, name in enumerate(self.channels):
            miss = self.equal[:, k, trial] - o.values[:, k, trial]
            slips = outliers(miss, o.weight[:, k, trial] > 0, float(self.sizes[k, trial]))
            result += [{"variable": name, "t": float(t)} for t in o.t[slips, trial]]
        return result


def infer_motions(
    training: Training, state: Any, observations: Mapping[str, np.ndarray]
) -> InferredMotions:
    """The coefficients behind new motions, from a training's last state.

    `observations` as for `compile`; each trial is one motion. A motion is resampled by splines for
    the network alone; the refinement goes through the samples as they are. Raises Faults where a
    motion is shorter than those of training, or has other variables.
    """
    of, symbolic, population = training.settings, training.symbolic, training.population
    o = observed_motions(of.columns, symbolic.words, observations)
    require_observed(of.variables, symbolic, o)
    trials = np.unique(observations.get("trial", np.ones(1, int)))
    series, q, v = resampled(symbolic, population, o, trials)
    encoder = training.encoder(state)
    times = tuple((float(population.h) * population.every * np.arange(len(series))).tolist())
    named = np.asarray(
        _read(population, encoder, shard_batch(jnp.asarray(series)), times, of.scoring)
    )
    low, high = np.asarray(population.low)[:, None], np.asarray(population.high)[:, None]
    weak = None
    if of.refine.start == "better":
        weak = _by_weak_form(population, times, jnp.asarray(series), jnp.asarray(named))
    noise = motion_noise(o, of.noise)
    values, t = (shard_batch(jnp.asarray(x)) for x in (o.values, o.t))
    places = grid(o.t, float(population.h))
    start = shard_batch(jnp.concatenate([jnp.asarray(named), jnp.asarray(q), jnp.asarray(v)]))
    k, passes = len(named), 1 if o.values.shape[1] == 1 or noise.declared else NOISE_PASSES

    def refined_with(noise: MotionNoise, start: jax.Array, weak: jax.Array | None):
        trajectory = TrajectoryResidual(
            population.ggl, population.fixed, places, values,
            shard_batch(jnp.asarray(noise.weights(o))), t, o.names, k,
            inequalities=population.inequalities,
        )  # fmt: skip
        return trajectory, _refined(trajectory, start, weak, jnp.asarray(low), jnp.asarray(high),
                                    of.iterations, of.refine.tolerance)  # fmt: skip

    trajectory, first = refined_with(noise, start, weak)
    refined = first
    noise = noise.updated(o, np.asarray(refined.model), _unknowns(symbolic, refined.fit))
    for _ in range(passes - 1):
        at = refined.fit.x
        trajectory, refined = refined_with(noise, at, None if weak is None else at[:k])
        noise = noise.updated(o, np.asarray(refined.model), _unknowns(symbolic, refined.fit))
    fit, share, count = refined.fit, np.asarray(refined.identified), o.there.sum((0, 1))
    spread = _standard_deviations(refined, trajectory, noise)
    trial = np.asarray(observations.get("trial", np.zeros(len(observations["t"]), int)))
    names = tuple(c.name for c in symbolic.coefficients)
    return InferredMotions(
        names,
        tuple(symbolic.words.unit(name) for name in names),
        np.unique(trial),
        named,
        np.where(share, np.asarray(fit.x)[: len(names)], np.nan),
        spread,
        np.sqrt(np.asarray(first.network_cost) / count),
        np.sqrt(np.asarray(first.fit.cost) / count),
        np.asarray(fit.converged),
        active_constraints(fit, population.inequalities),
        o,
        np.asarray(refined.model),
        np.asarray(first.model),
        tuple(OBSERVABLES[key].column(symbolic.words.names[i]) for key, i in o.names),
        noise.sizes,
        noise.goodness(o, np.asarray(refined.model), _unknowns(symbolic, fit)),
    )


def require_observed(
    variables: tuple[str, ...], symbolic: LagrangianSystem, o: ObservedMotions
) -> None:
    """Raises Faults where the channels are not those that the network reads."""
    if {*o.names} != {(v, i) for v in variables for i in range(symbolic.n)}:
        raise study_error(
            symbolic.words, ("observe",), "infer.variables",
            f"the network reads {', '.join(variables)}, and these data have others",
            "give a column for each: t, q, pi_q or v_q by the names of the coordinates; or have "
            "it read those there are, by variables in [observe]",
        )  # fmt: skip


def _unknowns(symbolic: LagrangianSystem, fit: Fit) -> np.ndarray:
    """How many unknowns (trials,) each motion's fit has."""
    lost = (
        0
        if fit.active_normals is None
        else np.any(np.asarray(fit.active_normals) != 0, axis=1).sum(axis=0)
    )
    lost = lost + 2 * len(symbolic.holonomic)  # of a start, by the surface that it lies on
    return (~np.asarray(fit.at_bound)).sum(axis=0) - lost


def _standard_deviations(
    refined: RefinedMotions, trajectory: TrajectoryResidual, noise: MotionNoise
) -> np.ndarray:
    """Of the coefficients (k, trials), NaN where the motion does not tell them apart or they ended
    at a bound."""
    fit, share = refined.fit, np.asarray(refined.identified)
    variance = noise.variance_in(np.asarray(trajectory.weight))
    spread = np.asarray(covariance(fit, jnp.asarray(variance)))
    std = np.sqrt(np.maximum(np.einsum("ii...->i...", spread)[: len(share)], 0))
    return np.where(np.asarray(fit.at_bound)[: len(share)] | ~share, np.nan, std)


def resampled(
    symbolic: LagrangianSystem, population: Population, o: ObservedMotions, names: np.ndarray
):
    """Series (samples, channels, trials) at the times of training, in its order of channels, and
    the first positions and velocities (n, trials)."""
    step = float(population.h) * population.every
    times = step * np.arange(population.steps // population.every + 1)
    n = len(population.q_low)
    trials = len(names)
    series = np.zeros((len(times), len(o.names), trials))
    q, v = np.zeros((n, trials)), np.zeros((n, trials))
    order = [o.names.index((w, i)) for w in population.variables for i in range(n)]
    for k in range(trials):
        span = np.max(o.t[:, k]) - o.t[0, k]
        if span < times[-1] - SHORT * step:
            raise study_error(
                symbolic.words, ("integrator", "steps"), "infer.short",
                f"motion {names[k]} lasts {span:.6g}, and the network was trained on "
                f"{times[-1]:.6g}",
                "give it a longer motion, or train it on shorter ones",
            )  # fmt: skip
        for place, channel in enumerate(order):
            there = o.weight[:, channel, k] > 0
            if there.sum() < 4:
                raise study_error(
                    symbolic.words, ("observe",), "infer.samples",
                    f"motion {names[k]} has {int(there.sum())} samples of a variable, "
                    "and 4 are needed",
                )  # fmt: skip
            spline = CubicSpline(o.t[there, k], o.values[there, channel, k])
            series[:, place, k] = spline(o.t[0, k] + times)
            variable, i = o.names[channel]
            if OBSERVABLES[variable].state == "position":
                q[i, k], v[i, k] = spline(o.t[0, k]), spline(o.t[0, k], 1)
    return series, q, v


@eqx.filter_jit
def _read(population: Population, encoder: Encoder, series, times: tuple[float, ...], layers: int):
    return read(population, encoder, series, times, layers)[1]


@eqx.filter_jit
def _by_weak_form(population: Population, times: tuple[float, ...], series, named):
    return weak_form_estimate(population, np.array(times), series, named)


class RefinedMotions(NamedTuple):
    """A fit of each motion (trials); the cost of the network's answer, with the start fitted; the
    refined motions (samples, channels, trials); which coefficients (k, trials) are identified."""

    fit: Fit
    network_cost: jax.Array
    model: jax.Array
    identified: jax.Array


@eqx.filter_jit
def _refined(
    trajectory: TrajectoryResidual, start, weak, low, high, iterations, tolerance
) -> RefinedMotions:
    """The fit from the network's answer, or the weak form's where that leaves less."""
    k = trajectory.k
    free = jnp.full_like(start[k:], jnp.inf)
    low = jnp.concatenate([low + 0 * start[:k], -free])
    high = jnp.concatenate([high + 0 * start[:k], free])

    # The network knows nothing of the start: that is fitted first, to be fair to both.
    def fit_start(at):
        def with_start(y):
            return trajectory.residual(jnp.concatenate([at, y]))

        fit = levenberg_marquardt(with_start, start[k:], -free, free, iterations, tolerance)
        return jnp.concatenate([at, fit.x]), jnp.where(jnp.isfinite(fit.cost), fit.cost, jnp.inf)

    at = start[:k]
    if weak is None:
        begin, before = fit_start(at)
    else:
        both, costs = jax.lax.map(fit_start, jnp.stack([at, weak]))  # compiled once
        begin, before = jnp.where(costs[1] < costs[0], both[1], both[0]), costs[0]
    fit = levenberg_marquardt(
        trajectory.residual, begin, low, high, iterations, tolerance, trajectory.inequalities
    )
    model, identified = trajectory.motion(fit.x)[0], identified_coefficients(fit.normal, k)
    return RefinedMotions(fit, before, model, identified)
