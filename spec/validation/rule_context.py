"""The context of a rule: a check's state, what the rule finds, and readers that rules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.text.files import outside
from actionrun.spec.text.source import nearest
from actionrun.spec.text.span import WHOLE, Key

from .check_state import CheckState


class RuleContext:
    """What a rule across tables reads, and where it leaves its faults."""

    def __init__(self, state: CheckState):
        self.state, self.raw = state, state.raw
        self.coordinates = state.reading.coordinates
        self.broken = "?" in state.names.suppressed
        self.faults: list[tuple[Key, ExpressionFault]] = []
        self.table, self.number = state.table, state.number

    def add(self, key: Key, code: str, message: str, hint: str | None = None,
            suggestion: str | None = None) -> None:  # fmt: skip
        """A fault at the value of a key, unless that has one already."""
        if key not in self.state.odd:
            self.add_always(key, code, message, hint, suggestion)

    def add_always(self, key: Key, code: str, message: str, hint: str | None = None,
                   suggestion: str | None = None) -> None:  # fmt: skip
        """A fault at a key, whatever else is said of its value."""
        self.faults.append((key, ExpressionFault(code, message, WHOLE, hint, suggestion)))

    def coordinate(self, key: Key, name: str) -> bool:
        """Whether a name is a coordinate; a fault at the key where it is none."""
        if name in self.coordinates or self.state.names.open:
            return True
        close = nearest(name, self.coordinates)
        known = " ".join(self.coordinates)
        hint = None if close else f"the coordinates are {known}" if known else "it has none"
        message = f"there is no coordinate {name[:60]}"
        self.add_always(key, "name.coordinate", message, hint, close)
        return False

    def by_coordinate(
        self, key: Key, given: dict[str, Any], numbers: Callable[[Key, Any], None] | None = None,
        some: bool = False,
    ) -> None:  # fmt: skip
        """A table that says something of every coordinate, or of `some`; `numbers` evaluates what
        it says."""
        known = [self.coordinate((*key, name), name) for name in given]
        for name in self.coordinates:
            if name not in given and not (some or self.broken) and all(known):
                self.add(key, "start.missing", f"{key[-1]} of {name} is missing",
                         f"write {key[-1]} = {self.example()}")  # fmt: skip
        for name, item in given.items():
            (numbers or self.numbers)((*key, name), item)

    def components(self, key: Key, name: str, size: int, item: Any) -> None:
        """A fault where a list of strings has not an entry for each component of `name`."""
        if self.state.reading.vectors and not (isinstance(item, list) and len(item) == size):
            entries = ", ".join(['"..."'] * min(size, 4))
            self.add(key, "start.shape", f"{name} has {size} component{'s' * (size > 1)}",
                     f"write {key[-1]} = [{entries}]")  # fmt: skip
        elif not self.state.reading.vectors and isinstance(item, list):
            hint = "name one column" if key[0] == "data" else f'write {name} = "..."'
            self.add(key, "start.shape", f"{name} is a scalar", hint)

    def example(self) -> str:
        """A table of numbers by coordinate, to write."""
        each = [
            f"{name} = [{', '.join(['0.0'] * min(size, 4))}]"
            if self.state.reading.vectors
            else f"{name} = 0.0"
            for name, size in self.coordinates.items()
        ]
        return "{ " + ", ".join(each) + " }"

    def numbers(self, key: Key, item: Any) -> None:
        """Evaluate, and where two numbers are a range, see that they are in order."""
        if not isinstance(item, list):
            self.number(key)
            return
        scalar_range = not self.state.reading.vectors and len(item) == 2
        if scalar_range and not any(isinstance(one, list | dict) for one in item):
            self.range(key)
            return
        for index, one in enumerate(item):
            if isinstance(one, list):
                self.range((*key, index))
            else:
                self.numbers((*key, index), one)

    def range(self, key: Key) -> tuple[float, float] | None:
        """The two numbers at a key where they are a range, else a fault."""
        low, high = self.number((*key, 0)), self.number((*key, 1))
        if low is None or high is None:
            return None
        if low < high:
            return low, high
        same = low == high
        hint = "write [low, high]"
        if same and key[0] == "coefficients":
            hint = "a known number is { fixed = 1.0 }"
        message = "low and high are equal" if same else "low is not below high"
        self.add(key, "value.range", message, hint)
        return None

    def file(self, key: Key, file: str) -> None:
        """A file of the study lies below its folder."""
        if outside(self.state.source.folder, file):
            way = ", or give it with --data FILE" if key[0] == "data" else ""
            self.add(key, "data.path", "a path that leaves the study's folder",
                     f"put the file below the study's folder{way}")  # fmt: skip
