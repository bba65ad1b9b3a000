"""Measured samples by trial, and the steps of the integrator that land on their times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.inference.driving import Driving, piecewise
from actionrun.compiler.numerics.inference.measured_expressions import KEY
from actionrun.compiler.numerics.inference.residual_tests import model_free_noise
from actionrun.compiler.numerics.integrators.shooting import Grid
from actionrun.compiler.symbolic.vocabulary import Vocabulary
from actionrun.spec.tables.observables import OBSERVABLES

from .settings import MeasuredColumns

STRAY = 5.0  # robust standard deviations
ROUND_OFF = 1e-9  # of a channel's size: so near to the fit nothing is far from it
SLACK = 0.02  # an interval may exceed a whole number of steps by this share of a step


class ObservedMotions(NamedTuple):
    """Samples of all trials: t (samples, trials); values, weight (samples, channels, trials), the
    weight 1/size, zero where a sample is missing; `names` (variable, component) of the channels;
    `sigma` like values: standard deviations where the data have a column of them, else NaN."""

    t: np.ndarray
    values: np.ndarray
    weight: np.ndarray
    size: np.ndarray  # (channels,) RMS about the mean over all samples: no origin matters
    names: tuple[tuple[str, int], ...]
    sigma: np.ndarray | None = None
    driving: Driving | None = None

    @property
    def there(self) -> np.ndarray:
        return self.weight > 0

    def places(self, state: str) -> dict[int, int]:
        """The channels that are this part of the state, by the component that they show."""
        return {
            i: k for k, (key, i) in enumerate(self.names)
            if key != KEY and OBSERVABLES[key].state == state
        }  # fmt: skip


def observed_motions(
    of: MeasuredColumns, words: Vocabulary, observations: Mapping[str, np.ndarray]
) -> ObservedMotions:
    """Samples by trial, channels in the order of the table of observables, trials by time."""
    columns: list[np.ndarray] = []
    deviations: list[np.ndarray] = []
    names: list[tuple[str, int]] = []
    for key, observable in OBSERVABLES.items():
        for name, part in words.slices.items():
            if (column := observable.column(name)) in observations:
                values = np.atleast_2d(np.asarray(observations[column], float).T).T
                values = _unwrapped(of.periods.get(column), observations, values)
                for i in range(part.stop - part.start):
                    names.append((key, part.start + i))
                    columns.append(values[:, i])
                    deviations.append(_deviations(observations, column, i, len(values)))
    for i, one in enumerate(of.formulas):
        names.append((KEY, i))
        values = np.asarray(observations[one.name], float)[:, None]
        columns.append(_unwrapped(of.periods.get(one.name), observations, values)[:, 0])
        deviations.append(_deviations(observations, one.name, 0, len(columns[-1])))
    t = np.asarray(observations["t"], float)
    trial = np.asarray(observations.get("trial", np.zeros(len(t), int)))
    trials = [np.flatnonzero(trial == k) for k in np.unique(trial)]
    trials = [rows[np.argsort(t[rows], kind="stable")] for rows in trials]
    most = max(len(rows) for rows in trials)
    values = np.stack(columns, axis=1)
    given = np.stack(deviations, axis=1)
    seen = np.isfinite(values) & (np.isnan(given) | (given > 0))
    size = np.array([spread_of(values[seen[:, k], k]) for k in range(len(names))])
    times = np.zeros((most, len(trials)))
    block = np.zeros((most, len(names), len(trials)))
    weight, sigma = np.zeros_like(block), np.full_like(block, np.nan)
    for k, rows in enumerate(trials):
        times[: len(rows), k] = t[rows]
        times[len(rows) :, k] = t[rows[-1]]
        block[: len(rows), :, k] = np.where(seen[rows], values[rows], 0)
        weight[: len(rows), :, k] = np.where(seen[rows], 1 / size, 0)
        sigma[: len(rows), :, k] = given[rows]
    driving = _driving(of, observations, trials)
    return ObservedMotions(times, block, weight, size, tuple(names), sigma, driving)


def _unwrapped(
    period: float | None, observations: Mapping[str, np.ndarray], values: np.ndarray
) -> np.ndarray:
    """Samples (rows, components) that are known up to multiples of a period: each as near as may
    be to the sample before it in its trial. Its misfits may be off by multiples."""
    if period is None:
        return values
    result = values.copy()
    trial = np.asarray(observations.get("trial", np.zeros(len(values), int)))
    for one in np.unique(trial):
        rows = np.flatnonzero((trial == one) & np.isfinite(values[:, 0]))
        rows = rows[np.argsort(observations["t"][rows], kind="stable")]
        result[rows, 0] = np.unwrap(values[rows, 0], period=period)
    return result


def _driving(
    of: MeasuredColumns, observations: Mapping[str, np.ndarray], trials: list[np.ndarray]
) -> Driving | None:
    """Inputs and numbers by trial, by the rows of each trial."""
    if not of.inputs and not of.constants:
        return None
    t = np.asarray(observations["t"], float)
    begins, constants = [], []
    for rows in trials:
        pieces = []
        for name in of.inputs:
            known = rows[np.isfinite(observations[name][rows])]
            pieces.append(piecewise(t[known], observations[name][known], of.between))
        starts = np.unique(np.concatenate([t[rows[:1]], *(begin for begin, _ in pieces)]))
        parts = [np.full((1, len(starts)), observations[name][rows[0]]) for name in of.constants]
        for begin, derivatives in pieces:
            place = np.clip(np.searchsorted(begin, starts, side="right") - 1, 0, None)
            parts += [derivatives[:, place], begin[None, place]]
        begins.append(starts)
        constants.append(np.concatenate(parts))
    return Driving(tuple(begins), tuple(constants))


def spread_of(x: np.ndarray) -> float:
    """RMS about the mean of samples (samples,); where they are all one number, its size, or 1."""
    most = float(np.max(np.abs(x), initial=0.0))
    if not most:
        return 1.0
    scaled = x / most  # squares of very small numbers are zero
    about = float(np.sqrt(np.mean((scaled - scaled.mean()) ** 2)))
    return most * about if about > ROUND_OFF else most


def missing(t: np.ndarray, weight: np.ndarray) -> tuple[int, int]:
    """How many samples are missing, and of how many: t (samples, trials), weight (samples,
    channels, trials). Behind the end of a shorter trial none is."""
    rows = 1 + (np.diff(t, axis=0) > 0).sum(axis=0)
    cells = int(rows.sum()) * weight.shape[1]
    return cells - int((weight > 0).sum()), cells


def outliers(miss: np.ndarray, there: np.ndarray, size: float) -> np.ndarray:
    """Which samples of a channel lie far from its fit, by the median absolute deviation of their
    misfits `miss`; `there` says which samples there are (same shape), `size` is their RMS."""
    if not there.any():
        return there
    typical = 1.4826 * np.median(np.abs(miss[there]))
    return there & (np.abs(miss) > STRAY * typical + ROUND_OFF * size)


def _deviations(observations: Mapping[str, np.ndarray], column: str, i: int, rows: int):
    """The column of standard deviations that goes with a column of samples; NaN without one."""
    given = observations.get(f"sigma_{column}")
    if given is None:
        return np.full(rows, np.nan)
    return np.atleast_2d(np.asarray(given, float).T).T[:, i]


def noise_without_model(o: ObservedMotions) -> tuple[np.ndarray, np.ndarray]:
    """Noise variance over the square of each channel's size, and its degrees of freedom,
    (channels, trials), from the samples alone (see `model_free_noise`)."""
    each = [
        model_free_noise(o.t, o.values[:, k] / o.size[k], o.there[:, k])
        for k in range(len(o.names))
    ]
    return np.stack([e.variance for e in each]), np.stack([e.freedom for e in each])


def roughness(o: ObservedMotions) -> float:
    """Noise over the size of a variable, the samples of all variables and trials together."""
    variance, freedom = noise_without_model(o)
    total = float(freedom.sum())
    return float(np.sqrt(np.nansum(variance * freedom) / total)) if total else 0.0


def grid(t: np.ndarray, dt: float, driving: Driving | None = None) -> Grid:
    """Equal steps of at most about dt between samples; shorter trials end in steps of zero. Each
    step takes the driven constants of its middle."""
    each = [
        np.maximum(np.ceil(np.diff(t[:, k]) / dt - SLACK), np.diff(t[:, k]) > 0).astype(int)
        for k in range(t.shape[1])
    ]
    total = max(int(e.sum()) for e in each)
    starts, lengths = np.zeros((total, t.shape[1])), np.zeros((total, t.shape[1]))
    sample = np.zeros(t.shape, int)
    for k, counts in enumerate(each):
        h = np.repeat(np.diff(t[:, k]) / np.maximum(counts, 1), counts)
        lengths[: len(h), k] = h
        starts[:, k] = t[0, k] + np.concatenate([[0], np.cumsum(lengths[:-1, k])])
        sample[:, k] = np.concatenate([[0], np.cumsum(counts)])
    steps = jnp.asarray(starts), jnp.asarray(lengths), jnp.asarray(sample)
    if driving is None:
        return Grid(*steps)
    driven = jnp.asarray(driving.at(starts + lengths / 2))
    return Grid(*steps, driven, jnp.asarray(driving.at(t)))
