"""What a study means beyond its equations: the doubled system, symmetries, what is minimised, what
motions determine.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from ..spec.family import Family
from ..spec.ggl import Ggl
from .determined import determined
from .lift import latex, name_latex, text
from .noether import Symmetry, symmetries
from .problem import Problem, problem
from .program import Equation, Section

LONG = 160  # operations of a doubled Lagrangian that are still worth reading
OBSERVED = {"q": "q", "velocity": r"\dot{q}", "pi": r"\pi"}


def meaning(study: Ggl | Family) -> tuple[Section, ...]:
    """The sections that every study of motion has."""
    symbolic = problem(study)
    found = [_doubled(symbolic), _symmetries(symbolic)]
    if isinstance(study, Family):
        found += [_loss(study, symbolic), *_identifiable(study, symbolic)]
    return tuple(found)


def _doubled(problem: Problem) -> Section:
    """Galley's doubled Lagrangian, and where it is short its form in q+ and q-."""
    part = " + K" if problem.nonconservative is not None else ""
    equations = [
        Equation(
            "Doubled Lagrangian",
            r"\Lambda = L(q_1, \dot{q}_1, t) - L(q_2, \dot{q}_2, t)"
            + (r" + K(q_{+}, \dot{q}_{+}, q_{-}, \dot{q}_{-}, t)" if part else ""),
            f"L(q1, q1', t) - L(q2, q2', t){part}",
        ),
        Equation(
            "Doubled coordinates",
            r"q_{+} = \tfrac{1}{2}(q_1 + q_2), \quad q_{-} = q_1 - q_2",
            "q_plus = (q1 + q2)/2, q_minus = q1 - q2",
        ),
    ]
    whole = _difference(problem)
    if whole is not None:
        words = problem.words
        equations.append(
            Equation(
                "Doubled Lagrangian in these",
                rf"\Lambda = {latex(whole, words, doubled=True)}",
                text(whole, words, doubled=True),
            )
        )
    return Section(
        "Doubled system",
        "The motion makes the action of the doubled Lagrangian stationary, in the limit in which "
        "both copies are one (Galley, Phys. Rev. Lett. 110, 174301, 2013).",
        tuple(equations),
    )


def _difference(problem: Problem) -> sp.Expr | None:
    """L(q+ + q-/2) - L(q+ - q-/2) + K, multiplied out; None where it is too long to read."""
    words, law = problem.words, problem.lagrangian
    moving = {*words.q, *words.v}
    if sp.count_ops(law) > LONG or not law.is_polynomial(*moving):
        return None
    pairs = list(zip((*words.q, *words.v), (*words.minus, *words.minus_v), strict=True))
    first = law.xreplace({x: x + m / 2 for x, m in pairs})
    second = law.xreplace({x: x - m / 2 for x, m in pairs})
    whole = sp.expand(first - second) + (problem.nonconservative or 0)
    return whole if sp.count_ops(whole) <= LONG else None


def _symmetries(problem: Problem) -> Section:
    found = symmetries(problem)
    if not found:
        return Section("Symmetries", "None was found: no charge is conserved.")
    return Section(
        "Symmetries",
        "What leaves the Lagrangian as it is, and the charge that belongs to it. "
        + (
            "All charges are conserved."
            if all(s.rate == 0 for s in found)
            else "K changes a charge at the rate that is given."
        ),
        tuple(equation for symmetry in found for equation in _charge(symmetry, problem)),
    )


def _charge(symmetry: Symmetry, problem: Problem) -> list[Equation]:
    words, name = problem.words, symmetry.charge_name
    kept = " (conserved)" if symmetry.rate == 0 else ""
    charge, rate = symmetry.charge, symmetry.rate
    title = f"{symmetry.name[:1].upper()}{symmetry.name[1:]}: {name}{kept}"
    found = [Equation(title, f"Q = {latex(charge, words)}", text(charge, words))]
    if symmetry.rate != 0:
        found.append(
            Equation(f"Rate of the {name}", rf"\dot{{Q}} = {latex(rate, words)}", text(rate, words))
        )
    return found


def _loss(study: Family, problem: Problem) -> Section:
    """What is minimised: the misfit of a measured motion, or the error of named coefficients."""
    names = [c.name for c in problem.coefficients]
    vector = ", ".join(name_latex(n) for n in names)
    if study.data is not None:
        seen = [n for n in study.data.columns if n not in ("t", "trial")]
        return Section(
            "Loss",
            f"Of {_listed(seen)}, each weighted by its noise (by 1/RMS until that is estimated). "
            "Minimised by Levenberg-Marquardt within the bounds of the coefficients.",
            (
                Equation(
                    "Misfit",
                    rf"\chi^2({vector}) = \sum_{{n,k}} w_k^2 "
                    r"\left( x_k(t_n) - x_k^{\mathrm{data}}(t_n) \right)^2",
                    f"chi2({', '.join(names)}) = sum over samples n and variables k of "
                    "w_k^2*(x_k(t_n) - data_k(t_n))^2",
                ),
            ),
        )
    training = study.training
    if training.loss != "gauge":
        return Section(
            "Loss",
            "A network sees a motion and names the coefficients; the loss compares the motion that "
            f"they make with the one seen ({training.loss}), with weight {training.alpha:g} for "
            f"positions and {training.beta:g} for the rest, over fresh systems.",
        )
    seen = ", ".join(OBSERVED[name] for name in study.observe.variables)
    net = rf"u_k^{{\mathrm{{net}}}}[{seen}]"
    error, plain = rf"{net} - u_k", "u_net[k] - u[k]"
    said = (
        "the loss is their error, squared where small and linear where large, over fresh systems."
    )
    if study.observe.noise:
        error = rf"\left( {net} - \bar{{u}}_k \right) / \sigma_k"
        plain = "(u_net[k] - mean_u[k])/sigma[k]"
        said = (
            "the loss is their distance from the mean of the posterior, given the noise, in units "
            "of the error bar that the noise leaves, squared where small, linear where large."
        )
    return Section(
        "Loss",
        "A network sees a motion in units of its own size and names the coefficients in the same "
        f"units; {said} u are the coefficients on the scale on which they are drawn.",
        (
            Equation(
                "Loss of training",
                rf"\mathcal{{L}} = \left\langle \rho\!\left( {error} \right) "
                r"\right\rangle_{k,\,\mathrm{systems}}, \quad "
                r"\rho(e) = 2 \epsilon^2 \left( \sqrt{1 + e^2/\epsilon^2} - 1 \right)",
                f"mean over coefficients k and systems of rho({plain}), "
                "rho(e) = 2*eps^2*(sqrt(1 + e^2/eps^2) - 1)",
            ),
        ),
    )


def _identifiable(study: Family, problem: Problem) -> list[Section]:
    if not problem.coefficients:
        return []
    found = determined(study, problem)
    if found is None:
        return [Section("Identifiability", "No state with finite numbers was found to judge it.")]
    return [Section("Identifiability", f"For generic motions: {found.advice}.")]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if names[1:] else "") + names[-1]
