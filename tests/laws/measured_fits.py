"""Fits of measured motions, as several tests make them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.family.build import build
from actionrun.compiler.family.fit import Fitting
from actionrun.compiler.program import Reported
from actionrun.spec import loads

REST = """[integrator]
dt = 0.05
[network]
kind = "none"
[data]
file = "x.csv"
"""
# Studies to which what their columns hold is to be added.
PENDULUM = f"""study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + w2*cos(q)"
nonconservative = "-gamma*q_plus'*q_minus"
[coefficients]
w2 = [0.1, 30.0]
gamma = [0.0, 2.0]
{REST}"""
SPRINGS = f"""study = "family"
[system]
coordinates = ["x", "y"]
lagrangian = "x'^2/2 + y'^2/2 - k*x^2/2 - l*y^2/2"
[coefficients]
k = [1.0, 10.0]
l = [1.0, 10.0]
{REST}"""
COUPLED = f"""study = "family"
[system]
coordinates = ["a", "b"]
lagrangian = "a'^2/2 + b'^2/2 - k*a^2/2 - l*b^2/2 - c*(a - b)^2/2"
[coefficients]
k = [1.0, 20.0]
l = [1.0, 20.0]
c = [0.1, 10.0]
{REST}"""


def solver(text: str, observations: Mapping[str, np.ndarray]) -> Fitting:
    """The solver of a study with [data] and no network."""
    program = build(loads(text), observations)
    assert isinstance(program, Reported) and isinstance(program.solver, Fitting)
    return program.solver
