"""Many bodies in a ggl study: what their [system] and [start] have to agree on."""

from __future__ import annotations

from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.tables.per_body import each
from actionrun.spec.text.span import Key

from .rule_context import RuleContext

MOST = 1_000_000  # numbers of a state: bodies times components
MOST_VALUES = 100_000  # of a formula of i that are worked out


def check_bodies(context: RuleContext, system: dict[str, Any]) -> None:
    """What makes no sense in a ggl study with particles."""
    coordinates, count = context.coordinates, system.get("particles")
    if not coordinates:
        if not context.broken and "coordinates" not in system:
            context.add(("system",), "system.coordinates", "bodies without coordinates",
                        "write coordinates = { r = 3 }, and each body has a vector r[i]"
                        )  # fmt: skip
        return
    for name in (
        "dimension",
        "species",
        "pair",
        "external",
        "cutoff",
        "switch",
        "box",
        "frozen",
        "mass",
        "potential",
    ):
        if name in system:
            context.add(
                ("system", name), "system.law",
                f"{name} has no meaning in a ggl study of bodies with coordinates",
                "write it into lagrangian: sum(i, ...) over bodies, sum(i<j, ...) over pairs",
            )  # fmt: skip
    size = sum(coordinates.values())
    if isinstance(count, int) and count * size > MOST:
        context.add(("system", "particles"), "value.range",
                    f"{count} bodies have {count * size} numbers, {MOST} at most")  # fmt: skip


def start_numbers(context: RuleContext, key: Key, item: Any) -> None:
    """Work out the numbers of a start, so that what has no number is told."""
    if isinstance(item, list):
        for index, one in enumerate(item):
            start_numbers(context, (*key, index), one)
        return
    state = context.state
    value = state.reading.values.get(key)
    if value is None or key in state.odd:
        return
    explicit = isinstance(key[-1], int) and len(key) > 4 - (not state.reading.vectors)
    count = 1 if explicit else min(state.names.count, MOST_VALUES)
    try:
        each(value, count, state.units, state.constants, state.lists)
    except ExpressionFault as fault:
        state.add_last(key, fault)
