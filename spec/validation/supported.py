"""What the language can say and this version does not run: one table.

`check` reads it, and so does every run, which loads its study first; nobody asks a second time.
What only algebra or a file can tell is refused by the compiler, before anything is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.syntax_tree import Derivative, Index, Name, walk
from actionrun.spec.tables.distributions import NormalPrior
from actionrun.spec.tables.leaves import Range
from actionrun.spec.text.span import WHOLE, Key

MOST_POINTS = 2000  # of a path: tables of a basis are dense
MOST_UNKNOWNS = 2500  # of a Langevin path, whose Newton steps have dense matrices
MOST_ANALYSED = 60  # degrees of freedom whose tangents are followed: their matrices are dense
SOON = "is not built yet in this version"
DOUBLE = 'write precision = "double"'
POSITIONS = 'write given = ["positions"]'


class Refusal(NamedTuple):
    """A study of a kind that asks for this is refused, with a fault at a place."""

    kind: str
    asked: Callable[[Any], object]
    place: Key | Callable[[Any], Key]
    message: str | Callable[[Any], str]
    hint: str | Callable[[Any], str] | None = None
    code: str = "not-built"


def refusals(study: Any) -> Iterator[tuple[Key, ExpressionFault]]:
    """What this version does not run of a study."""
    for row in TABLE:
        if row.kind == study.study and row.asked(study):
            place = row.place(study) if callable(row.place) else row.place
            message = row.message(study) if callable(row.message) else row.message
            hint = row.hint(study) if callable(row.hint) else row.hint
            yield place, ExpressionFault(row.code, message, WHOLE, hint)


def _in_single(what: str, asked: Callable[[Any], object]) -> Refusal:
    return Refusal(
        "ggl", lambda s: s.integrator.precision == "single" and asked(s),
        ("integrator", "precision"),
        f"not built yet in single precision in this version: {what}", DOUBLE,
    )  # fmt: skip


def _acting(where: str, asked: Callable[[Any], object]) -> Refusal:
    return Refusal(
        "ggl", lambda s: s.acting_events and asked(s),
        lambda s: ("events", next(iter(s.acting_events))), f"an event that acts {where} {SOON}",
        "write its expression alone: the zeros are found",
    )  # fmt: skip


def _analysed(what: str, asked: Callable[[Any], object]) -> Refusal:
    return Refusal(
        "ggl", lambda s: s.analysis and s.analysis.asked() and asked(s),
        lambda s: ("analysis", next(iter(s.analysis.asked()))),
        f"an analysis of the motion with {what} {SOON}", "leave [analysis] out",
    )  # fmt: skip


def _no_position(study: Any) -> bool:
    """Whether a network is to see motions of which a coordinate has no column."""
    if study.data is None or study.network.kind == "none":
        return False
    return not {*study.system.coordinates} <= {*study.data.columns} or bool(study.data.observables)


def _bounds_own(study: Any) -> bool:
    """Whether a bound on coefficients holds one that each trial has of its own."""
    own = {name for name, one in study.coefficients.items() if one.per is not None}
    return any(isinstance(node, Name) and node.name in own
               for one in study.system.inequalities for node in walk(one.tree))  # fmt: skip


def _fits_data(study: Any) -> bool:
    return study.data is not None and study.network.kind == "none"


def _second_derivative(study: Any) -> bool:
    """Whether an acceleration is observed of a system with constraints."""
    formulas = [one.formula for one in study.data.observables.values() if one.formula] if (
        study.data is not None and study.system.holonomic) else []  # fmt: skip
    return any(isinstance(node, Derivative) and node.order > 1
               for formula in formulas for node in walk(formula.tree))  # fmt: skip


def _by_coordinate(study: Any) -> bool:
    """Whether an end is given by coordinate, and not by a file."""
    return isinstance(study.ends.start, dict) or isinstance(study.ends.end, dict)


def _is_transformation(study: Any) -> bool:
    """Whether one end is turned, or taken over barriers, to the other."""
    return study.ends.start is not None and bool(study.refine.barrier or study.ends.align)


def _some(study: Any) -> bool:
    """Whether some symmetries are listed; all of them mean all that the energy has."""
    return 0 < len(study.ends.align) < 3


def _transformation(study: Any) -> Key:
    return ("refine", "barrier") if study.refine.barrier else ("ends", "align")


def _holds_field(study: Any) -> bool:
    """Whether single bodies have an energy of their own."""
    law, own = study.system.potential, {"x", "y", "z"} - {*study.parameters}
    return study.system.external is not None or (law is not None and any(
        isinstance(node, Index) and isinstance(node.base, Name) and node.base.name in own
        for node in walk(law.tree)
    ))  # fmt: skip


def _thermal(study: Any) -> bool:
    """Whether the path is one of Langevin's motions."""
    return study.path.dynamics != "newton"


