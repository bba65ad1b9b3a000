"""From a study to a Lagrangian system: momenta, physical limit, structure, and located faults."""

import pytest
import sympy as sp
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.structure import equations_of_motion, structure
from actionrun.spec import Faults, loads
from studies_text import of, text


def same(left, right) -> bool:
    return sp.simplify(left - right) == 0


def test_physical_limit_of_a_drag():
    result = of(
        'lagrangian = "m*q\'^2/2 - k*q^2/2"\nnonconservative = "-lam*q_plus\'*q_minus"',
        "m = 2\nk = 3\nlam = 0.1",
    )
    (q,), (v,), c = result.words.q, result.words.v, result.words.constants
    assert same(result.force[0], -c["k"] * q - c["lam"] * v)
    assert same(result.momentum[0], c["m"] * v)
    assert same(result.energy, c["m"] * v**2 / 2 + c["k"] * q**2 / 2)
    assert result.values == {c["m"]: 2.0, c["k"]: 3.0, c["lam"]: 0.1}
    assert not result.conservative
    assert not result.force[0].free_symbols & {*result.words.minus, *result.words.minus_v}


def test_k_may_add_to_the_momentum():
    result = of('lagrangian = "q\'^2/2"\nnonconservative = "0.3*q_plus*q_minus\'"')
    assert same(result.momentum[0], result.words.v[0] + sp.Rational(3, 10) * result.words.q[0])


def test_cubic_minus_terms_vanish_in_the_limit():
    body = 'lagrangian = "q\'^2/2"\nnonconservative = "-q_plus\'*q_minus{}"'
    assert of(body.format(" + 7*q_minus^3")).force == of(body.format("")).force


def test_poynting_robertson_drag_takes_energy_out():
    """F = -beta GM/(c r^2) (v + (v.q) q/r^2), and its power is negative whatever the motion."""
    result = of(
        "lagrangian = \"dot(q', q')/2 + (1 - beta)*GM/|q|\"\n"
        "nonconservative = \"-beta*GM/(c*|q_plus|^2)*(dot(q_plus', q_minus)"
        " + dot(q_plus', q_plus)*dot(q_plus, q_minus)/|q_plus|^2)\"",
        "beta = 0.01\nGM = 39.5\nc = 63241.0",
        q=2,
    )
    q, v, k = sp.Matrix(result.words.q), sp.Matrix(result.words.v), result.words.constants
    r2 = q.dot(q)
    drag = -k["beta"] * k["GM"] / (k["c"] * r2) * (v + v.dot(q) / r2 * q)
    gravity = -(1 - k["beta"]) * k["GM"] * q / r2 ** sp.Rational(3, 2)
    for force, expected in zip(result.force, gravity + drag, strict=True):
        assert same(force, expected)
    power = (v.dot(drag)).subs(dict(zip([*q, *v], [1.0, -0.4, 0.3, 0.2], strict=True)))
    assert power.subs({k["beta"]: 0.01, k["GM"]: 39.5, k["c"]: 63241.0}) < 0


def test_mass_and_potential_are_a_lagrangian():
    one = of('mass = "m"\npotential = "k*q^2/2"', "m = 2\nk = 3")
    two = of('lagrangian = "m*q\'^2/2 - k*q^2/2"', "m = 2\nk = 3")
    assert same(one.lagrangian, two.lagrangian)
    vector = of('potential = "-1/|q|"', q=3)
    assert same(vector.lagrangian, of("lagrangian = \"dot(q', q')/2 + 1/|q|\"", q=3).lagrangian)


def test_definitions_in_any_order():
    body = text('lagrangian = "q\'^2/2 - w2*q^2/2"', "k = 3\nm = 2")
    result = lagrangian_system(loads(body + '[define]\nw2 = "a^2"\na = "sqrt(k/m)"\n'))
    k, m = result.words.constants["k"], result.words.constants["m"]
    assert same(result.force[0], -k / m * result.words.q[0])


