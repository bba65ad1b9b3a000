"""Which law? Rival laws fitted to the same motions, by information criteria and what they predict.

Schwarz's criterion (Ann. Statist. 6, 461, 1978), Akaike's with its correction for few samples
(Hurvich and Tsai, Biometrika 76, 297, 1989), and the error on blocks of time that were left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp, log, pi

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.family.fit import FittedMotion
from actionrun.compiler.findings import Check, Findings, Table
from actionrun.compiler.numerics.optimizers.block_least_squares import Unknowns
from actionrun.compiler.program import Tell

from .noise import serial_correlation

CLEAR = 10.0  # of a criterion: a difference beyond it is as good as certain (Kass and Raftery)
SOME = 2.0
HERE = "this study"


@dataclass(frozen=True)
class LawScore:
    """A law: unknowns of the law, chi square per degree of freedom (the worst channel's, beside
    declared or model-free noise), criteria, the RMS error over left-out blocks in units of each
    channel's size; whether its residuals are noise."""

    name: str
    coefficients: int
    chi_square: float | None
    bic: float
    aicc: float
    held_out: float
    sound: bool


def law_score(name: str, m: FittedMotion, folds: int) -> LawScore:
    """The scores of a finished fit."""
    o, noise, at = m.observed, m.noise, m.solution
    there, n = o.there, int(o.there.sum())
    free = int((~m.at_bound).sum())
    estimated = sum(
        (int(o.t.shape[1]) if noise.by_trial[k] else 1) + bool(noise.tau[k])
        for k in range(len(o.names)) if not noise.declared[k]
    )  # fmt: skip
    unknowns = free + len(m.problem.local) * o.t.shape[1] + estimated
    serial = serial_correlation(noise, o)
    rho = np.zeros(o.values.shape) if serial is None else serial[1]
    deviance = np.where(there, 2 * np.log(noise.sigma) + np.log(1 - rho**2) + at.white**2, 0)
    minus_two_log = float(deviance.sum()) + n * log(2 * pi)
    chis = [c.chi_square for c in m.channels if c.chi_square is not None]
    correction = 2 * unknowns * (unknowns + 1) / (n - unknowns - 1) if n > unknowns + 1 else np.inf
    return LawScore(
        name, free, max(chis) if chis else None, minus_two_log + unknowns * log(n),
        minus_two_log + 2 * unknowns + correction, held_out_error(m, folds),
        m.converged and all(c.is_noise and c.is_white for c in m.channels),
    )  # fmt: skip


def held_out_error(m: FittedMotion, folds: int) -> float:
    """RMS over the channel's size of misfits in blocks of time that the fit did not see."""
    o, problem, squares, count = m.observed, m.problem, 0.0, 0
    place = np.floor(
        folds * (o.t - o.t[0]) / np.maximum(o.t[-1] - o.t[0], np.finfo(float).tiny) * (1 - 1e-12)
    )
    for fold in range(folds):
        out = (place == fold)[:, None] & o.there
        left = replace(problem, observed=o._replace(weight=np.where(out, 0.0, o.weight)))
        shooting = left.shooting(left.trajectory(m.noise))
        x = Unknowns(jnp.asarray(m.x[:, None]), jnp.asarray(m.local[:, None, :, None]))
        fit = left.shot(shooting, x, m.noise)
        miss = problem.solution(fit, m.noise).miss[out]
        squares, count = squares + float(np.sum(miss**2)), count + int(out.sum())
    return float(np.sqrt(squares / max(count, 1)))


def with_comparison(
    findings: Findings, m: FittedMotion, rivals: Mapping[str, FittedMotion], folds: int, tell: Tell
) -> Findings:
    """Findings of a fit with those of its rivals beside them."""
    fits, scores = {HERE: m, **rivals}, []
    for number, (name, fit) in enumerate(fits.items()):
        tell("left out", number, len(fits), {})
        scores.append(law_score(name, fit, folds))
    order = sorted(scores, key=lambda s: s.bic)
    rows = tuple(
        (s.name, s.coefficients, s.chi_square, s.bic - order[0].bic, s.aicc - order[0].aicc,
         100 * s.held_out, "yes" if s.sound else "no")
        for s in order
    )  # fmt: skip
    caption = (
        "Laws fitted to the same motions: coefficients k; chi square per degree of freedom; how "
        "far the criteria of Schwarz (BIC) and Akaike (AICc) are from the first; the RMS error on "
        f"{folds} blocks of time left out one after the other, over that of each variable; whether "
        "what is left is noise."
    )
    header = ("law", "k", "chi2/dof", "BIC", "AICc", "left out [%]", "noise only")
    verdict = _verdict(order)
    laws = {
        s.name: {
            "coefficients": {
                c.name: {"value": float(fit.x[k]),
                         "std": float(np.sqrt(max(fit.solution.inverse[k, k], 0.0)))}
                for k, c in enumerate(fit.symbolic.coefficients)
            },
            "k": s.coefficients, "chi_square_per_degree_of_freedom": s.chi_square,
            "bic": s.bic, "aicc": s.aicc, "held_out": s.held_out, "noise_only": s.sound,
        }
        for s, fit in zip(scores, fits.values(), strict=True)
    }  # fmt: skip
    return replace(
        findings,
        extra=dict(findings.extra) | {"laws": laws},
        tables=(*findings.tables, Table("laws", caption, header, rows)),
        summary=(*findings.summary, ("laws", verdict)),
        checks=(*findings.checks, Check("laws", order[0].name == HERE, verdict)),
    )


def _verdict(order: list[LawScore]) -> str:
    """What the data can and cannot tell apart, in a sentence."""
    best = order[0]
    near = [s.name for s in order[1:] if s.bic - best.bic <= SOME]
    some = [s.name for s in order[1:] if SOME < s.bic - best.bic <= CLEAR]
    gone = [s.name for s in order[1:] if s.bic - best.bic > CLEAR]
    parts = []
    if gone:
        parts.append(f"the data prefer {best.name} to {', '.join(gone)}")
    if some:
        odds = exp(min((order[len(near) + 1].bic - best.bic) / 2, 500.0))
        parts.append(f"they lean to {best.name} over {', '.join(some)} ({odds:.3g} to 1)")
    if near:
        parts.append(f"they do not tell {best.name} and {', '.join(near)} apart")
    if not best.sound:
        parts.append("what even the best leaves is not noise")
    return "; ".join(parts)
