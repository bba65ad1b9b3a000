"""Studies of kind `family`: which member of this family of Lagrangians made this motion?"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from actionrun.compiler.findings import Equation, Section
from actionrun.compiler.numerics.inference.observables import OBSERVABLES
from actionrun.compiler.symbolic.equations import symbolic_equations
from actionrun.compiler.symbolic.explanation import mechanics_sections
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.printing import latex, name_latex
from actionrun.compiler.symbolic.scaling import Scaling, scalings
from actionrun.spec.kinds.family import Family

from .bounds import Ranges, ranges
from .build import library_of, settings
from .library.terms import LibraryTerms
from .settings import Settings
from .symbolic_identifiability import symbolic_identifiability


def explain(study: Family) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a family study."""
    if (terms := library_of(study)) is not None:
        return _library_sections(terms)
    symbolic = lagrangian_system(study)
    of = settings(study, symbolic)
    within = ranges(of, symbolic)
    return (
        Section("System", equations=symbolic_equations(symbolic)),
        Section("Coefficients", _ranges_text(study, symbolic, within)),
        Section("Scalings", _scaling_text(study, scalings(symbolic)), _scaling_equations(symbolic)),
        Section("Method", _method(study, of.scoring)),
        *mechanics_sections(symbolic),
        _loss_section(study, symbolic),
        *_identifiable(of, symbolic),
    )


def _library_sections(terms: LibraryTerms) -> tuple[Section, ...]:
    """The library that is left, what was dropped of it, and how it is searched."""
    names = terms.equations.names
    dropped = "; ".join(one.text for one in terms.dropped) or "every term has its own equation"
    return (
        Section("Library", f"{terms.known.text}, and of these {len(names)}: {', '.join(names)}."),
        Section("Not in it", f"{dropped}. Excluded: {terms.excluded}."),
        Section("Method",
                "First candidates by the weak form of the smoothed motions, all trials at once; "
                "then all terms weighed by the likelihood on segments that grow to whole trials, "
                "the best subsets fitted anew, by the extended Bayesian information criterion; the "
                "law that is left is fitted through the integrator."),
    )  # fmt: skip


def _ranges_text(study: Family, symbolic: LagrangianSystem, within: Ranges) -> str:
    lines = []
    for c, low, high in zip(symbolic.coefficients, within.low, within.high, strict=True):
        lines.append(f"{c.name} from {low:.6g} to {high:.6g} {study.unit(c.name)}".rstrip())
    text = "; ".join(lines) + "."
    if within.inequalities is None:
        return text
    between = " and ".join(within.inequalities.texts)
    return f"{text} Of these, members with {between}: {100 * within.share:.3g} %."


def _scaling_text(study: Family, result: tuple[Scaling, ...]) -> str:
    if not result:
        return "No scaling of the motion maps the family onto itself."
    text = "The family maps onto itself when the motion is scaled and the coefficients with it."
    if study.network.kind == "none" or not study.network.scaled:
        return text
    return (
        f"{text} The network reads a motion in units of its own size, and answers in the same "
        "units."
    )


def _scaling_equations(symbolic: LagrangianSystem) -> tuple[Equation, ...]:
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


def _method(study: Family, scoring: int) -> str:
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
        f"{_network(study, scoring)}, trained for {training.total} steps of {training.batch} "
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


def _network(study: Family, count: int) -> str:
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
    if count:
        layers = "layers" if count > 1 else "layer"
        what += f", ended by {count} {layers} of Fisher scoring through the integrator"
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
    if training.loss == "gauge" and study.observe.relative_noise:
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


def _loss_section(study: Family, problem: LagrangianSystem) -> Section:
    """What is minimised: the misfit of a measured motion, or the error of named coefficients."""
    names = [c.name for c in problem.coefficients]
    vector = ", ".join(name_latex(n) for n in names)
    if study.data is not None:
        seen = [n for n in study.data.columns if n not in ("t", "trial")]
        seen += study.data.observables
        formulas = [f"{n} = {one.formula.text}" for n, one in study.observables if one.formula]
        said = f" ({'; '.join(formulas)})" if formulas else ""
        return Section(
            "Loss",
            f"Of {_listed(seen)}{said}, each weighted by its noise (by 1/RMS until that is "
            "estimated). "
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
    seen = ", ".join(OBSERVABLES[name].latex for name in study.observe.variables)
    net = rf"u_k^{{\mathrm{{net}}}}[{seen}]"
    error, plain = rf"{net} - u_k", "u_net[k] - u[k]"
    said = (
        "the loss is their error, squared where small and linear where large, over fresh systems."
    )
    if study.observe.relative_noise:
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


def _identifiable(of: Settings, problem: LagrangianSystem) -> list[Section]:
    if not problem.coefficients:
        return []
    if of.hides_positions:
        text = "Not every coordinate is seen: what the data determine is the rank of the fit."
        return [Section("Identifiability", text)]
    result = symbolic_identifiability(of, problem)
    if result is None:
        return [Section("Identifiability", "No state with finite numbers was found to judge it.")]
    return [Section("Identifiability", f"For generic motions: {result.advice}.")]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if names[1:] else "") + names[-1]
