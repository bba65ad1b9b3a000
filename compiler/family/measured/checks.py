"""Checks and notes of a fit: what of it holds, and which samples stand out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.family.fit import STEP_SHARE, FittedMotion
from actionrun.compiler.family.observations import STRAY, outliers
from actionrun.compiler.family.term_selection import TermSelection
from actionrun.compiler.findings import Check
from actionrun.compiler.numerics.inference.measured_expressions import KEY
from actionrun.spec.tables.observables import OBSERVABLES

from .errors import FitErrors
from .goodness_of_fit import ChannelFit

LEAST_MOTION = 0.01  # a chance of as much motion by noise alone, above which there is none
SHOWN = 5  # samples named


def variable_name(m: FittedMotion, channel: int) -> str:
    key, component = m.observed.names[channel]
    if key == KEY:
        return m.settings.labels[key, component][0]
    return OBSERVABLES[key].column(m.symbolic.words.names[component])


def outlier_notes(m: FittedMotion) -> tuple[str, ...]:
    """Samples that lie far from the fit, by the median absolute deviation of their channel."""
    o, result = m.observed, []
    for k in range(len(o.names)):
        there, miss = o.there[:, k], m.solution.miss[:, k]
        slips = np.argwhere(outliers(miss, there, 1.0))
        if not len(slips):
            continue
        order = np.argsort(-np.abs(miss[tuple(slips.T)]), kind="stable")[:SHOWN]
        where = ", ".join(f"{o.t[i, j]:.6g}" for i, j in slips[order])
        more = f" and {len(slips) - SHOWN} more" if len(slips) > SHOWN else ""
        place = f"{where}{more} {m.settings.unit('t')}".strip()
        count = (
            'They are weighted down by the loss "student"' if m.settings.loss == "student" else
            'They count like the others; loss = "student" in [refine] weighs them down, or, if '
            "they are slips of the measurement, empty their cells"
        )  # fmt: skip
        result.append(
            f"{len(slips)} of {int(there.sum())} samples of {variable_name(m, k)} lie more than "
            f"{STRAY:g} robust standard deviations from the fit: at t = {place}. {count}"
        )
    return tuple(result)


def tail_notes(m: FittedMotion, said: Mapping[str, ChannelFit]) -> tuple[str, ...]:
    return tuple(
        f"the residuals of {name} are not normal (chance {c.jarque_bera:.2g})"
        for name, c in said.items()
        if c.jarque_bera < 1e-3 and m.settings.loss == "gauss"
    )


def checks(
    m: FittedMotion, names, said: Mapping[str, ChannelFit], known, errors: FitErrors
) -> tuple[Check, ...]:
    choice = m.choice
    dropped = {t.name for t in choice.terms if not t.kept} if choice else set()
    at_bound = [n for n, h in zip(names, m.at_bound, strict=False) if h and n not in dropped]
    result = [
        Check("convergence", m.converged, "least squares converged" if m.converged else
              "least squares used up its iterations: raise refine.iterations"),
        Check("identifiability", known.rank == known.of, known.advice),
    ]  # fmt: skip
    if m.settings.from_rest:
        result.append(Check(
            "starts", False, f"{int(m.observed.there.sum())} samples are too few to tell the "
            "speeds at the starts: every trial is taken to start from rest. Say so in [start], "
            f"velocity = {{ {m.symbolic.words.names[0]} = 0.0 }}, or bring more samples",
        ))  # fmt: skip
    if errors.motion_chance > LEAST_MOTION:
        result.append(Check(
            "motion", False, "the samples differ from rest by no more than their noise: what only "
            "a motion shows is not determined",
        ))  # fmt: skip
    for name, c in said.items():
        result += _channel_checks(name, c)
    result.append(Check("step", m.step_shift <= STEP_SHARE, (
        f"half the step would move the coefficients by at most {m.step_shift:.2g} of their "
        f"deviations" + (f"; dt was refined from {m.settings.dt:g} to {m.problem.dt:g} for it"
                         if m.problem.dt < m.settings.dt else "")
    )))  # fmt: skip
    if at_bound:
        text = (
            f"{', '.join(at_bound)} ended at a bound of the range, where a fit has no standard "
            "deviation: the data would have it beyond, or it is 0 and the law has no such term"
        )
        result.append(Check("bounds", False, text))
    if m.active_constraints:
        border = " and ".join(m.active_constraints)
        text = f"the fit ended on the border of {border}: its errors are those along it"
        result.append(Check("constraints", False, text))
    noises = "; ".join(
        f"{name} {c.noise:.3g} ({'declared' if c.declared else 'estimated from the residuals'}"
        + (", by trial" if m.noise.by_trial[k] else "")
        + (f", correlated over {c.tau:.3g}" if c.tau else "")
        + ")"
        for k, (name, c) in enumerate(said.items())
    )
    result.append(Check("noise", True, f"standard deviations: {noises}; errors are {errors.text}"))
    return (*result, *([_choice_check(choice)] if choice else []))


def _channel_checks(name: str, c: ChannelFit) -> list[Check]:
    chi = "" if c.chi_square is None else f"chi2/dof {c.chi_square:.3g} beside {c.beside}"
    explained = f"the law explains {100 * c.explained:.4g} % of the variance of {name}"
    fit = f"{explained}; {chi or 'there is nothing to judge its noise by'}"
    if not c.is_noise:
        low = c.declared and c.chi_square is not None and c.chi_square < 1
        fit += ": the noise is less than declared" if low else (
            ": the noise is more than declared, or the law is not this one" if c.declared else
            ": the law leaves more than the noise"
        )  # fmt: skip
    if c.tau:
        memory = f"the residuals of {name} are correlated over {c.tau:.3g}, which the errors count"
    else:
        memory = f"the residuals of {name} are white (Durbin-Watson {c.durbin_watson:.3g})"
    if not c.is_white:
        memory = (
            f"the residuals of {name} follow one another (Durbin-Watson {c.durbin_watson:.3g}, "
            f"chance {c.ljung_box:.2g}) in a way that no noise with a short memory does: "
            "something is missing in the law, or in the measurement"
        )
    return [
        Check(f"goodness of fit of {name}", c.is_noise, fit),
        Check(f"residuals of {name}", c.is_white, memory),
    ]


def _choice_check(choice: TermSelection) -> Check:
    kept = ", ".join(t.name for t in choice.terms if t.kept) or "none"
    gone = ", ".join(t.name for t in choice.terms if not t.kept) or "none"
    sure = min((max(t.probability, 1 - t.probability) for t in choice.terms), default=1.0)
    text = f"terms kept: {kept}; dropped: {gone}; the least certain with {100 * sure:.3g} %"
    return Check("choice of terms", sure > 0.95, text)
