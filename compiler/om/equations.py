"""Equations of a path of least action, in symbols: what explanation and findings both show."""

from __future__ import annotations

import sympy as sp
from actionrun.compiler.findings import Equation
from actionrun.compiler.symbolic.equations import written_expression, written_relation
from actionrun.compiler.symbolic.printing import latex

from .path_problem import PathProblem


def equations(problem: PathProblem) -> tuple[Equation, ...]:
    """The potential, Newton's equation and the action, in symbols."""
    bodies, lines = problem.system, []
    words, many = bodies.words, problem.settings.many
    for term in bodies.terms:
        title, sign = (term.kind.title, term.kind.sign) if many else ("Potential", "V")
        if term.sums and term.where is not None:
            parts = [
                one.latex(words) if factor == 1 else rf"{latex(factor, words)} {one.latex(words)}"
                for factor, one in term.sums
            ]
            lines.append(Equation(title, f"{sign} = {' + '.join(parts)}", term.where.text))
            continue
        lines.append(written_expression(title, sign, term.formula, words))
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
        lines.append(written_expression("Lagrangian", "L", kinetic - potential, words))
        for name, q, a, mass in zip(bodies.names, words.q, words.a, masses, strict=True):
            push = sp.Add.make_args(-sp.diff(potential, q))
            left, right = mass * a, sp.Add(*map(sp.factor_terms, push))
            title = "Equation of motion" if len(bodies.names) == 1 else f"Motion of {name}"
            lines.append(written_relation(title, left, right, words))
    lines.append(
        Equation(
            "Onsager-Machlup action",
            r"S[q] = \int_0^T \sum_i \left| m_i \ddot{q}_i + "
            r"\frac{\partial V}{\partial q_i} \right|^2 \mathrm{d}t",
            "S = integral over time of sum(i, |m*q[i]'' + dV/dq[i]|^2)",
        )
    )
    return tuple(lines)


def start_name(problem: PathProblem) -> str:
    """What the minimisation begins with, by its name."""
    if problem.marched:
        return "march from both ends (an integration by windows of collocation, order 16)"
    if problem.pretrained:
        return "a random network, trained on free flight from both ends for as many epochs again"
    if problem.by_network and not problem.exact:
        return "a random network"
    return "Hermite polynomial of the ends" if problem.velocities else "straight line"
