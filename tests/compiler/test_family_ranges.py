"""Constraints between the coefficients of a family."""

import jax
import numpy as np
import pytest
from actionrun.compiler import compile, explain, symbolic_check
from actionrun.compiler.family.bounds import ranges
from actionrun.compiler.family.build import settings
from actionrun.compiler.family.fit import Fitting
from actionrun.compiler.family.train import population
from actionrun.compiler.program import Reported
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.spec import Faults, loads
from actionrun.spec.kinds.family import Family

STUDY = """
study = "family"
title = "Oscillators with constraints between their coefficients"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
nonconservative = "-c3*q_plus'*q_minus"
constraints = [%s]
[parameters]
m = 0.75
[coefficients]
c1 = [0.5, 4.0]
c2 = [0.5, 8.0]
c3 = { range = [0.0, 2.0], zero = 0.3 }
[start]
position = { q = 0.3 }
velocity = { q = 0.8 }
[integrator]
r = 2
dt = 0.1
steps = 30
[network]
hidden = [8]
[training]
steps = 1
batch = 64
[test]
systems = 0
cases = %s
"""


def study(*constraints, cases="[]"):
    result = loads(STUDY % (", ".join(f'"{c}"' for c in constraints), cases))
    assert isinstance(result, Family)
    return result


def of(*constraints, cases="[]"):
    result = study(*constraints, cases=cases)
    symbolic = lagrangian_system(result)
    return ranges(settings(result, symbolic), symbolic)


def test_a_straight_line_in_one_coefficient_is_a_bound():
    result = of("c1 > 2*m", "3*c2 - m^2 <= 6", "m < c3 + 1")
    assert result.inequalities is None
    np.testing.assert_allclose(result.low, [1.5, 0.5, 0.0])
    np.testing.assert_allclose(result.high, [4.0, (6 + 0.75**2) / 3, 2.0])


def test_the_share_of_the_ranges_that_is_left():
    """c2 < 2 c1 over the rectangle leaves 12.25 - ... by plane geometry."""
    result = of("c2 < 2*c1")
    whole = 3.5 * 7.5
    below = np.trapezoid([0.5, 7.5], [0.5, 4.0])  # 2 c1 - 0.5 from c1 = 0.5 to 4
    assert result.share == pytest.approx(below / whole, abs=0.01)
    assert result.inequalities is not None and result.inequalities.texts == ("c2 < 2*c1",)
    assert "members with c2 < 2*c1: " in explain(study("c2 < 2*c1"))[1].text


def drawn(*constraints):
    """Coefficients (3, 4000) of the population that training draws from."""
    asked = study(*constraints)
    symbolic = lagrangian_system(asked)
    of_study = settings(asked, symbolic)
    result = population(of_study, symbolic, ranges(of_study, symbolic), 30)
    return np.asarray(result.draw(jax.random.key(1), 4000)[0])


def test_members_meet_the_constraints():
    c = drawn("c2 < 2*c1", "c3^2 < c1*c2/4")
    assert (c[1] <= 2 * c[0]).all() and (c[2] ** 2 <= c[0] * c[1] / 4).all()
    free = drawn()
    kept = free[:, (free[1] <= 2 * free[0]) & (free[2] ** 2 <= free[0] * free[1] / 4)]
    for k in range(3):
        assert c[k].mean() == pytest.approx(kept[k].mean(), abs=4 * kept[k].std() / 40)


@pytest.mark.parametrize(
    ("constraints", "cases", "words"),
    [
        (["c1 > c2 + 5"], "[]", "none of 20000 members"),
        (["c1 > c2 + 3.2"], "[]", "leave 0."),
        (["c1 > 5"], "[]", "nothing is left of the range of c1"),
        (["c1 > 5*c2", "c2 > c1"], "[]", "leave nothing of the ranges"),
        (["c1 > c2"], "[{ c1 = 1.0, c2 = 2.0, c3 = 0.0 }]", "this case does not meet"),
    ],
    ids=["empty", "thin", "bound", "both", "case"],
)
def test_what_leaves_nothing_is_told(constraints, cases, words):
    (fault,) = symbolic_check(study(*constraints, cases=cases))
    assert words in str(fault) and fault.line is not None


def test_an_equation_between_coefficients_goes_to_define():
    with pytest.raises(Faults, match=r"by others in \[define\]"):
        study("c3 = c1*c2/4")


DATA = """
study = "family"
title = "A measured oscillator with a constraint"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
nonconservative = "-c3*q_plus'*q_minus"
constraints = [%s]
%s
[integrator]
r = 2
dt = 0.1
[data]
file = "motion.csv"
columns = { t = "t", q = "q", pi = "pi" }
[network]
kind = "none"
"""


def fit(constraints, coefficients, seen):
    program = compile(loads(DATA % (constraints, coefficients)), seen)
    assert isinstance(program, Reported) and isinstance(program.solver, Fitting)
    return program.findings(program.start(), {}, lambda *_: None)


@pytest.mark.campaign
def test_a_fit_that_ends_on_a_border_is_the_fit_of_the_equation():
    """The motion of c2 = 2 c1 under c2 <= c1: as with c2 = c1 by definition, errors included."""
    t = 0.1 * np.arange(40)
    w = np.sqrt(2 - 0.05**2)
    q = np.exp(-0.05 * t) * np.sin(w * t) / w
    v = np.exp(-0.05 * t) * np.cos(w * t) - 0.05 * q
    draw = np.random.default_rng(1).normal(size=(2, 40))
    seen = {"t": t, "q": q + 0.01 * draw[0], "pi_q": 4 * v + 0.03 * draw[1]}
    ranges = "[coefficients]\nc1 = [0.1, 10.0]\nc3 = [0.0, 5.0]"
    bound = fit('"c2 <= c1"', ranges + "\nc2 = [0.1, 10.0]", seen)
    equal = fit("", f'[define]\nc2 = "c1"\n{ranges}', seen)
    message = next(c for c in bound.checks if c.name == "constraints")
    assert not message.passed and "border of c2 <= c1" in message.text
    told = {check.name: check.text for check in bound.checks}
    one, two = bound.extra["coefficients"], equal.extra["coefficients"]
    assert one["c2"]["value"] == pytest.approx(one["c1"]["value"], rel=1e-9)
    for name in ("c1", "c3"):
        assert one[name]["value"] == pytest.approx(two[name]["value"], rel=1e-6)
        if one[name]["std"] is None:  # the wrong law wants no damping: c3 ends at its bound
            assert two[name]["std"] is None and one[name]["value"] == 0
            assert f"{name} ended at a bound" in told["bounds"]
        else:
            assert one[name]["std"] == pytest.approx(two[name]["std"], rel=1e-4)
    loose = fit('"c2 <= 3*c1"', ranges + "\nc2 = [0.1, 10.0]", seen)
    assert not [c for c in loose.checks if c.name == "constraints"]
    value = loose.extra["coefficients"]["c2"]
    assert abs(value["value"] - 4.0) < 4 * value["std"]
