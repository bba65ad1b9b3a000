"""What a ggl study has to agree on across its tables: times of output within the run, and what
events do."""

from __future__ import annotations

import math

from actionrun.spec.kinds.ggl import MOST_TIMES
from actionrun.spec.tables.events import KEYS, setting_target

from .rule_context import RuleContext

MOST_NUMBERS = 100_000_000  # positions in them
NEAR = 1e-9  # of a step: a time of output may lie beyond the end by so much


def check_tables(context: RuleContext) -> None:
    """Times of output, as many as fit, from 0 to the end; what events do."""
    _events(context)
    output, integrator = context.raw.get("output"), context.table("integrator")
    if not isinstance(output, dict) or context.broken:
        return
    if ("times" in output) == ("every" in output):
        context.add(("output",), "output.times", "[output] takes times or every, and one of them",
                    "write every = 0.01, or times = [0.5, 1.0]")  # fmt: skip
        return
    dt, steps = context.number(("integrator", "dt")), integrator.get("steps")
    if dt is None or dt <= 0 or type(steps) is not int:
        return
    end = math.inf if "time_transform" in integrator else dt * steps
    count = _spaced(context, end) if "every" in output else _listed(context, end, dt)
    size = sum(context.coordinates.values()) * max(1, context.state.names.count)
    if count * size > MOST_NUMBERS:
        context.add(
            ("output",), "output.times",
            f"{count} times of {size} positions: at most {MOST_NUMBERS:.0e} numbers",
            "ask for fewer times",
        )  # fmt: skip


def _spaced(context: RuleContext, end: float) -> int:
    every = context.number(("output", "every"))
    if every is None:
        return 0
    if not every > 0 or (end / every > MOST_TIMES and end < math.inf):
        context.add(
            ("output", "every"), "output.times",
            f"the spacing of outputs is {every:.4g}: it has to be positive, and give at most "
            f"{MOST_TIMES} times up to {end:.6g}",
        )  # fmt: skip
        return 0
    return 1 + (MOST_TIMES if end == math.inf else int(end / every + NEAR))


def _listed(context: RuleContext, end: float, dt: float) -> int:
    times = context.table("output")["times"]
    for index in range(len(times) if isinstance(times, list) else 0):
        key = ("output", "times", index)
        time = context.number(key)
        if time is not None and not 0 <= time <= end + NEAR * dt:
            context.add(
                key, "output.times",
                f"the run goes from t = 0 to {end:.6g}, and this time lies outside",
                "make integrator.steps larger, or take the time out",
            )  # fmt: skip
    return len(times) if isinstance(times, list) else 0


def _events(context: RuleContext) -> None:
    """What an event sets is a coordinate or a velocity, once; what qualifies it has a meaning."""
    reading = context.state.reading
    for name, event in context.table("events").items():
        if not isinstance(event, dict):
            continue
        given = event.get("set")
        targets: set[tuple[str, int, bool]] = set()
        for key in given if isinstance(given, dict) else {}:
            target = setting_target(key, reading.coordinates, reading.vectors)
            place = ("events", name, "set", key)
            if target is None:
                if not (context.state.names.open or context.broken):
                    context.add_always(place, "event.set", f"{str(key)[:60]} cannot be set",
                                       f"an event sets {KEYS}")  # fmt: skip
            elif target in targets:
                context.add_always(place, "event.set", f"{str(key)[:60]} is set twice",
                                   "take one of them out")  # fmt: skip
            else:
                targets.add(target)
        if "count" in event and not (event.get("stop") or given):
            context.add(("events", name, "count"), "event.count",
                        "count says how often an event acts, and this one does nothing",
                        'write stop = true, or set = { "q\'" = "-q\'" }')  # fmt: skip
        after = context.number(("events", name, "after"))
        if after is not None and after < 0:
            context.add(("events", name, "after"), "event.after", "a time before the start",
                        "leave it out, or give a time within the run")  # fmt: skip
