"""A study: the tagged union of its kinds, and how one is loaded.

text → document (TOML) → models (pydantic) → names, shapes, constants, units, sense → Study. Every
stage keeps its faults and lets the next go on, so that all of a file show at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actionrun.spec.expressions.declarations import dotted
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.kinds.experiment import Experiment
from actionrun.spec.kinds.registry import KINDS, Kind, kind_of
from actionrun.spec.tables.leaves import Reading, marked
from actionrun.spec.tables.species import names_of
from actionrun.spec.tables.system import Coordinates, read_coordinates
from actionrun.spec.text.document import document, overridden
from actionrun.spec.text.files import missing_files
from actionrun.spec.text.source import Fault, Faults, Source, UsageFault, nearest, shown
from actionrun.spec.text.span import Key
from actionrun.spec.validation.check_state import leaf_keys
from actionrun.spec.validation.checks import check_meaning
from actionrun.spec.validation.pydantic_errors import key_complaint, translate_pydantic_errors
from pydantic import ValidationError

from .resolved import document_text, resolved_toml, value

if TYPE_CHECKING:
    from actionrun.spec.kinds.registry import Study

MAX_BYTES = 1_000_000
MAX_VALUES = 5000
MAX_FAULTS = 100  # that are shown


def load(
    path: str | Path, *, overrides: Sequence[str] = (), seed: int | None = None,
    data: str | Path | None = None,
) -> Study:  # fmt: skip
    """The study of a file. Raises Faults for what is wrong with it, UsageFault for overrides that
    name no key."""
    path = Path(path)
    return loads(
        _text(path), name=str(path), folder=path.parent, path=path, overrides=overrides, seed=seed,
        data=data,
    )  # fmt: skip


def loads(
    text: str, *, name: str = "<text>", folder: str | Path = ".", path: Path | None = None,
    overrides: Sequence[str] = (), seed: int | None = None, data: str | Path | None = None,
) -> Study:  # fmt: skip
    """The study of a text; `folder` is what paths in it start from. Raises as `load`."""
    source = Source(text.replace("\r\n", "\n"), name, path, Path(folder))
    study, faults = _read(source, overrides, seed, None if data is None else Path(data))
    errors = [fault for fault in faults if fault.severity == "error"]
    if study is None or errors:
        raise Faults(_sorted(source, errors))
    return study


def check(
    path: str | Path, *, overrides: Sequence[str] = (), seed: int | None = None,
    data: Path | None = None,
) -> list[Fault]:  # fmt: skip
    """Every fault and note of a file, in file order. Never raises for what is wrong with it."""
    return checked_study(path, overrides=overrides, seed=seed, data=data)[1]


def checked_study(
    path: str | Path, *, overrides: Sequence[str] = (), seed: int | None = None,
    data: Path | None = None,
) -> tuple[Study | None, list[Fault]]:  # fmt: skip
    """The study of a file, None where it cannot be read, and what `check` says of it."""
    path = Path(path)
    try:
        text = _text(path)
    except Faults as faults:
        return None, [*faults.faults]
    source = Source(text.replace("\r\n", "\n"), str(path), path, path.parent)
    study, faults = _read(source, overrides, seed, data)
    return study, _sorted(source, faults)


def _text(path: Path) -> str:
    def fault(code: str, message: str, hint: str | None = None) -> Faults:
        return Faults([Fault(code, message, str(path), hint=hint)])

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = nearest(path.name, (p.name for p in _siblings(path)))
        hint = f"did you mean {path.with_name(near)}?" if near else None
        raise fault("file.missing", "there is no such file", hint) from None
    except OSError as error:
        raise fault("file.unreadable", f"cannot be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise fault("file.size", "a study has at most 1 MB", "data go to a CSV file beside it")
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise fault(
            "file.encoding", f"line {line} is not UTF-8", "save the file as UTF-8 in your editor"
        ) from None


def _siblings(path: Path) -> list[Path]:
    try:
        return [p for p in path.parent.iterdir() if p.suffix == ".toml"][:1000]
    except OSError:
        return []


def _read(
    source: Source, overrides: Sequence[str], seed: int | None, data: Path | None
) -> tuple[Study | None, list[Fault]]:
    raw, faults, readable = document(source)
    broken = bool(faults)
    if broken:
        source = replace(source, readable=readable)
    kind = kind_of(raw.get("study"))
    if overrides:
        if kind is None and not broken and (changed := _study_override(overrides)):
            kind = kind_of(changed)
        model = kind.model() if kind else None
        raw, texts = overridden(raw, overrides, lambda key: key_complaint(model, key))
        source = replace(source, overrides=texts)
    if seed is not None:
        raw["seed"] = seed
    if data is not None:
        if kind is not None and "data" not in kind.model().model_fields:
            raise UsageFault(f'--data: a study of kind "{raw["study"]}" reads no data')
        if not isinstance(raw.get("data"), dict):
            raise UsageFault("--data: the study has no [data] that says which columns the file has")
        kept = {key: item for key, item in raw["data"].items() if key != "files"}
        raw["data"] = {**kept, "file": str(data)}
        source = replace(source, data_given=True)
    if (size := sum(1 for _ in leaf_keys(raw))) > MAX_VALUES:
        message = f"the file holds {size} values, {MAX_VALUES} at most"
        return None, [
            Fault("file.size", message, source.name, hint="data go to a CSV file beside it")
        ]
    if kind is None:
        return None, faults if broken and "study" not in raw else [
            *faults,
            _kind_fault(source, raw),
        ]
    study, more = validate(source, raw, kind, broken)
    faults += more
    if "sweep" in raw:
        from actionrun.spec.sweep.sweep import sweep_faults  # at start-up: few studies have one

        sound = study is not None and not any(one.severity == "error" for one in faults)
        point_study = partial(validate, kind=kind) if sound else None
        faults += sweep_faults(source, raw, kind.model(), point_study)
    if kind.name == "family" and raw.get("compare"):
        from actionrun.spec.sweep.rivals import rival_faults  # at start-up: few studies have one

        if study is not None and not any(one.severity == "error" for one in faults):
            faults += rival_faults(source, raw, partial(validate, kind=kind))
    return study, faults


def validate(
    source: Source, raw: dict[str, Any], kind: Kind, broken: bool = False
) -> tuple[Study | None, list[Fault]]:
    """The study of a document, and all that is wrong with it but for its syntax; `broken`: some of
    its text could not be read."""
    reading = _reading(raw)
    faults: list[Fault] = []
    study, model = None, kind.model()
    try:
        study = cast("Study", model.model_validate(marked(raw), context=reading))
    except ValidationError as error:
        faults += translate_pydantic_errors(error, source, raw, model, broken)
    faults += check_meaning(study, kind, source, raw, reading, broken)
    if study is not None and not faults and not broken:
        faults += missing_files(study.file_tables, source)
    return study, faults


def _study_override(overrides: Sequence[str]) -> str | None:
    for override in overrides:
        name, _, value = override.partition("=")
        if name.strip() == "study":
            return value.strip().strip("\"'")
    return None


def _kind_fault(source: Source, raw: dict[str, Any]) -> Fault:
    kind = raw.get("study")
    words = [f'"{one.name}" ({one.question})' for one in KINDS.values()]
    middle = len(words) // 2
    first, rest = ", ".join(words[:middle]), ", ".join(words[middle:-1])
    hint = f"write study = {first},\n{rest} or {words[-1]}"
    if kind is None:
        if "Study" in raw or "kind" in raw:
            other: Key = ("Study",) if "Study" in raw else ("kind",)
            return source.fault(
                other,
                "kind.missing",
                "the kind of study is given by the key study",
                suggestion="study",
                hint=hint,
                on_key=True,
            )
        return Fault(
            "kind.missing",
            "the file does not say what kind of study it is",
            source.name,
            1 if source.text else 0,
            1,
            line_text=source.text.split("\n")[0],
            hint=hint,
        )
    if not isinstance(kind, str):
        return source.fault(("study",), "kind.unknown", "the kind of study is a word", hint=hint)
    close = nearest(kind, KINDS)
    return source.fault(("study",), "kind.unknown", f"there is no study kind '{shown(kind[:60])}'",
                        suggestion=close, hint=None if close else hint)  # fmt: skip


def _reading(raw: dict[str, Any]) -> Reading:
    """What validators need to know beforehand: the coordinates."""
    system = raw.get("system")
    coordinates = Coordinates()
    if isinstance(system, dict):
        try:
            coordinates = read_coordinates(system.get("coordinates"))
        except Exception as error:
            if type(error).__name__ != "PydanticCustomError":
                raise
    declared = {
        name
        for table in ("parameters", "define", "coefficients")
        if isinstance(raw.get(table), dict)
        for name in raw[table]
    }
    words = {word: q for word, q in dotted(coordinates).items() if word not in declared}
    kind, bodies = str(raw["study"]), 0
    if kind == "ggl" and coordinates and isinstance(system, dict):
        count = system.get("particles")
        bodies = count if type(count) is int and count > 0 else 0
    return Reading(kind, coordinates, coordinates.vectors, words, bodies, names_of(raw))


def _sorted(source: Source, faults: Sequence[Fault]) -> list[Fault]:
    def place(fault: Fault) -> tuple[bool, bool, int, int]:
        return fault.file != source.name, fault.line == 0, fault.line, fault.column

    ordered = sorted(dict.fromkeys(faults), key=place)
    if len(ordered) > MAX_FAULTS:
        more = len(ordered) - MAX_FAULTS
        ordered[MAX_FAULTS:] = [Fault("file.faults", f"and {more} faults more", source.name)]
    return ordered


class Values:
    """Studies of values, for `Study.from_dict` and `study.replace`."""

    @staticmethod
    def from_dict(tables: Mapping[str, Any], folder: Path) -> Study:
        try:
            text = document_text({str(name): _plain(item) for name, item in tables.items()})
        except TypeError as error:
            raise UsageFault(f"Study.from_dict: {error}") from None
        return loads(text, name="<dict>", folder=folder)

    @staticmethod
    def replaced(study: Study, changes: Mapping[str, Any]) -> Study:
        try:
            overrides = [f"{key}={value(_plain(item))}" for key, item in changes.items()]
        except TypeError as error:
            raise UsageFault(f"replace: {error}") from None
        source, table = study.source, study.data_table
        given = table.paths[0] if source.data_from_command_line and table is not None else None
        return loads(
            resolved_toml(study), name=source.name, folder=source.folder, path=source.path,
            overrides=overrides, data=given,
        )  # fmt: skip


def _plain(thing: Any) -> Any:
    """Numbers of any library, paths and sequences as TOML has them."""
    match thing:
        case bool() | str():
            return thing
        case Path():
            return str(thing)
        case Integral():
            return int(thing)
        case Real():
            return float(thing)
        case Mapping():
            return {str(name): _plain(item) for name, item in thing.items()}
        case Sequence():
            return [_plain(item) for item in thing]
        case _:
            return thing


Experiment.reading = Values

__all__ = ["Experiment", "ExpressionFault", "check", "checked_study", "load", "loads"]
