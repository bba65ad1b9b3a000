"""A TOML text to plain values, its syntax faults with advice, overrides applied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tomli

from .source import Fault, Source, UsageFault, shown
from .span import Key

MAX_BYTES = 1_000_000
MAX_NESTING = 40
MAX_LINES, MAX_LINE, MAX_PARTS = 20_000, 200_000, 25_000
MAX_SYNTAX_FAULTS = 10
CHAIN = re.compile(  # a dotted key of that many parts; tomli takes quadratic memory for it
    rf"(?<![\w-])(?>(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MAX_NESTING}}}",
    re.ASCII,
)
WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def document(source: Source) -> tuple[dict[str, Any], list[Fault], str]:
    """The values of a TOML text, its syntax faults, and the text without the statements at fault.

    A faulty statement is blanked out and the rest read, so that several faults show at once;
    blanks keep every offset as it was.
    """
    text = source.text
    faults: list[Fault] = []
    if bulky := _bulky(text):
        hint = "data go to a CSV file beside it"
        return {}, [Fault("file.size", bulky, source.name, hint=hint)], ""
    if deep := _too_deep(text):
        return {}, [source.at(deep, deep + 1, "toml.depth", "tables nested too deep")], ""
    while True:
        try:
            return tomli.loads(text), faults, text
        except tomli.TOMLDecodeError as error:
            fault, (start, stop) = _syntax_fault(
                source, text, _offset(text, str(error)), str(error)
            )
        except (ValueError, RecursionError):
            return {}, [*faults, source.at(0, 1, "toml.number", "a number of too many digits")], ""
        faults.append(fault)
        blank = "\n".join(" " * len(line) for line in text[start:stop].split("\n"))
        if len(faults) >= MAX_SYNTAX_FAULTS or blank == text[start:stop]:
            return {}, faults, ""
        text = text[:start] + blank + text[stop:]


def _bulky(text: str) -> str | None:
    """Why a text is no study, judged before anything reads it: TOML takes its time over bulk."""
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        return f"the file has {len(lines)} lines, {MAX_LINES} at most"
    if (longest := max(map(len, lines))) > MAX_LINE:
        return f"a line of {longest} characters, {MAX_LINE} at most"
    if text.count("=") + text.count(",") > MAX_PARTS:
        return f"more than {MAX_PARTS} equals signs and commas"
    return None


def _too_deep(text: str) -> int:
    """The offset where brackets nest too deep (strings and comments count too: no harm done)."""
    if text.count(".") >= MAX_NESTING and (chain := CHAIN.search(text)):
        return max(1, chain.start())
    if text.count("[") + text.count("{") <= MAX_NESTING:
        return 0
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


def _syntax_fault(source: Source, text: str, at: int, raw: str) -> tuple[Fault, tuple[int, int]]:
    """The fault in our words, and the range of the text to leave out."""
    message = WHERE.sub("", raw)
    if at == len(text):
        at = max(0, len(text.rstrip()) - 1)
    if message.startswith("Unclosed array"):
        opening = _statement(text, at, "[")
        start = text.find("[", opening)
        fault = source.at(start, start + 1, "toml.syntax", "this list is never closed",
                          hint="add the ]; its entries are separated by commas")  # fmt: skip
        return fault, (opening, max(start + 1, _line_start(text, at)))
    if message.startswith(("Expected", "Unterminated")) and (opened := _open_string(text, message)):
        quote, start, stop = opened
        fault = source.at(
            start,
            start + len(quote),
            "toml.syntax",
            "this quotation mark is never closed",
            hint=f"add {quote} at the end",
        )
        return fault, (_line_start(text, start), stop)
    start = _line_start(text, at)
    end = _line_end(text, at)
    line, column = text[start:end], at - start
    from .toml_advice import ADVICE, MOST  # at start-up: only a syntax fault needs it

    for advise in ADVICE if len(line) <= MOST else ():
        if advice := advise(message, line, column):
            said, begin, stop, hint = advice
            fault = source.at(start + begin, start + stop, "toml.syntax", said, hint=hint)
            return fault, _left_out(text, line, start, end)
    fault = source.at(
        at, at + 1, "toml.syntax", f"not TOML: {message[:1].lower()}{message[1:]}",
        hint="write key = value, tables as [name], text and formulas in quotation marks",
    )  # fmt: skip
    return fault, _left_out(text, line, start, end)


def _open_string(text: str, message: str) -> tuple[str, int, int] | None:
    """The quotation mark that swallowed the rest of the document, and what to leave out."""
    if message == 'Expected "\'"':
        for match in re.finditer(r"^[^\n\"'#]*=[^\n\"']*(')[^\n']*$", text, re.M):
            return "'", match.start(1), match.end()
    if message in ("Unterminated string", "Expected \"'''\""):
        marks = list(re.finditer("\"\"\"|'''", text))
        if marks:
            return marks[-1].group(), marks[-1].start(), len(text)
    return None


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _statement(text: str, at: int, bracket: str) -> int:
    """The start of the line before `at` that opens a value with the bracket."""
    pattern = rf"^[^\S\n]*[^\n#=]+=[^\n]*\{bracket}"
    starts = [match.start() for match in re.finditer(pattern, text[:at], re.M)]
    return starts[-1] if starts else _line_start(text, at)


def _left_out(text: str, line: str, start: int, end: int) -> tuple[int, int]:
    """A faulty header goes with its table, an open inline table with the lines up to its brace."""
    if line.lstrip().startswith("["):
        following = re.compile(r"^[^\S\n]*\[[^\n]*$", re.M).search(text, end)
        return start, following.start() if following else len(text)
    if line.count("{") > line.count("}"):
        closing = re.compile(r"^[^\n=\[]*\}[^\n]*$", re.M).search(text, end)
        return start, closing.end() if closing else end
    return start, end


def overridden(
    raw: dict[str, Any], overrides: Sequence[str], known: Any
) -> tuple[dict[str, Any], dict[Key, str]]:
    """The document with `table.key=VALUE` set, and the texts of what was set, by key.

    `known(key)` says whether the language has that key, or which one was meant. Raises UsageFault.
    """
    raw = copied(raw)
    texts: dict[Key, str] = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        parts = [part.strip() for part in name.split(".")]
        if not equals or not all(parts):
            raise UsageFault(f"--set {shown(override)}: write --set table.key=VALUE")
        key: Key = tuple(
            int(part) if part.isdecimal() and len(part) < 6 else part for part in parts
        )
        if complaint := known(key):
            raise UsageFault(f"--set {shown(name)}: {complaint}")
        if key[0] == "sweep":
            key = ("sweep", *_entry_of(raw.get("sweep"), key[1:]))
        texts[key] = text.strip()
        assign(raw, key, _value(text.strip()), name)
    return raw, texts


def _entry_of(table: Any, rest: Key) -> Key:
    """Where [sweep] has the entry of a key, which it may write "a.b" or a.b; a new one is "a.b"."""
    if isinstance(table, dict):
        for size in range(len(rest), 0, -1):
            name = ".".join(map(str, rest[:size]))
            if name in table:
                more = rest[size:]
                return (name, *_entry_of(table[name], more)) if more else (name,)
    return (".".join(map(str, rest)),) if rest else ()


def _value(text: str) -> Any:
    if len(text) > MAX_BYTES or _too_deep(text):
        raise UsageFault("--set: this value is too long or nested too deep")
    try:
        document = tomli.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if [*document] == ["value"] else text


def assign(raw: dict[str, Any], key: Key, value: Any, name: str) -> None:
    """Set the value of a key, written `name`. Raises UsageFault where there is no such place."""
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


def copied(raw: Any) -> Any:
    """Tables and lists of the document anew, its leaves as they are."""
    if isinstance(raw, Mapping):
        return {name: copied(item) for name, item in raw.items()}
    return [copied(item) for item in raw] if isinstance(raw, list) else raw
