"""`explain`: the whole meaning of a study, as text and as LaTeX that compiles."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import sympy as sp
from actionrun.compiler import explain
from actionrun.compiler.symbolic.explanation import _difference
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.runtime import cli
from actionrun.runtime.report.latex import explained_tex
from actionrun.spec import loads, resolved_toml, template

ORBIT = """study = "ggl"
title = 'An orbit: \\input{{/etc/passwd}} $x$ & "50 %" of β_1'
[system]
coordinates = {{ q = 2 }}
lagrangian = "dot(q', q')/2 + GM/|q|{more}"
nonconservative = "-gamma*dot(q_plus', q_minus)"
[parameters]
GM = 1.0
gamma = 0.01
[start]
position = {{ q = [1.0, 0.0] }}
velocity = {{ q = [0.0, 1.0] }}
[integrator]
dt = 0.01
steps = 10
"""
FAMILY = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
nonconservative = "-c3*q_plus'*q_minus"
[coefficients]
c1 = [0.01, 20.0]
c2 = [0.0, 20.0]
c3 = { range = [0.0, 20.0], zero = 0.05 }
[start]
position = { q = 0.0 }
momentum = { q = 1.0 }
[integrator]
dt = 0.1
steps = 40
[observe]
variables = ["q"]
"""
ROD = """study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "m*(x'^2 + y'^2)/2 - m*9.81*y"
constraints = ["x^2 + y^2 = 1"]
[parameters]
m = 1.0
[start]
position = { x = 0.6, y = 0.8 }
velocity = { x = 0.0, y = 0.0 }
[integrator]
dt = 0.01
steps = 10
"""
MEASURED = FAMILY.partition("[start]")[0] + (
    '[integrator]\ndt = 0.1\n[data]\nfile = "a.csv"\ncolumns = { t = "t", q = "x" }\n'
    '[network]\nkind = "none"\n'
)


def names(text: str) -> dict[str, str]:
    sections = explain(loads(text))
    return {e.name: e.text for section in sections for e in section.equations}


def test_symmetries_and_their_charges():
    found = names(ORBIT.format(more=""))
    charge = found["Rotation of (q[1], q[2]): angular momentum of (q[1], q[2])"]
    assert charge == "-q'[1]*q[2] + q[1]*q'[2]"
    assert "Shift of time: energy" in found and "Rate of the energy" in found
    assert not [name for name in names(ORBIT.format(more=" + q[1]")) if "Rotation" in name]
    assert not [name for name in names(ORBIT.format(more=" + t*q[1]")) if "time" in name]


def test_doubled_lagrangian():
    found = lagrangian_system(loads(FAMILY))
    words, c = found.words, found.words.constants
    (q,), (v,), (m,), (w,) = words.q, words.v, words.minus, words.minus_v
    whole = 2 * c["c1"] * v * w - 2 * c["c2"] * q * m - c["c3"] * v * m
    assert sp.expand(_difference(found) - whole) == 0
    assert "c3*q_plus'*q_minus" in names(FAMILY)["Doubled Lagrangian in these"]


def test_loss_and_identifiability():
    titles = {section.title: section.text for section in explain(loads(FAMILY))}
    assert "rank 2 of 3: only c2/c1, c3/c1" in titles["Identifiability"]
    assert "Loss" in titles
    assert "Misfit" in names(MEASURED) and "Loss of training" not in names(MEASURED)


@pytest.mark.parametrize("kind", ["ggl", "family", "om", "pnn"])
def test_the_starter_study_of_each_kind_is_explained(kind):
    sections = explain(loads(template(kind)))
    assert len(sections) > 2 and all(section.text or section.equations for section in sections)


def test_the_command_prints_every_default(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text(FAMILY)
    assert cli.main(["explain", "a.toml"]) == 0
    out = capsys.readouterr().out
    assert "learning_rate" in out and 'method = "levenberg-marquardt"' in out
    start, stop = out.index('study = "family"'), out.index("\n\nSystem\n")
    assert loads(out[start:stop]) == loads(FAMILY)


@pytest.mark.parametrize("text", [ORBIT.format(more=" + q[1]"), FAMILY, ROD, MEASURED],
                         ids=["orbit", "family", "rod", "measured"])  # fmt: skip
def test_the_document_compiles(text, tmp_path):
    study = loads(text)
    document = explained_tex(explain(study), resolved_toml(study))
    assert "\\input{/etc" not in document
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    (tmp_path / "a.tex").write_text(document, encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
