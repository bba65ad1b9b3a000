"""A TOML text to plain values, its syntax faults told with advice, overrides applied."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from .lexer import GREEK
from .source import Fault, Key, Source, UsageFault, shown

MAX_BYTES = 1_000_000
MAX_NESTING = 40
MAX_SYNTAX_FAULTS = 10
WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
BARE_KEY = re.compile(r"^\s*([^=\"'\[\]{}#\n]*?)\s*=")


def document(source: Source) -> tuple[dict[str, Any], list[Fault]]:
    """The values of a TOML text, and its syntax faults.

    A statement that is at fault is left out and the rest is read, so that several faults show at
    once.
    """
    text = source.text
    faults: list[Fault] = []
    if deep := _too_deep(text):
        return {}, [source.at(deep, deep + 1, "toml.depth", "tables nested too deep")]
    while True:
        try:
            return tomllib.loads(text), faults
        except tomllib.TOMLDecodeError as error:
            at = _offset(text, str(error))
            fault, stop = _told(source, text, at, str(error))
        except (ValueError, RecursionError):
            return {}, [*faults, source.at(0, 1, "toml.number", "a number of too many digits")]
        faults.append(fault)
        if len(faults) >= MAX_SYNTAX_FAULTS:
            return {}, faults
        start = text.rfind("\n", 0, stop[0]) + 1
        end = text.find("\n", stop[1])
        end = len(text) if end < 0 else end
        blank = re.sub(r"[^\n]", " ", text[start:end])
        if not text[start:end].strip() or blank == text[start:end]:
            return {}, faults
        text = text[:start] + blank + text[end:]


def _too_deep(text: str) -> int:
    """The offset where brackets nest too deep (strings and comments count too: no harm done)."""
    level = 0
    for match in re.finditer(r"[\[{]|[\]}]|\"[^\"\n]*\"|'[^'\n]*'", text):
        if match.group()[0] in "[{":
            level += 1
        elif match.group()[0] in "]}":
            level = max(0, level - 1)
        if level > MAX_NESTING:
            return max(1, match.start())
    return 0


def _offset(text: str, message: str) -> int:
    match = WHERE.search(message)
    if match is None or match.group(1) is None:
        return len(text)
    start = 0
    for _ in range(int(match.group(1)) - 1):
        start = text.find("\n", start) + 1
    return min(start + int(match.group(2)) - 1, len(text))


def _told(source: Source, text: str, at: int, raw: str) -> tuple[Fault, tuple[int, int]]:
    """The fault in our words, and the range of lines to leave out."""
    message = WHERE.sub("", raw)
    start = text.rfind("\n", 0, at) + 1
    if at > 0 and at == start and (at == len(text) or message.startswith(("Found invalid", "Invalid"))):
        at -= 1  # the line break that came too early belongs to its line
        while at > 0 and text[at] in "\n \t":
            at -= 1
        start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : len(text) if end < 0 else end]
    column = at - start
    for advise in ADVICE:
        if found := advise(message, line, column):
            said, begin, stop, hint = found
            return source.at(
                start + begin, start + stop, "toml.syntax", said, hint=hint
            ), (start + begin, at)
    return source.at(at, at + 1, "toml.syntax", f"not TOML: {message[:1].lower()}{message[1:]}"), (at, at)


Advice = tuple[str, int, int, str | None] | None  # message, start, stop in the line, hint


def _decimal_comma(message: str, line: str, column: int) -> Advice:
    match = re.search(r"=\s*([+-]?\d+,\d+)\s*(?:#.*)?$", line)
    if match is None:
        return None
    number = match.group(1).replace(",", ".")
    return "a decimal comma", match.start(1), match.end(1), f"write {number}"


def _foreign_key(message: str, line: str, column: int) -> Advice:
    match = re.match(r"\s*\[?\s*([^=\"'\[\]{}#\n]*?)\s*[=\]]", line)
    if match is None or match.group(1).isascii() or not match.group(1):
        return None
    key = match.group(1)
    plain = "".join(GREEK.get(char, char) for char in key)
    ascii_ = re.sub(r"[^A-Za-z0-9_.\s-]", "", plain)
    hint = f"write {plain}" if plain.isascii() else f"write {ascii_}" if ascii_ else "use a-z, 0-9, _"
    return f"keys are ASCII, not {shown(key)}", match.start(1), match.end(1), hint


def _missing_quote(message: str, line: str, column: int) -> Advice:
    for quote in ('"', "'"):
        if line.count(quote) % 2 and (match := re.search(rf"=\s*({quote}.*)$", line)):
            return ("this quotation mark is never closed", match.start(1), match.start(1) + 1,
                    f"add {quote} at the end")  # fmt: skip
    match = re.search(r"=\s*(?![\[{\"'])([^\"'#]*?)([\"'])\s*(?:#.*)?$", line)
    if match and match.group(1).strip():
        return ("a quotation mark is missing where this begins", match.start(1), match.end(1),
                f"write {match.group(2)}{match.group(1)}{match.group(2)}")  # fmt: skip
    return None


def _bare_formula(message: str, line: str, column: int) -> Advice:
    match = re.search(r"=\s*([^\s\"'\[{#][^\"#]*?)\s*(?:#.*)?$", line)
    if match is None or not re.search(r"[A-Za-z]", match.group(1)) or column < match.start(1):
        return None
    word = match.group(1)
    if word.lower() in ("true", "false"):
        return f"{word} is written in lower case", match.start(1), match.end(1), f"write {word.lower()}"
    return ("words and formulas stand in quotation marks", match.start(1), match.end(1),
            f'write "{word}"')  # fmt: skip


def _backslash(message: str, line: str, column: int) -> Advice:
    if "\\" not in message:
        return None
    match = re.search(r"\\[A-Za-z]*", line[max(0, column - 2) :]) or re.search(r"\\[A-Za-z]*", line)
    if match is None:
        return None
    shift = max(0, column - 2) if line[max(0, column - 2) :].find(match.group()) >= 0 else 0
    from .lexer import latex_advice

    start = shift + match.start()
    return ("a backslash: LaTeX is not read here", start, start + len(match.group()),
            latex_advice(match.group()[1:]))  # fmt: skip


def _twice(message: str, line: str, column: int) -> Advice:
    if "overwrite" not in message and "twice" not in message and "immutable" not in message.lower():
        return None
    match = re.match(r"\s*(\[?\[?)\s*([^=\]#]*?)\s*(?:=|\])", line)
    if match is None:
        return None
    what = "table" if match.group(1) else "key"
    return (f"the {what} {shown(match.group(2))} is here a second time", match.start(2), match.end(2),
            "keep one of them")  # fmt: skip


def _colon(message: str, line: str, column: int) -> Advice:
    match = re.match(r"\s*([A-Za-z0-9_-]+)\s*(:)", line)
    if match is None or "=" in line[: match.end()]:
        return None
    return ("a key is followed by =", match.start(2), match.end(2), f"write {match.group(1)} = ...")


def _no_value(message: str, line: str, column: int) -> Advice:
    match = re.match(r"\s*([^=#]*?)\s*(=)\s*(?:#.*)?$", line)
    if match is None:
        return None
    return ("a value is missing", match.start(2), match.end(2), f"write {match.group(1)} = 1.0")


def _no_equals(message: str, line: str, column: int) -> Advice:
    if "Expected '=' after a key" not in message:
        return None
    return "a key is followed by =", max(0, min(column, len(line) - 1)), max(1, column + 1), (
        "write key = value, tables as [name], comments after #"
    )


def _number(message: str, line: str, column: int) -> Advice:
    match = re.search(r"=\s*([+-]?(?:\.\d+|\d+\.(?!\d)|0\d+(?:\.\d*)?)(?:[eE][+-]?\d+)?)\s*(?:#.*)?$", line)
    if match is None:
        return None
    word = match.group(1)
    fixed = re.sub(r"^([+-]?)0+(?=\d)", r"\1", word)
    fixed = re.sub(r"^([+-]?)\.", r"\g<1>0.", fixed)
    fixed = re.sub(r"\.(?=$|[eE])", ".0", fixed)
    return "in TOML a number has digits on both sides of its point and no leading zeros", (
        match.start(1)
    ), match.end(1), f"write {fixed}"


ADVICE = (
    _decimal_comma, _foreign_key, _twice, _backslash, _no_value, _missing_quote, _number,
    _bare_formula, _colon, _no_equals,
)  # fmt: skip


def overridden(
    raw: dict[str, Any], overrides: Sequence[str], known: Any
) -> tuple[dict[str, Any], dict[Key, str]]:
    """The document with `table.key=VALUE` set, and the texts of what was set, by key.

    `known(key)` says whether the language has that key, or which one was meant. Raises UsageFault.
    """
    raw = _copy(raw)
    texts: dict[Key, str] = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        parts = [part.strip() for part in name.split(".")]
        if not equals or not all(parts):
            raise UsageFault(f"--set {shown(override)}: write --set table.key=VALUE")
        key: Key = tuple(int(part) if part.isdecimal() and len(part) < 6 else part for part in parts)
        if complaint := known(key):
            raise UsageFault(f"--set {shown(name)}: {complaint}")
        texts[key] = text.strip()
        _set(raw, key, _value(text.strip()), name)
    return raw, texts


def _value(text: str) -> Any:
    if len(text) > MAX_BYTES or _too_deep(text):
        raise UsageFault("--set: this value is too long or nested too deep")
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if [*document] == ["value"] else text


def _set(raw: dict[str, Any], key: Key, value: Any, name: str) -> None:
    table: Any = raw
    for part in key[:-1]:
        if isinstance(table, dict):
            table = table.setdefault(part, {})
        elif isinstance(table, list) and isinstance(part, int) and part < len(table):
            table = table[part]
        else:
            raise UsageFault(f"--set {shown(name)}: {part} is not inside a table")
    last = key[-1]
    if isinstance(table, dict):
        table[str(last)] = value
    elif isinstance(table, list) and isinstance(last, int) and last < len(table):
        table[last] = value
    else:
        raise UsageFault(f"--set {shown(name)}: there is no {last} to set")


def _copy(raw: Any) -> Any:
    if isinstance(raw, Mapping):
        return {name: _copy(item) for name, item in raw.items()}
    return [_copy(item) for item in raw] if isinstance(raw, list) else raw



