"""Explanation of an om study: potential, equation of motion, action, basis, solver, start."""

from __future__ import annotations

import sympy as sp
from actionrun.compiler.findings import Equation, Section
from actionrun.compiler.numerics.paths.basis import BASES
from actionrun.compiler.symbolic.printing import latex, text
from actionrun.spec.kinds.om import Om

from .cluster.explanation import transformation
from .path_problem import PathProblem, is_transformation, most_iterations, path_problem
from .reference_md import FINER, reference_run


def equations(problem: PathProblem) -> tuple[Equation, ...]:
    """The potential, Newton's equation and the action, in symbols."""
    bodies, lines = problem.system, []
    words, many = bodies.words, problem.study.system.particles is not None
    for term in bodies.terms:
        title, sign = (term.kind.title, term.kind.sign) if many else ("Potential", "V")
        if term.sums and term.where is not None:
            parts = [
                one.latex(words) if factor == 1 else rf"{latex(factor, words)} {one.latex(words)}"
                for factor, one in term.sums
            ]
            lines.append(Equation(title, f"{sign} = {' + '.join(parts)}", term.where.text))
            continue
        lines.append(_equation(title, sign, term.formula, problem))
    if many:
        sums = " + ".join(term.kind.latex for term in bodies.terms)
        plain = " + ".join(term.kind.text for term in bodies.terms)
        lines.append(Equation("Potential energy", f"V = {sums}", plain))
        kinetic = r"L = \frac{1}{2} \sum_i m_i |\dot{q}_i|^2 - V"
        lines.append(Equation("Lagrangian", kinetic, "sum(i, m*|q[i]'|^2)/2 - V"))
        lines.append(
            Equation("Equation of motion", r"m_i \ddot{q}_i = -\frac{\partial V}{\partial q_i}",
                     "m*q[i]'' = -dV/dq[i]")
        )  # fmt: skip
    else:
        potential = bodies.terms[0].formula
        masses = [sp.nsimplify(float(m)) for m in bodies.mass[:, 0, 0]]
        kinetic = sp.Add(*(m * v**2 / 2 for m, v in zip(masses, words.v, strict=True)))
        lines.append(_equation("Lagrangian", "L", kinetic - potential, problem))
        for name, q, a, mass in zip(bodies.names, words.q, words.a, masses, strict=True):
            push = sp.Add.make_args(-sp.diff(potential, q))
            left, right = mass * a, sp.Add(*map(sp.factor_terms, push))
            title = "Equation of motion" if len(bodies.names) == 1 else f"Motion of {name}"
            lines.append(
                Equation(title, f"{latex(left, words)} = {latex(right, words)}",
                         f"{text(left, words)} = {text(right, words)}")
            )  # fmt: skip
    lines.append(
        Equation(
            "Onsager-Machlup action",
            r"S[q] = \int_0^T \sum_i \left| m_i \ddot{q}_i + "
            r"\frac{\partial V}{\partial q_i} \right|^2 \mathrm{d}t",
            "S = integral over time of sum(i, |m*q[i]'' + dV/dq[i]|^2)",
        )
    )
    return tuple(lines)


def _equation(name: str, sign: str, expression: sp.Expr, problem: PathProblem) -> Equation:
    words = problem.system.words
    return Equation(name, f"{sign} = {latex(expression, words)}", text(expression, words))


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
    bodies, study = problem.system, problem.study
    if study.system.particles is None:
        each = ", ".join(bodies.names)
        said = [f"{len(bodies.names)} coordinate{'s' * (len(bodies.names) > 1)}: {each}"]
        said += [f"{name} repeats with {study.number(period):.6g}"
                 for name, period in study.system.periods.items()]  # fmt: skip
        return "; ".join(said)
    said = [f"{bodies.shape[1]} bodies in {bodies.shape[0]} dimensions"]
    if bodies.edge is not None and bodies.box is not None and all(bodies.box.periodic):
        said.append(f"a periodic box of edge {bodies.edge:.7g}, nearest images, unwrapped paths")
    elif bodies.box is not None:
        rows = "; ".join(" ".join(f"{x:.7g}" for x in row) for row in bodies.box.cell)
        along = ", ".join(str(k + 1) for k, flag in enumerate(bodies.box.periodic) if flag)
        said.append(f"a box of vectors ({rows}), periodic along vectors {along}, nearest images, "
                    "unwrapped paths")  # fmt: skip
    if study.system.frozen:
        said.append(f"{len(study.system.frozen)} of them stay where they are at the start")
    if bodies.cutoff is not None:
        said.append(
            f"pairs act up to {bodies.cutoff:.6g}, by a quintic switch from {bodies.switch:.6g}; "
            "neighbour lists, renewed when a body has moved half their skin"
        )
    return "; ".join(said) + "."


