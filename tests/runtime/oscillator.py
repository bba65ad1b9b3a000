"""A program in numpy for the runtime's tests: a damped oscillator, marched by semi-implicit Euler.

It is cheap, so that it can be killed often; slow on demand, so that a kill hits something. Run as
a script, it is one run of it: `python oscillator.py OUT [KEY=VALUE …]`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from actionrun.compiler.findings import (
    Array,
    Axis,
    Check,
    Curve,
    Equation,
    Figure,
    Findings,
    Panel,
    Section,
    Table,
)
from actionrun.compiler.program import Report, Tell


@dataclass(frozen=True)
class Oscillator:
    total: int = 4000
    quantum: int = 10
    pause: float = 0.0  # seconds a step
    diverge: int = -1  # the step at which the numbers leave the finite world
    slow_findings: float = 0.0
    evil: str = ""
    stage: str = "integrate"
    minutes: float | None = None
    sharing: None = None

    def start(self):
        return {"q": np.array([1.0, 0.5]), "p": np.zeros(2), "worst": np.float64(0.0), "step": 0}

    def advance(self, state, done: int, count: int):
        q, p, worst = state["q"].copy(), state["p"].copy(), state["worst"]
        assert state["step"] == done, "the state is not the one of this step"
        rows = np.empty((count, 2))
        for index in range(count):
            kick = np.random.default_rng((7, done + index)).normal(size=2)
            p = p - 0.01 * (q + 0.1 * p) + 1e-4 * kick
            q = q + 0.01 * p
            worst = max(worst, np.abs(q).max())
            rows[index] = q
        time.sleep(self.pause * count)
        following = {"q": q, "p": p, "worst": np.float64(worst), "step": done + count}
        energy = float(q @ q + p @ p) / 2
        metrics = {"energy": energy}
        if done <= self.diverge < done + count:
            return following, Report(metrics, diverged=f"q is not finite at step {self.diverge}")
        t = 0.01 * np.arange(done + 1, done + count + 1)
        return following, Report(metrics, {"q": rows, "t": t})

    def findings(self, state, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        if self.slow_findings:
            for part in range(10):
                time.sleep(self.slow_findings / 10)
                tell("test", part + 1, 10, {"part": part})
        q, t = samples["q"], samples["t"]
        assert len(q) == self.total
        curves = (Curve(t, q[:, 0], f"first{self.evil}"), Curve(t, q[:, 1], "second", "dashed"))
        wave = Panel(Axis("time", "s"), Axis("position q", "m"), curves)
        return Findings(
            metrics={"worst": float(state["worst"]), "sum": float(q.sum()), "undefined": np.nan},
            equations=(
                Equation(
                    f"Lagrangian{self.evil}",
                    r"L = \frac{1}{2} \, 1.002(3) \dot{q}^{2} - \frac{k}{2} q^{2}",
                    "q'^2/2 - k*q^2/2",
                    {"k": (1.0023, 0.0031), "gamma": (None, None)},
                ),
            ),
            extra={"final": {"q": state["q"].tolist(), "p": [float(v) for v in state["p"]]}},
            summary=(("largest amplitude", f"{state['worst']:.4g} m"),),
            arrays={"t": Array(t, ("t",), "s", "time"), "q": Array(q, ("t", "body"), "m", "place")},
            figures=(Figure("motion", f"The motion of both bodies.{self.evil}", (wave,)),),
            tables=(Table("bodies", "Both bodies", ("body", "last q"), (("1", 0.1), ("2", None))),),
            checks=(Check("bounded", True, f"the amplitude stays below 2{self.evil}"),),
            notes=(f"a note{self.evil}",) if self.evil else (),
        )


def task(program: Oscillator, *, resolved: str = "", title: str = "A damped oscillator"):
    from actionrun.runtime.execution.job import Job

    text = resolved or 'study = "ggl"\n\n[integrator]\ndt = 0.01\nsteps = 4000\n'
    section = Section("System", "one coordinate q", (Equation("Lagrangian", "L = T - V", "T - V"),))
    return Job(
        "oscillator", "ggl", title, 0, text.encode(), text, lambda: program, lambda: (section,)
    )


def settings(words: list[str]) -> dict:
    pairs = (word.partition("=") for word in words)
    return {key: float(value) if "." in value else int(value) for key, _, value in pairs}


def script(words: list[str]) -> int:
    """One run by way of the command line's own error handling."""
    from actionrun.runtime import cli
    from actionrun.runtime.display import display
    from actionrun.runtime.environment.signals import Signals
    from actionrun.runtime.execution import march
    from actionrun.runtime.runner import run

    given = settings(words[1:])
    march.SAVE_SECONDS = given.pop("save", 10.0)
    march.CHUNK_SECONDS = given.pop("chunk", 0.5)
    program = Oscillator(**given)

    def act() -> int:
        stop = Signals()
        run(task(program), out=Path(words[0]), on_event=display(), stop=stop)
        return 0

    return cli.guarded(act, words, debug=False)


if __name__ == "__main__":
    sys.exit(script(sys.argv[1:]))
