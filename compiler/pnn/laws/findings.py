"""What a search of laws found: the front, the law that is recommended, rivals on the same folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
from actionrun.compiler.findings import Check, Equation, Findings
from actionrun.compiler.program import Tell

from . import figures
from .baselines import Baseline, rival_output
from .fit import LawFits
from .formula import LawFormula, constant_names, law_formula, with_spread
from .model_selection import ModelChoice, hypervolume, knee
from .noise import NoiseModel, likeliest_kind
from .result import Law, constants
from .search import LawSearch
from .seeds import seed_genomes
from .solved import SolvedLaw, fitted_output
from .table import spread_over_draws
from .table_formula import EXACT, covariance, on_table, with_enough_digits

GAIN = 1e-3  # by which a law of the front betters all simpler ones, relative: less says nothing


def make_findings(
    laws: LawSearch, genomes: np.ndarray, history: np.ndarray, tell: Tell
) -> Findings:
    """Findings from the archive's genomes (n, genes)."""
    front = front_of(laws, genomes, tell)
    weighed = with_likeliest_noise(laws, min(front, key=lambda law: law.error))
    if weighed is not laws:
        laws, front = weighed, front_of(weighed, genomes, tell)
    choice = recommended(laws, front)
    best = front[choice.index]
    plain, counted = baseline_complexities(laws)
    box = reference_corner(laws)
    rows = laws.rows
    metrics: dict[str, float | int] = {
        "hypervolume": _volume(box, front),
        "front_size": len(front),
        "error": best.error,
        "error_spread": best.spread,
        "complexity": best.complexity,
        "lowest_error": min(law.error for law in front),
        "rows": len(rows.learn),
        "test_rows": len(rows.test),
    }
    if rows.noise.absolute:
        metrics["chi2_per_dof"] = _chi2_per_dof(laws, best)
    if best.test_error is not None:
        metrics["test_error"] = best.test_error
    if laws.baselines:
        metrics["hypervolume_rivals"] = hypervolume(
            np.array([plain[r.name] for r in laws.baselines], float),
            np.array([r.error for r in laws.baselines]), *box,
        )  # fmt: skip
    entries = [_entry(law) for law in front]
    for entry, worse in zip(entries, choice.worse, strict=False):
        entry["standard_errors_worse"] = worse
    extra: dict[str, Any] = {
        "front": entries,
        "best": entries[choice.index],
        "best_reason": choice.reason,
        "error_is": f"root mean square error of {laws.said_output} over {rows.fold_count} "
        f"folds, drawn {rows.repeats} times; its spread is the standard deviation over the draws",
        "noise": {"kind": rows.noise.kind, "words": rows.noise.words},
        "compare": {r.name: _baseline_entry(r, plain[r.name]) for r in laws.baselines},
    }
    return Findings(
        metrics=metrics,
        equations=_equations(front, best),
        extra=extra,
        summary=_summary(laws, best, choice),
        arrays=figures.arrays(laws, history),
        figures=(
            figures.front_figure(laws, front, best, plain),
            figures.parity_figure(laws, best),
            figures.history_figure(laws, history),
        ),
        tables=(
            figures.front_table(laws, front, choice, plain),
            figures.words_table(front),
            figures.constants_table(front),
        ),
        checks=_checks(laws, front, best, plain),
        notes=(*laws.notes, *counted, *_exact_note(laws)),
    )


