"""Exported Python, C and SymPy run alone and give what the equations say."""

from __future__ import annotations

import ctypes
import runpy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.formulas.array_function import array_function
from actionrun.compiler.formulas.reader import formula
from actionrun.compiler.formulas.source_code import (
    Written,
    c_source,
    comment,
    python_source,
    sympy_source,
)

TEXTS = {
    "Law": "y = 0.1234567890123456*a^2/sqrt(b) + max(a, b, 1)*min(a, 2) - abs(a - b)^1.5",
    "Motion of q[1], in symbols": "m*q''[1] = -k*q[1]/(q[1]^2 + q[2]^2)^(3/2) + Heaviside(q[1])",
    "Law of names": "z = double*pow + lambda*numpy/M_PI + sign(pow)*pi + atan2(double, pow)",
    "law of names": "z = tanh(x)*exp(-x)/log(1 + x^2) + 3",
    "1/m": "E = sinh(S)^2 + cosh(I)/3 + asin(N/9) + t + NAN*INFINITY",
}


def laws() -> list[Written]:
    every = []
    for name, text in TEXTS.items():
        read = formula(text)
        expression, gives = read.value()
        function = array_function(expression, read.arguments(), gives)
        every.append(Written(name, text, function, read.whole))
    return every


def points(count: int) -> list[np.ndarray]:
    dice = np.random.default_rng(count)
    return [dice.uniform(0.3, 1.7, 50) for _ in range(count)]


NAMES = ["law", "motion_of_q_1_in_symbols", "law_of_names", "law_of_names_2", "law_1_m"]


def test_python_runs_alone(tmp_path):
    file = tmp_path / "equations.py"
    file.write_text(python_source(laws(), "a title\n import os; os.system('true')"))
    module = runpy.run_path(str(file))
    for law, name in zip(laws(), NAMES, strict=True):
        at = points(len(law.function.symbols))
        ours = law.function(*at)
        assert np.allclose(module[name](*at), ours, rtol=1e-12, atol=1e-12), law.text
        one = module[name](*(float(x[0]) for x in at))
        assert one == pytest.approx(ours[0], rel=1e-12)
    assert module["law"](np.ones((3, 1)), np.ones(4)).shape == (3, 4), "it broadcasts"


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_c_compiles_and_agrees(tmp_path):
    (tmp_path / "equations.c").write_text(c_source(laws(), "a title */ \\"))
    subprocess.run(
        ["cc", "-std=c99", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "equations.c", "-o",
         "equations.so", "-lm"], cwd=tmp_path, check=True,
    )  # fmt: skip
    library = ctypes.CDLL(str(tmp_path / "equations.so"))
    for law, name in zip(laws(), NAMES, strict=True):
        function = getattr(library, name)
        count = len(law.function.symbols)
        function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * count
        at = points(count)
        given = [function(*row) for row in zip(*at, strict=True)]
        assert np.allclose(given, law.function(*at), rtol=1e-12, atol=1e-12), law.text


def test_sympy_is_the_same(tmp_path):
    file = tmp_path / "equations_sympy.py"
    file.write_text(sympy_source(laws(), "title"))
    equations = runpy.run_path(str(file))["equations"]
    assert [*equations] == [*TEXTS]
    assert all(sp.simplify(equations[law.name].lhs - law.whole.lhs) == 0 for law in laws())
    assert [equations[law.name] for law in laws()] == [law.whole for law in laws()]


def test_comments_stay_comments():
    assert "\n" not in comment("a\nb\r\u2028\\") and "\\" not in comment("a\\")


def test_the_command(tmp_path, capsys):
    import actionrun as ar
    from actionrun.runtime import cli

    study = {
        "study": "ggl", "title": "A spring",
        "system": {"coordinates": ["q"], "lagrangian": "q'^2/2 - k*q^2/2"},
        "parameters": {"k": 2.25}, "integrator": {"r": 1, "dt": 0.1, "steps": 20},
        "start": {"position": {"q": 1.0}, "velocity": {"q": 0.0}},
    }  # fmt: skip
    run = ar.run(ar.Study.from_dict(study), out=tmp_path / "run")
    for form in ("python", "c", "sympy", "study", "npz"):
        assert cli.main(["export", str(run.folder), "--format", form]) == 0
    written = [Path(line) for line in capsys.readouterr().out.split()]
    assert [p.name for p in written] == [
        "equations.py", "equations.c", "equations_sympy.py", "study.toml", "data.npz"
    ]  # fmt: skip
    assert runpy.run_path(str(written[0]))["equation_of_motion"](2.0) == -4.5
    assert cli.main(["check", str(written[3])]) == 0
    assert np.array_equal(np.load(written[4])["q"], run.arrays["q"])


def test_a_run_in_a_notebook(tmp_path):
    import actionrun as ar

    study = ar.Study.from_dict({
        "study": "ggl", "title": "<script>alert(1)</script>",
        "system": {"coordinates": ["q"], "lagrangian": "q'^2/2 - k*q^2/2"},
        "parameters": {"k": 2.25}, "integrator": {"r": 1, "dt": 0.1, "steps": 20},
        "start": {"position": {"q": 1.0}, "velocity": {"q": 0.0}},
    })  # fmt: skip
    run = ar.run(study, out=tmp_path / "run")
    for html in (study._repr_html_(), run._repr_html_()):
        assert "<script" not in html and "&lt;script&gt;" in html
    assert "<math" in run._repr_html_() and "steps" in run._repr_html_()
    names = [one.name for one in run.findings.figures]
    drawing = ar.open_run(run.folder).figure(names[0])
    drawing.savefig(tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 5000 and drawing.axes
    with pytest.raises(ar.RunError, match=names[0]):
        run.figure("nonsense")
    assert run.covariance is None
