"""Which names an expression may hold, what they stand for, and in which order they are computed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from actionrun.spec.text.source import nearest, shown
from actionrun.spec.units.unit_table import CONSTANTS, known_unit

from .errors import ESCAPES, ExpressionFault, control_fault, latex_advice
from .syntax_tree import FUNCTIONS, Derivative, Index, Name, Node, Sum, children

KINDS = {  # what a name may be, in words
    "coordinate": "a coordinate",
    "velocity": "a time derivative",
    "doubled": "a doubled coordinate",
    "time": "the time t",
    "parameter": "a parameter",
    "coefficient": "a coefficient",
    "constant": "a constant",
    "bodies": "a pair distance",
    "body": "the place of a body",
    "index": "the number of a body",
    "paired": "a number of each pair of species",
    "column": "a column of the data",
    "step": "the time step dt",
    "input": "an input of the data",
    "input rate": "the derivative of an input",
    "by trial": "a number of each trial",
}
DOT_WORD = re.compile(r"(\w+?)_(d{0,2})dot")  # q_dot, q_ddot
QUOTIENT = re.compile(r"\)?\s*/\s*dt\b")
FIXED = frozenset({"parameter", "constant"})
DRIVEN = frozenset({"input", "input rate", "by trial"})  # what files say of each time or trial
PLACES: dict[str, frozenset[str]] = {  # what each place of a study may hold
    "lagrangian": FIXED | DRIVEN | {"coordinate", "velocity", "time", "coefficient", "bodies"},
    "nonconservative": FIXED | DRIVEN | {"doubled", "time", "coefficient"},
    "potential": FIXED
    | DRIVEN
    | {
        "coordinate",
        "time",
        "coefficient",
        "bodies",
        "body",
        "paired",
    },
    "mass": FIXED | {"coefficient", "by trial"},
    "equation": FIXED | {"coordinate", "time", "coefficient", "index", "by trial"},
    "inequality": FIXED | {"coefficient"},
    "time_transform": FIXED | {"coordinate", "coefficient"},
    "pair": FIXED | {"bodies", "coefficient", "paired"},
    "external": FIXED | {"body", "coefficient"},
    "input": FIXED | {"coordinate", "velocity", "column"},
    "rival": FIXED | {"coordinate", "velocity", "column"},
    "weight": FIXED | {"step"},
    "activation": FIXED,
    "exact": FIXED | {"time", "index"},
    "library": FIXED | {"coordinate", "velocity"},
    "drag": FIXED | {"doubled"},
    "event": FIXED | {"coordinate", "velocity", "time"},
    "term": FIXED | {"coordinate", "velocity", "time", "body"},
    "observable": FIXED | DRIVEN | {"coordinate", "velocity", "time", "coefficient"},
    "value": FIXED,
    "start": FIXED | {"index", "by trial"},
    "define": frozenset(KINDS) - {"index"},
}
PLACE_WORDS = {
    "lagrangian": "a Lagrangian", "nonconservative": "the nonconservative K",
    "potential": "a potential", "mass": "a mass",
    "equation": "a holonomic constraint",
    "inequality": "a bound on coefficients", "time_transform": "a time transform",
    "pair": "the potential of a pair", "external": "the potential of one body",
    "input": "an input or output", "rival": "a formula to compare with", "weight": "a weight",
    "activation": "an activation",
    "exact": "an exact solution", "event": "an event", "term": "a term of the loss",
    "library": "a term of a library", "drag": "a drag",
    "observable": "an observable",
    "value": "a constant", "start": "a start", "define": "a definition",
}  # fmt: skip


@dataclass
class Names:
    """The declared names of a study. `contents`: for each definition, the kinds of name in it and
    in all that it uses."""

    coordinates: Mapping[str, int] = field(default_factory=dict)
    vectors: bool = False
    parameters: Mapping[str, Node | None] = field(default_factory=dict)
    define: Mapping[str, Node | None] = field(default_factory=dict)
    coefficients: frozenset[str] = frozenset()
    bodies: bool = False
    units: bool = False
    suppressed: frozenset[str] = frozenset()  # declared on lines that could not be read
    inputs: frozenset[str] = frozenset()  # functions of time, from a file
    by_trial: frozenset[str] = frozenset()  # numbers that a file has for each trial
    columns: frozenset[str] = frozenset()  # of a table whose columns are names
    step: bool = False  # dt is known
    open: bool = False  # the coordinates could not be read: any name may be one
    count: int = 0  # of bodies that each have the coordinates; then i is the number of a body
    lists: frozenset[str] = frozenset()  # parameters that have a number for each body
    paired: frozenset[str] = frozenset()  # parameters that have a number for each pair of species
    contents: dict[str, frozenset[str]] = field(default_factory=dict)

    def doubled(self, name: str) -> str | None:
        """The coordinate of `q_plus` or `q_minus`."""
        base, _, sign = name.rpartition("_")
        return base if sign in ("plus", "minus") and base in self.coordinates else None

    def kinds(self, name: str) -> frozenset[str] | None:
        """What a name stands for (a definition: all that it holds); None: not declared."""
        if name in self.coordinates:
            return frozenset({"coordinate"})
        if name in self.parameters:
            return frozenset({"paired" if name in self.paired else "parameter"})
        if name in self.define:
            return self.contents.get(name, FIXED)
        if name in self.coefficients:
            return frozenset({"coefficient"})
        if name in self.inputs:
            return frozenset({"input"})
        if name in self.by_trial:
            return frozenset({"by trial"})
        if self.doubled(name):
            return frozenset({"doubled"})
        if name in self.columns:
            return frozenset({"column"})
        if name == "t":
            return frozenset({"time"})
        if name == "pi" or (self.units and name in CONSTANTS):
            return frozenset({"constant"})
        if name == "dt" and self.step:
            return frozenset({"step"})
        if name == "i" and self.count:
            return frozenset({"index"})
        if name == "r" and self.bodies:
            return frozenset({"bodies"})
        if name in ("x", "y", "z") and self.bodies:
            return frozenset({"body"})
        return frozenset() if self.open or name in self.suppressed else None

    def declared(self, allowed: Iterable[str]) -> list[str]:
        """Names to suggest."""
        kinds = {*allowed}
        names: list[str] = []
        if kinds & {"coordinate", "velocity"}:
            names += self.coordinates
        if "doubled" in kinds:
            names += [f"{q}{sign}" for q in self.coordinates for sign in ("_plus", "_minus")]
        if "column" in kinds:
            names += self.columns
        if "step" in kinds and self.step:
            names.append("dt")
        if "bodies" in kinds and self.bodies:
            names.append("r")
        if "parameter" in kinds:
            names += [*self.parameters, *self.define]
        if "coefficient" in kinds:
            names += self.coefficients
        if "input" in kinds:
            names += self.inputs
        if "by trial" in kinds:
            names += self.by_trial
        if "constant" in kinds and self.units:
            names += CONSTANTS
        return names


def occurrences(tree: Node) -> Iterator[tuple[Name, int, Node, frozenset[str]]]:
    """Each name of a tree with the order of its derivative, the node that shows it, and the sum
    indices bound there. Indices themselves are left out."""
    stack: list[tuple[Node, frozenset[str]]] = [(tree, frozenset())]
    while stack:
        node, bound = stack.pop()
        match node:
            case Name():
                yield node, 0, node, bound
            case Derivative(base, order):
                yield base, order, node, bound
            case Index(base):
                stack.append((base, bound))
            case Sum(indices, body):
                stack.append((body, bound | {*indices}))
            case _:
                stack.extend((child, bound) for child in reversed(children(node)))


def uses(tree: Node) -> list[str]:
    return [name.name for name, *_ in occurrences(tree)]


def name_faults(tree: Node, text: str, place: str, names: Names) -> Iterator[ExpressionFault]:
    """What is wrong with the names of an expression in a place of the study."""
    allowed = PLACES[place]
    seen: set[str] = set()
    for name, order, node, bound in occurrences(tree):
        kinds = names.kinds(name.name)
        if place == "activation" and name.name == "x" and not order:
            continue  # its argument, whatever else has that name
        if name.name in bound and not order:
            if kinds and kinds != {"index"}:
                kind = KINDS[sorted(kinds)[0]]
                yield ExpressionFault(
                    "name.clash", f"{name.name} is the index of this sum and {kind}", node.span,
                    "take another index: i, j or k",
                )  # fmt: skip
            continue
        if kinds is None:
            free = place == "rival" and not order and name.name not in (*FUNCTIONS, "sum")
            if name.name not in seen and not free:
                seen.add(name.name)
                yield _undeclared(name, text, place, names, order)
            continue
        if order and kinds:
            if not kinds <= {"coordinate", "doubled", "input"} or name.name in names.define:
                yield _no_derivative(name, node, names)
                continue
            if "coordinate" in kinds:
                kinds = frozenset({"velocity"})
            elif "input" in kinds:
                kinds = frozenset({"input rate"})
            if order > (2 if place == "observable" else 1) and place != "define":
                yield ExpressionFault(
                    "name.order", f"a derivative of order {order}", node.span,
                    "a law of motion here holds coordinates and first derivatives"
                    if place != "observable" else "an observable holds up to q''",
                )  # fmt: skip
                continue
        if wrong := kinds - allowed:
            yield _misplaced(name, node, sorted(wrong)[0], place, names)


def _undeclared(name: Name, text: str, place: str, names: Names, order: int) -> ExpressionFault:
    word = name.name
    before = text[name.span.start - 1 : name.span.start]
    swallowed = ESCAPES[before][0] + word if before in ESCAPES and before not in "\n " else ""
    if latex_advice(swallowed) != latex_advice(""):
        return control_fault(text, name.span.start - 1)
    close = nearest(word, names.declared(PLACES[place]))
    hint = None
    if derivative := _derivative_elsewhere(word, text, name.span.stop, names):
        close, hint = None, f"write {derivative}"
    elif word in CONSTANTS and not names.units:
        close = None
        hint = f"constants such as {word} are known where units are used; else declare it"
    elif word in FUNCTIONS or word == "sum":
        close, hint = None, f"a function has arguments: {word}(x)"
    elif close is None:
        base = word.rpartition("_")[0]
        if word.endswith(("_plus", "_minus")) and base:
            close = nearest(base, names.coordinates)
            hint = f"the coordinates are {' '.join(names.coordinates)}" if not close else None
            close = f"{close}_{word.rpartition('_')[2]}" if close else None
        elif place in ("value", "start") and known_unit(word):
            hint = f'declare it in [parameters]; a quantity begins with a number: "1 {word}"'
        elif order or not names.coordinates:
            hint = f'declare it: coordinates = [..., "{word}"]' if len(word) <= 40 else None
        elif names.bodies and word in ("i", "j", "k"):
            hint = "an index has a meaning inside sum(i<j, ...) only, between [ and ]"
        else:
            hint = f"declare it in [parameters], e.g. {word} = 1.0"
            if names.coefficients and "coefficient" in PLACES[place]:
                hint += f"; or, if it is unknown, in [coefficients], e.g. {word} = [0.0, 10.0]"
            hint = hint if len(word) <= 40 else None
    return ExpressionFault("name.unknown", f"{shown(word)} is not declared", name.span, hint, close)


def _derivative_elsewhere(word: str, text: str, stop: int, names: Names) -> str | None:
    """The derivative that other languages write `q_dot`, `q_t` or `dq/dt`; None for other words."""
    dots = DOT_WORD.fullmatch(word)
    if dots and dots[1] in names.coordinates:
        return dots[1] + "'" * (len(dots[2]) + 1)
    if word[:1] == "d" and word[1:] in names.coordinates and QUOTIENT.match(text, stop):
        return f"{word[1:]}' for {word}/dt"
    return None


def _no_derivative(name: Name, node: Node, names: Names) -> ExpressionFault:
    if name.name in names.define:
        hint = f"write the derivative of {name.name} out"
    else:
        hint = "only coordinates move: " + " ".join(f"{q}'" for q in names.coordinates)
    return ExpressionFault(
        "name.derivative", f"{name.name} is no coordinate and has no derivative", node.span, hint
    )


def _misplaced(name: Name, node: Node, kind: str, place: str, names: Names) -> ExpressionFault:
    word = name.name
    where = PLACE_WORDS[place]
    hint: str | None = None
    if place in ("nonconservative", "drag") and kind in ("coordinate", "velocity"):
        prime = "'" if kind == "velocity" else ""
        hint = f"write {word}_plus{prime} (the motion) or {word}_minus{prime} (its variation)"
    elif place == "pair" and kind == "body":
        hint = "a pair has its distance r"
    elif kind == "paired":
        hint = "it differs from pair to pair and stands in pair only: write a number here"
    elif kind == "doubled":
        hint = f"write {names.doubled(word)}; doubled coordinates stand in nonconservative only"
    elif kind in DRIVEN:
        hint = "it differs in time or from trial to trial: it stands in the law of motion"
    elif kind == "index":
        hint = "i has a meaning inside sum(i, ...), in constraints, in [start] and in [exact]"
    elif place in ("value", "start"):
        hint = "a number is wanted: it may hold [parameters] and constants of [define]"
    elif place == "inequality":
        hint = "an inequality bounds coefficients: c1 > 0; between coordinates write an equation"
    elif place == "equation" and kind == "velocity":
        hint = "a holonomic constraint holds positions only"
    elif place == "exact":
        hint = "it is an expression of t, [parameters] and [define]"
    elif place == "potential" and kind == "velocity":
        hint = "a potential holds positions only; else write the whole lagrangian"
    if word in names.define:
        message = f"{word} holds {KINDS[kind]}, which has no place in {where}"
    else:
        message = f"{KINDS[kind]} has no place in {where}"
    return ExpressionFault("name.place", message, node.span, hint)
