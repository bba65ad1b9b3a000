"""What a ggl study may ask for and this version cannot do, and what single precision costs."""

from __future__ import annotations

from ..spec.ggl import Ggl
from .refusal import refusal

OF_BODIES = ("outputs between the steps", "events", "comparisons")  # built for many bodies too


def require_built(study: Ggl) -> None:
    """Raises Faults for combinations that are not built yet."""
    constrained, transform = study.system.holonomic, study.integrator.time_transform
    asked = (
        ("constraints", ("system", "constraints"), constrained),
        ("a time_transform", ("integrator", "time_transform"), transform is not None),
        (OF_BODIES[2], ("compare",), study.compare is not None),
        (OF_BODIES[0], ("output",), study.output is not None),
        (OF_BODIES[1], ("events",), study.events),
    )
    for what, key, given in asked:
        if given and study.system.particles is not None and what not in OF_BODIES:
            raise refusal(
                study, key, "not-built",
                f"not built yet for many bodies in this version: {what}",
                "delete it, or write the bodies as coordinates of their own, without particles",
            )  # fmt: skip
        if given and study.integrator.precision == "single":
            raise refusal(
                study, ("integrator", "precision"), "not-built",
                f"not built yet in single precision in this version: {what}",
                'write precision = "double"',
            )  # fmt: skip
    if study.compare is not None and (constrained or transform is not None):
        what = "constraints" if constrained else "a time_transform"
        raise refusal(
            study, ("compare",), "not-built",
            f"comparisons of a system with {what} are not built yet in this version",
            "delete the table [compare]",
        )  # fmt: skip


def cost(study: Ggl) -> str:
    """What single precision costs, in words; nothing of double precision."""
    if study.integrator.precision == "double":
        return ""
    return (
        ", in single precision: half the memory, and 7 digits instead of 16 in every step (sums "
        "over the steps are compensated, so that the errors of steps add up as a random walk)"
    )
