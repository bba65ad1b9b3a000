"""Whole ggl programs run from a few lines of the study language, and a rod with its closed form."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.monitoring
import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.ggl.build import build
from actionrun.compiler.ggl.integration import Integration
from actionrun.compiler.ggl.report import IntegrationReport
from actionrun.compiler.numerics.integrators.time_marching import Trajectory
from actionrun.spec import loads
from scipy.special import ellipj, ellipk

G, HEIGHT, PERIOD = 9.81, 2.0, 2.665870942834926  # m/s^2, rad, s of a rod of 1 m
ROD = """\
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 - 9.81*y"
constraints = ["x^2 + y^2 = 1"]
"""
REST = "x = 0, y = 0"


class Run(NamedTuple):
    """A program, its rows after each step (t (rows,), q, p (rows, n)) and its last state."""

    program: Integration
    report: IntegrationReport
    samples: dict[str, np.ndarray]
    state: Trajectory

    @property
    def t(self) -> np.ndarray:
        return self.samples["t"]

    @property
    def q(self) -> np.ndarray:
        return self.samples["q"]

    @property
    def p(self) -> np.ndarray:
        return self.samples["p"]

    def findings(self) -> Findings:
        return self.report(self.state, self.samples, lambda *_: None)


def text(system: str, position: str, velocity: str, r: int, h: float, steps: int, more="") -> str:
    """A study of a [system] table; `more` goes to [integrator] and what follows it."""
    return (
        f'study = "ggl"\n[system]\n{system}\n'
        f"[start]\nposition = {{ {position} }}\nvelocity = {{ {velocity} }}\n"
        f"[integrator]\nr = {r}\ndt = {h!r}\nsteps = {steps}\n{more}\n"
    )


def ran(study: str, chunks: tuple[int, ...] = ()) -> Run:
    """A study marched to its end, in chunks up to the given steps."""
    program = build(loads(study))
    assert isinstance(program.report, IntegrationReport)
    state, done, kept = program.start(), 0, []
    for stop in (*chunks, program.total):
        state, report = program.advance(state, done, stop - done)
        assert report.diverged is None, report.diverged
        kept.append(report.samples)
        done = stop
    samples = {key: np.concatenate([k[key] for k in kept]) for key in kept[0]}
    return Run(program.solver, program.report, samples, state)


def place(angle):
    """x, y of a unit rod at an angle from the lowest point."""
    return np.array([np.sin(angle), -np.cos(angle)])


LEFT = "x = {:.17g}, y = {:.17g}".format(*place(HEIGHT))


def angle(t):
    """Angle and rate of the pendulum from rest at 2 rad (Jacobi's elliptic functions)."""
    w, k = np.sqrt(G), np.sin(HEIGHT / 2)
    sn, cn, dn, _ = ellipj(ellipk(k**2) - w * np.asarray(t), k**2)
    return 2 * np.arcsin(k * sn), -2 * w * k * cn * dn / np.sqrt(1 - (k * sn) ** 2)


@contextmanager
def counted_compilations() -> Iterator[list[str]]:
    """The functions that XLA compiles meanwhile."""
    seen: list[str] = []

    def listen(event: str, seconds: float, **more: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(str(more))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
