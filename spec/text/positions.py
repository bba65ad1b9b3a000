"""Where the keys and values of a TOML document stand in its text.

`tomli` gives values but no positions. This scanner gives positions but no values: it only finds
where tokens begin and end, so the two cannot disagree about what a study says. It reads text that
`tomli` has accepted; on anything else it stops where it is lost and keeps what it found.
"""

from __future__ import annotations

import re
from contextlib import suppress

import tomli

from .span import Key, Place, Range

Places = dict[Key, Place]

BLANK = re.compile(r"[ \t]*")
SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
BARE = re.compile(r"[^\s=.\[\]{}\"'#,]+")
SCALAR = re.compile(r"[^,\]}#\n]*")
STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.S),
    re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.S),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[ \t]*\n[ \t\n]*|.)", re.S)


class Lost(Exception):  # noqa: N818
    """The scanner met something that is not TOML."""


def places(text: str) -> Places:
    """The place of every key path of the document; elements of arrays have their own."""
    scanner = Scanner(text)
    with suppress(Lost, RecursionError):
        scanner.document()
    return scanner.places


class Scanner:
    def __init__(self, text: str):
        self.text = text
        self.at = 0
        self.places: Places = {}
        self.tables: dict[Key, int] = {}  # elements so far of arrays of tables

    def document(self) -> None:
        table: Key = ()
        while True:
            self.skip(SPACE)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def expect(self, token: str) -> None:
        self.skip(BLANK)
        if not self.text.startswith(token, self.at):
            raise Lost
        self.at += len(token)

    def header(self) -> Key:
        start = self.at
        many = self.text.startswith("[[", start)
        self.at += 2 if many else 1
        names = self.key()
        self.expect("]]" if many else "]")
        key: Key = ()
        for position, (name, _) in enumerate(names):
            key = (*key, name)
            if many and position == len(names) - 1:
                self.tables[key] = self.tables.get(key, -1) + 1
            if key in self.tables:
                key = (*key, self.tables[key])
            self.places.setdefault(key, Place((start, self.at), None))
        return key

    def key(self) -> list[tuple[str, Range]]:
        names: list[tuple[str, Range]] = []
        while True:
            self.skip(BLANK)
            start = self.at
            if self.text[start : start + 1] in ('"', "'") and start < len(self.text):
                stop = self.string(start)
                name = decoded(self.text[start:stop])
            else:
                match = BARE.match(self.text, start)
                if match is None:
                    raise Lost
                stop, name = match.end(), match.group()
            self.at = stop
            names.append((name, (start, stop)))
            self.skip(BLANK)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def pair(self, table: Key) -> None:
        key = table
        names = self.key()
        self.expect("=")
        for name, where in names:
            key = (*key, name)
            self.places.setdefault(key, Place(where, None))
        value = self.value(key)
        self.places[key] = Place(names[-1][1], value)

    def value(self, key: Key) -> Range:
        self.skip(BLANK)
        start = self.at
        match self.text[start : start + 1]:
            case '"' | "'":
                self.at = self.string(start)
            case "[":
                self.array(key)
            case "{":
                self.inline(key)
            case _:
                scalar = SCALAR.match(self.text, start)
                word = scalar.group().rstrip() if scalar else ""
                if not word:
                    raise Lost
                self.at = start + len(word)
        return start, self.at

    def array(self, key: Key) -> None:
        self.at += 1
        index = 0
        while True:
            self.skip(SPACE)
            if self.text.startswith("]", self.at):
                self.at += 1
                return
            where = self.value((*key, index))
            self.places[(*key, index)] = Place(where, where)
            index += 1
            self.skip(SPACE)
            if self.text.startswith(",", self.at):
                self.at += 1
            elif not self.text.startswith("]", self.at):
                raise Lost

    def inline(self, key: Key) -> None:
        self.at += 1
        while True:
            self.skip(SPACE)
            if self.text.startswith("}", self.at):
                self.at += 1
                return
            self.pair(key)
            self.skip(SPACE)
            if self.text.startswith(",", self.at):
                self.at += 1
            elif not self.text.startswith("}", self.at):
                raise Lost

    def string(self, start: int) -> int:
        for pattern in STRINGS:
            if match := pattern.match(self.text, start):
                return match.end()
        raise Lost


def _body(token: str) -> tuple[int, int, bool] | None:
    """Start and stop of a string token's content, and whether it has escapes."""
    for quote in ('"""', "'''", '"', "'"):
        if token.startswith(quote) and len(token) >= 2 * len(quote):
            start = len(quote) + (len(quote) == 3 and token[3:4] == "\n")
            return start, len(token) - len(quote), quote[0] == '"'
    return None


def decoded_offsets(token: str) -> list[int] | None:
    """For each character of a decoded string, and its end, the offset in its token; None if the
    token is no string."""
    body = _body(token)
    if body is None:
        return None
    at, stop, escapes = body
    offsets: list[int] = []
    while at < stop:
        match = ESCAPE.match(token, at) if escapes and token[at] == "\\" else None
        if match is None:
            offsets.append(at)
            at += 1
        else:
            if "\n" not in match.group():
                offsets.append(at)
            at = match.end()
    return [*offsets, stop]


def decoded(token: str) -> str:
    """What a quoted key says. Keys are compared with what `tomli` read, so it reads this too."""
    try:
        return str(tomli.loads(f"k = {token}")["k"])
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise Lost from error
