"""Studies of kind `family`: which member of this family of Lagrangians made this motion?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from ..spec import Faults
from ..spec.family import Family
from .derived import symbolic_equations
from .family_fit import Fitting
from .family_ranges import Ranges, ranges
from .family_read import Reading
from .family_train import Training
from .lift import latex, name_latex
from .problem import Problem, problem
from .program import Equation, Program, Section
from .scaling import Scaling, scalings


def compile(study: Family, observations: Mapping[str, np.ndarray] | None) -> Program:
    """The program of a family study: a training, or the fit of a measured motion.

    Raises Faults for what is not built and for what the mathematics forbids.
    """
    _require_built(study)
    symbolic = problem(study)
    within = ranges(study, symbolic)
    if study.data is not None:
        assert observations is not None
        if study.network.kind != "none":
            return Reading(study, symbolic, within, observations)
        return Fitting(study, symbolic, within, observations)
    return Training(study, symbolic, within)


def _require_built(study: Family) -> None:
    """What the language knows and this version cannot do is an error that says so."""
    lacking = [
        (
            ("integrator", "time_transform"),
            "time_transform",
            study.integrator.time_transform is not None,
        ),
    ]
    faults = [
        study.fault(key, None, "not-built", f"{what} is not built yet in this version")
        for key, what, wanted in lacking
        if wanted
    ]
    if study.data is None and study.network.kind == "none":
        faults.append(
            study.fault(
                ("network", "kind"),
                None,
                "nothing-to-do",
                'network kind "none" fits one measured motion, but the study has no [data]',
                "add [data] with file and columns, or leave out network.kind",
            )
        )
    if study.training.epochs is not None and study.training.systems is None:
        faults.append(
            study.fault(
                ("training", "epochs"),
                None,
                "training.epochs",
                "an epoch is a pass over a fixed set of systems, but every step draws fresh ones",
                "add systems = 100000, the size of the set, or write steps instead of epochs",
            )
        )
    if study.start is None and (study.data is None or study.network.kind != "none"):
        hint = "add [start] with position and velocity or momentum; ranges are drawn from"
        if study.data is not None:
            hint += '. Or write kind = "none" in [network]: a fit without one needs none'
        text = "training systems need a [start]"
        faults.append(study.fault(("system",), None, "start-missing", text, hint))
    if faults:
        raise Faults(tuple(faults))


def explain(study: Family) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a family study."""
    symbolic = problem(study)
    within = ranges(study, symbolic)
    return (
        Section("System", equations=symbolic_equations(symbolic)),
        Section("Coefficients", _ranges_text(study, symbolic, within)),
        Section("Scalings", _scaling_text(study, scalings(symbolic)), _scaling_equations(symbolic)),
        Section("Method", _method(study)),
    )


def _ranges_text(study: Family, symbolic: Problem, within: Ranges) -> str:
    lines = []
    for c, low, high in zip(symbolic.coefficients, within.low, within.high, strict=True):
        lines.append(f"{c.name} from {low:.6g} to {high:.6g} {study.unit(c.name)}".rstrip())
    text = "; ".join(lines) + "."
    if within.walls is None:
        return text
    between = " and ".join(within.walls.texts)
    return f"{text} Of these, members with {between}: {100 * within.share:.3g} %."


def _scaling_text(study: Family, found: tuple[Scaling, ...]) -> str:
    if not found:
        return "No scaling of the motion maps the family onto itself."
    text = "The family maps onto itself when the motion is scaled and the coefficients with it."
    if study.network.kind == "none" or not study.network.scaled:
        return text
    return (
        f"{text} The network reads a motion in units of its own size, and answers in the same "
        "units."
    )


