"""Leaps of a linear map: the same motion as step by step, and every state between is watched."""

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.integrators.linear_map import LEAP, increments, powers
from actionrun.spec import loads
from programs import ran, text

COUPLED = """\
coordinates = ["a", "b"]
lagrangian = "a'^2/2 + b'^2 + a'*b'/3 - a^2/2 - 3*b^2/2 - a*b/4 + b/5"
nonconservative = "-0.02*a_plus'*a_minus - 0.01*b_plus'*b_minus"
"""
KEPT = "a'^2/2 + b'^2/2 - (a - b)^2/2"
STEPS = 20 * LEAP + 7


def study(every: int, system: str = COUPLED, more: str = "") -> str:
    start = ("a = 1.0, b = -0.3", "a = 0.2, b = 0.1")
    return text(system, *start, 2, 0.1, STEPS, f"save_every = {every}\n{more}")


def test_the_powers_of_a_map():
    rng = np.random.default_rng(0)
    D, d, z = 0.1 * rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=4)
    found = np.asarray(increments(powers(D, d), z, np.zeros(4)))
    true = z
    for k in range(LEAP):
        true = true + D @ true + d
        assert z + found[:, k] == pytest.approx(true, rel=1e-12)


@pytest.mark.parametrize("system", [COUPLED, f'coordinates = ["a", "b"]\nlagrangian = "{KEPT}"'],
                         ids=["with friction", "conserved"])  # fmt: skip
def test_leaps_are_steps(system):
    """A row after every step leaves no room for a leap; one row at the end, for twenty."""
    single, leaping = ran(study(1, system)), ran(study(STEPS, system))
    assert leaping.q[-1] == pytest.approx(single.q[-1], abs=1e-13)
    assert int(leaping.state.step) == STEPS
    one, other = single.state.monitor, leaping.state.monitor
    assert float(other.energy_low) == pytest.approx(float(one.energy_low), rel=1e-13)
    assert float(other.energy_high) == pytest.approx(float(one.energy_high), rel=1e-13)
    assert float(other.kinetic_high) == pytest.approx(float(one.kinetic_high), rel=1e-13)
    assert int(other.iterations) == int(one.iterations) == STEPS and int(other.iterations_most) == 1
    books = [run.findings().extra["ledger"] for run in (single, leaping)]
    for entry, same in zip(*books, strict=True):
        assert entry["charge"] == same["charge"]
        assert same["flux"] == pytest.approx(entry["flux"], abs=1e-13)
        assert same["final"] == pytest.approx(entry["final"], abs=1e-12)
        if entry["symmetry"] != "shift of time":
            assert same["defect"] < 1e-13


def test_an_error_between_two_rows_is_seen():
    """The largest error of all steps, though no row is kept where it is."""
    more = '[exact]\na = "cos(3*t)"\nb = "0*t"'
    errors = [ran(study(every, more=more)).findings().metrics["exact_error_max"]
              for every in (1, STEPS)]  # fmt: skip
    assert errors[0] == pytest.approx(errors[1], rel=1e-12) and errors[0] > 1


def test_cuts_at_kept_rows_change_nothing():
    every = 2 * LEAP + 3
    whole, cut = ran(study(every)), ran(study(every), (2 * every, 5 * every))
    assert np.array_equal(whole.q, cut.q) and np.array_equal(whole.p, cut.p)
    assert whole.findings().extra["ledger"] == cut.findings().extra["ledger"]


def test_a_motion_that_leaves_the_numbers_stops_where_it_does_so():
    """In a leap, as step by step: the last good state is the same."""
    system = 'coordinates = ["a"]\nlagrangian = "a\'^2/2 + 1e4*a^2"'
    messages = []
    for every in (1, 800):
        program = compile(loads(text(system, "a = 1.0", "a = 0.0", 1, 0.01, 800,
                                     f"save_every = {every}")))  # fmt: skip
        _, report = program.advance(program.start(), 0, 800)
        messages.append(report.diverged)
    assert messages[0] is not None and "left the finite numbers" in messages[0]
    assert messages[0].split(";")[0] == messages[1].split(";")[0]
