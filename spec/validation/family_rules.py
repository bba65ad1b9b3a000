"""What a family study has to agree on across its tables."""

from __future__ import annotations

import math
from typing import Any

from actionrun.spec.tables.observables import column_names
from actionrun.spec.text.source import nearest
from actionrun.spec.text.span import Key
from actionrun.spec.units.unit_table import NONE

from .data_rules import unobserved
from .library_rules import check_library
from .rule_context import RuleContext
from .sample_context import SampleContext

LEAST_STEPS = 2  # that are seen of a motion


def check_tables(context: RuleContext) -> None:
    """Ranges that are ranges, test cases and groups whose names are coefficients, and motions of
    which something is seen."""
    check_library(context)
    _coefficients(context)
    _observed(context)
    _noise(context)
    _layers(context)
    _embedding(context)
    _cases(context)


def _coefficients(context: RuleContext) -> None:
    for name, item in context.table("coefficients").items():
        key = ("coefficients", name)
        if isinstance(item, list):
            if len(item) == 2:
                context.range(key)
        elif isinstance(item, dict):
            _coefficient(context, key, item)
    names = [*context.table("coefficients")]
    if (
        not context.broken
        and "coefficients" in context.raw
        and all(_is_fixed(context, n) for n in names)
    ):
        said = "all coefficients are fixed" if names else "no coefficient is named"
        context.add(("coefficients",), "coefficients.none", f"{said}: there is nothing to find",
                    f"write {names[0] if names else 'c1'} = [0.0, 10.0]")  # fmt: skip


def _coefficient(context: RuleContext, key: Key, item: dict[str, Any]) -> None:
    if "range" not in item and "fixed" not in item:
        if not context.broken:
            context.add(key, "key.missing", "a coefficient without a range",
                        f"write {key[-1]} = [0.0, 10.0]")  # fmt: skip
        return
    ends = context.range((*key, "range")) if isinstance(item.get("range"), list) else None
    context.number((*key, "fixed"))
    if ends and item.get("log") is True and ends[0] <= 0:
        context.add((*key, "log"), "value.range", "the logarithm of a range that reaches 0",
                    "with log = true the range starts above 0: [0.01, 20.0]")  # fmt: skip
    if isinstance(item.get("prior"), list) and "per" not in item:
        context.add((*key, "prior"), "value.prior", "several priors of one number",
                    'write one; or add per = "trial", where each trial has its own')  # fmt: skip
    if "per" in item and "fixed" in item:
        context.add((*key, "per"), "coefficients.per", f"{key[-1]} is given, and each trial's own",
                    f"write its numbers in [data.constants]: {key[-1]} = [0.4, 0.6]")  # fmt: skip
    elif "per" in item and not _fits_data(context):
        context.add((*key, "per"), "coefficients.per", "trials are those of measured motions",
                    'add [data], and kind = "none" in [network]')  # fmt: skip


def _fits_data(context: RuleContext) -> bool:
    return "data" in context.raw and context.table("network").get("kind") == "none"


def _observed(context: RuleContext) -> None:
    observe, steps = context.table("observe"), context.table("integrator").get("steps")
    every, variables = observe.get("every", 1), observe.get("variables")
    variables = variables if isinstance(variables, list) else []
    for index, name in enumerate(variables):
        if name in variables[:index]:
            key: Key = ("observe", "variables", index)
            context.add(key, "observe.twice", f"{name} is observed twice", "write it once")
    if type(steps) is not int or type(every) is not int or min(steps, every) < 1:
        return  # said already, or the samples of [data] count
    if "data" not in context.raw and steps // every < LEAST_STEPS:
        key = ("observe", "every") if "every" in observe else ("integrator", "steps")
        count = steps // every + 1
        context.add(
            key, "observe.few",
            f"{steps} steps seen every {every} are {count} samples of a motion: too few",
            f"{LEAST_STEPS + 1} are the least: write every = {steps // LEAST_STEPS}, or more steps"
            if steps >= LEAST_STEPS else f"write steps = {40 * every}",
        )  # fmt: skip


def _noise(context: RuleContext) -> None:
    """Noise by column names columns, and is above zero."""
    noise = context.table("observe").get("noise")
    if not isinstance(noise, dict):
        return
    known = column_names([*context.coordinates])
    for name in noise:
        key: Key = ("observe", "noise", name)
        value = context.number(key)
        if known and unobserved(context, key, name, known):
            continue
        if value is not None and not value > 0:
            context.add(key, "value.range", "a standard deviation is above zero",
                        "leave it out to have it estimated")  # fmt: skip


