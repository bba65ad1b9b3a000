"""The columns of a pnn study's table: its names, where it has no [system]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def tabular(raw: Mapping[str, Any]) -> bool:
    """Whether the columns of [data] are names: a pnn study of a table, without a system."""
    data = raw.get("data")
    motions = isinstance(data, dict) and "energies" in data
    return raw.get("study") == "pnn" and "system" not in raw and not motions


def table_columns(raw: Mapping[str, Any]) -> list[str]:
    """The names that the columns of a table have."""
    data = raw.get("data")
    columns = data.get("columns") if isinstance(data, dict) else None
    return [*columns] if tabular(raw) and isinstance(columns, dict) else []
