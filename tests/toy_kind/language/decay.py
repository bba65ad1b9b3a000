"""`study = "decay"`: how much of a substance is left?"""

from __future__ import annotations

from typing import Literal

from actionrun.spec.kinds.experiment import Experiment
from actionrun.spec.tables.common import Integrator, Table
from actionrun.spec.tables.leaves import Value
from actionrun.spec.tables.system import System
from actionrun.spec.validation.rule_context import RuleContext
from pydantic import Field


class Substance(Table):
    """A substance that decays."""

    amount: Value = Field(description="At t = 0.")
    rate: Value = Field(description="Of decay.")


class Decay(Experiment):
    """The amount of a substance by the explicit Euler method."""

    study: Literal["decay"]
    system: System = Field(default_factory=lambda: System(), description="Nothing moves.")
    substance: Substance = Field(description="What decays.")
    integrator: Integrator = Field(description="How time is stepped.")


def check_tables(context: RuleContext) -> None:
    """A rate above zero."""
    rate = context.number(("substance", "rate"))
    if rate is not None and rate <= 0:
        context.add(("substance", "rate"), "value.range", "rate is greater than 0", "write 0.1")