def _layers(context: RuleContext) -> None:
    network = context.table("network")
    kind = network.get("kind")
    if kind in ("conv", "lstm") and network.get("hidden") == []:
        context.add(("network", "hidden"), "value.size",
                    f"a network of kind {kind} without a layer", "write hidden = [64, 64]"
                    )  # fmt: skip


def _embedding(context: RuleContext) -> None:
    groups = context.table("training").get("embedding")
    for row, group in enumerate(groups if isinstance(groups, list) else []):
        for column, name in enumerate(group if isinstance(group, list) else []):
            key = ("training", "embedding", row, column)
            if not isinstance(name, str):
                continue
            if name not in context.state.coefficients:
                _stranger(context, key, name)
            elif _is_fixed(context, name):
                context.add(key, "training.embedding",
                            f"{name} is fixed: the network does not name it",
                            "leave it out of the group")  # fmt: skip
            elif name in group[:column]:
                context.add(key, "training.embedding", f"{name} is twice in this group",
                            "write it once")  # fmt: skip
        if group == []:
            context.add(("training", "embedding", row), "training.embedding",
                        "a group of no coefficients", 'write [["c2", "c3"]]')  # fmt: skip


def _stranger(context: RuleContext, key: Key, name: str) -> None:
    if name in context.state.names.suppressed:
        return  # on a line that is at fault itself
    close = nearest(name, context.state.coefficients)
    said = f"there is no coefficient {name[:60]}"
    context.add_always(key, "name.coefficient", said, None, close)


def _cases(context: RuleContext) -> None:
    cases = context.table("test").get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else []):
        for name in case if isinstance(case, dict) else ():
            key = ("test", "cases", index, name)
            if name not in context.state.coefficients:
                _stranger(context, key, name)
            else:
                context.number(key)
        if isinstance(case, dict) and not context.broken:
            missing = [c for c in context.table("coefficients") if c not in case and not
                       _is_fixed(context, c)]  # fmt: skip
            if missing and all(name in context.state.coefficients for name in case):
                context.add(("test", "cases", index), "key.missing",
                            f"this case does not say {', '.join(missing)}",
                            f"write {missing[0]} = 1.0")  # fmt: skip


def _is_fixed(context: RuleContext, name: str) -> bool:
    item = context.table("coefficients")[name]
    return isinstance(item, dict) and "fixed" in item


def check_samples(context: SampleContext) -> None:
    """More samples of a measured motion than numbers that are unknown."""
    study, rows = context.study, context.rows
    if rows is None:
        return
    where = study.data.where
    seen = [n for n in study.data.columns if n not in ("t", "trial") and n[:6] != "sigma_"]
    counts = rows.samples([*seen, *study.data.observables])
    for trial, count in enumerate(counts, 1):
        if not count:
            context.add(where, "too-few-samples", f"trial {trial} has no sample",
                        "leave its rows out")  # fmt: skip
            return
    _wrapped(context)
    for name, one in study.coefficients.items():
        priors = one.prior if isinstance(one.prior, tuple) else ()
        if one.per == "trial" and len(priors) not in (0, len(counts)):
            context.add(
                ("coefficients", name, "prior"),
                "value.prior",
                f"{len(priors)} priors for {len(counts)} trials",
                f"write {len(counts)}, in the order of the trials, or one for all",
            )
            return  # fmt: skip
    free, starts = study.unknown_numbers(len(counts))
    total, unknown = sum(counts), free + starts * len(counts)
    if total < unknown and not study.starts_from_rest(counts):
        trials = f"{len(counts)} trials" if len(counts) > 1 else "the motion"
        context.add(
            where, "too-few-samples",
            f"{total} samples of {trials} cannot tell {unknown} numbers: {free} of the law "
            f"and {starts} of each start",
            "bring more samples, or say in [start] what is known: velocity = "
            f"{{ {next(iter(study.system.coordinates))} = 0.0 }}",
        )  # fmt: skip


def _wrapped(context: SampleContext) -> None:
    """Angles that jump by a full turn are to be unwrapped."""
    study, rows = context.study, context.rows
    for name in study.system.coordinates:
        if rows is None or name not in study.data.columns or study.system.is_vector(name):
            continue
        if not study.units.reduced and study.dimension(name) not in (None, NONE):
            continue
        for period, word in ((2 * math.pi, "2*pi"), (360.0, "360")):
            if lines := rows.wrapped(name, period):
                several = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
                column = study.data.columns[name].text
                shown = column if isinstance(column, int) else f'"{column}"'
                context.add(
                    ("data", "columns", name), "data.wrapped",
                    f"{name} jumps by about {word} in line {lines[0]}{several}: an angle that was "
                    "wrapped",
                    f"take it out of columns, and write in [data.observables] {name} = "
                    f'{{ column = {shown}, wrap = "{word}" }}',
                )  # fmt: skip
                break
