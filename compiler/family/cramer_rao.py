"""Cramer-Rao bounds and the coverage of error bars over systems whose truth is known.

The bound of a system is the least variance that any unbiased estimate can have from
motions with this noise: the inverse of the Fisher information at the true coefficients.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Check, Table
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import Fit, covariance

from .evaluation import EvaluationBatch

RESAMPLED = 200  # sets of systems drawn for the bootstrap
MOST = 100_000  # systems of which it is made
NORMAL_95 = 1.959963984540054


def uncertainty(
    names: list[str], test: EvaluationBatch, truth: Fit, noise: float
) -> dict[str, float]:
    """Metrics `coverage.c`, the share of 95 % intervals that hold the truth, and `cramer_rao.c`
    and `network_cramer_rao.c`, the root mean square of error over bound, of the refined estimate
    and of the network's.

    Systems whose coefficient is zero are left out: their estimates end at the bound of the range,
    where the error is no longer normal; likewise systems that end on a constraint. So are the 1 %
    of largest ratios in the network's figure.
    """
    k = len(names)
    c, refined = np.asarray(test.c), np.asarray(test.fit.x)[:k]
    std = _std(test.fit, noise)[:k]
    bound = _std(truth, noise)[:k]
    finite = np.isfinite(std).all(axis=0) & np.asarray(test.fit.converged)
    if test.fit.active_normals is not None:
        finite &= ~np.any(np.asarray(test.fit.active_normals) != 0, axis=(0, 1))
    metrics: dict[str, float] = {}
    for i, name in enumerate(names):
        use = finite & (c[i] != 0) & ~np.asarray(test.fit.at_bound)[i]
        error = np.abs(refined[i] - c[i])[use]
        metrics[f"coverage.{name}"] = float(np.mean(error <= NORMAL_95 * std[i, use]))
        metrics[f"cramer_rao.{name}"] = float(np.sqrt(np.mean((error / bound[i, use]) ** 2)))
        ratio = np.sort(np.abs(np.asarray(test.network)[i] - c[i])[use] / bound[i, use])
        ratio = ratio[: max(1, int(0.99 * len(ratio)))]
        metrics[f"network_cramer_rao.{name}"] = float(np.sqrt(np.mean(ratio**2)))
    return metrics


def _std(fit, noise: float) -> np.ndarray:
    """Standard deviations (k, batch) at relative noise."""
    spread = covariance(fit, jnp.asarray(noise**2))
    return np.sqrt(np.maximum(np.einsum("ii...->i...", np.asarray(spread)), 0.0))


def uncertainty_table(names: list[str], metrics, noise: float) -> Table:
    rows = tuple(
        (name, metrics[f"coverage.{name}"], metrics[f"cramer_rao.{name}"],
         metrics[f"network_cramer_rao.{name}"])
        for name in names
    )  # fmt: skip
    caption = (
        f"Error bars at {100 * noise:g} % noise: the share of 95 % intervals that hold the truth, "
        "and errors over the Cramer-Rao bound, below which no unbiased method can come."
    )
    header = ("coefficient", "95 % intervals", "refined / bound", "network / bound")
    return Table("uncertainty", caption, header, rows)


def beside_refinement(
    names: list[str], test: EvaluationBatch
) -> tuple[dict[str, float], Table, Check]:
    """The 95th percentiles of the relative errors of network and refinement over the same systems:
    metrics `p95_over_refined.c`, and `bare_error_p95.c` of the network before its scoring layers;
    a table with the 95 % intervals of the ratio by the bootstrap of pairs (Efron & Tibshirani, An
    Introduction to the Bootstrap, 1993); whether the network is behind by more than chance."""
    c, dice = np.asarray(test.c)[:, :MOST], np.random.default_rng(0)
    metrics: dict[str, float] = {}
    rows, behind = [], []
    for k, name in enumerate(names):
        there = c[k] != 0
        answers = [x for x in (test.bare, test.network, test.fit.x) if x is not None]
        errors = np.stack(
            [np.abs(np.asarray(x)[k, :MOST][there] / c[k, there] - 1) for x in answers]
        )
        ends = np.percentile(errors, 95, axis=1)
        draws = dice.integers(0, errors.shape[1], (RESAMPLED, errors.shape[1]))
        of_both = np.array([np.percentile(errors[-2:, draw], 95, axis=1) for draw in draws])
        low, high = np.percentile(of_both[:, 0] / of_both[:, 1], [2.5, 97.5])
        metrics[f"bare_error_p95.{name}"] = float(ends[0])
        metrics[f"p95_over_refined.{name}"] = float(ends[-2] / ends[-1])
        shown = (ends[0], ends[-2], ends[-1], ends[-2] / ends[-1], low, high)
        rows.append((name, *(float(f"{x:.4g}") for x in shown)))
        if low > 1:
            behind.append(name)
    caption = (
        f"95th percentiles of the relative errors over {c.shape[1]} systems with noise: of the "
        "network before and after its scoring layers, of the refinement, and the ratio of the "
        "last two with its 95 % interval by the bootstrap. The refinement has the largest "
        "likelihood; the network aims at the mean of the posterior."
    )
    header = ("coefficient", "bare", "network", "refined", "ratio", "from", "to")
    said = ", ".join(f"{metrics[f'p95_over_refined.{n}']:.3f}" for n in names)
    text = f"the network's 95th percentiles are {said} times the refinement's; "
    more = f"{', '.join(behind)} above by more than chance"
    text += more if behind else "none is above by more than chance"
    return (
        metrics,
        Table("network", caption, header, tuple(rows)),
        Check("network beside refinement", not behind, text),
    )


def uncertainty_checks(names: list[str], metrics) -> tuple[Check, ...]:
    low = min(metrics[f"coverage.{name}"] for name in names)
    high = max(metrics[f"coverage.{name}"] for name in names)
    worst = max(metrics[f"cramer_rao.{name}"] for name in names)
    return (
        Check("intervals", low >= 0.92 and high <= 0.98,
              f"95 % intervals hold the truth in {100 * low:.1f} to {100 * high:.1f} % of systems"),
        Check("Cramer-Rao bound", worst <= 1.2,
              f"the refined errors are {worst:.2f} times the least that is possible, at most"),
    )  # fmt: skip
