"""[sweep]: at which points of its keys a study is run.

Lists make a grid in the order of the file, the last key fastest; `seed = 5` is the five seeds from
the study's own; keys with `draws` are drawn together, a draw of all of them a point, by the study's
seed. Each point is a study of its own: it is read and checked as if it had been written so, and
what is wrong with it is told at the entry of [sweep].
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, get_args

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.tables.common import field_keys
from actionrun.spec.text.document import assign, copied
from actionrun.spec.text.source import Fault, Source, UsageFault
from actionrun.spec.text.span import Key
from actionrun.spec.units.quantities import Unit, quantity
from actionrun.spec.validation.pydantic_errors import fields_at, key_complaint
from pydantic import BaseModel

from .guided import WORDS, Guide, Space, guide, is_guided

if TYPE_CHECKING:
    from actionrun.spec.kinds.registry import Study

MAX_POINTS = 1000
MAX_CHECKED = 1_000_000  # characters of studies that `check` reads for the points of one
DRAW = {"range", "log_range", "draws"}
SPACE_HINT = "write a list of choices, or { log_range = [1e-3, 1e2] }"
HINT = "write a list of values, or { log_range = [1e-3, 1e2], draws = 20 }"

Validate = Callable[[Source, dict[str, Any]], tuple["Study | None", list[Fault]]]
Blame = Callable[[Key, str, str, str | None], None]


@dataclass(frozen=True)
class Swept:
    """One key that is swept: where it is in the study, where its entry is, what it takes on."""

    key: Key
    place: Key
    values: tuple[Any, ...]
    drawn: bool = False
    log: bool = False
    space: Space | None = None  # of a guided sweep; `values` are its ends then

    @property
    def name(self) -> str:
        return ".".join(map(str, self.key))

    def where(self, index: int) -> Key:
        """The place of one value in the document; of all where none has a place of its own."""
        alone = self.drawn or self.space is not None or self.name == "seed"
        return self.place if alone else (*self.place, index)


def swept(study: Study) -> tuple[Swept, ...]:
    """The keys that a study sweeps over, in the order of its file."""
    raw = dict(study._meaning.raw)
    return tuple(_entries(raw, type(study), lambda *fault: None))


def guide_of(study: Study) -> Guide | None:
    """How the points of a study's sweep are chosen on the way; None for a plain sweep."""
    return guide(study._meaning.raw)


def sweep_faults(
    source: Source, raw: dict[str, Any], model: type[BaseModel], validate: Validate | None
) -> list[Fault]:
    """What is wrong with [sweep]: keys, values, their number; with `validate`, which reads a study,
    also the studies that it makes, one by one: first each value beside the first ones of the other
    keys, which says best what is wrong with it."""
    faults: list[Fault] = []

    def blame(key: Key, code: str, message: str, hint: str | None = None) -> None:
        faults.append(source.fault(key, code, message, hint=hint))

    def complain(key: Key, message: str, near: str | None) -> None:
        faults.append(source.fault(key, "key.unknown", message, suggestion=near, on_key=True))

    entries = list(_entries(raw, model, blame, complain))
    count = math.prod(_sizes(entries))
    if is_guided(raw):
        guide(raw, blame)
        if not entries and not faults:
            blame(("sweep",), "sweep.guided", "nothing to search over", SPACE_HINT)
    elif count > MAX_POINTS:
        sizes = " * ".join(map(str, _sizes(entries)))
        blame(("sweep",), "sweep.size", f"{sizes} points, {MAX_POINTS} at most", "leave some out")
        return faults
    if validate is None or not entries:
        return faults
    seen: set[tuple[str, str, str]] = set()
    for number, (entry, choice) in enumerate(_tried(entries)):
        if number * len(source.text) > MAX_CHECKED:
            break  # the run reads the others before it begins
        try:
            settings = [
                (one, one.values[at], one.where(at))
                for one, at in zip(entries, choice, strict=True)
            ]
            _, more = validate(*placed(source, raw, settings))
        except UsageFault as fault:
            blame(entry.place, "sweep.key", str(fault).removeprefix("--set "), None)
            break
        wrong = [fault for fault in more if fault.severity == "error"]
        place = entry.where(choice[entries.index(entry)])
        for one in wrong:
            if (one.code, one.key, one.message) not in seen:
                seen.add((one.code, one.key, one.message))
                faults.append(_beside(source, entry, place, one, not number))
    return faults


