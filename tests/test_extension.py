"""Extension points: what the registries promise, tried with an entry of our own.

Those of observables, interactions, bases, optimizers and activations stand beside what they extend:
CONTRIBUTING.md lists them.
"""

import json

import numpy as np
import pytest
from actionrun.compiler import explain, kinds, symbolic_check
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.runtime import cli, run
from actionrun.runtime.report import figures
from actionrun.spec import Faults, loads, schema
from actionrun.spec.kinds import registry
from toy_kind import SPEC, WING

DECAY = """\
study = "decay"

[substance]
amount = 2.0
rate = 0.5

[integrator]
dt = 0.1
steps = 20
"""


@pytest.fixture
def decay(monkeypatch):
    """The two lines that a fifth kind costs beside its packages."""
    monkeypatch.setitem(registry.KINDS, "decay", SPEC)
    monkeypatch.setitem(kinds.KINDS, "decay", WING)


def test_a_kind_is_two_packages_and_two_lines(decay, tmp_path):
    study = loads(DECAY)
    assert study.study == "decay"
    assert explain(study)[0].equations[0].text == "a' = -k*a"
    assert symbolic_check(study) == []
    done = run(study, out=tmp_path / "run")
    assert done.metrics["left"] == pytest.approx(2 * 0.95**20)
    np.testing.assert_allclose(done.findings.arrays["a"].data, 2 * 0.95 ** np.arange(1, 21))
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "How much is left?" in page


def test_its_faults_are_located(decay):
    with pytest.raises(Faults) as caught:
        loads(DECAY.replace("0.5", "-0.5").replace("amount", "amont"))
    faults = {fault.code: fault.line for fault in caught.value.faults}
    assert faults["value.range"] == 5 and 4 in faults.values()
    with pytest.raises(Faults) as caught:
        run(loads(DECAY.replace("0.5", "50.0")))
    assert (caught.value.faults[0].code, caught.value.faults[0].line) == ("step.long", 8)


def test_it_is_offered_where_a_kind_is_asked_for(decay):
    with pytest.raises(Faults) as caught:
        loads(DECAY.replace('"decay"', '"cooking"'))
    assert '"decay" (how much is left?)' in caught.value.faults[0].hint
    assert "decay" in schema()["properties"]["study"]["enum"]


def test_it_runs_from_the_command_line_and_sweeps(decay, tmp_path, capsys):
    path = tmp_path / "decay.toml"
    path.write_text(DECAY + '\n[sweep]\n"substance.rate" = [0.1, 0.2]\n', encoding="utf-8")
    assert cli.main(["check", str(path)]) == 0
    assert cli.main(["run", str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "done"


def test_a_style_of_curves_is_one_function(monkeypatch):
    """And its name among those of `Curve`."""

    def stems(curve, ax, stroke):
        ax.vlines(curve.x, 0, curve.y, color=stroke.color, gid="stems-of-ours")

    monkeypatch.setitem(figures.STYLES, "stems", stems)
    curve = Curve(np.arange(3.0), np.arange(3.0), style="stems")
    figure = Figure("a", "A figure.", (Panel(Axis("x"), Axis("y"), (curve,)),))
    assert "stems-of-ours" in figures.svg(figure, "salt")
