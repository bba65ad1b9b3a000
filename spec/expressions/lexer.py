"""Expression text to tokens. What cannot be a token is refused with the way out."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from actionrun.spec.text.characters import DOTS, GREEK, PRIMES, SIGNS, SUBSCRIPTS, SUPERSCRIPTS
from actionrun.spec.text.span import Span

from .errors import ExpressionFault, odd_character

MAX_CHARACTERS = 4000
MAX_TOKENS = 1500
MAX_DIGITS = 40
MAX_EXPONENT = 300
MAX_NAME = 60

OPERATORS = ("**", "<=", ">=", "==", "!=", "//", *"+-*/^()[]|,<>=")

NUMBER = re.compile(r"(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?|\.(\d+)(?:[eE]([+-]?\d+))?", re.ASCII)


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
    listed: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\n\u00a0\u2009\u202f":
            at += 1
            continue
        token = _token(text, at)
        listed.append(token)
        at = token.span.stop
        if len(listed) > MAX_TOKENS:
            raise ExpressionFault(
                "expression.size", f"this formula has more than {MAX_TOKENS} symbols", token.span,
                "name parts of it in [define]",
            )  # fmt: skip
    listed.append(Token("end", Span(len(text), len(text))))
    return listed


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
    raise odd_character(text, at)


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
