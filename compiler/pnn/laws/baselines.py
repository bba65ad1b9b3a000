"""Rivals: named formulas of [compare], their free constants fitted as a law's are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.symbolic.vocabulary import symbol
from actionrun.spec import Expression
from actionrun.spec.expressions.syntax_tree import Name, walk

from .constant_units import constant_units
from .formula import LawFormula
from .table import Groups, TableRows, spread_over_draws
from .table_formula import on_table, with_enough_digits


@dataclass(frozen=True)
class Baseline:
    """A rival with its fitted constants; `given` (n,) is the output that it says for every row; its
    error on the test rows, None without."""

    name: str
    formula: LawFormula
    errors: np.ndarray
    squares: np.ndarray
    given: np.ndarray
    test_error: float | None

    @property
    def error(self) -> float:
        return float(self.errors.mean())

    @property
    def spread(self) -> float:
        """The standard deviation of the error over the draws of the folds."""
        return spread_over_draws(self.errors)


def fitted_baselines(
    rivals: Mapping[str, Expression], groups: Groups, rows: TableRows
) -> tuple[Baseline, ...]:
    """Rivals by their names, fitted to the rows to learn from and judged on the same folds as the
    laws. A rival is a formula for the column that the output is made of. Raises Faults."""
    return tuple(_fitted_baseline(name, given, groups, rows) for name, given in rivals.items())


def _fitted_baseline(name: str, given: Expression, groups: Groups, rows: TableRows) -> Baseline:
    known = groups.words.constants
    unknown = [node.name for node in walk(given.tree) if isinstance(node, Name)]
    given_names = {*known, "pi", "t"}
    free = tuple(symbol(one) for one in dict.fromkeys(unknown) if one not in given_names)
    words = replace(groups.words, constants={**known, **{s.name: s for s in free}}, cache={})
    said = words.scalar(given)
    target = None if groups.target is None else groups.target.name
    model = on_table(groups, said, free, rows)
    learn = rows.learn
    everything = np.ones(len(learn), bool)
    values = model.fitted(everything, None)
    if values is None:
        raise study_error(
            words, given, "compare.fit", f"the constants of {name} cannot be fitted: its values "
            "are not finite for any start", "write it so that constants of about 1 make sense",
        )  # fmt: skip
    missed = np.full((len(rows.folds), len(learn)), np.nan)
    for fold, left_out in enumerate(rows.folds[:, learn]):
        own = model.fitted(~left_out, values)
        if own is not None:
            missed[fold] = np.where(left_out, model.output(own)[learn] - rows.output[learn], 0)
        else:
            missed[fold] = np.where(left_out, np.inf, 0)
    errors, squares = rows.cross_validated(missed)
    stds = model.stds(values)
    formula = LawFormula(
        groups.left, said, free, tuple(map(float, values)), stds,
        replace(groups, words=words),
        constant_units(groups.quantities, given.tree, [s.name for s in free], target),
    )  # fmt: skip
    formula = with_enough_digits(formula, model)
    said_output = model.output(values)
    test = rows.test_error(said_output)
    return Baseline(name, formula, errors, squares, said_output, test)


def rival_output(formula: LawFormula, rows: TableRows) -> np.ndarray:
    """The output (n,) that a rival says for every row, fitted to the rows to learn from; NaN where
    it cannot be fitted to them."""
    model = on_table(formula.groups, formula.expression, formula.constants, rows)
    values = model.fitted(np.ones(len(rows.learn), bool), None)
    return np.full(len(rows.output), np.nan) if values is None else model.output(values)
