"""Expression text to tokens. What cannot be a token is refused with the way out."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from .source import Span

MAX_CHARACTERS = 4000
MAX_TOKENS = 1500
MAX_DIGITS = 40
MAX_EXPONENT = 300
MAX_NAME = 60

GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩϵϑϕϱϖ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "omicron",
            "pi",
            "rho",
            "sigma",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Upsilon",
            "Phi",
            "Psi",
            "Omega",
            "epsilon",
            "theta",
            "phi",
            "rho",
            "pi",
        ],
        strict=True,
    )
) | {"µ": "mu", "ℏ": "hbar", "ħ": "hbar", "ℓ": "l"}
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))
PRIMES = {"'": 1, "’": 1, "′": 1, "″": 2, "‴": 3}
DOTS = {"\u0307": 1, "\u0308": 2, "\u20db": 3}  # combining: q̇, q̈
SIGNS = {"−": "-", "–": "-", "≤": "<=", "≥": ">="}
OPERATORS = ("**", "<=", ">=", "==", "!=", "//", *"+-*/^()[]|,<>=")

NUMBER = re.compile(r"(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?|\.(\d+)(?:[eE]([+-]?\d+))?", re.ASCII)

ESCAPES = {
    "\b": ("b", "backspace"), "\t": ("t", "tab"), "\n": ("n", "line break"),
    "\f": ("f", "form feed"), "\r": ("r", "carriage return"), "\x1b": ("e", "escape"),
}  # fmt: skip

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


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is "number", "name", "prime", "power" (superscript), "end", or the operator."""

    kind: str
    span: Span
    word: str = ""
    value: Fraction = Fraction(0)  # of a number or superscript
    order: int = 0  # of primes, or of dots over a name


def tokens(text: str) -> list[Token]:
    """The tokens of an expression, ended by one of kind "end"."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionFault(
            "expression.size", f"this formula has {len(text)} characters, {MAX_CHARACTERS} at most",
            Span(0, 1), "name parts of it in [define]",
        )  # fmt: skip
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\n\u00a0\u2009\u202f":
            at += 1
            continue
        token = _token(text, at)
        found.append(token)
        at = token.span.stop
        if len(found) > MAX_TOKENS:
            raise ExpressionFault(
                "expression.size", f"this formula has more than {MAX_TOKENS} symbols", token.span,
                "name parts of it in [define]",
            )  # fmt: skip
    found.append(Token("end", Span(len(text), len(text))))
    return found


def _token(text: str, at: int) -> Token:
    char = text[at]
    if match := NUMBER.match(text, at):
        return _number(match)
    if _letter(text, at):
        return _name(text, at)
    if char in PRIMES:
        stop = at
        while stop < len(text) and text[stop] in PRIMES:
            stop += 1
        return Token("prime", Span(at, stop), order=sum(PRIMES[c] for c in text[at:stop]))
    if char in SUPERSCRIPTS:
        return _superscript(text, at)
    if char in SIGNS:
        return Token(SIGNS[char], Span(at, at + 1))
    for operator in OPERATORS:
        if text.startswith(operator, at):
            return Token(operator, Span(at, at + len(operator)))
    raise _odd_character(text, at)


def _number(match: re.Match[str]) -> Token:
    span = Span(*match.span())
    whole, part, power, bare, bare_power = match.groups()
    digits = (whole or "") + (part or bare or "")
    power = power or bare_power or "0"
    significant = digits.lstrip("0")
    if len(digits) > MAX_DIGITS:
        raise ExpressionFault(
            "expression.number", f"a number of {len(digits)} digits, {MAX_DIGITS} at most", span,
            "round it: a double has 17 digits",
        )  # fmt: skip
    size = int(power) if len(power) <= 6 else MAX_EXPONENT * 10
    size += len(significant) - 1 - len(part or bare or "")
    if (significant or len(power) > 6) and abs(size) > MAX_EXPONENT:
        raise ExpressionFault(
            "expression.number",
            f"a number beyond 1e{MAX_EXPONENT} or below 1e-{MAX_EXPONENT}", span,
            "choose units in which the numbers are of moderate size",
        )  # fmt: skip
    return Token("number", span, match.group(), Fraction(match.group()))


def _letter(text: str, at: int) -> bool:
    char = text[at]
    if char.isascii():
        return char.isalpha() or char == "_"
    base = unicodedata.normalize("NFD", char)
    return char in GREEK or (len(base) == 2 and base[1] in DOTS and _letter(base, 0))


def _name(text: str, at: int) -> Token:
    """A name, with its Greek letters, subscripts and dots read."""
    words: list[str] = []
    order, stop = 0, at
    while stop < len(text):
        char = text[stop]
        if char.isascii() and (char.isalnum() or char == "_"):
            words.append(char)
        elif char in GREEK:
            words.append(GREEK[char])
        elif char in SUBSCRIPTS:
            words.append(SUBSCRIPTS[char])
        elif char in DOTS:
            order += DOTS[char]
        elif char in "₊₋":
            words.append("_plus" if char == "₊" else "_minus")
        elif _letter(text, stop):  # ẋ in one character
            base, dot = unicodedata.normalize("NFD", char)
            words.append(GREEK.get(base, base))
            order += DOTS[dot]
        else:
            break
        stop += 1
    word = "".join(words)
    if len(word) > MAX_NAME:
        raise ExpressionFault(
            "expression.size", f"a name of {len(word)} characters, {MAX_NAME} at most",
            Span(at, stop),
        )  # fmt: skip
    return Token("name", Span(at, stop), word, order=order)


def _superscript(text: str, at: int) -> Token:
    stop = at
    while stop < len(text) and text[stop] in SUPERSCRIPTS:
        stop += 1
    digits = "".join(SUPERSCRIPTS[c] for c in text[at:stop])
    span = Span(at, stop)
    if not re.fullmatch(r"-?\d{1,4}", digits):
        raise ExpressionFault("expression.number", "this superscript is no whole number", span)
    return Token("power", span, digits, Fraction(digits))


def _odd_character(text: str, at: int) -> ExpressionFault:
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