def _ends(problem: PathProblem) -> str:
    study, given = problem.study, " and ".join(problem.study.ends.given)
    if study.ends.origin != "md":
        return f"{given.capitalize()} at both ends, from the study."
    run = reference_run(problem)
    return (
        f"{given.capitalize()} at both ends, from a reference run by velocity Verlet: a lattice "
        f"melted at 3 times the temperature, a thermostat, rest, {run.steps} steps of {run.dt:.6g} "
        f"in all; then the stretch of {problem.duration:.6g} by steps of {run.finest:.6g} (dt/"
        f"{FINER}), whose two ends are given and whose interior only scores the result."
    )


def _path(problem: PathProblem) -> str:
    study, basis = problem.study, problem.basis
    ends = (
        "The ends are exact by construction"
        if problem.exact
        else f"The ends are held by a penalty of weight {study.loss.boundary:g}"
    )
    if (network := problem.network) is not None:
        layers = "-".join(map(str, network.hidden))
        return (
            f"A network from time to positions, hidden layers {layers}, "
            f"{network.activation}, analytic first and second derivatives; "
            f"{study.path.points} Gauss nodes of the stretched time. {ends}."
        )
    return (
        f"{basis.count} functions of time for each component: {BASES[problem.name].words}, "
        f"orthonormal in their second derivative at {study.path.points} Gauss nodes of the "
        f"stretched time. {ends}."
    )


def _loss(problem: PathProblem) -> str:
    terms, given = problem.study.loss, "the energy of the given start"
    if not terms.energy:
        return f"The action with weight {terms.action:g}; lambda_1 is " + (
            "not there: the ends are exact." if problem.exact else f"{terms.boundary:g}."
        )
    level = given if problem.velocities else "the mean energy of the path"
    return f"Weights: action {terms.action:g}, energy {terms.energy:g}, with E_0 {level}."


def _loss_equation(problem: PathProblem) -> Equation:
    terms = problem.study.loss
    shown, plain = [f"{terms.action:g} \\, S"], [f"{terms.action:g}*S"]
    if not problem.exact:
        shown.append(rf"{terms.boundary:g} \left( |Q(0) - Q_0|^2 + |Q(T) - Q_T|^2 \right)")
        plain.append(f"{terms.boundary:g}*(|Q(0) - Q0|^2 + |Q(T) - QT|^2)")
    if terms.energy:
        shown.append(rf"{terms.energy:g} \, \frac{{1}}{{N_T}} \sum_t \left( E(t) - E_0 \right)^2")
        plain.append(f"{terms.energy:g}*mean((E - E0)^2)")
    for _, value in problem.own_terms:
        words = problem.system.words
        many = problem.study.system.particles is not None
        sign, said = (r"\sum_i ", "sum(i, ") if many else ("", "(")
        shown.append(
            rf"\frac{{1}}{{T}} \int_0^T {sign}\left( {latex(value, words)} \right)^2 \mathrm{{d}}t"
        )
        plain.append(f"time mean of {said}({text(value, words)})^2)")
    return Equation("Loss", "L = " + " + ".join(shown), "L = " + " + ".join(plain))


def _minimisation(problem: PathProblem) -> str:
    training = problem.study.training
    rate = f", learning rate {training.learning_rate:g}" if problem.method.first_order else ""
    return (
        f"{problem.method.words}{rate}; at most {most_iterations(problem)} iterations. "
        f"Start: {start_name(problem)}."
    )


def start_name(problem: PathProblem) -> str:
    """What the minimisation begins with, by its name."""
    if problem.marched:
        return "march from both ends (an integration by windows of collocation, order 16)"
    if problem.pretrained:
        return "a random network, trained on free flight from both ends for as many epochs again"
    if problem.by_network and not problem.exact:
        return "a random network"
    return "Hermite polynomial of the ends" if problem.velocities else "straight line"


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
    result = path_problem(study)
    if is_transformation(study):
        return (*_path_sections(result), *transformation(result))
    return _path_sections(result)
