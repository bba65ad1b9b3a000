"""The posterior of a fit's coefficients: chains through the integrator, in the fit's metric."""

from __future__ import annotations

from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.family.fit import FittedMotion
from actionrun.compiler.findings import Array, Axis, Check, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.numerics.inference.hamiltonian import (
    Chains,
    effective_size,
    hamiltonian_chains,
    split_r_hat,
)
from actionrun.compiler.numerics.optimizers.block_least_squares import Unknowns, joined

from .noise import TAILS
from .segments import ScaledShooting

MOST_UNKNOWNS = 60  # of a chain: coefficients and starts
WARM = 0.25  # of the draws before those that are kept
MIXED = 1.01  # R-hat of chains that have
SHOWN = 5  # coefficients in the figure of pairs


class LogPosterior(eqx.Module):
    """Log density of whitened unknowns z (N, chains): likelihood of the noise that the fit found,
    times normal priors, within the ranges of the coefficients."""

    shooting: ScaledShooting
    unit: float
    student: bool = eqx.field(static=True)
    centre: jax.Array
    root: jax.Array
    trials: int = eqx.field(static=True)
    mean: jax.Array
    precision: jax.Array
    low: jax.Array
    high: jax.Array

    def __call__(self, z: jax.Array) -> jax.Array:
        k, chains = len(self.mean), z.shape[1]
        x = self.centre[:, None] + self.root @ z
        c, local = x[:k], x[k:].reshape((-1, 1, self.trials, chains))
        misfit = self.shooting(joined(Unknowns(c, local))) / self.unit
        cost = misfit**2
        if self.student:  # of the samples, which come first
            values = self.shooting.trajectory.values
            samples = values.shape[0] * values.shape[1]
            tails = (TAILS + 1) * jnp.log1p(cost[:samples] / TAILS)
            cost = jnp.concatenate([tails, cost[samples:]])
        prior = jnp.sum(self.precision[:, None] * (c - self.mean[:, None]) ** 2, axis=0)
        inside = jnp.all((c >= self.low[:, None]) & (c <= self.high[:, None]), axis=0)
        return jnp.where(inside, -(jnp.sum(cost, axis=(0, 1)) + prior) / 2, -jnp.inf)


@dataclass(frozen=True)
class Posterior:
    """Draws (draws, k, chains) of the coefficients, and the share of proposals taken."""

    draws: np.ndarray
    accepted: float


def log_posterior(m: FittedMotion) -> LogPosterior:
    """The posterior of a fit, its unknowns in units of their deviations."""
    problem, noise = m.problem, m.noise
    k, trials = len(m.x), m.observed.t.shape[1]
    mean, std = m.settings.prior
    precision = 1 / std**2
    J, m_local = m.solution.jacobian, len(problem.local)
    whole = np.zeros((J.shape[0], trials, k + m_local * trials))
    whole[..., :k] = np.moveaxis(J[:, :k], 1, -1)
    for trial in range(trials):
        for i in range(m_local):
            whole[:, trial, k + i * trials + trial] = J[:, k + i, trial]
    flat = whole.reshape(-1, whole.shape[-1])
    width = m.within.high - m.within.low
    normal = flat.T @ flat
    wide = np.concatenate([precision + 1 / np.maximum(width, 1e-300) ** 2,
                           np.full(m_local * trials, 1e-6)])  # fmt: skip
    values, vectors = np.linalg.eigh(normal + np.diag(wide))
    plain = replace(noise, robust=np.ones_like(noise.robust))
    shooting = problem.shooting(problem.trajectory(plain))
    return LogPosterior(
        shooting, plain.unit, m.settings.loss == "student",
        jnp.asarray(np.concatenate([m.x, m.local.ravel()])),
        jnp.asarray(vectors / np.sqrt(np.maximum(values, np.finfo(float).tiny))), trials,
        jnp.asarray(mean), jnp.asarray(precision), jnp.asarray(m.within.low),
        jnp.asarray(m.within.high),
    )  # fmt: skip


