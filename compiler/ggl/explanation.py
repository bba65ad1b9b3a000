"""What a ggl study means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.compiler.ggl.many_body.explanation import sections
from actionrun.compiler.symbolic.equations import symbolic_equations
from actionrun.compiler.symbolic.explanation import meaning
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.many_body_system import many_body_system
from actionrun.compiler.symbolic.structure import structure
from actionrun.spec.kinds.ggl import Ggl

from .supported import cost


def explain(study: Ggl) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a ggl study."""
    if study.system.particles is not None:
        return sections(study, many_body_system(study))
    symbolic = lagrangian_system(study)
    found = structure(symbolic)
    order = 2 * study.integrator.r + 2
    transform, unit = study.integrator.time_transform, f" {study.unit('t')}".rstrip()
    steps = "iterated to round-off"
    if transform is None and not symbolic.constraints:
        if found.linear:
            steps = "one linear map a step, since L and K are quadratic"
        elif study.integrator.r == 0 and found.positional:
            steps = "explicit"
    if symbolic.constraints:
        steps += "; every node lies on the surface, and every velocity along it"
    if transform is not None:
        unit = f" of a transformed time s, dt = ({transform.text}) ds"
    steps += cost(study)
    energy = "conserved" if symbolic.conservative else "not conserved"
    return (
        Section("System", equations=symbolic_equations(symbolic)),
        Section(
            "Integration",
            f"Galerkin-Gauss-Lobatto variational integrator, r = {study.integrator.r} interior "
            f"points, order {order}; {study.integrator.steps} steps of "
            f"{study.number(study.integrator.dt):.6g}{unit}; {steps}. The energy is {energy}.",
        ),
        *meaning(study),
    )