def _entries(
    raw: Mapping[str, Any], model: type[BaseModel], blame: Blame,
    complain: Callable[[Key, str, str | None], None] = lambda *fault: None,
) -> Iterator[Swept]:  # fmt: skip
    """The entries of [sweep] that can be read; what is wrong with the others is told."""
    draws: dict[int, Swept] = {}
    guided = is_guided(raw)
    for place, item in _leaves(raw.get("sweep"), ("sweep",)):
        if guided and place[1] in WORDS:
            continue
        key: Key = tuple(
            int(part) if part.isdecimal() and len(part) < 6 else part
            for name in place[1:]
            for part in str(name).split(".")
        )
        if complaint := key_complaint(model, key):
            message, _, near = complaint.partition("; did you mean ")
            complain(place, message, near.strip('"?') or None)
            continue
        if key[0] in ("study", "sweep"):
            blame(place, "sweep.key", f"{key[0]} cannot be swept over", "write a study for each")
            continue
        entry = _entry(place, key, item, raw, model, blame)
        if entry is None:
            continue
        if entry.drawn and draws and len(entry.values) not in draws:
            other = next(iter(draws.values()))
            blame(
                place, "sweep.draws",
                f"{len(entry.values)} draws here, {len(other.values)} of {other.name}",
                "keys with draws are drawn together: give them one number of draws",
            )  # fmt: skip
            continue
        if entry.drawn:
            draws.setdefault(len(entry.values), entry)
        yield entry


def _leaves(sweep: Any, place: Key) -> Iterator[tuple[Key, Any]]:
    """The entries, whether a key is written "a.b" or a.b."""
    for name, item in sweep.items() if isinstance(sweep, dict) else ():
        if isinstance(item, dict) and item and not DRAW & {*item}:
            yield from _leaves(item, (*place, name))
        else:
            yield (*place, name), item


def _entry(
    place: Key, key: Key, item: Any, raw: Mapping[str, Any], model: type[BaseModel], blame: Blame
) -> Swept | None:
    match item:
        case bool():
            pass
        case int() if key == ("seed",) and not is_guided(raw):
            if not 1 <= item <= MAX_POINTS:
                blame(place, "sweep.values", f"{item} seeds", f"write 1 to {MAX_POINTS}")
                return None
            first = raw.get("seed", 0)
            first = first if isinstance(first, int) else 0
            return Swept(key, place, tuple(range(first, first + item)))
        case list() if item:
            if len(item) > MAX_POINTS:
                blame(place, "sweep.size", f"{len(item)} values, {MAX_POINTS} at most", None)
                return None
            return Swept(key, place, tuple(item))
        case dict() if DRAW & {*item}:
            return _drawn(place, key, item, raw, model, blame)
        case _:
            pass
    if is_guided(raw):
        blame(place, "sweep.values", "nothing to search over", SPACE_HINT)
        return None
    hint = f"{HINT}; a number of seeds is for seed alone" if type(item) is int else HINT
    blame(place, "sweep.values", "nothing to sweep over", hint)
    return None


def _drawn(
    place: Key, key: Key, item: dict[str, Any], raw: Mapping[str, Any], model: type[BaseModel],
    blame: Blame,
) -> Swept | None:  # fmt: skip
    """A key whose values are drawn: uniform over a range, or over its logarithm."""
    log, guided = "log_range" in item, is_guided(raw)
    wanted = {"log_range" if log else "range"} | ({"draws"} if not guided else set())
    if {*item} != wanted:
        message = "a draw has a range (or log_range) and draws"
        message = "a guided sweep has a range (or log_range) alone" if guided else message
        blame(place, "sweep.draws", message, SPACE_HINT if guided else HINT)
        return None
    count, ends = 1 if guided else item["draws"], item["log_range" if log else "range"]
    if type(count) is not int or not 1 <= count <= MAX_POINTS:
        message = "draws is a whole number"
        blame((*place, "draws"), "sweep.draws", message, f"write 1 to {MAX_POINTS}")
        return None
    given = [_number(end) for end in ends] if isinstance(ends, list) else []
    pair = [end for end in given if end is not None]
    ends_key = (*place, "log_range" if log else "range")
    if not len(pair) == len(given) == 2 or pair[0][1] != pair[1][1]:
        message = "a range has two ends: numbers, or quantities in one unit"
        blame(ends_key, "sweep.range", message, 'write [1e-3, 1e2] or ["0.1 fs", "2 fs"]')
        return None
    (low, unit), (high, _) = pair
    if not low < high or (log and low <= 0):
        lower = " and above 0" if log and low <= 0 else ""
        blame(ends_key, "sweep.range", f"the lower end comes first{lower}", "write [low, high]")
        return None
    whole = _is_whole(model, key) and all(type(end) is int for end in ends)
    if guided:
        space = Space(low, high, log, whole, unit)
        return Swept(key, place, (space.value(low), space.value(high)), log=log, space=space)
    seed = raw.get("seed", 0)
    stream = random.Random(f"{seed} {'.'.join(map(str, key))}")
    numbers = (_draw(stream.random(), low, high, log, whole) for _ in range(count))
    values = tuple(f"{number!r} {unit}" if unit else number for number in numbers)
    return Swept(key, place, values, drawn=True, log=log)