@eqx.filter_jit
def _chains(density: LogPosterior, start, key, draws: int, warm: int) -> Chains:
    return hamiltonian_chains(density, start, key, draws, warm)


def sampled_posterior(m: FittedMotion, draws: int, chains: int) -> Posterior:
    """Chains that begin spread about the fit."""
    density = log_posterior(m)
    key = jax.random.fold_in(jax.random.key(m.settings.seed), 7)
    start = 0.5 * jax.random.normal(key, (len(density.centre), chains))
    result = _chains(density, start, key, draws, max(int(WARM * draws), 50))
    k = len(m.x)
    x = density.centre[None, :, None] + jnp.einsum("ij,djc->dic", density.root, result.draws)
    return Posterior(np.asarray(x)[:, :k], float(np.mean(np.asarray(result.accepted))))


def with_posterior(findings: Findings, m: FittedMotion, draws: int, chains: int) -> Findings:
    """Findings with the posterior beside the fit's own errors."""
    unknowns = len(m.x) + len(m.problem.local) * m.observed.t.shape[1]
    if unknowns > MOST_UNKNOWNS:
        text = (
            f"{unknowns} unknowns with the starts of all trials, and {MOST_UNKNOWNS} are sampled "
            "at most: fit fewer trials"
        )
        return replace(findings, checks=(*findings.checks, Check("posterior", False, text)))
    posterior, names = (
        sampled_posterior(m, draws, chains),
        [c.name for c in m.symbolic.coefficients],
    )
    rows, extra, arrays = [], {}, dict(findings.arrays)
    for i, name in enumerate(names):
        x = posterior.draws[:, i]
        low, high = (float(q) for q in np.quantile(x, [0.025, 0.975]))
        r_hat, size = split_r_hat(x), effective_size(x)
        rows.append((name, float(x.mean()), float(x.std()), low, high, r_hat, size))
        extra[name] = {
            "mean": float(x.mean()), "std": float(x.std()), "interval_95": [low, high],
            "r_hat": r_hat, "effective_size": size,
        }  # fmt: skip
        arrays[f"posterior_{name}"] = Array(
            x.T, ("chain", "draw"), m.settings.unit(name), f"posterior draws of {name}"
        )
    worst, least = max(row[5] for row in rows), min(row[6] for row in rows)
    text = (
        f"R-hat at most {worst:.4g}, at least {least:.3g} independent draws of {draws * chains}; "
        f"{100 * posterior.accepted:.3g} % of the proposals taken"
    )
    caption = (
        "Posterior of the coefficients: mean, standard deviation, 95 % interval; R-hat (1 where "
        "the chains have mixed) and the effective number of draws."
    )
    header = ("coefficient", "mean", "std", "2.5 %", "97.5 %", "R-hat", "effective draws")
    return replace(
        findings,
        extra=dict(findings.extra) | {"posterior": extra},
        arrays=arrays,
        tables=(*findings.tables, Table("posterior", caption, header, tuple(rows))),
        figures=(*findings.figures, _pairs(m, names, posterior)),
        checks=(*findings.checks, Check("posterior", worst <= MIXED, text)),
    )


def _pairs(m: FittedMotion, names: list[str], posterior: Posterior) -> Figure:
    """Draws of each pair of coefficients, and how each is spread."""
    panels = []
    for i, one in enumerate(names[:SHOWN]):
        x = posterior.draws[:, i].ravel()
        count, edges = np.histogram(x, bins=40)
        curve = Curve((edges[1:] + edges[:-1]) / 2, count.astype(float), "", "steps")
        panels.append(Panel(Axis(one, m.settings.unit(one)), Axis("draws"), (curve,)))
        for j in range(i):
            y, every = posterior.draws[:, j].ravel(), max(x.size // 1500, 1)
            points = Curve(x[::every], y[::every], "", "points")
            across, up = (Axis(name, m.settings.unit(name)) for name in (one, names[j]))
            panels.append(Panel(across, up, (points,)))
    return Figure("posterior", "Draws of the posterior.", tuple(panels))
