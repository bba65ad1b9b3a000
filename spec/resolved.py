"""A study written out whole: every default and override, in the order of its file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from actionrun.spec.kinds.experiment import Experiment
from actionrun.spec.tables.common import Table, field_keys
from actionrun.spec.tables.distributions import NormalPrior
from actionrun.spec.tables.leaves import Column, Expression, Range, Value
from actionrun.spec.tables.system import Coordinates
from actionrun.spec.text.document import document
from actionrun.spec.text.source import Source

BARE = re.compile(r"[A-Za-z0-9_-]+")


def resolved_toml(study: Experiment) -> str:
    """The study as TOML with every default; loading it gives an equal study.

    Tables and keys keep the order of the file (it chooses the base units), defaults come last.
    """
    return document_text(written(study, study._meaning.raw))


def document_text(top: Mapping[str, Any]) -> str:
    """Plain values as a TOML document: first the keys of the top, then a table each."""
    lines = [
        f"{key(name)} = {value(item)}" for name, item in top.items() if not isinstance(item, dict)
    ]
    for name, item in top.items():
        if isinstance(item, dict):
            lines += ["", f"[{key(name)}]"]
            lines += [f"{key(inner)} = {value(one)}" for inner, one in item.items()]
    return "\n".join(lines) + "\n"


def written(thing: Any, raw: Any = None) -> Any:
    """A model or leaf as plain TOML values; None where there is nothing to write."""
    match thing:
        case Table():
            given = raw if isinstance(raw, Mapping) else {}
            fields = field_keys(type(thing))
            names = [*(n for n in given if n in fields), *(n for n in fields if n not in given)]
            items = {name: written(getattr(thing, fields[name]), given.get(name)) for name in names}
            return {
                name: item for name, item in items.items()
                if item is not None and item != {} and (item != [] or name in given)
            }  # fmt: skip
        case Value(text, number, unit):
            return _number(text, number) if unit is None and number is not None else text
        case Expression() | NormalPrior():
            return thing.text
        case Column():
            return thing.text
        case Range(low, high):
            return [written(low), written(high)]
        case Coordinates():
            return dict(thing) if thing.vectors else [*thing]
        case Mapping():
            given = raw if isinstance(raw, Mapping) else {}
            return {str(name): written(item, given.get(name)) for name, item in thing.items()}
        case tuple() | list():
            return [written(item) for item in thing]
        case _:
            return thing


def _number(text: str, number: Fraction | float) -> Any:
    if isinstance(number, float):
        return number
    whole = number.denominator == 1 and text == str(number.numerator) and abs(number) < 2**63
    return int(number) if whole else text


def keyed(text: str) -> dict[str, str]:
    """The dotted keys of a resolved study in its order, each with its value as TOML.

    Raises ValueError for what is no TOML.
    """
    values: dict[str, str] = {}
    raw, faults, _ = document(Source(text))
    if faults:
        raise ValueError(f"is at fault: {faults[0].message}")

    def walk(table: Mapping[str, Any], path: str) -> None:
        for name, item in table.items():
            if isinstance(item, dict) and item:
                walk(item, f"{path}{name}.")
            else:
                values[f"{path}{name}"] = value(item)

    walk(raw, "")
    return values


def key(name: str) -> str:
    return name if BARE.fullmatch(name) else value(name)


def value(thing: Any) -> str:
    """A plain value as TOML."""
    match thing:
        case bool():
            return "true" if thing else "false"
        case str():
            return json.dumps(str(thing), ensure_ascii=False).replace("\x7f", "\\u007F")
        case int():
            return repr(int(thing))
        case float():
            return repr(float(thing))
        case list() | tuple():
            return "[" + ", ".join(value(item) for item in thing) + "]"
        case dict():
            inside = ", ".join(f"{key(name)} = {value(item)}" for name, item in thing.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            raise TypeError(f"{type(thing).__name__} has no place in a study")
