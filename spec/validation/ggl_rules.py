"""What a ggl study has to agree on across its tables: times of output within the run, and what
events do."""

from __future__ import annotations

import math
from typing import Any

from actionrun.spec.kinds.ggl import MOST_TIMES
from actionrun.spec.tables.analysis import start_entry
from actionrun.spec.tables.events import KEYS, setting_target
from actionrun.spec.text.span import Key

from .rule_context import RuleContext

MOST_NUMBERS = 100_000_000  # positions in them
MOST_STEPS = 10**12
WHOLE = 1e-9  # of a duration: it is a whole number of steps to that
NEAR = 1e-9  # of a step: a time of output may lie beyond the end by so much


def check_tables(context: RuleContext) -> None:
    """Times of output, as many as fit, from 0 to the end; what events do."""
    _events(context)
    _analysis(context)
    _duration(context)
    output, integrator = context.raw.get("output"), context.table("integrator")
    if not isinstance(output, dict) or context.broken:
        return
    if ("times" in output) == ("every" in output):
        context.add(("output",), "output.times", "[output] takes times or every, and one of them",
                    "write every = 0.01, or times = [0.5, 1.0]")  # fmt: skip
        return
    dt, steps = context.number(("integrator", "dt")), integrator.get("steps")
    duration = context.number(("integrator", "duration"))
    if duration is not None and dt:
        steps = round(duration / dt)
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


def _duration(context: RuleContext) -> None:
    """A duration instead of a number of steps, and a whole number of them."""
    table, key = context.table("integrator"), ("integrator", "duration")
    duration, dt = context.number(key), context.number(("integrator", "dt"))
    if "duration" not in table:
        return
    if "steps" in table:
        context.add(key, "integrator.duration", "steps and duration say the same thing",
                    "take one of them out")  # fmt: skip
    elif "time_transform" in table:
        context.add(key, "integrator.duration", "with a time_transform dt is no step of time",
                    "write steps instead")  # fmt: skip
    elif duration is not None and dt is not None and dt > 0:
        count = duration / dt
        if not 0.5 <= count <= MOST_STEPS:
            context.add(key, "integrator.duration",
                        f"the duration is {count:.4g} steps: from 1 to {MOST_STEPS:.0e}",
                        "give a time that dt goes into")  # fmt: skip
        elif abs(count - round(count)) > WHOLE * count:
            better = f"dt = {duration / math.ceil(count):.12g}"
            context.add(
                key,
                "integrator.duration",
                f"the duration is {count:.6g} steps, no whole number of them",
                f"write {better}, or a duration of {dt * round(count):.12g}, in base units",
            )


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


def _analysis(context: RuleContext) -> None:
    """No more exponents than directions, and derivatives by what there is."""
    given, reading = context.table("analysis"), context.state.reading
    if not given or context.broken or context.state.names.open:
        return
    directions, asked = 2 * sum(reading.coordinates.values()), given.get("lyapunov")
    if type(asked) is int and asked > directions:
        context.add(("analysis", "lyapunov"), "analysis.lyapunov",
                    f"{asked} exponents, where states have {directions} directions",
                    f"write lyapunov = {directions}, or fewer")  # fmt: skip
    names = given.get("sensitivity")
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str):
            _entry(context, ("analysis", "sensitivity", index), name, parameters=True)
    for table, names in (("periodic", "free"), ("reach", "by")):
        part = given.get(table)
        entries = part.get(names) if isinstance(part, dict) else None
        for index, name in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(name, str):
                _entry(context, ("analysis", table, names, index), name, parameters=False)
    if isinstance(reach := given.get("reach"), dict):
        _reach(context, reach)


def _reach(context: RuleContext, reach: dict[str, Any]) -> None:
    """Where a run is to end: at coordinates, no more of them than can be chosen at its start."""
    key, wanted = ("analysis", "reach"), 0
    for part in ("position", "velocity"):
        given = reach.get(part)
        for name, item in given.items() if isinstance(given, dict) else ():
            if context.coordinate((*key, part, name), name):
                wanted += len(item) if isinstance(item, list) else 1
    by = reach.get("by")
    if not wanted:
        context.add(key, "analysis.reach", "nothing is to be reached",
                    "write position = { x = 1.0 }, or velocity")  # fmt: skip
    elif isinstance(by, list) and len({*map(str, by)}) < wanted:
        context.add((*key, "by"), "analysis.reach",
                    f"{wanted} numbers are to be reached by {len({*map(str, by)})}",
                    "name as many entries of the start")  # fmt: skip


def _entry(context: RuleContext, key: Key, name: str, parameters: bool) -> None:
    """A parameter, or an entry of [start] as it is given there."""
    reading, start = context.state.reading, context.table("start")
    if parameters and name in context.state.parameters:
        return
    entry = start_entry(name, reading.coordinates, reading.vectors)
    some = next(iter(reading.coordinates), "q")
    example = f"start.position.{some}" + "[1]" * reading.vectors
    if entry is None:
        what = (
            "neither a parameter nor an entry of [start]" if parameters else "no entry of [start]"
        )
        context.add(key, "analysis.name", f"{name[:60]} is {what}", f'write "{example}"')
    elif entry.table == "momentum" and "momentum" not in start:
        context.add(key, "analysis.name", "the start is given by velocity, not by momentum",
                    f'write "{name.replace("momentum", "velocity")[:80]}"')  # fmt: skip
    elif entry.table == "velocity" and "momentum" in start:
        context.add(key, "analysis.name", "the start is given by momentum, not by velocity",
                    f'write "{name.replace("velocity", "momentum")[:80]}"')  # fmt: skip
