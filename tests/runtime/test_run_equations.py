"""Equations of runs as values, of every kind of study."""

from __future__ import annotations

import sys
from pathlib import Path

import actionrun as ar
import numpy as np
import pytest
import sympy as sp
from actionrun.runtime.errors import Refused
from printed_laws import value_of

STUDIES = Path(__file__).parents[2] / "studies"
sys.path.append(str(STUDIES.parent / "tests" / "bench"))
from shortened import SHORT  # noqa: E402  # pyright: ignore[reportMissingImports]

ORBIT = {
    "study": "ggl",
    "title": "An orbit with drag",
    "system": {
        "coordinates": {"q": 2},
        "lagrangian": "|q'|^2/2 + mu/|q|",
        "nonconservative": "-gamma*dot(q_plus', q_minus)",
    },
    "parameters": {"mu": 1.23456789012345, "gamma": 0.0312345678901},
    "start": {"position": {"q": [1.0, 0.0]}, "velocity": {"q": [0.0, 1.0]}},
    "integrator": {"r": 1, "dt": 0.05, "steps": 20},
}


def check_against_print(run: ar.Run) -> tuple[int, int]:
    """Each equation that is a formula gives at random points what its text says, and to rounding
    what its printed numbers say; returns how many are, and how many are none."""
    dice, formulas, refused = np.random.default_rng(1), 0, 0
    for equation in run.equations:
        try:
            whole = equation.sympy()
        except Refused as reason:
            assert equation.name in str(reason)
            refused += 1
            continue
        formulas += 1
        function = equation.function()
        names = [str(s) for s in whole.free_symbols]
        assert {*function.arguments} <= {*names} and all(map(str.isidentifier, names))
        at = {name: dice.uniform(0.4, 1.6, 5) for name in names}
        residual = whole.lhs - whole.rhs if isinstance(whole, sp.Eq) else whole
        values = sp.Matrix([residual.subs({n: v[k] for n, v in at.items()}) for k in range(5)])
        ours = np.array(values.evalf(17), float).ravel()
        printed = value_of(equation.exact or equation.text, at)
        assert np.allclose(ours, printed, rtol=1e-11, atol=1e-11, equal_nan=True), equation.text
        given = function(**{name: at[name] for name in function.arguments})
        if function.gives in ("value", "residual"):
            assert np.allclose(given, ours, rtol=1e-11, atol=1e-11, equal_nan=True)
        else:  # put in, it makes both sides equal
            left = value_of(equation.exact or equation.text, at | {function.gives: given})
            assert np.allclose(left, 0, atol=1e-9 * np.max(np.abs(given)) + 1e-11)
    assert len(run.sympy()) == formulas
    return formulas, refused


def test_of_an_orbit(tmp_path):
    run = ar.run(ar.Study.from_dict(ORBIT), out=tmp_path / "run")
    assert check_against_print(run) == (11, 0)
    again = ar.open_run(run.folder)
    motion = next(e for e in again.equations if e.name == "Motion of q[1]")
    q_1, q_2, qdot_1, qddot_1 = sp.symbols("q_1 q_2 qdot_1 qddot_1")
    law = -0.0312345678901 * qdot_1 - 1.23456789012345 * q_1 / (q_1**2 + q_2**2) ** sp.Rational(
        3, 2
    )
    assert motion.sympy() == sp.Eq(qddot_1, law), "unrounded, while it is printed with six digits"
    assert "1.23457" in motion.text and motion._repr_latex_().startswith("$")
    force = motion.function()
    assert force.arguments == ("q_1", "q_2", "qdot_1") and force.gives == "qddot_1"
    assert force(1.0, np.zeros((3, 2)), 0.0).shape == (3, 2)
    assert np.allclose(force(1.0, 0.0, 0.0), -1.23456789012345, rtol=1e-15)
    t = sp.Symbol("t")
    moving = motion.sympy(functions=True)
    assert sp.Function("q_1")(t).diff(t, 2) == moving.lhs and moving.has(sp.Function("q_2")(t))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least", "none"),
    [("pendulum_measured", 8, 0), ("double_well_path", 3, 1), ("law_recovery", 1, 0),
     ("melting", 1, 0), ("damped_chain", 0, 5), ("verlet_pnn", 0, 2),
     ("pendulum_constraint", 5, 0)],
)  # fmt: skip
def test_of_every_kind(name, least, none, tmp_path):
    study = ar.load(STUDIES / f"{name}.toml", overrides=SHORT.get(name, ()))
    formulas, refused = check_against_print(ar.run(study, out=tmp_path / "run"))
    assert formulas >= least and refused >= none
