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
        **found,
    }
