"""Explanation of an om study: potential, equation of motion, action, basis, solver, start."""

from __future__ import annotations

from actionrun.compiler.findings import Equation, Section
from actionrun.compiler.numerics.paths.basis import BASES
from actionrun.compiler.symbolic.printing import latex, text
from actionrun.spec.kinds.om import Om

from .build import langevin_problem_of, path_problem_of
from .cluster.explanation import transformation
from .equations import equations, start_name
from .path_problem import PathProblem, most_iterations
from .reference_md import FINER, reference_run
from .thermal.explanation import langevin_sections


def _path_sections(problem: PathProblem) -> tuple[Section, ...]:
    """The sections of `actionrun explain`."""
    return (
        Section("System", _system(problem), equations(problem)),
        Section("Ends", _ends(problem)),
        Section("Path", _path(problem)),
        Section("Loss", _loss(problem), (_loss_equation(problem),)),
        Section("Minimisation", _minimisation(problem)),
        Section("What is unique", _unique(problem)),
    )


def _system(problem: PathProblem) -> str:
    bodies, settings = problem.system, problem.settings
    if not settings.many:
        each = ", ".join(bodies.names)
        said = [f"{len(bodies.names)} coordinate{'s' * (len(bodies.names) > 1)}: {each}"]
        said += [f"{name} repeats with {period:.6g}"
                 for name, period in settings.moving.periods.items()]  # fmt: skip
        return "; ".join(said)
    said = [f"{bodies.shape[1]} bodies in {bodies.shape[0]} dimensions"]
    if bodies.edge is not None and bodies.box is not None and all(bodies.box.periodic):
        said.append(f"a periodic box of edge {bodies.edge:.7g}, nearest images, unwrapped paths")
    elif bodies.box is not None:
        rows = "; ".join(" ".join(f"{x:.7g}" for x in row) for row in bodies.box.cell)
        along = ", ".join(str(k + 1) for k, flag in enumerate(bodies.box.periodic) if flag)
        said.append(f"a box of vectors ({rows}), periodic along vectors {along}, nearest images, "
                    "unwrapped paths")  # fmt: skip
    if settings.frozen:
        said.append(f"{len(settings.frozen)} of them stay where they are at the start")
    if bodies.cutoff is not None:
        fading = "where the law vanishes" if bodies.switch is None else (
            f"by a quintic switch from {bodies.switch:.6g}"
        )  # fmt: skip
        said.append(
            f"pairs act up to {bodies.cutoff:.6g}, {fading}; "
            "neighbour lists, renewed when a body has moved half their skin"
        )
    return "; ".join(said) + "."


def _ends(problem: PathProblem) -> str:
    given = " and ".join(problem.settings.given)
    if problem.settings.reference is None:
        return f"{given.capitalize()} at both ends, from the study."
    run = reference_run(problem)
    return (
        f"{given.capitalize()} at both ends, from a reference run by velocity Verlet: a lattice "
        f"melted at 3 times the temperature, a thermostat, rest, {run.steps} steps of {run.dt:.6g} "
        f"in all; then the stretch of {problem.duration:.6g} by steps of {run.finest:.6g} (dt/"
        f"{FINER}), whose two ends are given and whose interior only scores the result."
    )


def _path(problem: PathProblem) -> str:
    settings, basis = problem.settings, problem.basis
    ends = (
        "The ends are exact by construction"
        if problem.exact
        else f"The ends are held by a penalty of weight {settings.loss.boundary:g}"
    )
    if (network := problem.network) is not None:
        layers = "-".join(map(str, network.hidden))
        return (
            f"A network from time to positions, hidden layers {layers}, "
            f"{network.activation}, analytic first and second derivatives; "
            f"{settings.path.points} Gauss nodes of the stretched time. {ends}."
        )
    return (
        f"{basis.count} functions of time for each component: {BASES[problem.name].words}, "
        f"orthonormal in their second derivative at {settings.path.points} Gauss nodes of the "
        f"stretched time. {ends}."
    )


def _loss(problem: PathProblem) -> str:
    terms, given = problem.settings.loss, "the energy of the given start"
    if not terms.energy:
        return f"The action with weight {terms.action:g}; lambda_1 is " + (
            "not there: the ends are exact." if problem.exact else f"{terms.boundary:g}."
        )
    level = given if problem.velocities else "the mean energy of the path"
    return f"Weights: action {terms.action:g}, energy {terms.energy:g}, with E_0 {level}."


def _loss_equation(problem: PathProblem) -> Equation:
    terms = problem.settings.loss
    shown, plain = [f"{terms.action:g} \\, S"], [f"{terms.action:g}*S"]
    if not problem.exact:
        shown.append(rf"{terms.boundary:g} \left( |Q(0) - Q_0|^2 + |Q(T) - Q_T|^2 \right)")
        plain.append(f"{terms.boundary:g}*(|Q(0) - Q0|^2 + |Q(T) - QT|^2)")
    if terms.energy:
        shown.append(rf"{terms.energy:g} \, \frac{{1}}{{N_T}} \sum_t \left( E(t) - E_0 \right)^2")
        plain.append(f"{terms.energy:g}*mean((E - E0)^2)")
    for _, value in problem.own_terms:
        words = problem.system.words
        many = problem.settings.many
        sign, said = (r"\sum_i ", "sum(i, ") if many else ("", "(")
        shown.append(
            rf"\frac{{1}}{{T}} \int_0^T {sign}\left( {latex(value, words)} \right)^2 \mathrm{{d}}t"
        )
        plain.append(f"time mean of {said}({text(value, words)})^2)")
    return Equation("Loss", "L = " + " + ".join(shown), "L = " + " + ".join(plain))


def _minimisation(problem: PathProblem) -> str:
    training = problem.settings.training
    rate = f", learning rate {training.learning_rate:g}" if problem.method.first_order else ""
    return (
        f"{problem.method.words}{rate}; at most {most_iterations(problem)} iterations. "
        f"Start: {start_name(problem)}."
    )


def _unique(problem: PathProblem) -> str:
    if problem.velocities:
        return (
            "With positions and velocities at both ends the path is unique: its distance from a "
            "reference run is an error."
        )
    return (
        "Positions at both ends do not make the path unique: several of Newton's motions, of "
        "different energies, may join them. Reported are the action, how far Newton's motion from "
        "the path's own start misses its end, and the paths from several starts; never a distance "
        "from a reference run."
    )


def explain(study: Om) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for an om study."""
    if study.path.dynamics != "newton":
        return langevin_sections(langevin_problem_of(study))
    result = path_problem_of(study)
    if result.settings.transforms:
        return (*_path_sections(result), *transformation(result))
    return _path_sections(result)