def _few_points(study: Any) -> bool:
    return not MOST_POINTS >= study.path.points > 2 + 2 * ("velocities" in study.ends.given)


def _of_states(study: Any) -> bool:
    """Whether a map is to be found in a file."""
    return bool(study.system.coordinates) and study.data.file is not None


def _is_driven(study: Any) -> bool:
    """Whether time stands in the law of motions that are to be computed."""
    system = study.system
    laws = [one for one in (system.lagrangian, system.nonconservative) if one is not None]
    return study.data.energies is not None and any(
        isinstance(node, Name) and node.name == "t" for law in laws for node in walk(law.tree)
    )


def _is_table(study: Any) -> bool:
    """Whether a law is to be found, in a table."""
    return not study.system.coordinates and study.data.energies is None


def _lacking_state(study: Any) -> list[str]:
    """The columns that a map's file has to have, and the study does not name: velocities can be
    estimated."""
    return [name for name in study.system.coordinates if name not in (study.data.columns or {})]


TABLE = (
    Refusal("family", lambda s: s.system.particles, ("system", "particles"),
            f"a system of many bodies {SOON}"),
    Refusal("pnn", lambda s: s.system.particles, ("system", "particles"),
            f"a system of many bodies {SOON}"),
    _in_single("constraints", lambda s: s.system.holonomic),
    _in_single("a time_transform", lambda s: s.integrator.time_transform),
    _in_single("comparisons", lambda s: s.compare),
    _in_single("outputs between the steps", lambda s: s.output),
    _in_single("events", lambda s: s.events),
    _in_single("inputs", lambda s: s.inputs),
    _acting("on many bodies", lambda s: s.system.particles),
    _acting("on a system with constraints", lambda s: s.system.holonomic),
    _acting("in a transformed time", lambda s: s.integrator.time_transform),
    _acting("beside comparisons", lambda s: s.compare),
    _analysed("many bodies", lambda s: s.system.particles),
    _analysed("a system with constraints", lambda s: s.system.holonomic),
    _analysed("a transformed time", lambda s: s.integrator.time_transform),
    _analysed("events that act", lambda s: s.acting_events),
    _analysed("inputs from a file", lambda s: s.inputs),
    _analysed("single precision", lambda s: s.integrator.precision == "single"),
    _analysed(f"more than {MOST_ANALYSED} degrees of freedom",
              lambda s: sum(s.system.coordinates.values()) > MOST_ANALYSED),
    Refusal("ggl", lambda s: s.inputs and s.inputs.between == "hold", ("inputs", "between"),
            f"an integration with an input that jumps {SOON}", 'write between = "linear"'),
    Refusal("ggl", lambda s: s.inputs and s.system.particles, ("inputs",),
            f"inputs of many bodies {SOON}"),
    Refusal("ggl", lambda s: s.inputs and s.integrator.time_transform, ("inputs",),
            f"inputs of a motion with a transformed time {SOON}"),
    Refusal("family", _bounds_own, ("system", "constraints"),
            f"a bound on coefficients of which each trial has its own {SOON}",
            "narrow its range instead"),
    Refusal("family", lambda s: s.integrator.time_transform, ("integrator", "time_transform"),
            f"time_transform {SOON}"),
    Refusal("family", lambda s: s.data is None and s.network.kind == "none", ("network", "kind"),
            'network kind "none" fits one measured motion, but the study has no [data]',
            "add [data] with file and columns, or leave out network.kind", "network.kind"),
    Refusal("family", lambda s: s.training.epochs is not None and s.training.systems is None,
            ("training", "epochs"),
            "an epoch is a pass over a fixed set of systems, but every step draws fresh ones",
            "add systems = 100000, the size of the set, or write steps instead of epochs",
            "training.epochs"),
    Refusal("family", lambda s: s.data and s.start is None and s.network.kind != "none",
            ("system",), "training systems need a [start]",
            "add [start] with position and velocity or momentum; ranges are drawn from. Or write "
            'kind = "none" in [network]: a fit without one needs none', "start.missing"),
    Refusal("family", lambda s: s.data and s.network.kind == "none" and s.start is not None
            and s.start.momentum is not None, ("start", "momentum"),
            "with [data], a start is given by position and velocity in this version",
            "write velocity, or leave [start] out to have it estimated"),
    Refusal("family", lambda s: s.start and s.start.holds(NormalPrior) and not _fits_data(s),
            ("start",), "a normal distribution is what is known of the start of measured motions",
            "write a range, [low, high]", "start.range"),
    Refusal("family", lambda s: s.data and s.network.kind == "none" and s.start is not None
            and s.start.holds(Range), ("start",),
            f"a range of the starts of measured motions {SOON}",
            "give numbers, or leave out what is not known: it is estimated"),
    Refusal("family", lambda s: s.data is None and s.observe.absolute_noise, ("observe", "noise"),
            "training draws noise relative to each motion in this version",
            "write noise = 0.01, of each variable over its RMS"),
    Refusal("family", lambda s: s.compare and (s.data is None or s.network.kind != "none"),
            ("compare",), "laws are compared on measured motions, fitted without a network",
            'write [data], and kind = "none" in [network]'),
    Refusal("family", lambda s: s.refine.posterior and (s.data is None
            or s.network.kind != "none"), ("refine", "posterior"),
            "the posterior of measured motions is sampled, fitted without a network",
            'write [data], and kind = "none" in [network]'),
    Refusal("family", lambda s: s.refine.posterior and s.system.holonomic,
            ("refine", "posterior"), f"a posterior on the surface of constraints {SOON}",
            "leave it out: the fit has errors of its own"),
    Refusal("family", lambda s: s.compare and s.refine.sparse, ("compare",),
            f"a comparison of laws whose terms may be dropped {SOON}", "leave out sparse"),
    Refusal("family", _no_position, ("data", "columns"),
            "a network needs the positions of all coordinates in this version",
            'add a column for each coordinate, or write kind = "none" in [network]'),
    Refusal("family", _second_derivative, ("data", "observables"),
            f"an acceleration of a constrained system as an observable {SOON}"),
    Refusal("family", lambda s: s.network.kind != "none" and any(s.driven), ("data",),
            f"a network for motions with inputs or numbers by trial {SOON}",
            'write kind = "none" in [network]'),
    Refusal("om", lambda s: s.training.minutes is not None, ("training", "minutes"),
            f"a cap in minutes {SOON}", "write epochs, the number of iterations"),
    Refusal("om", lambda s: s.system.nonconservative and not _thermal(s),
            ("system", "nonconservative"), f"a path of Newton's with friction {SOON}",
            'write dynamics = "langevin" or "overdamped" in [path], with friction and temperature'),
    Refusal("om", lambda s: s.path.dynamics == "langevin" and s.path.duration == "free",
            ("path", "duration"), f"a free duration with inertia {SOON}",
            'write a duration, or dynamics = "overdamped"'),
    Refusal("om", lambda s: _thermal(s) and s.system.particles, ("path", "dynamics"),
            f"a Langevin path of many bodies {SOON}",
            "name coordinates, and write their potential"),
    Refusal("om", lambda s: _thermal(s) and "velocities" in s.ends.given, ("ends", "given"),
            "velocities at the ends of a Langevin path have keys of their own",
            "leave out given, and write start_velocity and end_velocity"),
    Refusal("om", lambda s: _thermal(s) and s.refine.barrier, ("refine", "barrier"),
            f"the barrier of a Langevin path {SOON}",
            'delete [refine]; a path without noise, duration = "free", passes the saddles'),
    Refusal("om", lambda s: _thermal(s) and s.training.optimizer != "gauss-newton",
            ("training", "optimizer"), f"another optimizer of a Langevin path {SOON}",
            "leave it out"),
    Refusal("om", lambda s: _thermal(s) and (s.loss.boundary != "exact" or s.loss.energy
            or s.loss.terms or s.loss.action != 1), ("loss",),
            "the action of a Langevin path is a probability: nothing is added to it",
            "delete [loss]", "path.loss"),
    Refusal("om", lambda s: _thermal(s)
            and s.path.points * sum(s.system.coordinates.values()) > MOST_UNKNOWNS,
            ("path", "points"),
            f"a Langevin path has at most {MOST_UNKNOWNS} points times coordinates in this version",
            "write fewer points", "path.points"),
    Refusal("om", lambda s: _thermal(s) and s.path.duration == "free"
            and (s.network or s.path.basis), ("path", "duration"),
            "a path of free duration is written by its places, and not in functions of time",
            "delete basis and [network]", "path.basis"),
    Refusal("om", lambda s: s.system.constraints, ("system", "constraints"),
            f"a path with constraints {SOON}"),
    Refusal("om", lambda s: s.system.particles and s.system.lagrangian, ("system", "lagrangian"),
            f"a Lagrangian of many bodies {SOON}",
            'write mass, and their potential instead: potential = "sum(i<j, 4*(1/r[i,j]^12 - '
            '1/r[i,j]^6))"'),
    Refusal("om", lambda s: "positions" not in s.ends.given, ("ends", "given"),
            "a path needs the positions at its ends", 'write given = ["positions", "velocities"]',
            "ends.given"),
    Refusal("om", lambda s: "velocities" in s.ends.given and _by_coordinate(s), ("ends", "given"),
            "[ends] start and end give positions alone", POSITIONS, "ends.given"),
    Refusal("om", lambda s: s.ends.origin == "md" and not s.system.particles, ("ends", "from"),
            "a reference run needs bodies in [system]",
            "write start = { q = 0.0 } and end = { q = 1.0 }", "ends.from"),
    Refusal("om", lambda s: s.ends.origin == "md" and s.system.particles and not s.system.box,
            ("ends", "from"), "a reference run of a fluid needs a box",
            "write box = { density = 0.8 } in [system]", "ends.from"),
    Refusal("om", _few_points, ("path", "points"),
            f"a path has from 5 to {MOST_POINTS} points in this version", "write points = 32",
            "path.points"),
    Refusal("om", lambda s: s.path.basis == "network" and s.network is None, ("path", "basis"),
            "a network without its table",
            'write [network] with hidden = 125 and activation = "sigmoid"', "path.basis"),
    Refusal("om", lambda s: s.training.first_order and s.path.basis != "network"
            and s.network is None and s.loss.action == 0, ("loss", "action"),
            "a loss without the action has no path", "write action = 1.0", "loss.action"),
    Refusal("om", lambda s: s.refine.barrier and s.ends.start is None, ("refine", "barrier"),
            "a barrier is looked for between two structures, and a reference run gives none",
            'write start = "a.xyz" and end = "b.xyz" in [ends], or delete [refine]',
            "ends.barrier"),
    Refusal("om", lambda s: s.refine.temperature is not None and not s.refine.barrier
            and not (_thermal(s) and s.path.duration == "free"),
            ("refine", "temperature"), "rates are those over a barrier",
            "write barrier = true in [refine]", "refine.temperature"),
    Refusal("om", lambda s: s.ends.align and not s.system.particles, ("ends", "align"),
            "coordinates have no rotation, inversion or permutation", "leave out align",
            "ends.align"),
    Refusal("om", lambda s: s.system.box and _some(s) and "rotation" in s.ends.align,
            ("ends", "align"), "a box is turned by no rotation",
            'write align = ["permutation"], or true: translation and what else leaves the energy '
            "as it is", "ends.align"),
    Refusal("om", lambda s: _some(s) and "inversion" in s.ends.align
            and (_holds_field(s) or s.system.frozen), ("ends", "align"),
            "a field or held bodies are not inverted with the others",
            'write align = ["rotation", "permutation"], or true: what leaves the energy as it is',
            "ends.align"),
    Refusal("om", lambda s: _is_transformation(s) and "velocities" in s.ends.given,
            _transformation, "velocities at the ends, where these are turned or relaxed",
            f"{POSITIONS} in [ends]", "ends.given"),
    Refusal("pnn", lambda s: s.system.holonomic, ("system", "constraints"),
            "maps of constrained systems are not built yet in this version",
            "choose coordinates without constraints"),
    Refusal("pnn", lambda s: len({*s.system.coordinates.values()}) > 1, ("system", "coordinates"),
            "a network moves coordinates of one kind: numbers, or vectors of one size",
            "write all coordinates as numbers", "map.width"),
    Refusal("pnn", lambda s: _of_states(s) and _lacking_state(s), ("data", "columns"),
            lambda s: f"a map needs all positions: {' and '.join(_lacking_state(s))} is missing",
            lambda s: f'write {_lacking_state(s)[0]} = "COLUMN"', "data.state"),
    Refusal("pnn", _is_driven, ("data", "energies"),
            "a driven motion has no energy of its own: it is not what energies name",
            "give measured motions in [data] file", "map.force"),
    Refusal("pnn", lambda s: _is_table(s) and len(s.search.outputs) > 1,
            ("search", "outputs", 1), "a law predicts one quantity", "write a study for each",
            "search.outputs"),
    Refusal("pnn", lambda s: _is_table(s) and s.training.optimizer != "levenberg-marquardt",
            ("training", "optimizer"),
            "laws are fitted by least squares to convergence",
            'write optimizer = "levenberg-marquardt", or leave it out', "training.optimizer"),
)  # fmt: skip
