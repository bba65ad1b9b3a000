"""The table [library] of a family study: of which terms the law may be made."""

from __future__ import annotations

from pydantic import Field

from .common import Table
from .leaves import Expression

MOST_FUNCTIONS, MOST_DEGREE = 20, 8


class Library(Table):
    """Terms of which a law may be made: products of functions, and drags."""

    known: Expression = Field(
        description="The part of the Lagrangian that fixes the scale: q'^2/2."
    )
    functions: tuple[Expression, ...] = Field(
        min_length=1, max_length=MOST_FUNCTIONS,
        description="Functions of q and q' whose products are the terms of the Lagrangian.",
    )  # fmt: skip
    degree: int = Field(
        default=2, ge=1, le=MOST_DEGREE, description="Factors of a product at most, with powers."
    )
    velocity_degree: int = Field(
        default=2, ge=0, le=MOST_DEGREE,
        description="Of these factors, those that hold velocities, at most.",
    )  # fmt: skip
    drag: tuple[Expression, ...] = Field(
        default=(), max_length=MOST_FUNCTIONS,
        description="Drags in doubled coordinates, each times its minus variable: \"q_plus'\".",
    )  # fmt: skip
    exclude: tuple[Expression, ...] = Field(
        default=(), max_length=100, description="Products that are no terms."
    )
