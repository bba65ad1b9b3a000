"""The rivals of [compare]: other laws for the same motions, each a study of its own.

What a rival does not say is as in the study; of the study's coefficients it has those that its
formulas name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from actionrun.spec.text.source import Fault, Faults, Source
from actionrun.spec.text.span import Key

Read = Callable[[Source, dict[str, Any]], tuple[Any, list[Fault]]]
LAW = ("lagrangian", "nonconservative")


def rival_document(
    source: Source, raw: Mapping[str, Any], name: str
) -> tuple[Source, dict[str, Any]]:
    """A rival's document, and a source that points at [compare.NAME] for what it says."""
    rival = raw["compare"][name]
    changed = {key: item for key, item in raw.items() if key not in ("compare", "sweep")}
    system, where = dict(raw.get("system", {})), {}
    for key in LAW:
        if key in rival:
            system[key] = rival[key]
            where["system", key] = ("compare", name, key)
    if not system.get("nonconservative"):
        system.pop("nonconservative", None)
    own = rival.get("coefficients", {})
    formulas = " ".join(str(x) for x in _texts([system, raw.get("define", {}), own]))
    said = {*re.findall(r"[^\W\d]\w*", formulas)}
    kept = {c: item for c, item in raw.get("coefficients", {}).items() if c in said}
    changed |= {"system": system, "coefficients": {**kept, **own}}
    for c in own:
        where["coefficients", c] = ("compare", name, "coefficients", c)
    places: dict[Key, Key] = {**source.swept, **where}
    return replace(source, swept=places), changed


def _texts(item: Any):
    if isinstance(item, Mapping):
        for one in item.values():
            yield from _texts(one)
    elif isinstance(item, list | tuple):
        for one in item:
            yield from _texts(one)
    elif isinstance(item, str):
        yield item


def rival_faults(source: Source, raw: Mapping[str, Any], read: Read) -> list[Fault]:
    """What is wrong with rivals whose study is sound."""
    result: list[Fault] = []
    for name in raw["compare"]:
        _, faults = read(*rival_document(source, raw, name))
        result += [fault for fault in faults if fault.severity == "error"]
    return result


def rival_studies(study: Any, read: Read) -> dict[str, Any]:
    """The rivals of a study by name. Raises Faults."""
    meaning, result = study._meaning, {}
    for name in study.compare:
        made, faults = read(*rival_document(meaning.source, meaning.raw, name))
        errors = [fault for fault in faults if fault.severity == "error"]
        if made is None or errors:
            raise Faults(errors)
        result[name] = made
    return result
