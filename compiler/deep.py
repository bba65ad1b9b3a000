"""What only the symbolic stage sees of a study, as faults and notes, without running it.

Faults come from `problem` (K not odd, singular mass matrix, constants that are not real) and from
the constraints (redundant, conflicting, a start off their surface), for paths from the potential
(kinks, constants, sums that are no potential of pairs). Notes tell what motions
determine of a family's coefficients, and whether the step is short enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, assert_never

import numpy as np
import sympy as sp

from ..spec import Fault, Faults, Range, Study, Value
from ..spec.family import Family
from ..spec.ggl import Ggl
from ..spec.om import Om
from ..spec.pnn import Pnn
from .determined import determined
from .identifiability import monomial
from .mechanics import structure
from .numbers import numbers
from .problem import Problem, problem
from .stability import fastest, half_trace, limit

DRAWS = 200  # systems of a family whose rates are looked at
NEAR = 0.9  # share of the limit from which on a step is told


def deep(study: Study) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises nothing for what a study says."""
    match study:
        case Om():
            from .om_setting import setting

            try:
                setting(study)
            except Faults as faults:
                return list(faults.faults)
            return []
        case Pnn():
            message = f"nothing of study kind '{study.study}' is checked more deeply yet"
            return [study.fault(("study",), None, "deep.unbuilt", message, severity="note")]
        case Ggl() | Family():
            pass
        case _:
            assert_never(study)
    try:
        if isinstance(study, Ggl) and study.system.particles is not None:
            from . import ggl

            ggl.compile(study)
            return []
        symbolic = problem(study)
        if isinstance(study, Ggl) and symbolic.constraints:
            from . import ggl

            ggl.compile(study)
        if isinstance(study, Family):
            from .family_ranges import ranges

            within = ranges(study, symbolic)
            if symbolic.constraints and study.start is not None:
                from .family_train import population

                population(study, symbolic, within, 1)
    except Faults as faults:
        return list(faults.faults)
    if isinstance(study, Family):
        return [*_identified(study, symbolic), *_family_step(study, symbolic)]
    return list(_step(study, symbolic))


def _identified(study: Family, symbolic: Problem) -> Iterator[Fault]:
    if not symbolic.coefficients:
        return
    found = determined(study, symbolic)
    if found is None:
        yield study.fault(("coefficients",), None, "deep.rank",
                          "no state with finite numbers was found to judge what is identifiable",
                          severity="note")  # fmt: skip
        return
    rank = f"rank {found.rank} of {found.of}"
    if found.rank == found.of:
        message = f"{rank}: motions determine all coefficients"
        yield study.fault(("coefficients",), None, "deep.rank", message, severity="note")
        return
    known = " and ".join(monomial(c) for c in found.combinations) or "nothing"
    lost = [c.name for c in symbolic.coefficients if c.name in found.lost]
    hint = f"fix one of {', '.join(lost)}, e.g. {lost[0]} = {{ fixed = 1.0 }}"
    if "pi" not in study.observe.variables and study.data is None:
        hint += '; or observe momenta: variables = ["q", "pi"]'
    elif study.data is not None:
        hint += "; or measure momenta too"
    yield study.fault(("coefficients",), None, "deep.rank",
                      f"{rank}: motions determine {known}, "
                      f"not {', '.join(lost)} apart", hint, severity="note")  # fmt: skip


def _step(study: Ggl, symbolic: Problem) -> Iterator[Fault]:
    """The step of a ggl study against the limit of stability, where its motion starts."""
    if symbolic.constraints or study.integrator.time_transform is not None:
        return
    assert study.start is not None
    fast = _fastest(study, symbolic, lambda value: study.number(value))
    if not np.isfinite(fast).all() or not len(fast):
        return
    r, h = study.integrator.r, study.number(study.integrator.dt)
    x, most = h * float(fast.max()), limit(r)
    words = f"dt*omega = {x:.3g} at the start, and r = {r} is stable up to {most:.3g}"
    hint = f"take dt = {0.5 * h * most / x:.2g}, or a larger r" if x > 0 else None
    where = ("integrator", "dt")
    certain = structure(symbolic).linear and symbolic.conservative
    if certain and abs(half_trace(np.array([x]), r)[0]) > 1 + 1e-6:
        yield study.fault(where, None, "deep.unstable", f"every motion of this system diverges: "
                          f"{words}", hint)  # fmt: skip
    elif x > NEAR * most:
        word = "the step is too long" if x > most else "the step is near its limit"
        yield study.fault(where, None, "deep.step", f"{word}: {words}", hint, severity="note")