def _scaling_equations(symbolic: Problem) -> tuple[Equation, ...]:
    equations = []
    for scaling in scalings(symbolic):
        changes = [
            (symbolic.words.q[part.start], name_latex(name), name, scaling.coordinates[name])
            for name, part in symbolic.words.slices.items()
        ]
        changes += [
            (c, latex(c, symbolic.words), c.name, scaling.coefficients[c.name])
            for c in symbolic.coefficients
        ]
        moved = [(shown, name, power) for _, shown, name, power in changes if power]
        equations.append(
            Equation(
                f"Scaling of {scaling.pivot or 'the action'}",
                r",\quad ".join(rf"{s} \to {_power(p, '{', '}')} {s}" for s, _, p in moved),
                ", ".join(f"{n} -> {_power(p, '(', ')')}*{n}" for _, n, p in moved),
            )
        )
    return tuple(equations)


def _power(exponent: sp.Rational, left: str, right: str) -> str:
    return "s" if exponent == 1 else f"s^{left}{exponent}{right}"


def _method(study: Family) -> str:
    r = study.integrator.r
    ggl = f"Galerkin-Gauss-Lobatto integrator, r = {r}, order {2 * r + 2}"
    if study.system.holonomic:
        ggl += ", on the surface of the constraints, onto which every start is moved"
    if study.data is not None and study.network.kind == "none":
        return (
            "Weak form least squares from several starting points"
            f"{', forces of constraint projected out' if study.system.holonomic else ''}"
            ", then Levenberg-Marquardt "
            f"through the {ggl}; covariance from the Fisher information at the solution."
        )
    training = study.training
    start = "the answer of the network"
    if study.refine.start == "better" or study.data is not None:
        start += " or of the weak form, whichever leaves less"
    said = (
        f"{_network(study)}, trained for {training.total} steps of {training.batch} "
        f"{_source(study)} by {training.optimizer} (learning rate {training.learning_rate:g}, "
        f"{training.decay} decay). Loss: {_loss(study)}. Motions by the {ggl}."
    )
    if study.refine.method == "none":
        return f"{said} No refinement."
    return f"{said} Refinement by Levenberg-Marquardt through the integrator, from {start}."


def _source(study: Family) -> str:
    """Which systems a step of training sees."""
    training = study.training
    if study.data is not None and training.rounds is None:
        return "fresh systems sampled as the measured motion is"
    if training.rounds is None:
        return "fresh systems"
    return f"systems out of a fixed set of {training.rounds * training.batch}"


def _network(study: Family) -> str:
    asked = study.network
    layers = "-".join(str(h) for h in asked.hidden)
    match asked.kind:
        case "conv":
            what = f"Convolutions over time and a dense layer, {layers} ({asked.activation})"
        case "lstm":
            what = f"Layers of long short-term memory, {layers}"
        case _:
            what = f"A perceptron with hidden layers {layers} ({asked.activation})"
    what += f", dropout {asked.dropout:g}" if asked.dropout else ""
    groups = study.training.embedding
    if groups:
        said = "; ".join(" and ".join(", ".join(g).rsplit(", ", 1)) for g in groups)
        what += f", {len(groups)} more of whose numbers {'are' if len(groups) > 1 else 'is a'} "
        what += f"common factor{'s' if len(groups) > 1 else ''}: of {said}"
    noisy = study.observe.noise and study.data is None and not study.system.holonomic
    if noisy and asked.scaled and asked.scoring:
        layers = "layers" if asked.scoring > 1 else "layer"
        what += f", ended by {asked.scoring} {layers} of Fisher scoring through the integrator"
    return what + ("" if asked.scaled else ", on motions and coefficients as plain numbers")


def _loss(study: Family) -> str:
    """The loss of training in words."""
    training = study.training
    norms = {
        "rms": "root mean square",
        "mae": "mean absolute",
        "huber": "Huber",
        "ln": f"L{training.exponent:g}",
    }
    if training.loss == "gauge" and study.observe.noise:
        return (
            "pseudo-Huber error of the scaled coefficients in units of the error bar that the "
            "noise leaves, against the mean of the posterior"
        )
    if training.loss == "gauge":
        return "pseudo-Huber error of the scaled coefficients"
    relative = ", relative to their size" if study.network.scaled else ""
    return (
        f"{norms[training.loss]} error of the motion that the answer makes{relative} "
        f"({training.alpha:g} for positions, {training.beta:g} for the rest), capped, with a "
        "penalty below the bounds"
    )