@pytest.mark.parametrize(
    ("system", "coordinates", "linear", "positional", "constant_mass", "timed"),
    [
        ("lagrangian = \"q'^2/2 - q^2/2\"", {"q": None}, True, True, True, False),
        (
            "lagrangian = \"q'^2/2 - q^2/2\"\nnonconservative = \"-q_plus'*q_minus\"",
            {"q": None}, True, False, True, False,
        ),
        ("lagrangian = \"q'^2/2 + 3*q\"", {"q": None}, True, True, True, False),
        ("lagrangian = \"q'^2/2 + cos(q)\"", {"q": None}, False, True, True, False),
        ("lagrangian = \"q'^2/2 - q^2*t\"", {"q": None}, False, True, True, True),
        ("lagrangian = \"exp(t)*q'^2/2\"", {"q": None}, False, False, False, True),
        ("lagrangian = \"(1 + q^2)*q'^2/2\"", {"q": None}, False, False, False, False),
        ("lagrangian = \"dot(q', q')/2 + cross(q, q')\"", {"q": 2}, True, False, True, False),
        ("lagrangian = \"dot(q', q')/2 + 1/|q|\"", {"q": 3}, False, True, True, False),
    ],
)  # fmt: skip
def test_structure(system, coordinates, linear, positional, constant_mass, timed):
    result = structure(of(system, "", **coordinates))
    assert (result.linear, result.positional) == (linear, positional)
    assert (result.constant_mass, result.timed) == (constant_mass, timed)


def test_equations_of_motion_hold_on_the_exact_solution():
    """Bead on a parabola: (1 + 4x^2) x'' + 4 x x'^2 + 2 x = 0."""
    result = of('lagrangian = "(1 + 4*x^2)*x\'^2/2 - x^2"', x=None)
    ((left, right),) = equations_of_motion(result)
    (x,), (v,), (a,) = result.words.q, result.words.v, result.words.a
    assert same(left - right, (1 + 4 * x**2) * a + 4 * x * v**2 + 2 * x)


@pytest.mark.parametrize(
    ("system", "line", "says", "hints"),
    [
        (
            "lagrangian = \"q'^2/2\"\nnonconservative = \"-q_plus'*q_minus + q_minus^2\"",
            5, "q_minus^2", "odd number",
        ),
        ("lagrangian = \"q'^2/2\"\nnonconservative = \"q_plus^2\"", 5, "q_plus^2", "odd number"),
        ('lagrangian = "q^2/2"', 4, "no kinetic term in q'", "q'^2"),
        ('lagrangian = "q*q\'"', 4, "no kinetic term", "q'^2"),
    ],
)  # fmt: skip
def test_symbolic_faults_point_at_their_line(system, line, says, hints):
    with pytest.raises(Faults) as caught:
        of(system)
    (fault,) = caught.value.faults
    assert fault.line == line
    assert says in fault.message and hints in (fault.hint or "")


def test_a_singular_kinetic_matrix_is_a_fault():
    with pytest.raises(Faults, match="singular") as caught:
        of("lagrangian = \"(x' + y')^2/2 - x^2 - y^2\"", x=None, y=None)
    assert caught.value.faults[0].line == 4


def test_coefficients_are_unknowns_unless_fixed():
    family = (
        'study = "family"\n[system]\ncoordinates = ["q"]\nlagrangian = "c1*q\'^2 - c2*q^2"\n'
        "[coefficients]\nc1 = { range = [0.1, 2.0], fixed = 0.5 }\nc2 = [0.1, 2.0]\n"
        "[start]\nposition = { q = 0.0 }\nmomentum = { q = 1.0 }\n"
        "[integrator]\nr = 2\ndt = 0.1\nsteps = 40\n"
    )
    result = lagrangian_system(loads(family))
    assert [str(c) for c in result.coefficients] == ["c2"]
    assert {str(c): v for c, v in result.values.items()} == {"c1": 0.5}
