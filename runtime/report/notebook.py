"""A run as a cell of a notebook shows it: title, equations, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from actionrun.compiler.findings import Equation

from .mathml import mathml

MOST_EQUATIONS, MOST_NUMBERS = 12, 30


def run_html(result: Mapping[str, Any], equations: Sequence[Equation], page: str) -> str:
    """HTML that needs neither network nor script; nothing of a study stands in it unescaped."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(_number(value))}</td></tr>"
        for name, value in list(result["metrics"].items())[:MOST_NUMBERS]
    )
    shown = "".join(
        f"<div><small>{escape(one.name)}</small>{mathml(one.latex)}</div>"
        for one in equations[:MOST_EQUATIONS]
    )
    more = len(equations) - MOST_EQUATIONS
    rest = f"<small>and {more} more equations</small>" if more > 0 else ""
    return (
        f"<div><b>{escape(result['title'])}</b> ({escape(str(result.get('study', '')))}, "
        f"{escape(result['status'])}){shown}{rest}<details><summary>numbers</summary>"
        f"<table>{rows}</table></details><small>{escape(page)}</small></div>"
    )


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
