"""A text that can point at itself: where a fault is, what it says, how it is shown."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from .span import Key, Place, Span

MAX_CHOICES = 300  # among which a suggestion is looked for
WINDOW = 96  # columns of a long line that are shown around the caret


@dataclass(frozen=True)
class Fault:
    """One mistake in a study: where it is, what it is, and what to type instead.

    `line` and `column` count from 1 in characters; line 0 means the file as a whole. `length` is
    the width of the odd part. `code` is stable: programs may rely on it. `suggestion` replaces the
    odd part; `hint` is advice in words.
    """

    code: str
    message: str
    file: str
    line: int = 0
    column: int = 0
    length: int = 1
    key: str = ""
    line_text: str = ""
    suggestion: str | None = None
    hint: str | None = None
    severity: Literal["error", "note"] = "error"

    def as_dict(self) -> dict[str, Any]:
        """The fault as plain data, for `check --format json`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def render(self, color: bool = False) -> str:
        """The fault as people read it: place, message, the line, a caret, what to type."""
        bold, red, blue, plain = (
            ("\x1b[1m", "\x1b[31m", "\x1b[36m", "\x1b[0m") if color else [""] * 4
        )
        place = shown(self.file) + (f":{self.line}:{self.column}" if self.line else "")
        word = "" if self.severity == "error" else "note: "
        lines = [f"{bold}{place}: {word}{shown(self.message)}{plain}  [{self.code}]"]
        advice = f'did you mean "{shown(self.suggestion)}"?' if self.suggestion else ""
        hints = shown(self.hint).split("\n") if self.hint else []
        if self.line:
            number = str(self.line)
            margin = " " * len(number)
            view, start, width = self._view()
            caret = " " * start + red + "^" * width + plain + (" " + advice if advice else "")
            lines.append(f"  {blue}{number} |{plain} {view}".rstrip())
            lines.append(f"  {blue}{margin} |{plain} {caret}")
            lines += [f"  {blue}{margin} ={plain} {hint}" for hint in hints]
        else:
            lines += [f"  = {hint}" for hint in ([advice] if advice else []) + hints]
        return "\n".join(lines)

    def _view(self) -> tuple[str, int, int]:
        """The part of the line that is shown, and the caret's column and width on the screen."""
        begin = self.column - 1
        end = min(begin + self.length, len(self.line_text))
        left = max(0, min(begin - WINDOW // 3, len(self.line_text) - WINDOW))
        right = min(len(self.line_text), left + WINDOW)
        head, tail = "…" if left else "", "…" if right < len(self.line_text) else ""
        view = head + shown(self.line_text[left:right]) + tail
        start = columns(head + shown(self.line_text[left:begin]))
        return view, start, max(1, columns(shown(self.line_text[begin : min(end, right)])))


class Faults(Exception):  # noqa: N818  (the plural is what it is)
    """Every fault of a study, in file order. `str()` shows them all."""

    def __init__(self, faults: Iterable[Fault]):
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n\n".join(fault.render(False) for fault in self.faults)


class UsageFault(Exception):  # noqa: N818
    """The command line is wrong, not the study: exit code 2."""


@dataclass(frozen=True)
class Source:
    """The text of a study, the file it came from and the folder that its paths start at.

    `overrides` holds what the command line set, by key: a fault in it points there. `swept` holds
    where [sweep] has the keys that it sets.
    """

    text: str
    name: str = "<text>"
    path: Path | None = None
    folder: Path = field(default_factory=Path)
    overrides: Mapping[Key, str] = field(default_factory=dict)
    swept: Mapping[Key, Key] = field(default_factory=dict)
    data_given: bool = False  # the file of [data] came from the command line
    readable: str | None = None  # the text with faulty statements blanked out, same offsets

    @property
    def data_from_command_line(self) -> bool:
        """Whether the file of [data] is that of --data, and no point of a sweep sets another."""
        return self.data_given and ("data", "file") not in self.swept

    @cached_property
    def places(self) -> Mapping[Key, Place]:
        """Where the keys and values of the document stand."""
        from .positions import places  # at start-up: only a fault needs it

        return places(self.text if self.readable is None else self.readable)

    @cached_property
    def _lines(self) -> list[int]:
        """The offset of each line's start."""
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def fault(
        self,
        key: Key,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        suggestion: str | None = None,
        span: Span | None = None,
        on_key: bool = False,
        severity: Literal["error", "note"] = "error",
    ) -> Fault:
        """A fault at the value of `key` (or at the key itself), or at `span` in its decoded text.

        Where the key is not in the file, the fault points at the nearest table above it.
        """
        for size in range(len(key), 0, -1) if self.swept else ():
            if (place := self.swept.get(key[:size])) is not None:
                key = (*place, *key[size:])
                break
        dotted = ".".join(str(part) for part in key)
        common = {"hint": hint, "suggestion": suggestion, "severity": severity, "key": dotted}
        for size in range(len(key), 0, -1):
            if (value := self.overrides.get(key[:size])) is not None:
                return self._override(
                    key[:size], value, size < len(key), span, code, message, common
                )
        start, stop = 0, 0
        for size in range(len(key), 0, -1):
            place = self.places.get(key[:size])
            if place is None:
                continue
            exact = size == len(key)
            start, stop = place.key if on_key or not exact or place.value is None else place.value
            if exact and span is not None and place.value is not None and not on_key:
                start, stop = self._inside(place.value, span)
            break
        if stop == 0:
            return Fault(code, message, self.name, **common)
        return self.at(start, stop, code, message, **common)

    def at(self, start: int, stop: int, code: str, message: str, **more: Any) -> Fault:
        """A fault at the offsets start to stop of the file's text."""
        line = bisect_right(self._lines, start)
        begin = self._lines[line - 1]
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        length = max(1, min(stop, end) - start)
        return Fault(
            code, message, self.name, line, start - begin + 1, length,
            line_text=self.text[begin:end], **more,
        )  # fmt: skip

    def _inside(self, value: tuple[int, int], span: Span) -> tuple[int, int]:
        from .positions import decoded_offsets  # at start-up: only a fault needs it

        offsets = decoded_offsets(self.text[value[0] : value[1]])
        if offsets is None:
            return value
        last = len(offsets) - 1
        start, stop = offsets[min(span.start, last)], offsets[min(max(span.stop, span.start), last)]
        return value[0] + start, value[0] + max(stop, start + 1)

    def _override(
        self, key: Key, value: str, outer: bool, span: Span | None, code: str, message: str,
        common: dict[str, Any],
    ) -> Fault:  # fmt: skip
        prefix = ".".join(str(part) for part in key) + "="
        line, column, length = prefix + value, len(prefix) + 1, len(value)
        if span is not None and not outer:
            quoted = value[:1] in ("'", '"')
            column, length = column + span.start + quoted, span.stop - span.start
        return Fault(code, message, "--set", 1, column, max(1, length), line_text=line, **common)


def shown(text: str) -> str:
    """User text for the screen: control characters escaped, nothing that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if char == "\t":
        return "    "
    if char == "\n":
        return "\n"
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return char.encode("unicode_escape").decode("ascii")
    return char


def columns(text: str) -> int:
    """The width of a text on the screen: wide characters take two columns, combining ones none."""
    if text.isascii():
        return len(text)
    width = 0
    for char in text:
        if unicodedata.category(char) not in ("Mn", "Me"):
            width += 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
    return width


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant, or None."""
    from difflib import get_close_matches  # at start-up: only a mistake needs it

    word = word[:60]
    alike = (choice for choice in words if abs(len(choice) - len(word)) <= 5)
    choices = {choice.lower(): choice for choice in islice(alike, MAX_CHOICES)}
    close = get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return choices[close[0]] if close else None


def quoted(words: Iterable[str], last: str = "or") -> str:
    """`"a", "b" or "c"`."""
    listed = [f'"{word}"' for word in words]
    return f" {last} ".join([", ".join(listed[:-1]), listed[-1]] if listed[1:] else listed)
