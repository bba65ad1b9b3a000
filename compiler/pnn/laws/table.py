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
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.vocabulary import Vocabulary, symbol, vocabulary
from actionrun.spec import Faults
from actionrun.spec.expressions.syntax_tree import Name, walk
from actionrun.spec.kinds.pnn import Pnn
from actionrun.spec.units.unit_table import CONSTANTS

from .dimensionless_groups import buckingham_groups
from .noise import NoiseModel

MOST_NAMED = 8


@dataclass(frozen=True)
class Groups:
    """What a law relates, as SymPy.

    `words` spells columns, parameters, definitions and constants of physics as symbols; `inputs`
    and `output` are in these. `plain` gives what each stands for, in columns alone. `target`
    is the column that the output is made of, the first in it that no input holds (None: there is
    none or it cannot be read back). `units` in words, of columns, parameters and definitions;
    `file_units`: the number in base units of the unit that a column has in its file.
    """

    words: Vocabulary
    inputs: tuple[sp.Expr, ...]
    output: sp.Expr
    columns: tuple[str, ...]
    plain: Mapping[sp.Symbol, sp.Expr]
    target: sp.Symbol | None
    units: Mapping[str, str]
    file_units: Mapping[str, float]

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


def law_groups(study: Pnn) -> Groups:
    """Inputs and output of a study; found by Buckingham's theorem where `inputs` are left out.

    Raises Faults.
    """
    columns = tuple(study.data.columns or ())
    (wanted,) = study.search.outputs
    inner = vocabulary(study)
    inner = replace(inner, constants={**inner.constants, **{n: symbol(n) for n in columns}})
    numbers = {symbol(n): _number(float(study.constant(n))) for n in study.parameters}
    plain: dict[sp.Symbol, sp.Expr] = dict(numbers)
    for name, formula in study.define.items():
        plain[symbol(name)] = inner.scalar(formula).xreplace(numbers)
    known = () if study.units.reduced else CONSTANTS
    physics = {n: symbol(n) for n in known if n not in (*columns, *study.parameters)}
    plain |= {s: sp.Float(float(study.constant(n)), 17) for n, s in physics.items()}
    named = {**physics, **inner.constants, **{n: symbol(n) for n in study.define}}
    words = replace(inner, constants=named, cache={})
    output = words.scalar(wanted)
    if study.search.inputs:
        inputs = tuple(words.scalar(one) for one in study.search.inputs)
    else:
        apart = _deviation_columns(study, str(output))
        named = [n for n in (*columns, *study.parameters) if n not in apart]
        sizes = {n: study.dimension(n) or () for n in named}
        bottom, exponents = buckingham_groups(study, str(output), sizes)
        others = [symbol(name) for name in sizes if name != str(output)]
        inputs = tuple(_monomial(others, one) for one in exponents) or (sp.Integer(1),)
        output = output / _monomial(others, bottom)
    held = set().union(*(one.xreplace(plain).free_symbols for one in inputs))
    written = [x.name for x in walk(wanted.tree) if isinstance(x, Name)]
    free = [symbol(name) for name in written if name in columns and symbol(name) not in held]
    target = free[0] if free else None
    if target is not None and inverse(output, target, symbol("y")) is None:
        target = None
    units = {name: study.unit(name) for name in (*columns, *study.parameters, *study.define)}
    file_units = {
        name: 1.0 if one.unit is None else study.units.number(1, one.unit)
        for name, one in (study.data.columns or {}).items()
    }
    return Groups(words, inputs, output, columns, plain, target, units, file_units)


def _deviation_columns(study: Pnn, target: str) -> set[str]:
    """Columns that only tell how exact the target is: no law is a function of them."""
    if study.data.sigma is None:
        return set()
    names = {node.name for node in walk(study.data.sigma.tree) if isinstance(node, Name)}
    return {name for name in names if name in (study.data.columns or {}) and name != target}


def group_layout(study: Pnn, relation: Groups) -> tuple[Layout, tuple[str, ...]]:
    """The networks over the groups, and notes on their weights. Raises Faults."""
    space, notes = layout(study, active_output=True)
    return replace(space, inputs=len(relation.inputs)), notes


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


