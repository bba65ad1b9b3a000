"""What JSON data of a run must look like: a file that was altered is told as such where it is read.

A shape is a type for a leaf (`int` and `float` stand for any finite number, None for null), a tuple
of alternatives, a list with the shape of each item, or a dict: of its keys, of which those of
`Optional` may be absent, or of `str` alone, the shape of each value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST = 2**63
DEPTH = 60


@dataclass(frozen=True)
class Optional:
    shape: Any


ANY = object()
NUMBER = (float, None)
VALUES = {str: {"value": NUMBER, "std": NUMBER}}
EQUATION = {
    "name": str, "latex": str, "text": str, "values": VALUES, "exact": Optional(str),
}  # fmt: skip
METRICS = {str: (float, str, bool, None)}


def mismatch(value: Any, shape: Any, path: str = "") -> str | None:
    """Where `value` is not of the shape, as a dotted path; None where it is. More keys than those
    of a shape are no fault."""
    match shape:
        case tuple():
            wrong = [mismatch(value, one, path) for one in shape]
            return None if None in wrong else min(wrong, key=lambda one: -len(one or ""))
        case list():
            if not isinstance(value, list):
                return path or "top"
            return next(
                _wrong((f"{path}[{k}]", item, shape[0]) for k, item in enumerate(value)), None
            )
        case Mapping():
            return _of_keys(value, shape, path)
        case _:
            return None if _is_leaf(value, shape) else path or "top"


def _of_keys(value: Any, shape: Mapping[Any, Any], path: str) -> str | None:
    if not isinstance(value, dict):
        return path or "top"
    if str in shape:
        return next(
            _wrong((f"{path}.{key}", item, shape[str]) for key, item in value.items()), None
        )
    every = (
        (f"{path}.{key}".lstrip("."), value[key], one.shape if isinstance(one, Optional) else one)
        for key, one in shape.items()
        if key in value
    )
    lacking = [k for k, one in shape.items() if k not in value and not isinstance(one, Optional)]
    return f"{path}.{lacking[0]}".lstrip(".") if lacking else next(_wrong(every), None)


def _wrong(items: Any) -> Any:
    """The places of those (path, value, shape) that do not match."""
    return (wrong for path, value, shape in items if (wrong := mismatch(value, shape, path)))


def _is_leaf(value: Any, shape: Any) -> bool:
    if shape is ANY:
        return True
    if shape is None:
        return value is None
    if shape in (int, float):
        if type(value) is int:
            return abs(value) < MOST
        return shape is float and type(value) is float and math.isfinite(value)
    return type(value) is shape


def json_object(text: bytes) -> dict[str, Any] | None:
    """The object of a JSON text; None for what is none, or is nested beyond any file of ours."""
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not _deeper(value, DEPTH) else None


def _deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_deeper(item, depth - 1) for item in items)
