"""The JSON Schema of the study language, for editors."""

from __future__ import annotations

from typing import Any


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a study file of any kind that is built."""
    from pydantic import TypeAdapter

    from .study import Study

    found = TypeAdapter(Study).json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "actionrun study",
        "description": "A declarative experiment with the physics of least action.",
        **_without_null(found),
    }


def _without_null(thing: Any) -> Any:
    """The schema without null, which TOML does not have: what is optional is left out."""
    if isinstance(thing, list):
        return [_without_null(item) for item in thing if item != {"type": "null"}]
    if not isinstance(thing, dict):
        return thing
    found = {name: _without_null(item) for name, item in thing.items()}
    if "default" in thing and thing["default"] is None:
        del found["default"]
    if isinstance(choices := found.get("anyOf"), list) and len(choices) == 1:
        del found["anyOf"]
        found = {**choices[0], **found}
    return found
