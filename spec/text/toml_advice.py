"""What to type for the usual mistakes of TOML. Each advice reads the faulty line, and is silent
where it does not recognise it."""

from __future__ import annotations

import re

from actionrun.spec.expressions.errors import latex_advice

from .characters import GREEK
from .source import shown

MOST = 2000  # characters of a line that advice is sought in


def _words(but: str) -> str:
    """Words of characters other than these. A repeat of two possessive parts keeps the spaces after
    the last word before Python 3.11.5; words and spaces exclude each other, so little is tried
    twice without."""
    return rf"(?:[^{but}\s]+(?:\s+[^{but}\s]+)*)?"


Advice = tuple[str, int, int, str | None] | None  # message, start, stop in the line, hint


KEY, PLAIN, HEAD, LEFT = (_words(but) for but in (r"=\[\]{}#\"'", r"#\"'", r"=\]#", "=#"))
REST = r"\s*+(?:#.*)?$"
FOREIGN = re.compile(rf"\s*+\[?+\s*+({KEY})\s*+[=\]]")
HALF_QUOTED = re.compile(rf"=\s*+(?![\[{{\"'])({PLAIN})\s*+([\"']){REST}")
BARE_VALUE = re.compile(rf"=\s*+([^\s\"'\[{{#][^\"#\s]*+(?:\s+[^\"#\s]+)*){REST}")
NAMED = re.compile(rf"\s*+(\[?+\[?+)\s*+({HEAD})\s*+(?:=|\])")
EMPTY = re.compile(rf"\s*+({LEFT})\s*+(=){REST}")


def _decimal_comma(message: str, line: str, column: int) -> Advice:
    match = re.search(r"=\s*+([+-]?\d++,\d++)\s*+(?:#.*)?$", line)
    if match is None:
        return None
    number = match.group(1).replace(",", ".")
    return "a decimal comma", match.start(1), match.end(1), f"write {number}"


def _foreign_key(message: str, line: str, column: int) -> Advice:
    match = FOREIGN.match(line)
    if match is None or match.group(1).isascii() or not match.group(1) or column > match.end():
        return None
    key = match.group(1)
    plain = "".join(GREEK.get(char, char) for char in key)
    ascii_ = re.sub(r"[^A-Za-z0-9_.\s-]", "", plain)
    hint = (
        f"write {plain}" if plain.isascii() else f"write {ascii_}" if ascii_ else "use a-z, 0-9, _"
    )
    return f"keys are ASCII, not {shown(key)}", match.start(1), match.end(1), hint


def _missing_quote(message: str, line: str, column: int) -> Advice:
    for quote in ('"', "'"):
        if line.count(quote) % 2 and (match := re.search(rf"=\s*({quote}.*)$", line)):
            return ("this quotation mark is never closed", match.start(1), match.start(1) + 1,
                    f"add {quote} at the end")  # fmt: skip
    match = HALF_QUOTED.search(line)
    if match and match.group(1).strip():
        return ("a quotation mark is missing where this begins", match.start(1), match.end(1),
                f"write {match.group(2)}{match.group(1)}{match.group(2)}")  # fmt: skip
    return None


def _bare_formula(message: str, line: str, column: int) -> Advice:
    match = BARE_VALUE.search(line)
    if match is None or not re.search(r"[A-Za-z]", match.group(1)) or column < match.start(1):
        return None
    word = match.group(1)
    return ("units, words and formulas stand in quotation marks", match.start(1), match.end(1),
            f'write "{word}"')  # fmt: skip


def _backslash(message: str, line: str, column: int) -> Advice:
    if "\\" not in message:
        return None
    match = re.search(r"\\[A-Za-z]*", line[max(0, column - 2) :]) or re.search(r"\\[A-Za-z]*", line)
    if match is None:
        return None
    shift = max(0, column - 2) if line[max(0, column - 2) :].find(match.group()) >= 0 else 0
    start = shift + match.start()
    return ("a backslash: LaTeX is not read here", start, start + len(match.group()),
            latex_advice(match.group()[1:]))  # fmt: skip


def _twice(message: str, line: str, column: int) -> Advice:
    if "overwrite" not in message and "twice" not in message and "immutable" not in message.lower():
        return None
    match = NAMED.match(line)
    if match is None:
        return None
    what = "table" if match.group(1) else "key"
    return (
        f"the {what} {shown(match.group(2))} is here a second time",
        match.start(2),
        match.end(2),
        "keep one of them",
    )


def _colon(message: str, line: str, column: int) -> Advice:
    match = re.match(r"\s*+([A-Za-z0-9_-]++)\s*+(:)", line)
    if match is None or "=" in line[: match.end()]:
        return None
    return ("a key is followed by =", match.start(2), match.end(2), f"write {match.group(1)} = ...")


def _no_value(message: str, line: str, column: int) -> Advice:
    match = EMPTY.match(line)
    if match is None:
        return None
    return ("a value is missing", match.start(2), match.end(2), f"write {match.group(1)} = 1.0")


def _no_equals(message: str, line: str, column: int) -> Advice:
    if "Expected '=' after a key" not in message:
        return None
    begin = max(0, min(column, len(line) - 1))
    hint = "write key = value, tables as [name], comments after #"
    return "a key is followed by =", begin, begin + 1, hint


def _boolean(message: str, line: str, column: int) -> Advice:
    match = re.compile(r"True|False|TRUE|FALSE").match(line, column)
    if match is None:
        return None
    word = match.group()
    return f"{word} is written in lower case", column, match.end(), f"write {word.lower()}"


def _header(message: str, line: str, column: int) -> Advice:
    match = re.match(r"\s*(\[+\s*([\w.-]+))[^\]]*$", line)
    if match is None or "=" in line:
        return None
    return "this header is never closed", match.start(1), match.end(1), f"write [{match.group(2)}]"


def _inline(message: str, line: str, column: int) -> Advice:
    at = line.rfind("{")
    if at < 0 or line.count("{") <= line.count("}"):
        return None
    return (
        "an inline table stands on one line",
        at,
        at + 1,
        "write { a = 1, b = 2 } on one line, or a table [name] with its keys below",
    )


def _two_values(message: str, line: str, column: int) -> Advice:
    if not message.startswith("Expected newline or end of document"):
        return None
    rest = line[column:].split("#")[0].rstrip()
    hint = "one key = value a line"
    if rest[:1] in "+-*/^":
        hint = 'a formula stands in one pair of quotation marks, over names: "a + b"'
    elif rest[:1] == ";":
        hint = "leave out the semicolon and begin a new line"
    return "this does not belong to the value before", column, column + max(1, len(rest)), hint


def _number(message: str, line: str, column: int) -> Advice:
    match = re.search(
        r"=\s*([+-]?(?:\.\d+|\d+\.(?!\d)|0\d+(?:\.\d*)?)(?:[eE][+-]?\d+)?)\s*(?:#.*)?$", line
    )
    if match is None:
        return None
    word = match.group(1)
    fixed = re.sub(r"^([+-]?)0+(?=\d)", r"\1", word)
    fixed = re.sub(r"^([+-]?)\.", r"\g<1>0.", fixed)
    fixed = re.sub(r"\.(?=$|[eE])", ".0", fixed)
    return (
        "in TOML a number has digits on both sides of its point and no leading zeros",
        (match.start(1)),
        match.end(1),
        f"write {fixed}",
    )


ADVICE = (
    _decimal_comma, _foreign_key, _twice, _backslash, _no_value, _header, _boolean, _missing_quote,
    _number, _inline, _bare_formula, _colon, _no_equals, _two_values,
)  # fmt: skip
