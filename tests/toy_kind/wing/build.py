"""The program of a decay study."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Findings, Panel
from actionrun.compiler.program import Report, Reported

from toy_kind.language.decay import Decay


@dataclass(frozen=True)
class Euler:
    """The explicit Euler method of a' = -rate a."""

    amount: float
    rate: float
    dt: float
    total: int
    stage: str = "decay"
    quantum: int = 1

    def start(self):
        return jnp.asarray(self.amount)

    def advance(self, state, done, count):
        rows = state * (1 - self.rate * self.dt) ** np.arange(1, count + 1)
        return jnp.asarray(rows[-1]), Report({"left": float(rows[-1])}, {"a": np.asarray(rows)})


def build(study: Decay, observations=None) -> Reported:
    """Raises Faults where a step is longer than the substance lasts."""
    rate, dt = study.number(study.substance.rate), study.number(study.integrator.dt)
    if rate * dt >= 1:
        raise study_error(study, study.integrator.dt, "step.long", "the step is too long")
    amount, steps = study.number(study.substance.amount), study.integrator.steps
    assert steps is not None
    euler = Euler(amount, rate, dt, steps)

    def report(state, samples, tell) -> Findings:
        t, a = dt * np.arange(1, steps + 1), samples["a"]
        panel = Panel(Axis("t"), Axis("a"), (Curve(t, a),))
        return Findings(
            metrics={"left": float(state)},
            arrays={"a": Array(a, ("t",), "", "amount left")},
            figures=(Figure("decay", "What is left.", (panel,)),),
        )

    return Reported(euler, report)
