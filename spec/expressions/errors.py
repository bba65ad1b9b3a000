"""What a formula may not hold: odd characters and LaTeX, each with its way out."""

from __future__ import annotations

import re
import unicodedata

from actionrun.spec.text.characters import DOTS, GREEK
from actionrun.spec.text.span import Span

ESCAPES = {
    "\b": ("b", "backspace"), "\t": ("t", "tab"), "\n": ("n", "line break"),
    "\f": ("f", "form feed"), "\r": ("r", "carriage return"), "\x1b": ("e", "escape"),
}  # fmt: skip

MODULE = re.compile(r"(?<!\w)(np|numpy|jnp|math|cmath|sp|sympy|torch)$")
WAY_OUT = {
    '"': "a formula has no quotation marks: write the bare name",
    ".": "write a component as q[1], a time derivative as q', a decimal as 0.5",
    "{": "braces are not used here: group with ( and )",
    "}": "braces are not used here: group with ( and )",
    ";": "one formula a string: leave out the semicolon",
    ":": "leave out the colon; named formulas go to [define]",
    "!": 'there is no factorial and no "not": write the number',
    "%": "write 0.05 for 5%",
    "&": "conditions are separate entries of the list constraints",
    "@": "for vectors write dot(a, b)",
    "~": "write the number itself",
    "√": "write sqrt(...)",
    "∞": "every number here is finite",
    "·": "write a*b for a product, dot(a, b) for vectors",
    "⋅": "write a*b for a product, dot(a, b) for vectors",
    "×": "write a*b for a product, cross(a, b) for vectors",
    "÷": "write a/b",
    "±": "write q_plus or q_minus (q₊ or q₋)",
    "∂": "write a time derivative as q'",
    "½": "write 1/2",
    "¼": "write 1/4",
    "¾": "write 3/4",
    "∇": "write the derivative out",
    "∑": "write sum(i<j, ...) or sum(i, ...)",
    "Σ": "write sum(i<j, ...) or sum(i, ...)",
    "∫": "there are no integrals here",
    "$": "leave out the dollar signs: formulas are plain text, not LaTeX",
    "?": "leave it out",
    "`": "leave it out",
    "#": "a comment goes outside the quotation marks",
    "“": "leave out the quotation marks",
    "”": "leave out the quotation marks",
    "‘": "for a derivative write ' (the straight apostrophe)",
}


class ExpressionFault(Exception):  # noqa: N818
    """A mistake in an expression: a stable code, a message, the span of the odd part, advice."""

    def __init__(
        self, code: str, message: str, span: Span, hint: str | None = None,
        suggestion: str | None = None,
    ):  # fmt: skip
        super().__init__(message)
        self.code, self.message, self.span = code, message, span
        self.hint, self.suggestion = hint, suggestion


def odd_character(text: str, at: int) -> ExpressionFault:
    """The fault of a character that begins no token."""
    char = text[at]
    span = Span(at, at + 1)
    if char == "\\":
        match = re.compile(r"\\[A-Za-z]*").match(text, at)
        word = match.group() if match else char
        return ExpressionFault(
            "expression.latex", "a backslash: LaTeX is not read here", Span(at, at + len(word)),
            f"{latex_advice(word[1:])}",
        )  # fmt: skip
    if char in ESCAPES or unicodedata.category(char) == "Cc":
        return control_fault(text, at)
    if char == "." and (module := MODULE.search(text[:at])):
        called = re.compile(r"\.(\w*)").match(text, at)
        function = called[1] if called else ""
        return ExpressionFault(
            "expression.character", "functions stand without the name of a module",
            Span(module.start(), at + 1), f"write {function}(...)" if function else "leave it out",
        )  # fmt: skip
    if char in WAY_OUT:
        return ExpressionFault(
            "expression.character", f"{char} has no meaning in a formula", span, WAY_OUT[char]
        )
    if char in DOTS:
        return ExpressionFault(
            "expression.character", "a dot over nothing", span,
            "the combining dot follows its letter; or write q'",
        )  # fmt: skip
    name = unicodedata.name(char, f"character U+{ord(char):04X}").lower()
    advice = "names are letters a-z, digits, _ and Greek letters"
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    if plain.strip():
        advice = f"{advice}: write {plain}"
    return ExpressionFault(
        "expression.character", f"{name} has no meaning in a formula", span, advice
    )


def control_fault(text: str, at: int) -> ExpressionFault:
    """LaTeX that TOML has swallowed: `"\\frac"` is a form feed and `rac`."""
    escape, name = ESCAPES.get(text[at], ("", "control character"))
    match = re.compile(r"[A-Za-z]*").match(text, at + 1)
    rest = match.group() if match else ""
    span = Span(at, at + 1 + (len(rest) if escape else 0))
    if not escape:
        return ExpressionFault(
            "expression.control", f"a control character (U+{ord(text[at]):04X})",
            span, "delete it and type the formula again",
        )  # fmt: skip
    word = escape + rest
    return ExpressionFault(
        "expression.control",
        f'TOML has read \\{escape} in "\\{word}" as a {name}: LaTeX is not read here', span,
        latex_advice(word),
    )  # fmt: skip


def latex_advice(word: str) -> str:
    """What to type for the LaTeX command `word`."""
    names = {*GREEK.values()} - {"l"}
    functions = ["sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "min", "max"]
    known = {
        "frac": "write a/b for \\frac{a}{b}",
        "dfrac": "write a/b",
        "tfrac": "write a/b",
        "dot": "write q' for \\dot{q}",
        "ddot": "write q'' for \\ddot{q}",
        "cdot": "write a*b, or dot(a, b) for vectors",
        "times": "write a*b, or cross(a, b) for vectors",
        "left": "write plain ( and )",
        "right": "write plain ( and )",
        "ln": "write log(x)",
        "arcsin": "write asin(x)",
        "arccos": "write acos(x)",
        "arctan": "write atan(x)",
        "varphi": "write phi",
        "vartheta": "write theta",
        "varepsilon": "write epsilon",
        "vec": "write the bare name",
        "mathbf": "write the bare name",
    }
    if word in names:
        return f"write {word}"
    if word in functions:
        return f"write {word}(x)"
    return known.get(word, "write a/b, sqrt(x), omega, q' for \\frac, \\sqrt, \\omega, \\dot")
