"""`import actionrun`: studies and runs as values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import actionrun as ar
import numpy as np
import pytest
from actionrun.runtime.errors import Refused
from actionrun.spec import resolved_toml
from actionrun.spec.text.source import UsageFault

SPRING = {
    "study": "ggl",
    "title": "A spring",
    "system": {"coordinates": ["q"], "lagrangian": "q'^2/2 - k*q^2/2"},
    "parameters": {"k": np.float64(2.0)},
    "start": {"position": {"q": 1.0}, "velocity": {"q": 0.0}},
    "integrator": {"r": np.int64(1), "dt": 0.1, "steps": 20},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return ar.run(ar.Study.from_dict(SPRING), out=tmp_path_factory.mktemp("spring") / "run")


def test_names_come_when_they_are_asked_for():
    script = (
        "import sys, time; clock = time.process_time(); import actionrun as ar\n"
        "print(time.process_time() - clock < 0.05)\n"
        "print([one for one in ('jax', 'numpy', 'pydantic', 'sympy') if one in sys.modules])\n"
        "ar.load; ar.Study; ar.Faults\n"
        "print([one for one in ('jax', 'numpy', 'sympy') if one in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert said.stdout.split("\n")[:3] == ["True", "[]", "[]"], said.stderr
    assert {name for name in dir(ar) if hasattr(ar, name)} == {*ar.__all__}
    with pytest.raises(AttributeError):
        ar.nonsense  # noqa: B018


def test_it_is_a_command(tmp_path):
    said = subprocess.run(
        [sys.executable, "-m", "actionrun", "new", "ggl"], capture_output=True, text=True
    )
    assert said.returncode == 0 and 'study = "ggl"' in said.stdout


def test_a_study_of_a_dict_is_that_of_its_file(tmp_path):
    study = ar.Study.from_dict(SPRING)
    assert isinstance(study, ar.Study)
    assert repr(study).startswith("<ggl study 'A spring': system, ")
    again = ar.loads(resolved_toml(study))
    assert resolved_toml(again) == resolved_toml(study)
    with pytest.raises(ar.Faults, match="lagrangian"):
        ar.Study.from_dict({**SPRING, "system": {"coordinates": ["q"]}})
    with pytest.raises(UsageFault, match="no place in a study"):
        ar.Study.from_dict({**SPRING, "title": object()})


def test_replaced_values():
    study = ar.Study.from_dict(SPRING)
    other = study.replace({"integrator.dt": 0.05, "parameters.k": np.float32(0.5), "seed": 3})
    assert other.number(other.integrator.dt) == 0.05
    assert (other.constant("k"), other.seed) == (0.5, 3)
    assert study.number(study.integrator.dt) == 0.1, "the first is as it was"
    again = other.replace({"integrator.steps": 7})
    assert (again.number(again.integrator.dt), again.integrator.steps) == (0.05, 7)
    with pytest.raises(UsageFault, match=r'did you mean "integrator\.dt"'):
        study.replace({"dt": 1})
    with pytest.raises(ar.Faults, match="dt"):
        study.replace({"integrator.dt": -1.0})


def test_a_run_and_the_same_opened_later(done):
    opened = ar.open_run(done.folder)
    assert opened.metrics == done.metrics and opened.data.identical(done.data)
    t = done.arrays["t"]
    assert np.allclose(done.data["q"].sel(t=1.0, method="nearest"), np.cos(np.sqrt(2)), atol=1e-5)
    assert np.allclose(done.arrays["q"], np.cos(np.sqrt(2) * t), atol=1e-5)
    assert opened.report.is_file() and opened.coefficients == done.coefficients
    with pytest.raises(Refused, match="no run folder"):
        ar.open_run(Path("nowhere"))
    assert issubclass(Refused, ar.RunError)


def test_progress_check_and_explain(tmp_path, capsys):
    study = ar.Study.from_dict(SPRING)
    ar.run(study, out=tmp_path / "run", progress=True)
    assert "A spring (ggl)" in capsys.readouterr().err
    assert ar.check(study) == []
    (tmp_path / "bad.toml").write_text("study = 1\n")
    assert [fault.code for fault in ar.check(tmp_path / "bad.toml")] == ["kind.unknown"]
    assert "q'' = -k*q" in ar.explain(study)
    swept = ar.Study.from_dict(SPRING | {"sweep": {"parameters.k": [1.0, 2.0]}})
    assert "Sweep" in ar.explain(swept).splitlines(), "as the command says it"
