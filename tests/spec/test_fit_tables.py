"""What a fit of measured motions may be told: noise, priors, rivals; each fault at its place."""

from functools import partial

import pytest
from actionrun.spec import Faults, loads, resolved_toml
from actionrun.spec.kinds.registry import KINDS
from actionrun.spec.study import validate
from actionrun.spec.sweep.rivals import rival_studies

TEXT = """study = "family"
[system]
coordinates = ["a", "b"]
lagrangian = "a'^2/2 + b'^2/2 - ka*a^2/2 - kb*b^2/2"
[coefficients]
ka = { range = [0.1, 30.0], prior = "normal(9.0, 0.5)" }
kb = [0.1, 30.0]
[integrator]
dt = 0.05
[data]
file = "two.csv"
columns = { t = "t", a = "a", b = "b" }
[observe]
noise = { a = 0.001 }
[network]
kind = "none"
[refine]
loss = "student"
[compare.coupled]
lagrangian = "a'^2/2 + b'^2/2 - ka*a^2/2 - c*(a - b)^2/2"
coefficients = { c = [-5.0, 5.0] }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "two.csv").write_text("t,a,b\n" + "".join(f"{i},{i},1\n" for i in range(9)))
    return tmp_path


def faults(text, folder):
    with pytest.raises(Faults) as raised:
        loads(text, folder=folder)
    return [(f.line, f.code) for f in raised.value.faults]


def test_a_rival_has_what_its_formulas_name_and_the_rest_of_the_study(folder):
    study = loads(TEXT, folder=folder)
    (rival,) = rival_studies(study, partial(validate, kind=KINDS["family"])).values()
    assert [*rival.coefficients] == ["ka", "c"]
    assert rival.coefficients["ka"].prior == study.coefficients["ka"].prior
    assert rival.refine.loss == "student" and not rival.compare


def test_the_study_written_out_is_the_same_study(folder):
    study = loads(TEXT, folder=folder)
    assert loads(resolved_toml(study), folder=folder) == study


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ("normal(9.0, 0.5)", "normal(9.0)", 6, "value.prior"),
        ("normal(9.0, 0.5)", "normal(9.0, -0.5)", 6, "value.prior"),
        ("normal(9.0, 0.5)", "normal(9 m, 0.5 s)", 6, "value.prior"),
        ("noise = { a = 0.001 }", "noise = { z = 0.001 }", 14, "name.column"),
        ("noise = { a = 0.001 }", "noise = { a = -1.0 }", 14, "value.range"),
        ("c*(a - b)^2/2", "cc*(a - b)^2/2", 20, "name.unknown"),
        ("c = [-5.0, 5.0]", "c = [5.0, -5.0]", 21, "value.range"),
        ('kind = "none"', 'kind = "mlp"', 19, "not-built"),
    ],
)  # fmt: skip
def test_faults_at_their_places(folder, old, new, line, code):
    found = faults(TEXT.replace(old, new), folder)
    kinds = {(place, said.split(".")[0]) for place, said in found}
    assert (line, code.split(".")[0]) in kinds, found
