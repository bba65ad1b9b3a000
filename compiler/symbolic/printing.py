"""From SymPy back to what a person writes: the study language and LaTeX, numbers rounded by their
uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from .vocabulary import Vocabulary

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
    below = below.strip("{}")
    if dots:
        stem = rf"\{'d' * dots}ot{{{stem}}}"
    marks = ",".join(x for x in (below, index.rstrip("]"), mark) if x)
    return stem + (f"_{{{marks}}}" if marks else "")


def _latex_names(words: Vocabulary, doubled: bool) -> dict[sp.Symbol, str]:
    names, plus = {words.t: "t"}, "+" if doubled else ""
    for k, component in enumerate(words.names):
        names[words.q[k]] = component_latex(component, plus)
        names[words.v[k]] = component_latex(component, plus, 1)
        names[words.a[k]] = component_latex(component, dots=2)
        names[words.minus[k]] = component_latex(component, "-")
        names[words.minus_v[k]] = component_latex(component, "-", 1)
    names.update({s: name_latex(name) for name, s in words.constants.items()})
    return names


def _text_names(words: Vocabulary, doubled: bool) -> dict[sp.Symbol, str]:
    names, plus = {words.t: "t"}, "_plus" if doubled else ""
    for k, component in enumerate(words.names):
        name, bracket, index = component.partition("[")
        names[words.q[k]] = f"{name}{plus}{bracket}{index}"
        names[words.v[k]] = f"{name}{plus}'{bracket}{index}"
        names[words.a[k]] = f"{name}''{bracket}{index}"
        names[words.minus[k]] = f"{name}_minus{bracket}{index}"
        names[words.minus_v[k]] = f"{name}_minus'{bracket}{index}"
    return names


Ranks = tuple[set[sp.Symbol], set[sp.Symbol], set[sp.Symbol]]


def _ranks(words: Vocabulary) -> Ranks:
    return {*words.a}, {*words.v, *words.minus_v}, {*words.q, *words.minus}


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

    def _print_Min(self, expr):  # noqa: N802
        return f"min({', '.join(self._print(a) for a in expr.args)})"

    def _print_Max(self, expr):  # noqa: N802
        return f"max({', '.join(self._print(a) for a in expr.args)})"

    def _print_Pow(self, expr, rational=False):  # noqa: N802
        return super()._print_Pow(expr, rational).replace("**", "^")


def _with_lengths(expression: sp.Expr, words: Vocabulary) -> tuple[sp.Expr, dict]:
    """`folded` over the vectors of a study.

    Returns the expression with the symbols of the lengths: symbol -> (coordinate, order of
    derivative).
    """
    lengths: dict[sp.Symbol, tuple[str, int]] = {}
    groups = []
    for name, part in words.slices.items():
        if words.study.system.is_vector(name) and part.stop - part.start > 1:
            for order, of in enumerate((words.q, words.v)):
                length = sp.Symbol(f"|{name}{order}|", positive=True)
                lengths[length] = (name, order)
                groups.append(([x**2 for x in of[part]], length))
    return folded(expression, groups), lengths


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
    printer = Latex(_latex_names(words, doubled), _ranks(words), rounded or Rounded())
    plus = "_{+}" if doubled else ""
    for symbol, (name, order) in lengths.items():
        body = rf"\mathbf{{{name_latex(name)}}}"
        body = rf"\dot{{{body}}}" if order else body
        printer.names[symbol] = rf"\left|{body}{plus}\right|"
    return printer.doprint(shown)


def text(
    expression: sp.Expr,
    words: Vocabulary,
    rounded: Rounded | None = None,
    doubled: bool = False,
) -> str:
    """The expression in the study language, so that a study accepts it."""
    shown, lengths = _with_lengths(expression, words)
    printer = Text(_text_names(words, doubled), _ranks(words), rounded or Rounded())
    plus = "_plus" if doubled else ""
    for symbol, (name, order) in lengths.items():
        dash = "'" * order
        printer.names[symbol] = f"|{name}{plus}{dash}|"
    return printer.doprint(shown)


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
) -> tuple[sp.Expr, Rounded]:
    """The expression with its constants replaced by numbers, each rounded by its own uncertainty.

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
        if std is None and value == int(value) and abs(value) < 1e6:
            return sp.Integer(int(value))
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
