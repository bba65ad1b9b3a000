"""The JSON Schema of the study language, for editors."""

from __future__ import annotations

from typing import Annotated, Any, Union

from actionrun.spec.kinds.registry import KINDS
from pydantic import Field, TypeAdapter


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a study file of any kind.

    The kinds are told apart by `if` and `then`, so that an editor marks the key at fault: under
    `oneOf` it would mark all of the file. The tables that every kind shares stand at the top too,
    where editors that do not follow conditions find them to complete.
    """
    models = {name: kind.model() for name, kind in KINDS.items()}
    study: Any = Annotated[Union[tuple(models.values())], Field(discriminator="study")]  # noqa: UP007
    whole = _without_null(TypeAdapter(study).json_schema(mode="validation"))
    kinds = {kind: whole["$defs"][model.__name__] for kind, model in models.items()}
    names = dict.fromkeys(name for kind in kinds.values() for name in kind["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "actionrun study",
        "description": "A declarative experiment with the physics of least action.",
        "type": "object",
        "required": ["study"],
        "properties": {name: _shared(name, [*kinds.values()]) for name in names},
        "allOf": [
            {
                "if": {"properties": {"study": {"const": kind}}, "required": ["study"]},
                "then": {"$ref": f"#/$defs/{model.__name__}"},
            }
            for kind, model in models.items()
        ],
        "$defs": whole["$defs"],
    }


def _shared(name: str, kinds: list[dict[str, Any]]) -> dict[str, Any]:
    """A key at the top of a file: whole where all kinds that have it agree."""
    forms = [kind["properties"][name] for kind in kinds if name in kind["properties"]]
    if name == "study":
        words = [form["const"] for form in forms]
        return {"enum": words, "description": "The kind of study."}
    if all(form == forms[0] for form in forms):
        return forms[0]
    return {"type": "object", "description": forms[0].get("description", "")}


def _without_null(thing: Any) -> Any:
    """The schema without null, which TOML does not have: what is optional is left out."""
    if isinstance(thing, list):
        return [_without_null(item) for item in thing if item != {"type": "null"}]
    if not isinstance(thing, dict):
        return thing
    kept = {name: _without_null(item) for name, item in thing.items()}
    if "default" in thing and thing["default"] is None:
        del kept["default"]
    if isinstance(choices := kept.get("anyOf"), list) and len(choices) == 1:
        del kept["anyOf"]
        kept = {**choices[0], **kept}
    return kept
