"""The names that a study declares: spelling, clashes, and the order they are computed in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from actionrun.spec.text.characters import GREEK
from actionrun.spec.text.source import shown
from actionrun.spec.text.span import WHOLE, Key
from actionrun.spec.units.unit_table import CONSTANTS

from .errors import ExpressionFault
from .name_resolution import uses
from .syntax_tree import FUNCTIONS, Node

MAX_CYCLES = 10
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
RESERVED = {"t": "time", "pi": "the number 3.14159...", "D": "the derivative D(q, t)",
            "sum": "a function"} | dict.fromkeys(FUNCTIONS, "a function")  # fmt: skip

MOVING = {"t", "D"}  # reserved only where something moves: a table may have such columns


def order(graph: Mapping[str, Node | None]) -> tuple[list[str], list[list[str]]]:
    """The names of [parameters] and [define] with each after what it uses, and the cycles."""
    done: dict[str, bool] = {}  # False while its uses are visited
    sequence: list[str] = []
    cycles: list[list[str]] = []
    for root in graph:
        stack: list[tuple[str, Iterator[str]]] = []
        if root not in done:
            stack.append((root, _links(graph, root)))
            done[root] = False
        while stack:
            name, links = stack[-1]
            link = next(links, None)
            if link is None:
                stack.pop()
                done[name] = True
                sequence.append(name)
            elif link not in done:
                done[link] = False
                stack.append((link, _links(graph, link)))
            elif not done[link] and len(cycles) < MAX_CYCLES:
                path = [one for one, _ in stack]
                cycles.append([*path[path.index(link) :], link])
    return sequence, cycles


def _links(graph: Mapping[str, Node | None], name: str) -> Iterator[str]:
    tree = graph[name]
    return iter([] if tree is None else [one for one in uses(tree) if one in graph])


HOMES: dict[str, tuple[str, ...]] = {
    "coordinates": ("system", "coordinates"), "columns": ("data", "columns"),
    "inputs": ("data", "inputs"), "constants": ("data", "constants"),
    "observables": ("data", "observables"), "drives": ("inputs", "columns"),
}  # fmt: skip


def declaration_faults(
    tables: Mapping[str, Collection[str]], coordinates: Collection[str], units: bool, count: int = 0
) -> Iterator[tuple[Key, ExpressionFault]]:
    """What is wrong with the names that are declared: their spelling, and clashes."""
    still = not coordinates and bool(tables.get("columns"))
    owner: dict[str, str] = {}
    taken: dict[str, str] = {}
    for q in coordinates:
        taken |= dict.fromkeys(dotted([q]), f"a derivative of {q}")
        taken |= dict.fromkeys((f"{q}_plus", f"{q}_minus"), f"a doubled coordinate of {q}")
    for table, names in tables.items():
        for name in names:
            key: Key = (*HOMES.get(table, (table,)), name)
            if not NAME.fullmatch(name):
                plain = "".join(GREEK.get(char, char) for char in name)
                plain = re.sub(r"[^A-Za-z0-9_]", "_" if plain.isascii() else "", plain)[:40]
                hint = (
                    f"write {plain}"
                    if NAME.fullmatch(plain)
                    else "letters, digits and _, at most 40"
                )
                yield (
                    key,
                    ExpressionFault(
                        "name.spelling",
                        f"{shown(name[:60])} cannot be the name of a quantity",
                        WHOLE,
                        hint,
                    ),
                )
                continue
            message = None
            if name in RESERVED and not (still and name in MOVING):
                message = f"{name} already means {RESERVED[name]}"
            elif units and name in CONSTANTS:
                message = f"{name} is a constant of nature in a study with units"
            elif name == "dt" and "columns" in tables:
                message = "dt already means the time step"
            elif name == "i" and count:
                message = "i is the number of a body in a study with particles"
            elif name in owner:
                message = f"{name} is declared in [{owner[name]}] already"
            elif table != "coordinates" and name in taken:
                message = f"{name} already means {taken[name]}"
            if message:
                yield key, ExpressionFault("name.clash", message, WHOLE, "choose another name")
            owner.setdefault(name, ".".join(HOMES.get(table, (table,))))


def dotted(coordinates: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Derivatives in words: `qdot`, `qddot`, `qdot_plus`, `q_plusdot`."""
    words: dict[str, tuple[str, int]] = {}
    for q in coordinates:
        for dots, size in (("dot", 1), ("ddot", 2)):
            words[q + dots] = (q, size)
            for sign in ("_plus", "_minus"):
                words[q + dots + sign] = (q + sign, size)
                words[q + sign + dots] = (q + sign, size)
    return words
