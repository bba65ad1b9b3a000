"""What a prior alone tells of a coefficient has the prior's deviation, however errors are made."""

from __future__ import annotations

import numpy as np
import pytest
from actionrun.compiler.family.fit_findings import fit_findings
from measured_fits import solver

STUDY = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - (k + c)*q^2/2"
[coefficients]
k = { range = [0.0, 10.0], prior = "normal(2.0, 0.1)" }
c = [0.0, 10.0]
[integrator]
dt = 0.1
[network]
kind = "none"
[data]
file = "x.csv"
columns = { t = "t", q = "q" }
"""
CASES = {
    "white": ("", 0.0),
    "student": ('[refine]\nloss = "student"\n', 0.0),
    "sandwich": ('[observe]\ncorrelation = "none"\n', 0.05),  # a beat that the law lacks
}


@pytest.mark.parametrize("kind", CASES)
def test_a_prior_keeps_its_deviation(kind):
    """The samples tell k + c; which is which the prior says alone."""
    more, beat = CASES[kind]
    t = np.linspace(0, 12, 121)
    noise = 0.01 * np.random.default_rng(3).normal(size=len(t))
    q = np.cos(np.sqrt(5) * t) + beat * np.cos(0.6 * np.sqrt(5) * t) + noise
    told = fit_findings(solver(STUDY + more, {"t": t, "q": q}).fit(lambda *_: None)).extra
    assert told["errors"] == kind
    k, c = told["coefficients"]["k"], told["coefficients"]["c"]
    assert abs(k["std"] - 0.1) < 0.002 and abs(c["std"] - 0.1) < 0.005
    assert abs(k["value"] - 2) < 0.01
