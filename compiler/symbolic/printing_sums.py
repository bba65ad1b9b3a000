"""Sums over bodies as text of the study language and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import sympy as sp

from .many_body_sums import Slot, Summand, Words
from .printing import Latex, Ranks, Rounded, Text, component_latex, folded, name_latex

OVER = {"bodies": ("i, ", r"\sum_{i} "), "pairs": ("i<j, ", r"\sum_{i<j} "), "single": ("", "")}


def text(expression: sp.Expr, words: Words, doubled: bool = False) -> str:
    """A summand (or what follows from one) in the study language."""
    shown, lengths = _with_lengths(expression, words)
    names: dict[sp.Symbol, str] = {}
    for symbol, seat in words.seats.items():
        name = str(seat.slot) if seat.what == "number" else symbol.name
        if doubled and seat.what in ("q", "v"):
            name = name.replace("'[", "_plus'[") if "'[" in name else name.replace("[", "_plus[", 1)
        names[symbol] = name
    for symbol, (name, slots, order) in lengths.items():
        if len(slots) == 2:
            names[symbol] = f"{name}[{slots[0]},{slots[1]}]"
        else:
            plus = "_plus" if doubled else ""
            dash = "'" * order
            names[symbol] = f"|{name}{plus}{dash}[{slots[0]}]|"
    return Text(names, _ranks(words), Rounded()).doprint(shown)


def latex(expression: sp.Expr, words: Words, doubled: bool = False) -> str:
    """A summand (or what follows from one) as LaTeX, without delimiters."""
    shown, lengths = _with_lengths(expression, words)
    names: dict[sp.Symbol, str] = {words.t: "t"}
    for symbol, (what, of, slot) in words.seats.items():
        if what == "number":
            names[symbol] = str(slot)
        elif isinstance(of, str):
            names[symbol] = component_latex(f"{of}[{slot}]")
        else:
            minus = what.startswith("minus")
            mark = "-" if minus else "+" if doubled else ""
            coordinate, _, component = words.names[of].partition("[")
            index = f"{slot},{component.rstrip(']')}" if component else f"{slot}"
            dots = what in ("v", "minus_v")
            names[symbol] = component_latex(f"{coordinate}[{index}]", mark, dots)
    for symbol, (name, slots, order) in lengths.items():
        parts = []
        for slot in slots:
            body = rf"\mathbf{{{name_latex(name)}}}"
            body = rf"\dot{{{body}}}" if order else body
            below = f"{slot},+" if doubled else f"{slot}"
            parts.append(rf"{body}_{{{below}}}")
        names[symbol] = rf"\left|{' - '.join(parts)}\right|"
    return Latex(names, _ranks(words), Rounded()).doprint(shown)


def sums_text(parts: Sequence[Summand], words: Words, doubled: bool = False) -> str:
    """Sums in the study language."""
    found = []
    for one in parts:
        sign, e = _signed(one.expression)
        body = text(e, words, doubled)
        found.append(sign + (f"sum({OVER[one.kind][0]}{body})" if one.kind != "single" else body))
    return joined(found)


def sums_latex(parts: Sequence[Summand], words: Words, doubled: bool = False) -> str:
    """Sums as LaTeX, without delimiters."""
    found = []
    for one in parts:
        sign, e = _signed(one.expression)
        body, shown = latex(e, words, doubled), _with_lengths(e, words)[0]
        several = isinstance(shown, sp.Add) and one.kind != "single"
        body = rf"\left( {body} \right)" if several else body
        found.append(sign + OVER[one.kind][1] + body)
    return joined(found)


def _signed(expression: sp.Expr) -> tuple[str, sp.Expr]:
    """A sum of negative terms is a negative sum."""
    negative = expression.could_extract_minus_sign() and not isinstance(expression, sp.Add)
    return ("-", -expression) if negative else ("", expression)


def joined(terms: Sequence[str]) -> str:
    """Terms with their signs as a sum."""
    whole = terms[0] if terms else "0"
    for term in terms[1:]:
        whole += f" - {term[1:].lstrip()}" if term.startswith("-") else f" + {term}"
    return whole


def _ranks(words: Words) -> Ranks:
    return (
        words.of("a"),
        words.of("v") | words.of("minus_v"),
        words.of("q") | words.of("minus"),
    )


Length = tuple[str, tuple[Slot, ...], int]  # coordinate, one body or two, order of derivative


def _with_lengths(expression: sp.Expr, words: Words) -> tuple[sp.Expr, dict[sp.Symbol, Length]]:
    """The expression with lengths of vectors and distances of bodies as symbols of their own."""
    lengths: dict[sp.Symbol, Length] = {}
    groups = []
    slots = sorted({seat.slot for s, seat in words.seats.items() if expression.has(s)}, key=str)
    apart: dict[sp.Basic, sp.Expr] = {}
    for name, part in words.slices.items():
        if part.stop - part.start < 2:
            continue
        places = range(part.start, part.stop)
        for one, other in combinations(slots, 2):
            far = sp.Symbol(f"|{name} {one} {other}|", positive=True)
            steps = [words.at("q", k, one) - words.at("q", k, other) for k in places]
            for sign in (1, -1):
                apart[sp.Add(*((sign * step) ** 2 for step in steps))] = far**2
            lengths[far] = (name, (one, other), 0)
        for slot in slots:
            for order, what in enumerate(("q", "v")):
                length = sp.Symbol(f"|{name} {slot} {order}|", positive=True)
                lengths[length] = (name, (slot,), order)
                groups.append(([words.at(what, k, slot) ** 2 for k in places], length))
    return folded(expression.xreplace(apart), groups), lengths
