"""What the fit of a measured motion says: coefficients with errors, residuals, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from actionrun.compiler.findings import Array, Axis, Check, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.program import Tell
from actionrun.compiler.symbolic.equations import numeric_equations, symbolic_equations
from actionrun.compiler.symbolic.identifiability import (
    Identifiability,
    identifiability,
    monomial,
    term_exponents,
)
from actionrun.compiler.symbolic.printing import digits, spread
from actionrun.spec.tables.observables import OBSERVABLES

from .figures import channel_labels
from .fit import FittedMotion, Fitting
from .observations import STRAY, missing, outliers
from .term_selection import TermSelection


@dataclass(frozen=True)
class FitReport:
    """The report of a fit (see `program.Reported`)."""

    fitting: Fitting

    def __call__(self, state, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        return fit_findings(self.fitting.fit(tell))


def fit_findings(m: FittedMotion) -> Findings:
    """Findings of a fit."""
    names = [c.name for c in m.problem.coefficients]
    known = _identified(m, names)
    combined = _combined(m, names, known)
    residual = _residuals(m)
    coefficients = _coefficients(m, names, known)
    values = {n: (c["value"], c["std"]) for n, c in coefficients.items()}
    k = len(names)
    metrics: dict[str, float | int] = {
        "samples": int((m.weight > 0).sum()),
        "trials": m.t.shape[1],
        "noise": m.noise,
    }
    equations = symbolic_equations(m.problem)
    if not known.lost:
        free = m.covariance[:k, :k]
        equations = numeric_equations(m.problem, values, free, names) + symbolic_equations(
            m.problem, ", in symbols"
        )
    return Findings(
        metrics=metrics,
        equations=equations,
        extra={
            "coefficients": coefficients,
            "residual": residual,
            "identifiability": combined,
        },
        summary=_summary(coefficients, combined, residual, known, missing(m.t, m.weight)),
        arrays=_arrays(m),
        figures=_figures(m),
        tables=(_table(coefficients), *((_choice_table(m.choice),) if m.choice else ())),
        checks=_checks(m, names, residual, known),
        notes=strays(m),
    )


def _identified(m: FittedMotion, names: list[str]) -> Identifiability:
    """Rank of the data in the coefficients, the unknown start projected out."""
    k = len(names)
    scale = np.where(m.x[:k] != 0, np.abs(m.x[:k]), 1.0)
    of_c, of_start = m.jacobian[:, :k] * scale, m.jacobian[:, k:]
    moving = np.linalg.norm(of_start, axis=0) > 0
    if moving.any():
        basis, _ = np.linalg.qr(of_start[:, moving] / np.linalg.norm(of_start[:, moving], axis=0))
        before = np.linalg.norm(of_c, axis=0)
        of_c = of_c - basis @ (basis.T @ of_c)
        of_c = np.where(np.linalg.norm(of_c, axis=0) < 1e-10 * before, 0, of_c)
    parts = (m.problem.lagrangian, m.problem.nonconservative)
    terms = term_exponents([p for p in parts if p is not None], names)
    return identifiability(of_c, names, terms)


def _combined(m: FittedMotion, names: list[str], known: Identifiability) -> dict[str, object]:
    """The identifiability with the values that the data give its combinations.

    The variance of a combination is taken in the directions that the data do determine.
    """
    scale = np.where(m.x != 0, np.abs(m.x), 1.0)
    scaled = m.jacobian * scale
    size = np.linalg.norm(scaled, axis=0)
    size = np.where(size > 0, size, 1.0)
    inner = np.linalg.pinv((scaled / size).T @ (scaled / size), rcond=1e-14)
    variance = m.noise**2 * inner / np.outer(size, size)
    result = known.data()
    rows = []
    for combination in known.combinations:
        powers = np.array([combination.get(n, 0.0) for n in names])
        value = float(np.prod([x**p for x, p in zip(m.x, powers, strict=False) if p]))
        wide = np.concatenate([powers, np.zeros(len(m.x) - len(names))])
        std = abs(value) * float(np.sqrt(max(wide @ variance @ wide, 0.0)))
        rows.append(
            {
                "text": monomial(combination),
                "exponents": dict(combination),
                "value": value,
                "std": std,
            }
        )
    return result | {"combinations": rows}


def _coefficients(m: FittedMotion, names, known: Identifiability) -> dict[str, dict[str, Any]]:
    result = {}
    for k, name in enumerate(names):
        lost = name in known.lost
        result[name] = {
            "value": None if lost else float(m.x[k]),
            "std": None if lost or m.at_bound[k] else float(np.sqrt(m.covariance[k, k])),
            "unit": m.study.unit(name),
        }
    return result


def _variable_name(m: FittedMotion, channel: int) -> str:
    key, component = m.names[channel]
    return OBSERVABLES[key].column(m.problem.words.names[component])


def _residuals(m: FittedMotion) -> dict[str, float]:
    """RMS misfit over RMS of each observed channel."""
    result = {}
    for k in range(len(m.names)):
        miss = (m.model[:, k] - m.values[:, k])[m.weight[:, k] > 0]
        result[_variable_name(m, k)] = float(np.sqrt(np.mean(miss**2)) / m.size[k])
    return result


def with_error(value: float | None, std: float | None, unit: str = "") -> str:
    """A value as it is quoted: 1.3560 ± 0.0006 au."""
    if value is None:
        return "not determined by these data"
    sign = "-" if value < 0 else ""
    if std is None:
        return f"{sign}{digits(value, None)} (at its bound) {unit}".strip()
    error = f" ± {spread(value, std)}" if std > 0 else ""
    return f"{sign}{digits(value, std)}{error} {unit}".strip()


def _summary(coefficients, combined, residual, known: Identifiability, gaps: tuple[int, int]):
    lines = [(n, with_error(c["value"], c["std"], c["unit"])) for n, c in coefficients.items()]
    products = [c for c in combined["combinations"] if c["text"] not in coefficients]
    lines += [(c["text"], with_error(c["value"], c["std"])) for c in products]
    lines += [
        (f"residual of {name}", f"{100 * share:.3g} % of its RMS")
        for name, share in residual.items()
    ]
    lines.append(("identifiability", known.text))
    if gaps[0]:
        lines.append(("missing samples", f"{gaps[0]} of {gaps[1]}"))
    return tuple(lines)


def _table(coefficients) -> Table:
    columns = ["value", "std"] + ["unit"] * any(c["unit"] for c in coefficients.values())
    rows = tuple((n, *(c[column] for column in columns)) for n, c in coefficients.items())
    names = {"std": "standard deviation"}
    header = ("coefficient", *(names.get(column, column) for column in columns))
    return Table("coefficients", "Coefficients with one standard deviation.", header, rows)


def _arrays(m: FittedMotion) -> dict[str, Array]:
    unit, arrays = m.study.unit("t"), {}
    labels = channel_labels(m.study, tuple(dict.fromkeys(v for v, _ in m.names)))
    for trial in range(m.t.shape[1]):
        mark = f"_{trial + 1}" if m.t.shape[1] > 1 else ""
        rows = (m.weight[..., trial] > 0).any(axis=1)
        dim = (f"sample{mark}",)
        arrays[f"t{mark}"] = Array(m.t[rows, trial], dim, unit, "time of the samples")
        for k in range(len(m.names)):
            name = _variable_name(m, k)
            seen = np.where(m.weight[rows, k, trial] > 0, m.values[rows, k, trial], np.nan)
            arrays[f"{name}{mark}"] = Array(seen, dim, labels[k][1], f"observed {name}")
            arrays[f"{name}_fit{mark}"] = Array(
                m.model[rows, k, trial], dim, labels[k][1], f"fitted {name}"
            )
    return arrays


def _figures(m: FittedMotion) -> tuple[Figure, ...]:
    time = Axis("time t", m.study.unit("t"))
    labels = channel_labels(m.study, tuple(dict.fromkeys(v for v, _ in m.names)))
    figures = []
    for trial in range(m.t.shape[1]):
        mark = f"_{trial + 1}" if m.t.shape[1] > 1 else ""
        panels, misses = [], []
        for k, (label, unit) in enumerate(labels):
            there = m.weight[:, k, trial] > 0
            t, seen = m.t[there, trial], m.values[there, k, trial]
            model = m.model[there, k, trial]
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


SHOWN = 5  # samples named


def strays(m: FittedMotion) -> tuple[str, ...]:
    """Samples that lie far from the fit, by the median absolute deviation of their channel."""
    result = []
    for k in range(len(m.names)):
        there = m.weight[:, k] > 0
        miss = np.where(there, m.model[:, k] - m.values[:, k], 0.0)
        slips = np.argwhere(outliers(miss, there, m.size[k]))
        if not len(slips):
            continue
        order = np.argsort(-np.abs(miss[tuple(slips.T)]), kind="stable")[:SHOWN]
        where = ", ".join(f"{m.t[i, j]:.6g}" for i, j in slips[order])
        more = f" and {len(slips) - SHOWN} more" if len(slips) > SHOWN else ""
        place = f"{where}{more} {m.study.unit('t')}".strip()
        result.append(
            f"{len(slips)} of {int(there.sum())} samples of {_variable_name(m, k)} lie more than "
            f"{STRAY:g} robust standard deviations from the fit: at t = {place}. They "
            "count like the others; if they are slips of the measurement, empty their cells"
        )
    return tuple(result)


def _checks(m: FittedMotion, names, residual, known) -> tuple[Check, ...]:
    choice = m.choice
    dropped = {t.name for t in choice.terms if not t.kept} if choice else set()
    at_bound = [n for n, h in zip(names, m.at_bound, strict=False) if h and n not in dropped]
    worst = max(residual.values())
    checks = [
        Check("convergence", m.converged, "least squares converged" if m.converged else
              "least squares used up its iterations: raise refine.iterations"),
        Check("identifiability", known.rank == known.of, known.advice),
        Check("residual", worst < 0.1, f"the fit leaves at most {100 * worst:.3g} % of the RMS"),
    ]  # fmt: skip
    if at_bound:
        text = f"{', '.join(at_bound)} ended at a bound of the range; its error is not known"
        checks.append(Check("bounds", False, text))
    if m.active_constraints:
        border = " and ".join(m.active_constraints)
        text = f"the fit ended on the border of {border}: its errors are those along it"
        checks.append(Check("constraints", False, text))
    source = "given in the study" if m.noise_given else "estimated from the residuals"
    checks.append(Check("noise", True, f"noise {100 * m.noise:.3g} % of the RMS, {source}"))
    return (*checks, *([_choice_check(choice)] if choice else []))


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


def _choice_check(choice: TermSelection) -> Check:
    kept = ", ".join(t.name for t in choice.terms if t.kept) or "none"
    gone = ", ".join(t.name for t in choice.terms if not t.kept) or "none"
    sure = min((max(t.probability, 1 - t.probability) for t in choice.terms), default=1.0)
    text = f"terms kept: {kept}; dropped: {gone}; the least certain with {100 * sure:.3g} %"
    return Check("choice of terms", sure > 0.95, text)
