"""What a ggl study may ask for and this version cannot do, and what single precision costs."""

from __future__ import annotations

from ..spec.ggl import Ggl
from .refusal import refusal


def require_built(study: Ggl) -> None:
    """Raises Faults for combinations that are not built yet."""
    constrained, transform = study.system.holonomic, study.integrator.time_transform
    asked = (
        ("constraints", ("system", "constraints"), constrained),
        ("a time_transform", ("integrator", "time_transform"), transform is not None),
        ("comparisons", ("compare",), study.compare is not None),
        ("outputs between the steps", ("output",), study.output is not None),
        ("events", ("events",), study.events),
    )
    for what, _, given in asked:
        if given and study.integrator.precision == "single":
            raise refusal(
                study, ("integrator", "precision"), "not-built",
                f"not built yet in single precision in this version: {what}",
                'write precision = "double"',
            )  # fmt: skip


def cost(study: Ggl) -> str:
    """What single precision costs, in words; nothing of double precision."""
    if study.integrator.precision == "double":
        return ""
    return (
        ", in single precision: half the memory, and 7 digits instead of 16 in every step (sums "
        "over the steps are compensated, so that the errors of steps add up as a random walk)"
    )