def _family_step(study: Family, symbolic: Problem) -> Iterator[Fault]:
    """The share of a family's systems whose steps are too long."""
    if study.start is None or study.integrator.time_transform is not None or symbolic.constraints:
        return
    dice = np.random.default_rng(study.seed)
    fast = _fastest(study, symbolic, lambda value: study.number(value), dice)
    fast = fast[np.isfinite(fast)]
    if not len(fast):
        return
    r, h = study.integrator.r, study.number(study.integrator.dt)
    share, most = float(np.mean(h * fast > limit(r))), limit(r)
    if share > 0.002:
        yield study.fault(
            ("integrator", "dt"), None, "deep.step",
            f"the step is too long for {share:.2g} of the systems drawn: dt*omega reaches "
            f"{h * fast.max():.3g}, and r = {r} is stable up to {most:.3g}",
            "take a smaller dt, a larger r or narrower ranges", severity="note",
        )  # fmt: skip


def _fastest(
    study: Ggl | Family, symbolic: Problem, number: Callable[[Value], float],
    dice: np.random.Generator | None = None,
) -> np.ndarray:  # fmt: skip
    """The largest rate of the motion linearised at its start, (N,): of one system, or of draws."""
    count = 1 if dice is None else DRAWS
    words = symbolic.words
    at: dict[sp.Symbol, Any] = {s: np.full(count, v) for s, v in symbolic.values.items()}
    at[words.t] = np.zeros(count)
    coefficients = study.coefficients if isinstance(study, Family) else {}
    for c in symbolic.coefficients:
        given = coefficients[c.name]
        low, high = number(given.low), number(given.high)
        share = np.random.default_rng(1).random(count) if dice is None else dice.random(count)
        at[c] = low * (high / low) ** share if given.log and low > 0 else low + (high - low) * share
    start = study.start
    assert start is not None
    at |= dict(zip(words.q, _drawn(words, start.position, number, count, dice), strict=True))
    speeds = start.velocity if start.velocity is not None else start.momentum
    assert speeds is not None
    given = _drawn(words, speeds, number, count, dice)
    if start.velocity is None:
        given = _velocities(symbolic, at, given)
    at |= dict(zip(words.v, given, strict=True))
    return fastest(symbolic, at, count)


def _drawn(
    words, given: Mapping[str, Any], number: Callable[[Value], float], count: int, dice
) -> list[np.ndarray]:
    """The components of a start, each (count,); ranges are drawn from."""
    found = []
    for name in words.slices:
        items = given[name] if isinstance(given[name], tuple) else (given[name],)
        for item in items:
            if isinstance(item, Range):
                low, high = number(item.low), number(item.high)
                found.append(low + (high - low) * dice.random(count))
            else:
                found.append(np.full(count, number(item)))
    return found


def _velocities(symbolic: Problem, at: dict[sp.Symbol, Any], p: list[np.ndarray]):
    """The velocities of momenta p, by Newton from rest."""
    words, n = symbolic.words, symbolic.n
    v = np.zeros((n, len(p[0])))
    for _ in range(30):
        point = {**at, **dict(zip(words.v, v, strict=True))}
        lack = np.array(p) - numbers(list(symbolic.momentum), point)
        mass = numbers(list(symbolic.mass), point).T.reshape(-1, n, n)
        good = np.array(np.isfinite(mass).all((1, 2)) & np.isfinite(lack).all(0))
        good[good] = np.linalg.cond(mass[good]) < 1e12
        v[:, good] += np.linalg.solve(mass[good], lack.T[good][..., None])[..., 0].T
        v[:, ~good] = np.nan
    return v
