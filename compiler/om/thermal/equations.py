"""Equations of Langevin dynamics and of its action, in symbols."""

from __future__ import annotations

import sympy as sp
from actionrun.compiler.findings import Equation
from actionrun.compiler.symbolic.equations import written_expression
from actionrun.compiler.symbolic.printing import component_latex, latex, text

from .diffusion import Diffusion


def langevin_equations(motion: Diffusion) -> tuple[Equation, ...]:
    """Potential, force, its divergence, the equation of motion and the action."""
    words = motion.words
    lines = [written_expression("Potential", "V", motion.potential, words)]
    for name, force in zip(motion.system.names, motion.force, strict=True):
        sign = f"F_{{{component_latex(name)}}}"
        lines.append(written_expression(f"Force on {name}", sign, force, words))
    if not motion.inertial:
        divergence = sp.factor_terms(motion.divergence)
        lines.append(Equation(
            "Divergence of the force", rf"\nabla \cdot F = {latex(divergence, words)}",
            text(divergence, words),
        ))  # fmt: skip
        lines += [
            Equation("Equation of motion",
                     r"\gamma \dot{x} = F(x) + \sqrt{2 \gamma k_B T}\, \xi(t)",
                     "friction*x' = F + sqrt(2*friction*k_B*T)*noise"),
            Equation("Lagrangian of Onsager and Machlup",
                     r"L = \left| \dot{x} - \frac{F}{\gamma} \right|^2 + "
                     r"\frac{2 k_B T}{\gamma^2} \nabla \cdot F",
                     "|x' - F/friction|^2 + 2*k_B*T/friction^2*div(F)"),
            Equation("Onsager-Machlup action", r"S[x] = \int_0^{t} L \, \mathrm{d}t",
                     "S = integral over time of L"),
            Equation("Probability", r"P \propto e^{-\gamma S / (4 k_B T)}",
                     "exp(-friction*S/(4*k_B*T))"),
        ]  # fmt: skip
        return tuple(lines)
    return (
        *lines,
        Equation("Equation of motion",
                 r"m \ddot{x} = F(x) - \gamma \dot{x} + \sqrt{2 \gamma k_B T}\, \xi(t)",
                 "m*x'' = F - friction*x' + sqrt(2*friction*k_B*T)*noise"),
        Equation("Lagrangian of Onsager and Machlup",
                 r"L = \left| m \ddot{x} + \gamma \dot{x} - F \right|^2",
                 "|m*x'' + friction*x' - F|^2"),
        Equation("Onsager-Machlup action", r"S[x] = \int_0^{t} L \, \mathrm{d}t",
                 "S = integral over time of L"),
        Equation("Probability", r"P \propto e^{-S / (4 \gamma k_B T)}",
                 "exp(-S/(4*friction*k_B*T))"),
    )  # fmt: skip


def convention(motion: Diffusion) -> str:
    """Which action this is, in words."""
    if motion.inertial:
        return (
            "The noise acts on the velocity, whose drag has the same divergence along every path: "
            "the action has no term of it, in the convention of Stratonovich as in that of Ito."
        )
    if not motion.thermal.heat:
        return (
            "Without noise (Freidlin and Wentzell): the divergence has the factor 0; half of the "
            "action is the exponent of weak noise, exp(-S/(4 D)) as D goes to 0."
        )
    return (
        "The divergence term is that of a tube around the path (Onsager and Machlup), which is the "
        "middle-point or Stratonovich sum over small steps; Ito's sum has the drift at the begin of"
        " each step and no such term. Both are one process, as the noise does not depend on x."
    )
