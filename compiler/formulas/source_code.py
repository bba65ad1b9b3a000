"""Source code of formulas: Python (NumPy), SymPy and C files that stand alone."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce

import sympy as sp
from sympy.printing.c import C99CodePrinter
from sympy.printing.numpy import NumPyPrinter

from .array_function import ArrayFunction

# What generated code calls by these names, which a quantity may have.
TAKEN_PYTHON = {"numpy", "abs"}
WORDS_C = (
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while main pow fmax fmin fabs hypot cbrt fma exp2 expm1 log2 "
    "log10 log1p floor ceil M_E M_PI M_LN2 M_LN10 M_LOG2E M_LOG10E M_SQRT2 M_SQRT1_2 M_1_PI "
    "M_2_PI M_2_SQRTPI M_PI_2 M_PI_4 NAN INFINITY HUGE_VAL HUGE_VALF HUGE_VALL MAXFLOAT FP_NAN "
    "FP_INFINITE FP_ZERO FP_SUBNORMAL FP_NORMAL FP_ILOGB0 FP_ILOGBNAN MATH_ERRNO MATH_ERREXCEPT "
    "math_errhandling linux unix"
)
TAKEN_C = frozenset(WORDS_C.split())


@dataclass(frozen=True)
class Written:
    """A formula to be written: the equation's name, its text, its function; `whole` is the SymPy
    equation."""

    name: str
    text: str
    function: ArrayFunction
    whole: sp.Basic


class PythonPrinter(NumPyPrinter):
    """NumPy that broadcasts."""

    def _print_Max(self, expr):  # noqa: N802
        return self._folded("maximum", expr)

    def _print_Min(self, expr):  # noqa: N802
        return self._folded("minimum", expr)

    def _folded(self, of: str, expr) -> str:
        name = self._module_format(f"numpy.{of}")
        return reduce(lambda a, b: f"{name}({a}, {b})", (self._print(a) for a in expr.args))


class CPrinter(C99CodePrinter):
    """C99, with the step that derivatives of max and min hold."""

    def _print_Heaviside(self, expr):  # noqa: N802
        x = self._print(expr.args[0])
        return f"(({x}) > 0 ? 1.0 : ({x}) < 0 ? 0.0 : 0.5)"


def identifier(name: str, taken: Collection[str]) -> str:
    """A function's name in code, which none of `taken` is."""
    base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60] or "equation"
    base = f"law_{base}" if base[0].isdigit() or keyword.iskeyword(base) else base
    number, result = 1, base
    while result in taken:
        number += 1
        result = f"{base}_{number}"
    return result


def comment(text: str) -> str:
    """A text that stays in a comment of one line."""
    return "".join(c if c.isascii() and c.isprintable() and c != "\\" else "?" for c in text)


def _renamed(function: ArrayFunction, taken: Collection[str]) -> tuple[sp.Basic, list[str]]:
    """The expression and its arguments with names that code does not use otherwise."""
    names: list[str] = []
    for symbol in function.symbols:
        name = str(symbol)
        while name in taken or name in names:
            name += "_"
        names.append(name)
    new = {s: sp.Symbol(n) for s, n in zip(function.symbols, names, strict=True)}
    return function.expression.xreplace(new), names


def python_source(laws: Sequence[Written], title: str) -> str:
    """A Python module: a function of NumPy arrays for each formula."""
    lines = [f"# {comment(title)}", "# Functions of NumPy arrays, which broadcast.", "import numpy"]
    used: list[str] = [*TAKEN_PYTHON]
    for law in laws:
        expression, names = _renamed(law.function, TAKEN_PYTHON)
        used.append(identifier(law.name, used))
        body = PythonPrinter().doprint(expression)
        lines += ["", "", f"def {used[-1]}({', '.join(names)}):",
                  f"    # {comment(law.text)} ({law.function.gives})",
                  f"    return {body}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def c_source(laws: Sequence[Written], title: str) -> str:
    """A C99 file: a function of doubles for each formula; compile with -lm."""
    lines = [f"// {comment(title)}", "// Functions of doubles. Link with -lm.",
             "#define _USE_MATH_DEFINES", "#define _XOPEN_SOURCE 700",
             "#include <math.h>"]  # fmt: skip
    used: list[str] = [*TAKEN_C]
    for law in laws:
        expression, names = _renamed(law.function, TAKEN_C)
        used.append(identifier(law.name, used))
        arguments = ", ".join(f"double {name}" for name in names) or "void"
        lines += ["", f"// {comment(law.text)} ({law.function.gives})",
                  f"double {used[-1]}({arguments})", "{",
                  f"    return {CPrinter().doprint(expression)};", "}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def sympy_source(laws: Sequence[Written], title: str) -> str:
    """A Python module whose `equations` are SymPy's, by their names, with every digit."""
    lines = [f"# {comment(title)}", "from sympy import *", "", "equations = {"]
    lines += [f"    {law.name!a}: {sp.srepr(law.whole)}," for law in laws]
    return "\n".join([*lines, "}"]) + "\n"
