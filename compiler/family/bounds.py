"""Bounds of the coefficients: their ranges, and the inequalities between them."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.optimizers.block_least_squares import BlockFit
from actionrun.compiler.numerics.optimizers.inequality_constraints import InequalityConstraints
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import Fit
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import parameters
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.spec import Expression
from actionrun.spec.expressions.syntax_tree import Relation

from .settings import Settings

DRAWS = 20_000  # members by which the share that the constraints leave is judged
LEAST = 0.01  # of the ranges that they must leave: members are drawn until they are allowed


def active_constraints(
    fit: Fit | BlockFit, inequalities: InequalityConstraints | None
) -> list[tuple[str, ...]]:
    """For each lane of a fit the constraints that it ended on."""
    if inequalities is None or fit.active_normals is None:
        return [()] * np.shape(fit.cost)[-1]
    on = np.any(np.asarray(fit.active_normals) != 0, axis=1)
    return [tuple(np.array(inequalities.texts)[lane].tolist()) for lane in on.T]


class Ranges(NamedTuple):
    """Bounds (k,) of the free coefficients, and the inequalities between them, if any; the share
    of the ranges that these leave."""

    low: np.ndarray
    high: np.ndarray
    inequalities: InequalityConstraints | None
    share: float = 1.0

    def coefficients(self, at: np.ndarray) -> np.ndarray:
        """Coefficients (k, lanes) at shares of their ranges; of ranges over decades, of their
        logarithms."""
        low, high = self.low[:, None], self.high[:, None]
        wide = (low > 0) & (high > 100 * low)
        safe = np.where(low > 0, low, 1.0)
        return np.where(wide, safe * (high / safe) ** at, low + (high - low) * at)


def ranges(of: Settings, symbolic: LagrangianSystem) -> Ranges:
    """The ranges of the coefficients, narrowed by the constraints of the study. Raises Faults where
    these leave nothing, or next to nothing, and for named cases that they do not allow."""
    names = [c.name for c in symbolic.coefficients]
    low = np.array([c.low for c in of.coefficients])
    high = np.array([c.high for c in of.coefficients])
    between: list[tuple[Expression, sp.Expr]] = []
    for constraint in of.inequalities:
        gap = _gap(symbolic, constraint)
        free = gap.free_symbols & {*symbolic.coefficients}
        if not free:
            if not gap.subs(symbolic.values) >= 0:
                raise _empty(symbolic, constraint, "the constants of this constraint break it")
            continue
        bound = _bound(symbolic, gap, free)
        if bound is None:
            between.append((constraint, gap))
            continue
        k, limit, below = names.index(next(iter(free)).name), bound[0], bound[1]
        if below:
            low[k] = max(low[k], limit)
        else:
            high[k] = min(high[k], limit)
        if low[k] >= high[k]:
            text = f"with this constraint nothing is left of the range of {names[k]}"
            raise _empty(symbolic, constraint, text)
    if not between:
        return Ranges(low, high, None)
    return _walled(of, symbolic, low, high, between)


def _gap(symbolic: LagrangianSystem, constraint: Expression) -> sp.Expr:
    """What must not be negative, in constants."""
    tree, words = constraint.tree, symbolic.words
    assert isinstance(tree, Relation)
    difference = words.scalar(constraint)
    strange = difference.free_symbols - {*symbolic.constants}
    if strange:
        raise study_error(
            words, constraint, "constraint.names",
            f"an inequality holds coefficients and constants, and not {min(map(str, strange))}",
            "write it in [coefficients] and [parameters] alone: c1 > 2*c2", span=tree.span,
        )  # fmt: skip
    return difference if tree.op in (">", ">=") else -difference


def _bound(symbolic: LagrangianSystem, gap: sp.Expr, free: set) -> tuple[float, bool] | None:
    """The number that bounds a single coefficient, and whether from below; None where the gap is
    no straight line in one."""
    if len(free) > 1:
        return None
    (c,) = free
    line = gap.subs(symbolic.values)
    if not line.is_polynomial(c) or sp.degree(line, c) != 1:
        return None
    slope = float(line.coeff(c, 1))
    return float(-line.subs(c, 0) / sp.Float(slope, 30)), slope > 0


def _empty(symbolic: LagrangianSystem, constraint: Expression, text: str):
    return study_error(symbolic.words, constraint, "empty-range", text, span=constraint.tree.span)


def _walled(of: Settings, symbolic: LagrangianSystem, low, high, between) -> Ranges:
    """The inequalities with the sizes of their gaps over the ranges."""
    gaps = [gap for _, gap in between]
    result = numbers(
        gaps, symbolic.values | dict(zip(symbolic.coefficients, _drawn(of, low, high), strict=True))
    )
    allowed = result >= 0
    for (constraint, _), each in zip(between, allowed, strict=True):
        if not each.any():
            raise _empty(symbolic, constraint, f"none of {DRAWS} members drawn from the ranges of "
                         "[coefficients] meets this constraint")  # fmt: skip
    share = float(np.mean(allowed.all(axis=0)))
    if share < LEAST:
        left = f"{100 * share:.2g} %" if share else "nothing"
        raise study_error(
            symbolic.words, between[0][0], "empty-range",
            f"the constraints leave {left} of the ranges of [coefficients], and members are drawn "
            f"from these; {100 * LEAST:g} % are needed",
            "narrow the ranges around the part that is allowed",
        )  # fmt: skip
    _require_cases(of, symbolic, between)
    sizes = np.nanstd(result, axis=1)
    inequalities = InequalityConstraints(
        lowered(gaps, symbolic.constants),
        len(symbolic.coefficients),
        parameters(symbolic),
        jnp.asarray(np.where(sizes > 0, sizes, 1.0)),
        tuple(constraint.text for constraint, _ in between),
    )
    return Ranges(low, high, inequalities, share)


def _drawn(of: Settings, low, high) -> list[np.ndarray]:
    """Members drawn from the ranges, as those of training are."""
    dice, result = np.random.default_rng(of.seed), []
    for k, asked in enumerate(of.coefficients):
        first, last = np.log([low[k], high[k]]) if asked.log else (low[k], high[k])
        even = dice.uniform(first, last, DRAWS)
        off = dice.uniform(size=DRAWS) < asked.zero
        result.append(np.where(off, 0.0, np.exp(even) if asked.log else even))
    return result


def _require_cases(of: Settings, symbolic: LagrangianSystem, between) -> None:
    for index, case in enumerate(of.cases):
        at = {c: case[c.name] for c in symbolic.coefficients if c.name in case}
        for constraint, gap in between:
            left = gap.subs(symbolic.values | at)
            if left.is_number and left < 0:
                raise study_error(
                    symbolic.words, ("test", "cases", index), "test.case",
                    f"this case does not meet the constraint {constraint.text}",
                )  # fmt: skip
