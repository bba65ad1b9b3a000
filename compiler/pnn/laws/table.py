"""The table of a pnn study: its columns as dimensionless groups, rows held out, folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.pnn.genome import Layout, layout
from actionrun.compiler.pnn.settings import LawProblem, Quantities
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.vocabulary import Vocabulary, symbol
from actionrun.spec import Expression, Faults
from actionrun.spec.expressions.syntax_tree import Name, walk
from actionrun.spec.kinds.pnn import Holdout
from actionrun.spec.tables.leaves import Column
from actionrun.spec.units.unit_table import CONSTANTS, NONE

from .dimensionless_groups import buckingham_groups
from .noise import NoiseModel

MOST_NAMED = 8


@dataclass(frozen=True)
class Groups:
    """What a law relates, as SymPy.

    `words` spells columns, parameters, definitions and constants of physics as symbols; `inputs`
    and `output` are in these. `plain` gives what each stands for, in columns alone. `target`
    is the column that the output is made of, the first in it that no input holds (None: there is
    none or it cannot be read back).
    """

    words: Vocabulary
    inputs: tuple[sp.Expr, ...]
    output: sp.Expr
    plain: Mapping[sp.Symbol, sp.Expr]
    target: sp.Symbol | None
    quantities: Quantities

    @property
    def left(self) -> sp.Expr:
        """What a law is for: the target, or the output where there is none."""
        return self.output if self.target is None else self.target

    def back(self, value: sp.Expr) -> sp.Expr:
        """The target where the output is `value`; `value` itself where there is no target."""
        solved = None if self.target is None else inverse(self.output, self.target, value)
        return value if solved is None else solved

    def in_columns(self, expression: sp.Expr) -> sp.Expr:
        """An expression in columns alone (and whatever symbols are none of the study's)."""
        return expression.xreplace(dict(self.plain))


@dataclass(frozen=True)
class TableRows:
    """The rows that are whole.

    inputs (n, groups), output (n,), how it moves with the target, `slope` (n,) (None without a
    target), its `noise`, `values` of every column (n,). `learn` and `test` are indices of rows;
    `folds` (repeats * folds, n) is True for the rows that a fold leaves out to be predicted: each
    row of `learn` once a repeat.
    """

    labels: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    inputs: np.ndarray
    output: np.ndarray
    slope: np.ndarray | None
    noise: NoiseModel
    learn: np.ndarray
    test: np.ndarray
    folds: np.ndarray
    repeats: int
    notes: tuple[str, ...] = ()

    @property
    def fold_count(self) -> int:
        return len(self.folds) // self.repeats

    @cached_property
    def size(self) -> float:
        """The error of the mean over the rows to learn from, what errors are small beside; the mean
        itself where that has none."""
        mean, deviation = self.output[self.learn].mean(), self.output[self.learn].std()
        return float(deviation if deviation > 1e-12 * abs(mean) else abs(mean) or 1.0)

    @cached_property
    def precision(self) -> np.ndarray:
        """What the residual of each row (n,) is multiplied by in a fit; 1 where all count alike."""
        spread = self.noise.spread
        return np.sqrt(np.mean(spread[self.learn] ** 2)) / spread

    def cross_validated(self, missed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The error (..., repeats) that each repeat of the folds gives, and squares (..., rows to
        learn from) averaged over the repeats and weighed as in a fit, of what folds miss of the
        rows that they leave out: (..., folds, rows to learn from), zero elsewhere."""
        shape = (*missed.shape[:-2], self.repeats, -1, missed.shape[-1])
        with np.errstate(over="ignore"):  # an error beyond the largest number is infinite
            square = np.square(missed).reshape(shape).sum(axis=-2)
        return np.sqrt(square.mean(axis=-1)), square.mean(axis=-2) * self.precision[self.learn] ** 2

    def test_error(self, given: np.ndarray) -> float | None:
        """Root of the mean square over the test rows of an output (n,); None where there are
        none."""
        missed = given[self.test] - self.output[self.test]
        return float(np.sqrt(np.square(missed).mean())) if len(missed) else None


def law_groups(problem: LawProblem) -> Groups:
    """Inputs and output of a table; found by Buckingham's theorem where `inputs` are left out.

    Raises Faults.
    """
    space, quantities = problem.space, problem.quantities
    columns = tuple(quantities.columns)
    (wanted,) = space.search.outputs
    parameters = space.words.constants
    inner = replace(space.words, constants={**parameters, **{n: symbol(n) for n in columns}})
    numbers = {s: _number(float(inner.number(n))) for n, s in parameters.items()}
    plain: dict[sp.Symbol, sp.Expr] = dict(numbers)
    for name, formula in inner.define.items():
        plain[symbol(name)] = inner.scalar(formula).xreplace(numbers)
    known = () if quantities.units.reduced else CONSTANTS
    physics = {n: symbol(n) for n in known if n not in (*columns, *parameters)}
    plain |= {s: sp.Float(float(inner.number(n)), 17) for n, s in physics.items()}
    named = {**physics, **inner.constants, **{n: symbol(n) for n in inner.define}}
    words = replace(inner, constants=named, cache={})
    output = words.scalar(wanted)
    if space.search.inputs:
        inputs = tuple(words.scalar(one) for one in space.search.inputs)
    else:
        apart = _deviation_columns(problem, str(output))
        named = [n for n in (*columns, *parameters) if n not in apart]
        sizes = {n: quantities.dimensions[n] or NONE for n in named}  # plain numbers are groups
        bottom, exponents = buckingham_groups(words, str(output), sizes)
        others = [symbol(name) for name in sizes if name != str(output)]
        inputs = tuple(_monomial(others, one) for one in exponents) or (sp.Integer(1),)
        output = output / _monomial(others, bottom)
    held = set().union(*(one.xreplace(plain).free_symbols for one in inputs))
    written = [x.name for x in walk(wanted.tree) if isinstance(x, Name)]
    free = [symbol(name) for name in written if name in columns and symbol(name) not in held]
    target = free[0] if free else None
    if target is not None and inverse(output, target, symbol("y")) is None:
        target = None
    return Groups(words, inputs, output, plain, target, quantities)


def _deviation_columns(problem: LawProblem, target: str) -> set[str]:
    """Columns that only tell how exact the target is: no law is a function of them."""
    if problem.sigma is None:
        return set()
    names = {node.name for node in walk(problem.sigma.tree) if isinstance(node, Name)}
    return {name for name in names if name in problem.quantities.columns and name != target}


def group_layout(problem: LawProblem, relation: Groups) -> tuple[Layout, tuple[str, ...]]:
    """The networks over the groups, and notes on their weights. Raises Faults."""
    return layout(problem.space, len(relation.inputs), active_output=True)


def inverse(output: sp.Expr, target: sp.Symbol, value: sp.Expr) -> sp.Expr | None:
    """The target for which the output is `value`: what is around it is undone from outside in.
    None where that cannot be done."""
    inverses = {sp.exp: sp.log, sp.log: sp.exp, sp.tanh: sp.atanh}
    while output != target:
        if isinstance(output, sp.Mul | sp.Add):
            without, part = output.as_independent(target, as_Add=isinstance(output, sp.Add))
            if part == output:
                return None
            value = value - without if isinstance(output, sp.Add) else value / without
            output = part
        elif isinstance(output, sp.Pow) and target not in output.exp.free_symbols:
            value, output = value ** (1 / output.exp), output.base
        elif output.func in inverses:
            value, output = inverses[output.func](value), output.args[0]
        else:
            return None
    return value


def column_values(expression: sp.Expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """An expression in columns, (n,)."""
    arguments = [symbol(name) for name in values]
    count = len(next(iter(values.values())))
    (value,) = lowered([expression], arguments)(*map(jnp.asarray, values.values()))
    return np.broadcast_to(np.asarray(value, dtype=float), (count,)).copy()


def read_back(groups: Groups, values: Mapping[str, np.ndarray], output: np.ndarray) -> np.ndarray:
    """The target (n,) for an output (n,) of the rows with these columns; the output where it cannot
    be read back."""
    if groups.target is None:
        return output
    expression = groups.in_columns(groups.back(symbol("#output")))
    return column_values(expression, {**values, "#output": output})


def table_rows(
    problem: LawProblem, groups: Groups, observations: Mapping[str, np.ndarray]
) -> TableRows:
    """The table's rows as groups, split into those to learn from and those for the test.

    The split and the folds are drawn from the seed alone. Raises Faults for too few rows, for
    groups that are not finite and for those that are the same in each row.
    """
    columns, words = problem.quantities.columns, groups.words
    values = {name: np.asarray(observations[name], dtype=float) for name in columns}
    labels = np.asarray(observations["#label"])
    whole = np.all([np.isfinite(column) for column in values.values()], axis=0)
    notes = _lacking(columns, values, labels, whole)
    values = {name: column[whole] for name, column in values.items()}
    labels, lines = labels[whole], np.asarray(observations["#line"])[whole]
    notes += [
        f"the column of {name} holds {column[0]:.6g} in every row: it cannot tell rows apart"
        for name, column in values.items()
        if np.all(column == column[0])
    ]
    if not problem.quantities.units.reduced:
        notes += [
            f"the column of {name} has no unit and counts as a plain number"
            for name, column in columns.items()
            if column.unit is None
        ]
    faults = []
    arrays = []
    varies = groups.inputs != (1,)  # else dimensions alone fix the law
    keyed = _keyed(bool(problem.space.search.inputs), groups)
    for place, (key, expression) in enumerate(keyed):
        with np.errstate(all="ignore"):
            column = column_values(groups.in_columns(expression), values)
        arrays.append(column)
        what = "the output" if place == len(groups.inputs) else "an input"
        if not np.all(np.isfinite(column)):
            bad = np.flatnonzero(~np.isfinite(column))
            some = _listed([f"{labels[i]} (line {lines[i]})" for i in bad])
            faults.append(
                words.fault(
                    key,
                    None,
                    "data.group",
                    f"{what} is not finite in the table, for {some}",
                    "correct these rows, or leave a cell of them empty",
                )
            )
        elif varies and np.ptp(column) <= 1e-12 * np.abs(column).max():
            faults.append(
                words.fault(
                    key,
                    None,
                    "data.constant",
                    f"{what} is {column[0]:.6g} in every row, so nothing can be learned from it",
                    "leave it out, or bring rows in which it differs",
                )
            )
    if faults:
        raise Faults(faults)
    learn, test, folds = split(problem.test, problem.seed, len(labels))
    slope = None
    if groups.target is not None:
        moved = groups.in_columns(sp.diff(groups.output, groups.target))
        with np.errstate(all="ignore"):
            slope = column_values(moved, values)
    noise = _noise(problem.sigma, groups, values, slope)
    return TableRows(
        tuple(map(str, labels)), values, np.stack(arrays[:-1], axis=1), arrays[-1], slope, noise,
        learn, test, folds, problem.test.repeats, tuple(notes),
    )  # fmt: skip


def _noise(
    sigma: Expression | None, groups: Groups, values: Mapping[str, np.ndarray],
    slope: np.ndarray | None,
) -> NoiseModel:  # fmt: skip
    """The deviations that the study gives, else those of outputs that are alike. Raises Faults."""
    if sigma is None:
        return NoiseModel("output", np.ones(len(next(iter(values.values())))))
    words = groups.words
    if groups.target is None or slope is None:
        raise study_error(
            words, sigma, "data.sigma", "sigma is the deviation of the column that the output is "
            "made of, and no column can be read back from this output",
            "write an output that holds one column more than the inputs do",
        )  # fmt: skip
    deviation = column_values(groups.in_columns(words.scalar(sigma)), values)
    bad = np.flatnonzero(~(np.isfinite(deviation) & (deviation > 0)))
    if len(bad):
        raise study_error(
            words, sigma, "data.sigma", f"sigma is {deviation[bad[0]]:.6g} in {len(bad)} rows",
            "a standard deviation is greater than 0; leave out rows that have none",
        )  # fmt: skip
    return NoiseModel("sigma", np.abs(slope) * deviation, True)


def split(test: Holdout, seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to learn from, rows for the test, folds (repeats * folds, count)."""
    order = np.random.default_rng([seed, 0]).permutation(count)
    held = round(test.fraction * count)
    tested, learn = np.sort(order[:held]), np.sort(order[held:])
    folds = np.zeros((test.repeats, test.folds, count), bool)
    for repeat in range(test.repeats):
        drawn = np.random.default_rng([seed, 1 + repeat]).permutation(learn)
        for fold, part in enumerate(np.array_split(drawn, test.folds)):
            folds[repeat, fold, part] = True
    return learn, tested, folds.reshape(-1, count)


def _lacking(
    columns: Mapping[str, Column], values: Mapping[str, np.ndarray], labels: np.ndarray,
    whole: np.ndarray,
) -> list[str]:  # fmt: skip
    """A note that names the rows that are left out, with what they lack."""
    bad = np.flatnonzero(~whole)
    if not len(bad):
        return []
    told = []
    for i in bad:
        gone = [columns[name].name for name, column in values.items() if not np.isfinite(column[i])]
        told.append(f"{labels[i]} (no {', '.join(gone)})")
    rows = "1 row is" if len(bad) == 1 else f"{len(bad)} rows are"
    return [f"{rows} left out, as values are missing: {_listed(told)}"]


def _listed(items: Sequence[str]) -> str:
    more = len(items) - MOST_NAMED
    shown = ", ".join(items[:MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def spread_over_draws(errors: np.ndarray) -> float:
    """The standard deviation of an error (repeats,) over the draws of the folds."""
    return float(errors.std(ddof=1)) if len(errors) > 1 else 0.0


def _keyed(given: bool, groups: Groups) -> list[tuple[tuple[str | int, ...], sp.Expr]]:
    """Inputs and output, each with its place in the study, where inputs may be `given`."""
    keyed = [
        (("search", "inputs", k) if given else ("search", "outputs", 0), one)
        for k, one in enumerate(groups.inputs)
    ]
    return [*keyed, (("search", "outputs", 0), groups.output)]


def _monomial(symbols: Sequence[sp.Symbol], exponents: Sequence) -> sp.Expr:
    return sp.Mul(*(s ** sp.Rational(p) for s, p in zip(symbols, exponents, strict=True)))


def _number(value: float) -> sp.Expr:
    return (
        sp.Integer(int(value)) if value == int(value) and abs(value) < 1e9 else sp.Float(value, 17)
    )
