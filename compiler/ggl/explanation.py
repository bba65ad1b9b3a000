"""What a ggl study means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.compiler.symbolic.equations import symbolic_equations
from actionrun.compiler.symbolic.explanation import mechanics_sections
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.structure import structure
from actionrun.spec.kinds.ggl import Ggl

from .build import settings as settings_of
from .supported import cost


def explain(study: Ggl) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a ggl study."""
    system = lagrangian_system(study)
    of = structure(system)
    settings = settings_of(study, system)
    order = 2 * settings.r + 2
    transform, unit = settings.time_transform, system.words.unit.behind("t")
    steps = "explicit" if settings.r == 0 and of.positional else "iterated to round-off"
    if of.linear:
        steps = "one linear map a step, since L and K are quadratic"
    if transform is not None or system.holonomic:
        steps = "iterated to round-off"
    if system.holonomic:
        steps += "; every node lies on the surface, and every velocity along it"
    if transform is not None:
        unit = f" of a transformed time s, dt = ({transform.text}) ds"
    steps += cost(settings)
    energy = "conserved" if system.conservative else "not conserved"
    bodies = (
        f"{system.body_count} bodies with the coordinates {', '.join(system.words.names)} each. A "
        "sum runs over all i for which every body in it exists; the motion is that of a body "
        "with all its neighbours."
    )
    return (
        Section("System", bodies if system.body_count else "", symbolic_equations(system)),
        Section(
            "Integration",
            f"Galerkin-Gauss-Lobatto variational integrator, r = {settings.r} interior "
            f"points, order {order}; {settings.steps} steps of "
            f"{settings.h:.6g}{unit}; {steps}. The energy is {energy}.",
        ),
        *mechanics_sections(system),
    )
