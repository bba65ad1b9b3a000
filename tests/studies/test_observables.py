"""An observable is one entry on the language's side and one on the arrays' side, and no more."""

from typing import get_args

import numpy as np
import pytest
from actionrun.compiler import compile, explain
from actionrun.compiler.numerics.inference.observables import OBSERVABLES, Observable
from actionrun.compiler.program import Reported
from actionrun.spec import loads
from actionrun.spec.tables import observables as language

STUDY = """
study = "family"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2/2 - c2*q^2/2"
[coefficients]
c1 = [0.5, 2.0]
c2 = [0.5, 2.0]
[integrator]
r = 1
dt = 0.1
steps = 20
"""
NETWORK = """
[start]
position = { q = 0.2 }
momentum = { q = 1.0 }
[network]
hidden = [8]
[training]
steps = 20
batch = 32
[test]
systems = 8
cases = [{ c1 = 1.0, c2 = 1.0 }]
"""
DATA = """
[network]
kind = "none"
[data]
file = "motion.csv"
columns = { t = "t", q = "q", double_q = "d" }
"""


def test_both_tables_have_the_observables_of_the_language():
    assert set(OBSERVABLES) == set(language.OBSERVABLES) == set(get_args(language.ObservableKey))
    for key, one in OBSERVABLES.items():
        assert one.state == language.OBSERVABLES[key].state


@pytest.fixture
def double(monkeypatch):
    """Twice the momentum, which scales as momenta do and is no part of the state."""
    name = language.ObservableName("double", "double_", "double_{}", lambda of, q: of.momentum(q))
    monkeypatch.setitem(language.OBSERVABLES, "double", name)
    observable = Observable(
        "double", r"2\pi", "twice the momentum of {}", "doubled momenta",
        lambda mechanics, q, p, t, theta: 2 * p,
        lambda system: [2 * p for p in system.momentum], (1, -1),
    )  # fmt: skip
    monkeypatch.setitem(OBSERVABLES, "double", observable)


@pytest.mark.slow
def test_a_network_reads_a_new_observable(double):
    study = loads(STUDY + NETWORK)
    seen = study.observe.model_copy(update={"variables": ("q", "double")})
    study = study.model_copy(update={"observe": seen})
    loss = next(s for s in explain(study) if s.title == "Loss")
    assert "q, 2\\pi" in loss.equations[0].latex
    program = compile(study)
    assert isinstance(program, Reported)
    state, report = program.advance(program.start(), 0, 20)
    assert report.diverged is None
    findings = program.findings(state, {}, lambda *a: None)
    assert findings.metrics["rms_double_median"] >= 0
    assert findings.extra["identifiability"]["rank"] == 2
    case = next(f for f in findings.figures if f.name == "case_1")
    assert [panel.y.label for panel in case.panels] == ["q", "twice the momentum of q"]
    profile = next(f for f in findings.figures if f.name == "landscape_1")
    assert profile.panels[1].y.label == "misfit of doubled momenta"


@pytest.mark.slow
def test_a_fit_reads_a_column_of_a_new_observable(double):
    """m = 1.5 and k = 0.8, which positions alone give only by their ratio."""
    t = np.linspace(0, 2, 21)
    rate = np.sqrt(0.8 / 1.5)
    q, v = np.cos(rate * t), -rate * np.sin(rate * t)
    observations = {"t": t, "q": q, "double_q": 2 * 1.5 * v}
    program = compile(loads(STUDY + DATA), observations)
    assert isinstance(program, Reported)
    findings = program.findings(program.start(), {}, lambda *a: None)
    assert set(findings.extra["residual"]) == {"q", "double_q"}
    assert findings.extra["coefficients"]["c1"]["value"] == pytest.approx(1.5, rel=1e-3)
    assert findings.extra["coefficients"]["c2"]["value"] == pytest.approx(0.8, rel=1e-3)
    assert findings.extra["identifiability"]["rank"] == 2
