"""Sense across tables: a law, a start for every coordinate, steps or data, and the kind's own."""

from __future__ import annotations

from actionrun.spec.kinds.registry import Kind

from .data_rules import check_data
from .rule_context import RuleContext
from .system_rules import check_start, check_system


def check_all_tables(context: RuleContext, kind: Kind) -> None:
    """Everything that makes no sense across tables."""
    check_system(context)
    check_start(context)
    check_integrator(context)
    check_exact(context)
    check_data(context)
    kind.apply("check_tables", context)


def check_integrator(context: RuleContext) -> None:
    """A positive step, and how many."""
    table = context.table("integrator")
    if not table:
        return
    dt = context.number(("integrator", "dt"))
    if dt is not None and dt <= 0:
        context.add(("integrator", "dt"), "value.range", "dt is greater than 0",
                    "a motion backwards in time starts from the reversed velocity")  # fmt: skip
    if "duration" in table:
        return  # instead of steps, where the kind knows it
    if "steps" not in table and "data" not in context.raw and not context.broken:
        context.add(("integrator",), "key.missing", '"steps" is missing in [integrator]',
                    "write steps = 1000")  # fmt: skip


def check_exact(context: RuleContext) -> None:
    """A formula for each component of a coordinate."""
    for name, item in context.table("exact").items():
        if context.coordinate(("exact", name), name) and name in context.coordinates:
            context.components(("exact", name), name, context.coordinates[name], item)
