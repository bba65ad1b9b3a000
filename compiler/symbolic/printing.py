"""Printers: SymPy back to what a person writes, the study language and LaTeX, sums over bodies
among it, numbers rounded by their uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from .many_body_sums import Summand
from .vocabulary import ALONE, BodyIndex, Vocabulary

OVER = {"bodies": ("i, ", r"\sum_{i} "), "pairs": ("i<j, ", r"\sum_{i<j} "), "single": ("", "")}

GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
    *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"),
}
ALIASES = {"lam": r"\lambda", "lamda": r"\lambda", "eps": r"\varepsilon", "hbar": r"\hbar"}


def name_latex(name: str) -> str:
    """LaTeX of a declared name: Greek by its name, trailing digits and `_x` as subscripts.

    Safe by construction: names hold ASCII letters, digits and underscores only.
    """
    head, *rest = name.split("_")
    digits = head[len(head.rstrip("0123456789")) :]
    head = head.removesuffix(digits) if digits else head
    if head in ALIASES:
        base = ALIASES[head]
    elif head in GREEK:
        base = "\\" + head
    else:
        base = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    below = [digits] if digits else []
    below += [p if len(p) == 1 or p.isdigit() else _word(p) for p in rest if p]
    return base + (f"_{{{','.join(below)}}}" if below else "")


def _word(word: str) -> str:
    return "\\" + word if word in GREEK else rf"\mathrm{{{word}}}"


def component_latex(component: str, mark: str = "", dots: int = 0) -> str:
    """`q[1]`, `q` with a mark (+, -) and dots, as LaTeX."""
    name, _, index = component.partition("[")
    base = name_latex(name)
    stem, _, below = base.partition("_")
    below = below.removeprefix("{").removesuffix("}")
    if dots:
        stem = rf"\{'d' * dots}ot{{{stem}}}"
    marks = ",".join(x for x in (below, index.rstrip("]"), mark) if x)
    return stem + (f"_{{{marks}}}" if marks else "")


def _latex_names(words: Vocabulary, doubled: bool) -> dict[sp.Symbol, str]:
    names = {words.t: "t"}
    for symbol, (what, of, body) in words.places.items():
        if what == "number":
            names[symbol] = str(body)
        elif isinstance(of, str):
            names[symbol] = component_latex(f"{of}[{body}]")
        else:
            mark = (
                "-" if what.startswith("minus") else "+" if doubled and what in ("q", "v") else ""
            )
            coordinate, _, component = words.names[of].partition("[")
            index = ",".join(x for x in (str(body), component.rstrip("]")) if x)
            dots = {"v": 1, "minus_v": 1, "a": 2}.get(what, 0)
            names[symbol] = component_latex(f"{coordinate}[{index}]", mark, dots)
    return names


def _text_names(words: Vocabulary, doubled: bool) -> dict[sp.Symbol, str]:
    return {s: words.spelling(place, doubled) for s, place in words.places.items()}


Ranks = tuple[set[sp.Symbol], set[sp.Symbol], set[sp.Symbol]]


def _ranks(words: Vocabulary) -> Ranks:
    return words.of("a"), words.of("v", "minus_v"), words.of("q", "minus")


def _by_motion(expression: sp.Expr, ranks: Ranks) -> list[sp.Expr]:
    """Terms of a sum as physicists order them: accelerations, velocities, positions, the rest."""

    def rank(term: sp.Expr) -> tuple[int, str]:
        for k, group in enumerate(ranks):
            lengths = any(s.name.endswith(f"{2 - k}|") for s in term.free_symbols)
            if term.free_symbols & group or lengths:
                return k, sp.srepr(term)
        return len(ranks), sp.srepr(term)

    return sorted(sp.Add.make_args(expression), key=rank)


@dataclass(frozen=True)
class Rounded:
    """How floats that stand for measured numbers are to be written: value -> digits."""

    decimals: dict[float, str] = field(default_factory=dict)

    def write(self, value: float) -> str:
        magnitude = self.decimals.get(abs(value))
        if magnitude is None:
            magnitude = f"{abs(value):.6g}"
        return ("-" if value < 0 else "") + magnitude


class Unrounded(Rounded):
    """Every digit of a double, so that reading gives the same number."""

    def write(self, value: float) -> str:
        return repr(float(value))


class Latex(LatexPrinter):
    """LaTeX with the names that symbols are given, and terms ordered by their `ranks`."""

    def __init__(self, names: Mapping[sp.Symbol, str], ranks: Ranks, rounded: Rounded):
        super().__init__({"fold_short_frac": False, "mul_symbol": r" \, "})
        self.names = dict(names)
        self.ranks = ranks
        self.rounded = rounded
        self._settings["mul_symbol_latex_numbers"] = r" \, "

    def _as_ordered_terms(self, expr, order=None):
        return _by_motion(expr, self.ranks)

    def _print_Symbol(self, expr, style=None):  # noqa: N802
        return self.names.get(expr) or name_latex(expr.name)

    def _print_Float(self, expr):  # noqa: N802
        digits, _, exponent = self.rounded.write(float(expr)).partition("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}" if exponent else digits

    def _print_Abs(self, expr, exp=None):  # noqa: N802
        body = rf"\left| {self._print(expr.args[0])} \right|"
        return rf"{body}^{{{exp}}}" if exp else body


class Text(StrPrinter):
    """The study language with the names that symbols are given."""

    def __init__(self, names: Mapping[sp.Symbol, str], ranks: Ranks, rounded: Rounded):
        super().__init__()
        self.names = dict(names)
        self.ranks = ranks
        self.rounded = rounded

    def _print_Symbol(self, expr):  # noqa: N802
        return self.names.get(expr, str(expr))

    def _print_Float(self, expr):  # noqa: N802
        return self.rounded.write(float(expr))

    def _as_ordered_terms(self, expr, order=None):
        return _by_motion(expr, self.ranks)

    def _print_Abs(self, expr):  # noqa: N802
        return f"abs({self._print(expr.args[0])})"

    def _print_Exp1(self, expr):  # noqa: N802
        return "exp(1)"

    def _print_Min(self, expr):  # noqa: N802
        return f"min({', '.join(self._print(a) for a in expr.args)})"

    def _print_Max(self, expr):  # noqa: N802
        return f"max({', '.join(self._print(a) for a in expr.args)})"

    def _print_Pow(self, expr, rational=False):  # noqa: N802
        return super()._print_Pow(expr, rational).replace("**", "^")


Length = tuple[str, tuple[BodyIndex, ...], int]  # coordinate, one body or two, order of derivative


def _with_lengths(
    expression: sp.Expr, words: Vocabulary
) -> tuple[sp.Expr, dict[sp.Symbol, Length]]:
    """The expression with lengths of vectors and distances of bodies as symbols of their own."""
    lengths: dict[sp.Symbol, Length] = {}
    groups = []
    there = expression.free_symbols & {*words.places}
    bodies = sorted({words.places[s].body for s in there}, key=str)
    apart: dict[sp.Basic, sp.Expr] = {}
    for name, part in words.slices.items():
        if part.stop - part.start < 2:
            continue
        places = range(part.start, part.stop)
        for one, other in combinations(bodies, 2):
            far = sp.Symbol(f"|{name} {one} {other}|", positive=True)
            steps = [words.at("q", k, one) - words.at("q", k, other) for k in places]
            for sign in (1, -1):
                apart[sp.Add(*((sign * step) ** 2 for step in steps))] = far**2
            lengths[far] = (name, (one, other), 0)
        for body in bodies:
            of = "" if body == ALONE else f" {body} "
            for order, what in enumerate(("q", "v")):
                length = sp.Symbol(f"|{name}{of}{order}|", positive=True)
                lengths[length] = (name, (body,), order)
                groups.append(([words.at(what, k, body) ** 2 for k in places], length))
    return folded(expression.xreplace(apart), groups), lengths


def folded(expression: sp.Expr, groups: Sequence[tuple[Sequence[sp.Expr], sp.Symbol]]) -> sp.Expr:
    """The expression with sums of squares of a vector's components, as each group has them,
    written as its length squared."""

    def fold(part: sp.Expr) -> sp.Expr:
        if not part.args:
            return part
        part = part.func(*(fold(a) for a in part.args))
        if isinstance(part, sp.Add):
            for squares, length in groups:
                factors = [part.coeff(square) for square in squares]
                if factors[0] != 0 and all(f == factors[0] for f in factors):
                    rest = part - sp.Add(*(factors[0] * square for square in squares))
                    part = sp.expand_mul(rest, deep=False) + factors[0] * length**2
        return part

    return fold(expression)


def latex(
    expression: sp.Expr,
    words: Vocabulary,
    rounded: Rounded | None = None,
    doubled: bool = False,
) -> str:
    """LaTeX of an expression of the study, without delimiters; `doubled`: q is written q_+."""
    shown, lengths = _with_lengths(expression, words)
    names = _latex_names(words, doubled)
    for symbol, (name, bodies, order) in lengths.items():
        parts = []
        for body in bodies:
            letter = rf"\mathbf{{{name_latex(name)}}}"
            letter = rf"\dot{{{letter}}}" if order else letter
            below = ",".join(x for x in (str(body), "+" if doubled else "") if x)
            parts.append(letter + (f"_{{{below}}}" if below else ""))
        names[symbol] = rf"\left|{' - '.join(parts)}\right|"
    return Latex(names, _ranks(words), rounded or Rounded()).doprint(shown)


def text(
    expression: sp.Expr,
    words: Vocabulary,
    rounded: Rounded | None = None,
    doubled: bool = False,
) -> str:
    """The expression in the study language, so that a study accepts it."""
    shown, lengths = _with_lengths(expression, words)
    names = _text_names(words, doubled)
    for symbol, (name, bodies, order) in lengths.items():
        index = "" if bodies[0] == ALONE else f"[{','.join(map(str, bodies))}]"
        plus, dash = "_plus" if doubled else "", "'" * order
        one = f"|{name}{plus}{dash}{index}|"
        names[symbol] = f"{name}{index}" if len(bodies) == 2 else one
    return Text(names, _ranks(words), rounded or Rounded()).doprint(shown)


def exact_text(expression: sp.Expr, words: Vocabulary, doubled: bool = False) -> str:
    """The expression in the study language with every digit and no lengths of vectors, so that it
    can be read without the study."""
    return Text(_text_names(words, doubled), _ranks(words), Unrounded()).doprint(expression)


def sums_text(parts: Sequence[Summand], words: Vocabulary, doubled: bool = False) -> str:
    """Sums in the study language."""
    if not words.body_count:
        return text(sp.Add(*(one.expression for one in parts)), words, doubled=doubled)
    terms = []
    for one in parts:
        sign, e = _signed(one.expression)
        body = text(e, words, doubled=doubled)
        terms.append(
            sign + (f"sum({OVER[one.domain][0]}{body})" if one.domain != "single" else body)
        )
    return joined(terms)


def sums_latex(parts: Sequence[Summand], words: Vocabulary, doubled: bool = False) -> str:
    """Sums as LaTeX, without delimiters."""
    if not words.body_count:
        return latex(sp.Add(*(one.expression for one in parts)), words, doubled=doubled)
    terms = []
    for one in parts:
        sign, e = _signed(one.expression)
        body, shown = latex(e, words, doubled=doubled), _with_lengths(e, words)[0]
        several = isinstance(shown, sp.Add) and one.domain != "single"
        body = rf"\left( {body} \right)" if several else body
        terms.append(sign + OVER[one.domain][1] + body)
    return joined(terms)


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


def digits(value: float, std: float | None, most: int = 12) -> str:
    """|value| written to two digits of its standard deviation; six digits where there is none."""
    magnitude = abs(value)
    if std is None or not math.isfinite(std):
        return f"{magnitude:.6g}"
    if magnitude <= 0.05 * std:
        return "0"
    if std <= 0:
        return f"{magnitude:.{most}g}"
    places = 1 + math.floor(math.log10(magnitude)) - math.floor(math.log10(std)) + 1
    if places < 1:  # the uncertainty is larger than the number itself
        places = 1
    places = min(places, most)
    exponent = math.floor(math.log10(magnitude))
    if -3 <= exponent < 6:
        written = f"{magnitude:.{max(places - 1 - exponent, 0)}f}"
        # noise-free values: trailing zeros of a capped number say nothing
        return written.rstrip("0").rstrip(".") if places == most and "." in written else written
    return f"{magnitude:.{places - 1}e}"


def spread(value: float, std: float) -> str:
    """A standard deviation written to the last digit of the value that it belongs to."""
    written = digits(value, std)
    if "e" in written or "." not in written:
        return f"{std:.2g}"
    places = len(written.partition(".")[2])
    return f"{std:.{places}f}" if std >= 0.5 * 10**-places or not std else f"{std:.1g}"


def numeric(
    expression: sp.Expr,
    words: Vocabulary,
    values: Mapping[sp.Symbol, float],
    covariance: np.ndarray | None = None,
    uncertain: Sequence[sp.Symbol] = (),
    exact: bool = False,
) -> tuple[sp.Expr, Rounded]:
    """The expression with its constants replaced by numbers, each rounded by its own uncertainty,
    or not at all (`exact`).

    `covariance` (k, k) belongs to `uncertain`. Numbers that multiply the same motion are combined
    first, so that 2*c1 is one number with one uncertainty, by linear propagation.
    """
    moving = expression.free_symbols - set(values)  # a multiplier moves too
    rounded = Rounded()

    def number(constant: sp.Expr) -> sp.Expr:
        if not constant.free_symbols:
            return constant
        value = float(constant.subs(values))
        std = None
        if covariance is not None and set(uncertain) & constant.free_symbols:
            slope = np.array([float(sp.diff(constant, c).subs(values)) for c in uncertain])
            std = float(np.sqrt(max(slope @ covariance @ slope, 0.0)))
        if (exact or std is None) and value == int(value) and abs(value) < 1e6:
            return sp.Integer(int(value))
        if exact:
            return sp.Float(value, 17)
        written = digits(value, std)
        if written == "1":
            return sp.Integer(1 if value > 0 else -1)
        rounded.decimals[abs(value)] = written
        return sp.Float(value, 17) if float(written) else sp.Integer(0)

    def replace(part: sp.Expr) -> sp.Expr:
        if not part.free_symbols & moving:
            return number(part)
        if isinstance(part, sp.Add):
            return sp.Add(*(replace(a) for a in part.args))
        if isinstance(part, sp.Mul):
            constant, motion = part.as_independent(*moving, as_Add=False)
            return number(constant) * sp.Mul(*(replace(a) for a in sp.Mul.make_args(motion)))
        if not part.args:
            return part
        return part.func(*(replace(a) for a in part.args))

    return replace(expression), rounded
