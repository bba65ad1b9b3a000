"""Constraints that cannot hold a motion, and starts off their surface, are named before a run."""

import pytest
from actionrun.compiler import compile
from actionrun.spec import Fault, Faults, loads
from programs import text

ROD = "x^2 + y^2 = 25"


def faults(constraints: list[str], position="x = 3, y = 4, z = 0", velocity="x = 4, y = -3, z = 0"):
    """The faults of a particle in space under some constraints."""
    listed = ",\n".join(f'  "{c}"' for c in constraints)
    system = (
        'coordinates = ["x", "y", "z"]\n'
        "lagrangian = \"(x'^2 + y'^2 + 2*z'^2)/2 - z\"\n"
        f"constraints = [\n{listed},\n]"
    )
    with pytest.raises(Faults) as caught:
        compile(loads(text(system, position, velocity, 2, 0.1, 10)))
    return caught.value.faults


def only(found: tuple[Fault, ...], code: str) -> Fault:
    (fault,) = found
    assert fault.code == code, fault
    return fault


@pytest.mark.parametrize("again", ["2*x^2 + 2*y^2 = 50", "sqrt(x^2 + y^2) = 5"])
def test_redundant(again):
    fault = only(faults([ROD, "z = 0", again]), "constraint-redundant")
    assert ROD in fault.message and "z = 0" not in fault.message
    assert fault.line == 8 and fault.line_text.strip() == f'"{again}",'


def test_inconsistent():
    fault = only(faults([ROD, "x^2 + y^2 = 26"]), "constraint-inconsistent")
    assert ROD in fault.message and "off by 1" in fault.message and fault.line == 7


def test_redundant_through_two_others():
    fault = only(faults([ROD, "z = 0", "x^2 + y^2 + z = 25"]), "constraint-redundant")
    assert f"{ROD} and z = 0" in fault.message


def test_more_constraints_than_coordinates():
    found = faults([ROD, "z = 0", "x = 3", "y = 4"])
    assert [f.code for f in found] == ["constraint-redundant"] and found[0].line == 9


def test_nothing_can_move():
    fault = only(faults([ROD, "z = 0", "x = 3"]), "constraint-frozen")
    assert "3 constraints on 3 coordinates" in fault.message


def test_no_gradient():
    fault = only(faults(["(x^2 + y^2 - 25)^2 = 0"]), "constraint-flat")
    assert fault.line == 6


def test_a_start_off_the_surface_says_by_how_much_and_where_it_is():
    fault = only(faults([ROD], position="x = 3, y = 4.1, z = 0"), "constraint-start")
    assert ROD in fault.message and "by 0.81," in fault.message and "1.6e-02" in fault.message
    assert "position" in fault.line_text
    # what the hint says is a start that is taken
    position = fault.hint.split("{ ")[1].rstrip(" }")
    (late,) = faults([ROD], position=position, velocity="x = 1, y = 1, z = 0")
    assert late.code == "constraint-velocity"


def test_a_velocity_off_the_surface_says_by_how_much_and_what_it_should_be():
    fault = only(faults([ROD], velocity="x = 1, y = 0, z = 2"), "constraint-velocity")
    assert ROD in fault.message and "rate of 6" in fault.message and "velocity" in fault.line_text
    velocity = fault.hint.split("{ ")[1].rstrip(" }")
    system = (
        'coordinates = ["x", "y", "z"]\n'
        f'lagrangian = "(x\'^2 + y\'^2 + 2*z\'^2)/2 - z"\nconstraints = ["{ROD}"]'
    )
    compile(loads(text(system, "x = 3, y = 4, z = 0", velocity, 2, 0.1, 10)))


def test_tiny_deviations_are_none():
    """A part in 1e11 is rounding; a part in 1e9 is a mistake."""
    system = f'coordinates = ["x", "y"]\nlagrangian = "(x\'^2 + y\'^2)/2"\nconstraints = ["{ROD}"]'
    compile(loads(text(system, "x = 3, y = 4.00000000001", "x = 0, y = 0", 2, 0.1, 10)))
    with pytest.raises(Faults):
        compile(loads(text(system, "x = 3, y = 4.000000001", "x = 0, y = 0", 2, 0.1, 10)))
