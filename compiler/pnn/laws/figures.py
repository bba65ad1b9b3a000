"""Figures, tables and arrays of a search of laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Panel, Table
from actionrun.compiler.symbolic.printing import text

from .formula import with_spread
from .model_selection import ModelChoice
from .result import Law
from .search import LawSearch

MOST_NAMED = 6
FAR = 2.0  # robust standard deviations from which a row is named


def front_figure(
    laws: LawSearch, front: Sequence[Law], best: Law, plain: Mapping[str, int]
) -> Figure:
    """Error against complexity, rivals beside it; laws far worse than the mean are left out."""
    most_error = 1.5 * max([laws.rows.size, *(baseline.error for baseline in laws.baselines)])
    front = [law for law in front if law.error <= most_error or law is best]
    x = np.array([law.complexity for law in front], float)
    y = np.array([law.error for law in front])
    spread = np.array([law.spread for law in front])
    seen = np.array([law.test_error or np.nan for law in front]) if laws.paper else y
    most = max([*x, *plain.values()]) + 1
    stairs = np.append(np.repeat(x, 2)[1:], most), np.append(np.repeat(seen, 2)[:-1], seen[-1])
    curves = [Curve(*stairs, "", "line")]
    if laws.paper:
        curves.append(Curve(x, seen, "on test rows", "points"))
    label = "cross-validated" if laws.paper else "front"
    curves.append(Curve(x, y, label, "points", y - spread, y + spread))
    place = front.index(best)
    curves.append(Curve(x[place : place + 1], seen[place : place + 1], "recommended", "points"))
    for baseline in laws.baselines:
        error, bar = np.array([baseline.error]), baseline.errors.std()
        at = np.array([float(plain[baseline.name])])
        curves.append(Curve(at, error, baseline.name, "points", error - bar, error + bar))
    how = (
        "on the test rows, by which the published algorithm selects, and in cross-validation"
        if laws.paper
        else "in cross-validation"
    )
    return Figure(
        "front",
        f"Error of {laws.said_output} {how} ({laws.rows.fold_count} folds, drawn "
        f"{laws.rows.repeats} times; bars: spread over the draws) against complexity. Rivals are "
        "cross-validated on the same folds.",
        (Panel(Axis("complexity"), Axis("error", laws.output_unit), tuple(curves)),),
    )


def parity_figure(laws: LawSearch, best: Law) -> Figure:
    """Predicted against given, and what is left, rows far off named."""
    rows, learn, test = laws.rows, laws.rows.learn, laws.rows.test
    said = _unseen(laws, best)
    given, predicted = laws.read_back(rows.output), laws.read_back(said)
    missed = predicted - given
    robust = 1.4826 * np.median(np.abs(missed - np.median(missed)))
    far = np.flatnonzero(np.abs(missed) > FAR * robust)
    far = far[np.argsort(-np.abs(missed[far]), kind="stable")][:MOST_NAMED]
    names = ["" for _ in rows.labels]
    for k in far:
        names[k] = rows.labels[k]
    ends = np.array([min(given.min(), predicted.min()), max(given.max(), predicted.max())])
    left, residual = [Curve(ends, ends, "", "line")], [Curve(ends, 0 * ends, "", "line")]
    for part, label in ((learn, "left out of a fold"), (test, "test rows, never seen")):
        if len(part):
            own = tuple(names[k] for k in part)
            left.append(Curve(given[part], predicted[part], label, "points", names=own))
            residual.append(Curve(predicted[part], missed[part], label, "points", names=own))
    name, unit = laws.said_target, laws.target_unit
    return Figure(
        "parity",
        f"What the recommended law says of rows that its fit has not seen; rows more than {FAR:g} "
        "robust standard deviations off are named.",
        (
            Panel(Axis(f"{name} given", unit), Axis(f"{name} by the law", unit), tuple(left)),
            Panel(Axis(f"{name} by the law", unit), Axis("law minus given", unit), tuple(residual)),
        ),
    )


def _unseen(laws: LawSearch, law: Law) -> np.ndarray:
    """What a law says of every row (n,): of those to learn from, what the folds that leave them out
    say on average."""
    rows = laws.rows
    if law.solved is not None:
        said = law.solved.given.copy()
        said[rows.learn] = law.solved.left_out
        return said
    row, weights = np.asarray(law.genome)[None], np.asarray(law.weights)[None]
    folds = laws.fitter.folded(row, weights)[0]
    said = laws.fitter.predicted(row, weights, range(len(rows.output)))[0]
    said[rows.learn] = np.where(laws.fitter.left_out, folds, 0.0).sum(axis=0) / rows.repeats
    return said


def history_figure(laws: LawSearch, history: np.ndarray) -> Figure:
    """How the search went."""
    column = laws.objectives.index("error")
    x = np.arange(len(history), dtype=float)
    what = "error on the test rows" if laws.paper else "lowest error"
    return Figure(
        "search",
        "The search by generation: the lowest error found, and the size of the front.",
        (
            Panel(
                Axis("generation"),
                Axis(what, laws.output_unit),
                (Curve(x, history[:, column]),),
            ),
            Panel(Axis("generation"), Axis("laws on the front"), (Curve(x, history[:, -2]),)),
        ),
    )


def front_table(
    laws: LawSearch, front: Sequence[Law], choice: ModelChoice, plain: Mapping[str, int]
) -> Table:
    """The front, a law a row, and the rivals; as LaTeX too."""
    rows, tex = [], []
    worse = [f"{one:.1f}" for one in choice.worse] or [""] * len(front)
    for number, law in enumerate(front):
        mark = "recommended" if number == choice.index else ""
        error = with_spread(law.error, law.spread)
        test = "" if law.test_error is None else f"{law.test_error:.4g}"
        rows.append((law.complexity, error, test, law.formula.text, worse[number], mark))
        tex.append(
            (None, error.replace(" ± ", r" \pm "), test or None, law.formula.latex, None, None)
        )
    for baseline in laws.baselines:
        error = with_spread(baseline.error, baseline.spread)
        test = "" if baseline.test_error is None else f"{baseline.test_error:.4g}"
        rows.append((plain[baseline.name], error, test, baseline.formula.text, "", baseline.name))
        tex.append(
            (None, error.replace(" ± ", r" \pm "), test or None, baseline.formula.latex, None, None)
        )
    header = (
        "complexity",
        "error ± spread over draws",
        "on test rows",
        "law",
        "worse / standard errors",
        "",
    )
    caption = f"Laws by complexity; errors of {laws.said_output}" + (
        f" [{laws.output_unit}]" if laws.output_unit else ""
    )
    return Table("front", caption, header, tuple(rows), tuple(tex))


def words_table(front: Sequence[Law]) -> Table:
    rows = tuple((law.complexity, law.formula.words) for law in front)
    return Table("words", "The front in words", ("complexity", "law"), rows)


def constants_table(front: Sequence[Law]) -> Table:
    """Constants with standard deviations, and the short number within one, where there is one."""
    rows = []
    for law in front:
        for one in law.formula.shown:
            std = "not determined" if one.std is None else f"{one.std:.2g}"
            rows.append(
                (law.complexity, law.formula.symbolic, one.name, one.written, std, one.short or "")
            )
    header = ("complexity", "law", "constant", "value", "std", "short")
    return Table("constants", "Constants of the front", header, tuple(rows))


def arrays(laws: LawSearch, history: np.ndarray) -> dict[str, Array]:
    rows, unit = laws.rows, laws.output_unit
    names = [f"input_{k + 1}" for k in range(rows.inputs.shape[1])]
    inputs = {
        name: Array(rows.inputs[:, k], ("row",), "", text(laws.groups.inputs[k], laws.groups.words))
        for k, name in enumerate(names)
    }
    held = np.zeros(len(rows.output), np.int64)
    held[rows.test] = 1
    return inputs | {
        "output": Array(rows.output, ("row",), unit, laws.said_output),
        "test": Array(held, ("row",), "", "1 where a row was held out for the test"),
        "folds": Array(rows.folds.astype(np.int64), ("fold", "row"), "", "1: left out"),
        "history": Array(
            history, ("generation", "measure"), "",
            ", ".join(f"least {name}" for name in laws.objectives) + ", laws kept, networks",
        ),
    }  # fmt: skip
