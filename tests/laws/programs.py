"""Whole ggl programs run from a few lines of the study language."""

from typing import NamedTuple

import numpy as np
from actionrun.compiler import compile
from actionrun.compiler.ggl import Integration
from actionrun.compiler.modules.march import Trajectory
from actionrun.compiler.program import Findings
from actionrun.spec import loads


class Run(NamedTuple):
    """Rows after each step: t (rows,), q, p (rows, n); the last state."""

    program: Integration
    t: np.ndarray
    q: np.ndarray
    p: np.ndarray
    state: Trajectory

    def findings(self) -> Findings:
        samples = {"t": self.t, "q": self.q, "p": self.p}
        return self.program.findings(self.state, samples, lambda *_: None)


def text(system: str, position: str, velocity: str, r: int, h: float, steps: int, more="") -> str:
    """A study of a [system] table; `more` goes to [integrator] and what follows it."""
    return (
        f'study = "ggl"\n[system]\n{system}\n'
        f"[start]\nposition = {{ {position} }}\nvelocity = {{ {velocity} }}\n"
        f"[integrator]\nr = {r}\ndt = {h!r}\nsteps = {steps}\n{more}\n"
    )


def ran(study: str, chunks: tuple[int, ...] = ()) -> Run:
    """A study marched to its end, in chunks up to the given steps."""
    program = compile(loads(study))
    assert isinstance(program, Integration)
    state, done, kept = program.start(), 0, []
    for stop in (*chunks, program.total):
        state, report = program.advance(state, done, stop - done)
        assert report.diverged is None, report.diverged
        kept.append(report.samples)
        done = stop
    t, q, p = (np.concatenate([k[key] for k in kept]) for key in "tqp")
    return Run(program, t, q, p, state)
