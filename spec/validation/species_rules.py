"""Several species in a [system]: their numbers add up, and each has a mass."""

from __future__ import annotations

from typing import Any

from actionrun.spec.text.source import quoted

from .rule_context import RuleContext


def check_species(context: RuleContext, system: dict[str, Any]) -> None:
    """What makes no sense of species in [system]."""
    species, count, mass = system.get("species"), system.get("particles"), system.get("mass")
    names = context.state.reading.species
    numbers = [*species.values()] if isinstance(species, dict) else []
    if isinstance(count, int) and numbers and all(type(n) is int and n > 0 for n in numbers):
        total = sum(numbers)
        if total != count:
            context.add(("system", "species"), "species.count",
                        f"the species have {total} bodies, and there are {count}",
                        f"write particles = {total}")  # fmt: skip
    if not isinstance(mass, dict):
        return
    if not names:
        context.add(
            ("system", "mass"), "system.law", "a table of masses without a coordinate",
            "write mass = 1.0, or masses of species: species = { Ar = 20, Kr = 12 }",
        )  # fmt: skip
        return
    for name in mass:
        if name not in names:
            context.add(("system", "mass", name), "species.mass", f"{name} is no species",
                        f"the species are {quoted(names, 'and')}")  # fmt: skip
    for name in names:
        if name not in mass:
            context.add(("system", "mass"), "species.mass", f"{name} has no mass",
                        f"write {name} = 1.0")  # fmt: skip