def with_likeliest_noise(laws: LawSearch, law: Law) -> LawSearch:
    """The search with the rows weighed by the kind of noise that the residuals of a law tell of, or
    of the rival that errs less; itself where that is given, or the study's output is as likely."""
    rows, paper = laws.rows, laws.paper
    rival = min(() if paper else laws.baselines, key=lambda one: one.error, default=None)
    if rival is not None and not rival.error < law.error:
        rival = None
    exact = (law if rival is None else rival).error <= EXACT * rows.size
    if rows.slope is None or rows.noise.kind != "output" or paper or exact:
        return laws
    everything = np.arange(len(rows.output))

    def fit(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weighed = replace(laws, rows=replace(rows, noise=replace(rows.noise, spread=spread)))
        if rival is not None:
            given = rival_output(rival.formula, weighed.rows)
        elif law.solved is not None:
            given = fitted_output(law.solved.law, weighed.rows)
        else:
            row = np.asarray(law.genome)[None]
            given = weighed.fitter.predicted(row, weighed.fitter.whole(row)[0], everything)[0]
        return given - rows.output, laws.read_back(given)

    kind, spread = likeliest_kind(rows.inputs, rows.output, rows.slope, rows.learn, fit)
    if kind == "output":
        return laws
    return replace(laws, rows=replace(rows, noise=NoiseModel(kind, spread)), known={})


def recommended(laws: LawSearch, front: Sequence[Law]) -> ModelChoice:
    """The law to recommend: the knee; of the published algorithm, its lowest objective."""
    if not laws.paper:
        return knee([law.complexity for law in front], np.stack([law.squares for law in front]))
    least = int(np.argmin([law.objective for law in front]))
    price = laws.settings.parsimony
    return ModelChoice(least, f"the lowest objective on the test rows at parsimony {price:g}")


def front_of(laws: LawSearch, genomes: np.ndarray, tell: Tell) -> list[Law]:
    """The laws of an archive (n, genes), and of those solved for, that no other one beats, by
    complexity."""
    layout = laws.layout
    rows = np.unique(laws.canonicalize(genomes), axis=0)
    says = np.any(layout.fixed(rows) != 0, axis=1)
    rows = rows[says]
    fits = laws.fits(rows) if len(rows) else None
    tests = laws.test_error(rows, fits.weights) if fits is not None else np.zeros(0)
    genomic = (tests if laws.paper else fits.error) if fits is not None else np.zeros(0)
    solved = [] if laws.paper else laws.solved
    complexity = np.array([*layout.complexity(rows), *(one.complexity for one in solved)], int)
    errors = np.array([*genomic, *(one.errors.mean() for one in solved)], float)
    ranked = np.maximum(errors, EXACT * laws.rows.size)
    least, kept = np.inf, []
    for k in np.lexsort((errors, ranked, complexity)):
        if np.isfinite(errors[k]) and ranked[k] < (1 - GAIN) * least:
            least = ranked[k]
            kept.append(int(k))
    several = []
    for done, k in enumerate(kept):
        tell("read back", done, len(kept), {})
        objective = float(laws.objective(ranked[k : k + 1], complexity[k : k + 1])[0])
        if k >= len(rows):
            several.append(_solved(laws, solved[k - len(rows)], objective))
        elif fits is not None:
            test = float(tests[k]) if np.isfinite(tests[k]) else None
            several.append(_fitted(laws, rows[k], fits, k, test, objective))
    return several


def _fitted(
    laws: LawSearch, row: np.ndarray, fits: LawFits, k: int, test: float | None, objective: float
) -> Law:
    """The law of a genome (genes,), the k-th of the fits."""
    learn, weights = laws.rows.learn, fits.weights[k]
    missed = laws.fitter.predicted(row[None], weights[None], learn)[0] - laws.rows.output[learn]
    spread = covariance(laws.fitter.slopes(row, weights), missed, laws.rows.noise, learn)
    formula = law_formula(laws.layout, row, weights, spread, laws.groups)
    model = on_table(laws.groups, formula.expression, formula.constants, laws.rows)
    return Law(
        row, weights, int(laws.layout.complexity(row)), float(fits.errors[k].mean()),
        spread_over_draws(fits.errors[k]), test, objective, float(fits.cost[k]), fits.squares[k],
        with_enough_digits(formula, model),
    )  # fmt: skip


def _solved(laws: LawSearch, one: SolvedLaw, objective: float) -> Law:
    """A law that was solved for."""
    names = constant_names(one.law.constants, laws.groups)
    output, values = one.law.formula(laws.groups.inputs, names, one.values)
    expression = laws.groups.back(output)
    expression = min(expression, sp.expand_mul(expression, deep=False), key=sp.count_ops)
    model = on_table(laws.groups, expression, names, laws.rows)
    numbers = tuple(map(float, values))
    stds = model.stds(values)
    formula = LawFormula(laws.groups.left, expression, names, numbers, stds, laws.groups)
    return Law(
        None, None, one.complexity, float(one.errors.mean()), spread_over_draws(one.errors),
        laws.rows.test_error(one.given), objective, one.cost, one.squares,
        with_enough_digits(formula, model), one,
    )  # fmt: skip


def reference_corner(laws: LawSearch) -> tuple[float, float]:
    """The corner that hypervolumes are measured from: the complexity of the network with all its
    weights trained, and the error of the mean."""
    return float(laws.layout.complexity(laws.layout.dense())), laws.rows.size


def baseline_complexities(laws: LawSearch) -> tuple[dict[str, int], list[str]]:
    """Complexity of each rival: that of the simplest network that says the same, found among sums
    of plain terms by what they predict; where there is none, 2 for each constant and the dearest
    activation for each operation, which a note says."""
    if not laws.baselines:
        return {}, []
    genomes = laws.canonicalize(seed_genomes(laws.layout, 2000))
    said = laws.fitter.predicted(
        genomes, laws.fitter.whole(genomes)[0], range(len(laws.rows.output))
    )
    complexity = laws.layout.complexity(genomes)
    size = laws.rows.output[laws.rows.learn].std()
    complexities: dict[str, int] = {}
    notes: list[str] = []
    for baseline in laws.baselines:
        apart = np.abs(said - baseline.given).max(axis=1)
        same = np.flatnonzero(apart <= 1e-4 * size)
        operations = int(baseline.formula.expression.count_ops())
        count = 2 * len(baseline.formula.constants) + operations * max(laws.layout.scores) ** 2
        complexities[baseline.name] = int(complexity[same].min()) if len(same) else count
        if not len(same):
            notes.append(
                f"no simple network says what {baseline.name} does: its complexity is counted by "
                "its constants and operations"
            )
    return complexities, notes


def _volume(box: tuple[float, float], front: Sequence[Law]) -> float:
    return hypervolume(
        np.array([law.complexity for law in front], float),
        np.array([law.error for law in front]), *box,
    )  # fmt: skip


def _entry(law: Law) -> dict[str, Any]:
    shown = law.formula
    return {
        "complexity": law.complexity,
        "error": law.error,
        "spread": law.spread,
        "test_error": law.test_error,
        "objective": law.objective,
        "text": shown.text,
        "formula": shown.symbolic,
        "sympy": shown.sympy,
        "latex": shown.latex,
        "words": shown.words,
        "genome": None if law.genome is None else [int(gene) for gene in law.genome],
        "constants": constants(shown),
    }


def _baseline_entry(baseline: Baseline, complexity: int) -> dict[str, Any]:
    return {
        "text": baseline.formula.text,
        "formula": baseline.formula.symbolic,
        "sympy": baseline.formula.sympy,
        "latex": baseline.formula.latex,
        "constants": constants(baseline.formula),
        "error": baseline.error,
        "spread": baseline.spread,
        "test_error": baseline.test_error,
        "complexity": complexity,
    }


def _left(laws: LawSearch, law: Law) -> int:
    """Degrees of freedom that a law leaves."""
    return len(laws.rows.learn) - len(law.formula.constants)


def _exact_note(laws: LawSearch) -> list[str]:
    if laws.exact:
        return ["a law that leaves nothing was solved for, and none was searched beyond it"]
    if laws.settled:
        return [
            "laws were solved for and none was searched beyond them, as they leave little: "
            "generations = 15 in [search] asks for a search"
        ]
    return []


def _chi2_per_dof(laws: LawSearch, law: Law) -> float:
    """Where the deviations are given."""
    factor = np.mean(laws.rows.noise.spread[laws.rows.learn] ** 2)
    return float(law.cost * len(laws.rows.learn) / factor / _left(laws, law))


def _equations(front: Sequence[Law], best: Law) -> tuple[Equation, ...]:
    ordered = [best, *(law for law in front if law is not best)]
    return tuple(
        Equation(
            "Recommended law" if law is best else f"Law of complexity {law.complexity}",
            law.formula.latex,
            law.formula.text,
            _values(law.formula),
            law.formula.exact,
        )
        for law in ordered
    )


def _values(shown: LawFormula) -> Mapping[str, tuple[float | None, float | None]]:
    return {one.name: (one.value, one.std) for one in shown.shown}


def _summary(laws: LawSearch, best: Law, choice: ModelChoice) -> tuple[tuple[str, str], ...]:
    lines = [
        ("recommended", best.formula.text),
        ("in words", best.formula.words),
        ("why", choice.reason),
        ("noise", laws.rows.noise.words),
        (
            f"error of {laws.said_output}",
            f"{with_spread(best.error, best.spread)} (cross-validated; ± is the spread over "
            f"{laws.rows.repeats} draws of the folds)",
        ),
    ]
    if best.test_error is not None:
        lines.append(("on test rows", f"{best.test_error:.4g} ({len(laws.rows.test)} rows)"))
    for baseline in laws.baselines:
        lines.append((f"rival {baseline.name}", f"{baseline.error:.4g}: {baseline.formula.text}"))
    offers = [f"{one.name} = {one.short}" for one in best.formula.shown if one.short is not None]
    if offers:
        lines.append(("within one deviation", ", ".join(offers)))
    return tuple(lines)


def _checks(
    laws: LawSearch, front: Sequence[Law], best: Law, plain: Mapping[str, int]
) -> tuple[Check, ...]:
    checks = []
    for baseline in laws.baselines:
        there = [law.error for law in front if law.complexity <= plain[baseline.name]]
        least = min(there, default=np.inf)
        checks.append(
            Check(
                f"front and {baseline.name}",
                least <= max(baseline.error * (1 + 1e-6), EXACT * laws.rows.size),
                f"at complexity {plain[baseline.name]} the front errs by {least:.4g}, "
                f"{baseline.name} by {baseline.error:.4g}",
            )
        )
    if best.test_error is not None:
        # the relative spread of a root mean square over n rows is about 1/sqrt(2 n)
        high = best.error * (1 + 2 / np.sqrt(2 * len(laws.rows.test)))
        high = max(high, EXACT * laws.rows.size)
        checks.append(
            Check(
                "rows never seen",
                bool(best.test_error <= high),
                f"the recommended law errs by {best.test_error:.4g} on {len(laws.rows.test)} rows "
                f"held out, by {best.error:.4g} in cross-validation",
            )
        )
    if laws.rows.noise.absolute:
        ratio, left = _chi2_per_dof(laws, best), _left(laws, best)
        checks.append(
            Check(
                "deviations given",
                abs(ratio - 1) <= 4 * np.sqrt(2 / left),
                f"chi^2 per degree of freedom is {ratio:.3g}: 1 where law and sigma are right",
            )
        )
    lacking = [
        str(n) for n, s in zip(best.formula.constants, best.formula.stds, strict=True) if s is None
    ]
    checks.append(
        Check(
            "constants determined",
            not lacking,
            "the rows determine every constant of the recommended law"
            if not lacking
            else f"the rows do not determine {', '.join(lacking)}",
        )
    )
    return tuple(checks)
