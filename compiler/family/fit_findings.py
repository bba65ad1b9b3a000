"""What the fit of measured motions says: coefficients with errors, goodness of fit, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.program import Tell
from actionrun.compiler.symbolic.equations import numeric_equations, symbolic_equations
from actionrun.compiler.symbolic.identifiability import (
    Identifiability,
    identifiability,
    monomial,
    term_exponents,
)
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.printing import digits, spread

from .fit import FittedMotion, Fitting
from .measured.checks import LEAST_MOTION, checks, outlier_notes, tail_notes, variable_name
from .measured.comparison import with_comparison
from .measured.errors import FitErrors, fit_errors
from .measured.goodness_of_fit import ChannelFit
from .measured.posterior import with_posterior
from .measured.profile_likelihood import Profile, profiles
from .observations import missing
from .term_selection import TermSelection

MOST_FIGURES = 20  # trials that are drawn
NOISE_LIMIT = 1.0  # deviations that the whole range of a direction has to change the samples by


@dataclass(frozen=True)
class FitReport:
    """The report of a fit, and of those of rival laws (see `program.Reported`); `written`: the
    system as the study has it, before each trial has coefficients of its own."""

    fitting: Fitting
    written: LagrangianSystem
    rivals: Mapping[str, Fitting] = field(default_factory=dict)
    folds: int = 5
    posterior: tuple[int, int] | None = None  # draws and chains

    def __call__(self, state, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        fitted = self.fitting.fit(tell)
        findings = fit_findings(fitted, self.written)
        if self.posterior is not None:
            tell("posterior", 0, 1, {})
            findings = with_posterior(findings, fitted, *self.posterior)
            tell("posterior", 1, 1, {})
        if not self.rivals:
            return findings
        others = {name: rival.fit(tell) for name, rival in self.rivals.items()}
        return with_comparison(findings, fitted, others, self.folds, tell)


def fit_findings(m: FittedMotion, written: LagrangianSystem | None = None) -> Findings:
    """Findings of a fit; equations of the system as it is `written`."""
    written = written or m.symbolic
    names = [c.name for c in m.symbolic.coefficients]
    errors = fit_errors(m)
    known = _identified(m, names, errors)
    combined = _combined(m, names, known, errors)
    residual = _residuals(m)
    coefficients = _coefficients(m, names, known, errors)
    values = {n: (c["value"], c["std"]) for n, c in coefficients.items()}
    said = {variable_name(m, k): c for k, c in enumerate(m.channels)}
    curved = profiles(m, errors, {*known.lost})
    o = m.observed
    metrics: dict[str, float | int] = {
        "samples": int(o.there.sum()),
        "trials": o.t.shape[1],
        "noise": max(float(np.sqrt(np.mean(m.noise.sigma[:, k] ** 2)))
                     for k in range(len(o.names))),
        "step": m.problem.dt,
        "step_shift": m.step_shift,
    }  # fmt: skip
    equations = symbolic_equations(written)
    if not known.lost:
        shared = [c.name for c in written.coefficients if c.name in values]
        at = [names.index(name) for name in shared]
        equations = numeric_equations(
            written, {n: values[n] for n in shared}, errors.covariance[np.ix_(at, at)], shared
        )
        equations += symbolic_equations(written, ", in symbols")
    return Findings(
        metrics=metrics,
        equations=equations,
        extra={
            "coefficients": coefficients,
            "residual": residual,
            "identifiability": combined,
            "goodness_of_fit": {name: c.data() for name, c in said.items()},
            "covariance": _matrix(names, errors.covariance),
            "correlation": _matrix(names, errors.correlation),
            "errors": errors.kind,
            "starts": _starts(m, errors),
            "profiles": {one.name: one.data() for one in curved},
        },
        summary=(
            *_summary(coefficients, combined, residual, known, said, missing(o.t, o.weight)),
            *_profile_lines(m, curved),
        ),
        arrays=_arrays(m, names, errors),
        figures=_figures(m),
        tables=(_table(coefficients), _goodness_table(m, said),
                *((_choice_table(m.choice),) if m.choice else ()),
                *((_profile_table(curved),) if curved else ())),
        checks=checks(m, names, said, known, errors),
        notes=(*outlier_notes(m), *tail_notes(m, said)),
    )  # fmt: skip


def _identified(m: FittedMotion, names: list[str], errors: FitErrors) -> Identifiability:
    """Rank of the data in the coefficients, the unknown starts projected out: a direction counts
    where its whole range would change the samples by more than their noise. Terms that were
    dropped are known: they are zero."""
    kept = np.flatnonzero(m.within.high > m.within.low)
    names, k = [names[j] for j in kept], len(names)
    width = (m.within.high - m.within.low)[kept]
    rows = np.moveaxis(m.solution.projected.rows, 1, -1).reshape(-1, k)[:, kept]
    std = m.settings.prior[1][kept]
    rows = np.concatenate([rows, np.diag(1 / std)[np.isfinite(std)]])
    if errors.motion_chance > LEAST_MOTION:
        rows = 0 * rows
    triangle = np.linalg.qr(rows * width, mode="r")
    _, s, Vt = np.linalg.svd(triangle)
    told = np.where(s > NOISE_LIMIT, s, 0)[:, None] * Vt[: len(s)]
    scale = np.where(m.x[kept] != 0, np.abs(m.x[kept]), width)
    parts = (m.symbolic.lagrangian, m.symbolic.nonconservative)
    terms = term_exponents([p for p in parts if p is not None], names)
    return identifiability(told / width * scale, names, terms)


def _combined(
    m: FittedMotion, names: list[str], known: Identifiability, errors: FitErrors
) -> dict[str, object]:
    """The identifiability with the values that the data give its combinations.

    The variance of a combination is taken in the directions that the data do determine.
    """
    scale = np.where(m.x != 0, np.abs(m.x), 1.0)
    normal = m.solution.projected.normal * np.outer(scale, scale)
    size = np.sqrt(np.where(np.diag(normal) > 0, np.diag(normal), 1))
    variance = np.linalg.pinv(normal / np.outer(size, size), rcond=1e-14) / np.outer(size, size)
    variance = variance * errors.inflation
    result = known.data()
    rows = []
    for combination in known.combinations:
        powers = np.array([combination.get(n, 0.0) for n in names])
        value = float(np.prod([x**p for x, p in zip(m.x, powers, strict=True) if p]))
        std = abs(value) * float(np.sqrt(max(powers @ variance @ powers, 0.0)))
        rows.append(
            {
                "text": monomial(combination),
                "exponents": dict(combination),
                "value": value,
                "std": std,
            }
        )
    return result | {"combinations": rows}


def _coefficients(
    m: FittedMotion, names, known: Identifiability, errors: FitErrors
) -> dict[str, dict[str, Any]]:
    result = {}
    for k, name in enumerate(names):
        lost = name in known.lost
        result[name] = {
            "value": None if lost else float(m.x[k]),
            "std": None if lost or m.at_bound[k] else float(np.sqrt(errors.covariance[k, k])),
            "unit": m.settings.unit(name),
        }
    return result


def _matrix(names: list[str], values: np.ndarray) -> dict[str, Any]:
    return {"names": names, "values": [[float(x) for x in row] for row in values]}


def _starts(m: FittedMotion, errors: FitErrors) -> list[dict[str, Any]]:
    """Positions and velocities that each trial begins with, and their deviations."""
    n = m.symbolic.n
    result = []
    for trial in range(m.starts.shape[1]):
        row: dict[str, Any] = {"t": float(m.observed.t[0, trial])}
        for i, name in enumerate(m.symbolic.words.names):
            for key, at in ((name, i), (f"{name}'", n + i)):
                std = errors.start_std[at, trial]
                row[key] = {"value": float(m.starts[at, trial]), "std": float(std)}
        result.append(row)
    return result


def _residuals(m: FittedMotion) -> dict[str, float]:
    """RMS misfit over the RMS about the mean of each observed channel."""
    o = m.observed
    return {
        variable_name(m, k): float(np.sqrt(np.mean(m.solution.miss[:, k][o.there[:, k]] ** 2)))
        for k in range(len(o.names))
    }


def quoted_value(value: float | None, std: float | None, unit: str = "") -> str:
    """A value as it is quoted: 1.3560 ± 0.0006 au."""
    if value is None:
        return "not determined by these data"
    sign = "-" if value < 0 else ""
    if std is None:
        return f"{sign}{digits(value, None)} (at its bound) {unit}".strip()
    error = f" ± {spread(value, std)}" if std > 0 else ""
    return f"{sign}{digits(value, std)}{error} {unit}".strip()


def _summary(
    coefficients, combined, residual, known: Identifiability, said: Mapping[str, ChannelFit],
    gaps: tuple[int, int],
):  # fmt: skip
    lines = [(n, quoted_value(c["value"], c["std"], c["unit"])) for n, c in coefficients.items()]
    products = [c for c in combined["combinations"] if c["text"] not in coefficients]
    lines += [(c["text"], quoted_value(c["value"], c["std"])) for c in products]
    for name, share in residual.items():
        fit = said[name]
        chi = "" if fit.chi_square is None else f"; chi2/dof {fit.chi_square:.3g}"
        lines.append((f"residual of {name}", f"{100 * share:.3g} % of its RMS{chi}"))
    lines.append(("identifiability", known.text))
    if gaps[0]:
        lines.append(("missing samples", f"{gaps[0]} of {gaps[1]}"))
    return tuple(lines)


def _profile_lines(m: FittedMotion, curved: list[Profile]) -> tuple[tuple[str, str], ...]:
    """The intervals of coefficients with lopsided errors, and of those at a bound, in words."""
    lines = []
    for one in curved:
        low, high = one.intervals["95"]
        std = None if low is None or high is None else (high - low) / 4
        unit = m.settings.unit(one.name)
        if low is None or high is None:
            end, word = (high, "below") if low is None else (low, "above")
            text = "the range" if end is None else f"{word} {digits_of(end, None)} {unit}"
        else:
            text = f"from {digits_of(low, std)} to {digits_of(high, std)} {unit}"
        lines.append((f"{one.name}, 95 %", text.strip()))
    return tuple(lines)


def digits_of(value: float, std: float | None) -> str:
    """A number to the digits that its error leaves."""
    return f"{'-' if value < 0 else ''}{digits(value, std)}"


def _profile_table(curved: list[Profile]) -> Table:
    caption = (
        "Intervals by the profile likelihood, of coefficients whose errors are lopsided or whose "
        "best value is an end of the range (then of one side): all else fitted again along the "
        "way. An end that is empty lies beyond the range."
    )
    header = ("coefficient", "68 %: from", "to", "95 %: from", "to ")
    rows = tuple((one.name, *one.intervals["68"], *one.intervals["95"]) for one in curved)
    return Table("profiles", caption, header, rows)


def _table(coefficients) -> Table:
    columns = ["value", "std"] + ["unit"] * any(c["unit"] for c in coefficients.values())
    rows = tuple((n, *(c[column] for column in columns)) for n, c in coefficients.items())
    names = {"std": "standard deviation"}
    header = ("coefficient", *(names.get(column, column) for column in columns))
    return Table("coefficients", "Coefficients with one standard deviation.", header, rows)


def _goodness_table(m: FittedMotion, said: Mapping[str, ChannelFit]) -> Table:
    rows = tuple(
        (name, c.noise, "declared" if c.declared else "estimated", c.chi_square, c.chance,
         100 * c.explained, c.durbin_watson, c.ljung_box)
        for name, c in said.items()
    )  # fmt: skip
    caption = (
        "What the fit leaves of each variable: the deviation of its noise; chi square per degree "
        "of freedom, beside the declared noise or that which samples show without a model, and "
        "the chance of as much; the share of the variance that the law explains; Durbin-Watson's "
        "ratio (2 for white noise) and the chance of the autocorrelations (Ljung-Box)."
    )
    header = ("variable", "noise", "which is", "chi2/dof", "chance", "explained [%]",
              "Durbin-Watson", "Ljung-Box")  # fmt: skip
    return Table("goodness_of_fit", caption, header, rows)


def _arrays(m: FittedMotion, names: list[str], errors: FitErrors) -> dict[str, Array]:
    o, unit, arrays = m.observed, m.settings.unit("t"), {}
    for trial in range(o.t.shape[1]):
        mark = f"_{trial + 1}" if o.t.shape[1] > 1 else ""
        rows = o.there[..., trial].any(axis=1)
        dim = (f"sample{mark}",)
        arrays[f"t{mark}"] = Array(o.t[rows, trial], dim, unit, "time of the samples")
        for k, channel in enumerate(o.names):
            name, of = variable_name(m, k), m.settings.labels[channel][1]
            there = o.there[rows, k, trial]
            seen = np.where(there, o.values[rows, k, trial], np.nan)
            model = m.solution.model[rows, k, trial]
            arrays[f"{name}{mark}"] = Array(seen, dim, of, f"observed {name}")
            arrays[f"{name}_fit{mark}"] = Array(model, dim, of, f"fitted {name}")
            arrays[f"{name}_residual{mark}"] = Array(
                seen - model, dim, of, f"observed less fitted {name}"
            )
    dims = ("coefficient", "coefficient_2")
    arrays["covariance"] = Array(errors.covariance, dims, "", f"covariance of {', '.join(names)}")
    arrays["correlation"] = Array(
        errors.correlation, dims, "", f"correlation of {', '.join(names)}"
    )
    arrays["starts"] = Array(
        m.starts, ("state", "trial"), "", "positions, then velocities, that trials begin with"
    )
    return arrays


def _figures(m: FittedMotion) -> tuple[Figure, ...]:
    o, time = m.observed, Axis("time t", m.settings.unit("t"))
    figures = []
    for trial in range(min(o.t.shape[1], MOST_FIGURES)):
        mark = f"_{trial + 1}" if o.t.shape[1] > 1 else ""
        panels, misses = [], []
        for k, channel in enumerate(o.names):
            label, unit = m.settings.labels[channel]
            there = o.there[:, k, trial]
            t, seen = o.t[there, trial], o.values[there, k, trial]
            model = m.solution.model[there, k, trial]
            curves = (Curve(t, seen, "measured", "points"), Curve(t, model, "fit"))
            panels.append(Panel(time, Axis(label, unit), curves))
            miss = Curve(t, seen - model, "", "points")
            misses.append(Panel(time, Axis(f"misfit of {label}", unit), (miss,)))
        figures.append(Figure(f"motion{mark}", "The measured motion and the fit.", tuple(panels)))
        caption = (
            "Measured less fitted. Structure here is physics that the family does not have; "
            "noise is what the measurement has."
        )
        figures.append(Figure(f"residual{mark}", caption, tuple(misses)))
    return tuple(figures)


def _choice_table(choice: TermSelection) -> Table:
    rows = tuple(
        (term.name, "kept" if term.kept else "dropped", term.evidence, term.probability)
        for term in choice.terms
    )
    caption = (
        "Terms that may vanish, judged by the Bayesian information criterion: how much it "
        "rises without the term, and the probability of the term that this stands for, if the "
        "residuals are noise."
    )
    return Table("terms", caption, ("coefficient", "term", "evidence", "probability"), rows)
