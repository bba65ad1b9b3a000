"""Symmetries of many bodies, found by algebra on their summands, and their charges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import sympy as sp
from actionrun.compiler.symbolic.lagrangian_system import vanishes
from actionrun.compiler.symbolic.many_body_sums import Seat, Slot, Summand
from actionrun.compiler.symbolic.many_body_system import BodyProblem
from actionrun.compiler.symbolic.printing_sums import latex, sums_latex, sums_text

Charge = tuple[Literal["energy", "shift", "turn"], tuple[int, ...]]


def charges(problem: BodyProblem) -> tuple[Charge, ...]:
    """The symmetries of L, by algebra on its summands: time, shifts and turns of all bodies."""
    words, found = problem.words, list[Charge]()
    laws = (*problem.lagrangian, *(part for held in problem.constraints for part in held.parts))
    if not any(s.expression.has(words.t) for s in laws):
        found.append(("energy", ()))
    for a in range(len(words.names)):
        if all(_kept(one, {a: {a: None}}) for one in laws):
            found.append(("shift", (a,)))
    vectors: dict[int, list[int]] = {}  # first components of the vectors of a size
    for name, part in words.slices.items():
        if words.study.system.is_vector(name):
            vectors.setdefault(part.stop - part.start, []).append(part.start)
    for size, firsts in vectors.items():
        for low, high in {2: [(0, 1)], 3: [(1, 2), (2, 0), (0, 1)]}.get(size, []):
            turn = {f + low: {f + high: -1} for f in firsts} | {
                f + high: {f + low: 1} for f in firsts
            }
            if all(_kept(one, turn) for one in laws):
                pairs = [x for f in firsts for x in (f + low, f + high)]
                found.append(("turn", tuple(pairs)))
    return tuple(cast("Charge", c) for c in found)


def _kept(one: Summand, change: Mapping[int, Mapping[int, int | None]]) -> bool:
    """Whether a summand stays as it is: component a of each body changes by `change[a]`, which
    has the factors of the other components (None: a constant)."""
    total = sp.Integer(0)
    for what in ("q", "v"):
        for symbol in one.symbols(what):
            _, of, slot = one.seats[symbol]
            for other, factor in change.get(cast("int", of), {}).items():
                if factor is None:
                    total += sp.diff(one.expression, symbol) if what == "q" else 0
                    continue
                found = Seat(what, other, slot)
                partner = next((s for s, seat in one.seats.items() if seat == found), None)
                if partner is None:
                    return False
                total += factor * partner * sp.diff(one.expression, symbol)
    return total == 0 or sp.expand(total) == 0 or vanishes(total)


def named(problem: BodyProblem, charge: Charge) -> tuple[str, str, str, str]:
    """Name of a symmetry, of its charge, and the charge as text and as LaTeX."""
    words, (kind, of) = problem.words, charge
    if kind == "energy":
        energy = sums_text(problem.energy, words), sums_latex(problem.energy, words)
        return "shift of time", "energy", *energy
    shown = {k: words.at("q", k, Slot("i", 0)) for k in of}
    formula = {k: latex(symbol, words) for k, symbol in shown.items()}
    if kind == "shift":
        (a,) = of
        return (f"shift of {shown[a]} for all i", f"total momentum of {words.names[a]}",
                f"sum(i, pi_{shown[a]})", rf"\sum_i \pi_{{{formula[a]}}}")  # fmt: skip
    pairs = list(zip(of[::2], of[1::2], strict=True))
    planes = ", ".join(f"({words.names[a]}, {words.names[b]})" for a, b in pairs)
    short = " + ".join(f"{shown[a]}*pi_{shown[b]} - {shown[b]}*pi_{shown[a]}" for a, b in pairs)
    long = " + ".join(
        rf"{formula[a]} \, \pi_{{{formula[b]}}} - {formula[b]} \, \pi_{{{formula[a]}}}"
        for a, b in pairs
    )
    return (f"rotation of {planes} for all i", f"angular momentum of {planes}",
            f"sum(i, {short})", rf"\sum_i \left( {long} \right)")  # fmt: skip