def table_rows(study: Pnn, groups: Groups, observations: Mapping[str, np.ndarray]) -> TableRows:
    """The table's rows as groups, split into those to learn from and those for the test.

    The split and the folds are drawn from the seed alone. Raises Faults for too few rows, for
    groups that are not finite and for those that are the same in each row.
    """
    values = {name: np.asarray(observations[name], dtype=float) for name in groups.columns}
    labels = np.asarray(observations["#label"])
    whole = np.all([np.isfinite(column) for column in values.values()], axis=0)
    notes = _lacking(study, values, labels, whole)
    values = {name: column[whole] for name, column in values.items()}
    labels, lines = labels[whole], np.asarray(observations["#line"])[whole]
    notes += [
        f"the column of {name} holds {column[0]:.6g} in every row: it cannot tell rows apart"
        for name, column in values.items()
        if np.all(column == column[0])
    ]
    if not study.units.reduced:
        notes += [
            f"the column of {name} has no unit and counts as a plain number"
            for name, column in (study.data.columns or {}).items()
            if column.unit is None
        ]
    faults = []
    arrays = []
    varies = groups.inputs != (1,)  # else dimensions alone fix the law
    for key, expression in _keyed(study, groups):
        with np.errstate(all="ignore"):
            column = column_values(groups.in_columns(expression), values)
        arrays.append(column)
        what = "the output" if key[1] == "outputs" else "an input"
        if not np.all(np.isfinite(column)):
            bad = np.flatnonzero(~np.isfinite(column))
            some = _listed([f"{labels[i]} (line {lines[i]})" for i in bad])
            faults.append(
                study.fault(
                    key,
                    None,
                    "data.group",
                    f"{what} is not finite in the table, for {some}",
                    "correct these rows, or leave a cell of them empty",
                )
            )
        elif varies and np.ptp(column) <= 1e-12 * np.abs(column).max():
            faults.append(
                study.fault(
                    key,
                    None,
                    "data.constant",
                    f"{what} is {column[0]:.6g} in every row, so nothing can be learned from it",
                    "leave it out, or bring rows in which it differs",
                )
            )
    if faults:
        raise Faults(faults)
    learn, test, folds = split(study, len(labels))
    slope = None
    if groups.target is not None:
        moved = groups.in_columns(sp.diff(groups.output, groups.target))
        with np.errstate(all="ignore"):
            slope = column_values(moved, values)
    noise = _noise(study, groups, values, slope)
    return TableRows(
        tuple(map(str, labels)), values, np.stack(arrays[:-1], axis=1), arrays[-1], slope, noise,
        learn, test, folds, study.test.repeats, tuple(notes),
    )  # fmt: skip


def _noise(
    study: Pnn, groups: Groups, values: Mapping[str, np.ndarray], slope: np.ndarray | None
) -> NoiseModel:
    """The deviations that the study gives, else those of outputs that are alike. Raises Faults."""
    sigma = study.data.sigma
    if sigma is None:
        return NoiseModel("output", np.ones(len(next(iter(values.values())))))
    if groups.target is None or slope is None:
        raise study_error(
            study, sigma, "data.sigma", "sigma is the deviation of the column that the output is "
            "made of, and no column can be read back from this output",
            "write an output that holds one column more than the inputs do",
        )  # fmt: skip
    deviation = column_values(groups.in_columns(groups.words.scalar(sigma)), values)
    bad = np.flatnonzero(~(np.isfinite(deviation) & (deviation > 0)))
    if len(bad):
        raise study_error(
            study, sigma, "data.sigma", f"sigma is {deviation[bad[0]]:.6g} in {len(bad)} rows",
            "a standard deviation is greater than 0; leave out rows that have none",
        )  # fmt: skip
    return NoiseModel("sigma", np.abs(slope) * deviation, True)


def split(study: Pnn, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to learn from, rows for the test, folds (repeats * folds, count)."""
    order = np.random.default_rng([study.seed, 0]).permutation(count)
    held = _held(study, count)
    test, learn = np.sort(order[:held]), np.sort(order[held:])
    folds = np.zeros((study.test.repeats, study.test.folds, count), bool)
    for repeat in range(study.test.repeats):
        drawn = np.random.default_rng([study.seed, 1 + repeat]).permutation(learn)
        for fold, part in enumerate(np.array_split(drawn, study.test.folds)):
            folds[repeat, fold, part] = True
    return learn, test, folds.reshape(-1, count)


def _held(study: Pnn, count: int) -> int:
    return round(study.test.fraction * count)


def _lacking(
    study: Pnn, values: Mapping[str, np.ndarray], labels: np.ndarray, whole: np.ndarray
) -> list[str]:
    """A note that names the rows that are left out, with what they lack."""
    bad = np.flatnonzero(~whole)
    if not len(bad):
        return []
    names = {name: column.name for name, column in (study.data.columns or {}).items()}
    told = []
    for i in bad:
        gone = [names[name] for name, column in values.items() if not np.isfinite(column[i])]
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


def _keyed(study: Pnn, groups: Groups) -> list[tuple[tuple[str | int, ...], sp.Expr]]:
    """Inputs and output, each with its place in the study."""
    given = bool(study.search.inputs)
    keyed = [
        (("search", "inputs", k) if given else ("search", "outputs", 0), one)
        for k, one in enumerate(groups.inputs)
    ]
    return [*keyed, (("search", "outputs", 0), groups.output)]


def _monomial(symbols: Sequence[sp.Symbol], exponents: Sequence) -> sp.Expr:
    return sp.Mul(
        *(
            s ** sp.Rational(p.numerator, p.denominator)
            for s, p in zip(symbols, exponents, strict=True)
        )
    )


def _number(value: float) -> sp.Expr:
    return (
        sp.Integer(int(value)) if value == int(value) and abs(value) < 1e9 else sp.Float(value, 17)
    )
