"""Fit with a network: measured motions are read by one that is trained for their times.

It is trained on motions that are sampled as the measured ones are: at their times, with their gaps
and their noise, and brought by splines to the equal times that it reads. Its answer is one more
start of the fit through the samples as they are (`fit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import Locator, study_error
from actionrun.compiler.findings import Findings, Table
from actionrun.compiler.numerics.inference.encoder import Encoder
from actionrun.compiler.numerics.inference.population import Population, Sampled
from actionrun.compiler.numerics.inference.training import Dtype, Progress
from actionrun.compiler.program import Tell
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from scipy.interpolate import CubicSpline

from .bounds import Ranges
from .fit import Fitting
from .fit_findings import fit_findings
from .infer import SHORT, require_observed, resampled
from .observations import ObservedMotions, roughness
from .settings import Settings
from .train import TEST_KEY, Training, population

TRIALS = 8  # whose samples the systems of training take on, at most
LEAST = 8  # steps of a motion that a network reads


def measured_population(
    of: Settings, symbolic: LagrangianSystem, within: Ranges, o: ObservedMotions
) -> Population:
    """What a network for these motions is trained on: systems with their noise, seen at their
    times. Raises Faults where the motions are too short, or have other variables."""
    require_observed(of.variables, symbolic, o)
    steps = of.steps
    if not steps:
        span = np.min(np.max(o.t, axis=0) - o.t[0])
        steps = int(span / of.h + SHORT)
        steps -= steps % of.every
    if steps < LEAST * of.every:
        raise study_error(symbolic.words, ("integrator", "dt"), "data.short",
                          f"the shortest motion has {steps} steps, too few to read",
                          "make dt smaller")  # fmt: skip
    drawn = population(of, symbolic, within, steps)
    order = [o.names.index((v, i)) for v in of.variables for i in range(symbolic.n)]
    times = float(drawn.h) * drawn.every * np.arange(steps // drawn.every + 1)
    noise = roughness(o) if of.noise is None else of.noise
    return replace(drawn, noise=noise, sampled=sampled(symbolic.words, o, order, times))


@dataclass(frozen=True)
class FitWithNetwork:
    """The report of a training for measured motions: what the network reads off them, and the fit
    through their samples that starts there too (see `program.Reported`)."""

    training: Training
    fitting: Fitting

    def __call__(self, state: Progress, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        training, drawn, o = self.training, self.training.population, self.fitting.observed
        names = [c.name for c in training.symbolic.coefficients]
        encoder = training.encoder(state)
        series, _, _ = resampled(training.symbolic, drawn, o, np.arange(1, o.t.shape[1] + 1))
        answers = np.asarray(_read(encoder, jnp.asarray(series)), float)
        low, high = np.asarray(drawn.low), np.asarray(drawn.high)
        named = np.clip(np.median(answers, axis=1), low, high)
        named = np.where(np.isfinite(named), named, (low + high) / 2)
        count = training.settings.systems
        key = jax.random.fold_in(training.key, TEST_KEY)
        tell("examine", 0, count, {})
        errors = _errors(drawn, encoder, key, count, names) if count else {}
        tell("examine", count, count, {})
        findings = fit_findings(self.fitting.fit(tell, named))
        rows = tuple(
            (n, float(named[k]), errors.get(f"error_median.{n}"), errors.get(f"error_p95.{n}"))
            for k, n in enumerate(names)
        )
        table = Table(
            "network",
            f"What the network says of the measured motion, and its relative errors over {count} "
            "unseen systems that are sampled as it is.",
            ("coefficient", "measured motion", "median error", "95 %"),
            rows,
        )
        line = ", ".join(f"{n} = {named[k]:.5g}" for k, n in enumerate(names))
        network = dict(zip(names, named.tolist(), strict=True))
        return replace(
            findings,
            metrics=dict(findings.metrics) | {"systems": count} | errors,
            extra=dict(findings.extra) | {"network": network},
            summary=(*findings.summary, ("network", line)),
            tables=(*findings.tables, table),
        )


def sampled(words: Locator, o: ObservedMotions, order: list[int], times: np.ndarray) -> Sampled:
    """How motions at `times` are seen through the samples of o; `order` of the channels."""
    trials = min(o.t.shape[1], TRIALS)
    again = np.zeros((trials, len(order), len(times), len(times)))
    blur = np.zeros((trials, len(order), len(times), len(o.t)))
    there_and = CubicSpline(times, np.eye(len(times)))
    half = SHORT * (times[1] - times[0])
    for k in range(trials):
        for place, channel in enumerate(order):
            t = o.t[:, k] - o.t[0, k]
            there = np.flatnonzero((o.weight[:, channel, k] > 0) & (t <= times[-1] + half))
            if len(there) < 4:
                raise study_error(
                    words, ("data", "file"), "infer.samples",
                    f"trial {k + 1} has {len(there)} samples of a variable in the "
                    f"{times[-1]:.6g} that the network reads, and 4 are needed",
                )  # fmt: skip
            back = CubicSpline(t[there], np.eye(len(there)))(times)
            blur[k, place][:, there] = back
            again[k, place] = back @ there_and(t[there])
    return Sampled(jnp.asarray(again), jnp.asarray(blur))


@eqx.filter_jit
def _read(encoder: Encoder, series: jax.Array) -> jax.Array:
    return encoder.estimates(series.astype(Dtype))


@eqx.filter_jit
def _unseen(population: Population, encoder: Encoder, key: jax.Array, count: int):
    """True and named coefficients (k, count) of systems that the network has not seen."""
    keys = jax.random.split(key, 2)
    c, q, rate = population.draw(keys[0], count)
    clean, _ = population.observed(c, q, population.momenta(c, q, rate))
    return c, encoder.estimates(population.add_noise(clean, keys[1]).astype(Dtype))


def _errors(
    population: Population, encoder: Encoder, key: jax.Array, count: int, names: list[str]
) -> dict[str, float]:
    c, named = (np.asarray(x, float) for x in _unseen(population, encoder, key, count))
    result: dict[str, float] = {}
    for k, name in enumerate(names):
        there = c[k] != 0
        error = np.abs(named[k, there] / c[k, there] - 1)
        result[f"error_median.{name}"] = float(np.median(error))
        result[f"error_p95.{name}"] = float(np.percentile(error, 95))
    return result
