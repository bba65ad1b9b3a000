"""What [library] has to agree on with the rest of a family study."""

from __future__ import annotations

from math import comb
from typing import Any

from .rule_context import RuleContext

MOST_TERMS = 400
ELSEWHERE = (
    ("system", "lagrangian"), ("system", "nonconservative"), ("system", "potential"),
    ("system", "mass"), ("system", "constraints"), ("coefficients",), ("compare",), ("start",),
    ("refine", "posterior"), ("data", "inputs"), ("data", "constants"), ("data", "observables"),
)  # fmt: skip


def check_library(context: RuleContext) -> None:
    """A library stands for the law and its coefficients, and is of a size that can be searched."""
    if "library" not in context.raw:
        return
    for key in ELSEWHERE:
        if _holds(context.raw, key):
            context.add(key, "library.beside", f"[{key[0]}] {key[-1]} beside a [library]"
                        if len(key) > 1 else f"[{key[0]}] beside a [library]",
                        "leave it out: a library is searched in measured positions "
                        "(and velocities) alone, and has its own law")  # fmt: skip
    if "data" not in context.raw or context.table("network").get("kind") != "none":
        context.add(("library",), "library.data", "a library is for measured motions",
                    'add [data], and kind = "none" in [network]')  # fmt: skip
    if context.state.reading.vectors:
        context.add(("library",), "not-built",
                    "a library of vector coordinates is not built yet in this version",
                    'name the components: coordinates = ["x", "y"]')  # fmt: skip
    if not context.state.units.reduced:
        context.add(("library",), "not-built",
                    "a library with units is not built yet in this version",
                    "write plain numbers, all in one system of units")  # fmt: skip
    library = context.table("library")
    functions, degree = library.get("functions"), library.get("degree", 2)
    if isinstance(functions, list) and type(degree) is int and 1 <= degree <= 8:
        count = comb(len(functions) + degree, degree) - 1
        if count > MOST_TERMS * 10:
            context.add(("library", "degree"), "library.size",
                        f"{count} products of {len(functions)} functions: too many to look at",
                        "lower degree, or leave functions out")  # fmt: skip


def _holds(raw: Any, key: tuple[str, ...]) -> bool:
    for name in key:
        if not isinstance(raw, dict) or name not in raw:
            return False
        raw = raw[name]
    return True