def _draw(share: float, low: float, high: float, log: bool, whole: bool) -> float | int:
    """The number at this share of the way, to six digits, as nobody reads more of a draw."""
    if whole and not log:
        return int(low) + min(int(share * (high - low + 1)), int(high - low))
    number = low * (high / low) ** share if log else low + share * (high - low)
    if whole:
        return min(max(round(number), int(low)), int(high))
    return min(max(float(f"{number:.6g}"), low), high)


def _number(end: Any) -> tuple[float, str] | None:
    """A number and its unit's text, "" for none; None for what is neither number nor quantity."""
    number_unit: tuple[Any, Unit] | None = None
    if isinstance(end, str):
        try:
            number_unit = quantity(end)
        except ExpressionFault:
            return None
        return None if number_unit is None else (float(number_unit[0]), number_unit[1].text)
    if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
        return None
    return float(end), ""


def _is_whole(model: type[BaseModel], key: Key) -> bool:
    """Whether the language has a whole number at a key."""
    table = fields_at(model, key[:-1])
    field = field_keys(table).get(str(key[-1])) if table else None
    if table is None or field is None:
        return False
    annotation = table.model_fields[field].annotation
    kinds = {annotation, *get_args(annotation)}
    return int in kinds and float not in kinds


def _axes(entries: Sequence[Swept]) -> list[list[int]]:
    """The entries (by number) of each axis of the grid: all drawn ones share one."""
    axes: list[list[int]] = []
    together: list[int] | None = None
    for number, entry in enumerate(entries):
        if entry.drawn and together is not None:
            together.append(number)
            continue
        axes.append([number])
        together = axes[-1] if entry.drawn else together
    return axes


def _sizes(entries: Sequence[Swept]) -> list[int]:
    return [len(entries[axis[0]].values) for axis in _axes(entries)]


def combinations(entries: Sequence[Swept]) -> Iterator[tuple[int, ...]]:
    """For each point which value each entry takes on."""
    axes = _axes(entries)
    for chosen in product(*(range(size) for size in _sizes(entries))) if entries else ():
        choice = [0] * len(entries)
        for axis, at in zip(axes, chosen, strict=True):
            for number in axis:
                choice[number] = at
        yield tuple(choice)


def _tried(entries: Sequence[Swept]) -> Iterator[tuple[Swept, tuple[int, ...]]]:
    """The first point, then each other value of an axis beside the first ones of the others, then
    all other points, each for the last of its entries that is not at its first value."""
    yield entries[0], (0,) * len(entries)
    for axis, size in zip(_axes(entries), _sizes(entries), strict=True):
        for at in range(1, size):
            choice = tuple(at if number in axis else 0 for number in range(len(entries)))
            yield entries[axis[0]], choice
    if any(entry.space is not None for entry in entries):
        return  # of a guided search, whose points come on the way
    axes = _axes(entries)
    for choice in combinations(entries):
        moved = [axis for axis in axes if choice[axis[0]]]
        if len(moved) > 1:
            yield entries[moved[-1][0]], choice


def placed(
    source: Source, raw: Mapping[str, Any], settings: Sequence[tuple[Swept, Any, Key]]
) -> tuple[Source, dict[str, Any]]:
    """A point's document, and a source that points at [sweep] for what it has set."""
    changed = copied({name: item for name, item in raw.items() if name != "sweep"})
    where: dict[Key, Key] = {}
    for entry, item, place in settings:
        assign(changed, entry.key, copied(item), entry.name)
        where[entry.key] = place
    return replace(source, swept=where), changed


def _beside(source: Source, entry: Swept, place: Key, fault: Fault, first: bool) -> Fault:
    """A point's fault at the value that made it, also where it shows in another place."""
    if fault.key.startswith(".".join(map(str, place)) if not first else "sweep"):
        return fault
    where = f"line {fault.line}" if fault.line else fault.key
    message = f"with this {entry.name}, in {where}: {fault.message}"
    return source.fault(place, fault.code, message, hint=fault.hint)
