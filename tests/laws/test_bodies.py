"""Many bodies: the same motion as written out, the same laws, and a program that does not grow."""

from collections.abc import Iterator

import jax
import numpy as np
import pytest
from actionrun.compiler import compile, explain
from actionrun.compiler.ggl.build import build
from actionrun.compiler.ggl.integration import _advance
from actionrun.spec import Faults, loads
from jax.extend.core import ClosedJaxpr, Jaxpr
from orders import orders
from programs import Run, ran, text
from systems import slope

GRAVITY = "sum(i, m[i]*dot(r'[i], r'[i])/2) + sum(i<j, m[i]*m[j]/r[i,j])"
SPRINGS = "sum(i, q'[i]^2/2) - sum(i, (q[i+1] - q[i])^2/2) - (q[1]^2 + q[{n}]^2)/2"
PLACES = np.array([[1.0, 0.1], [-0.6, 0.4], [0.1, -0.9]])
SPEEDS = np.array([[0.1, 0.7], [-0.5, -0.4], [0.6, -0.3]])


def study(count: int, coordinates: str, law: str, position, velocity, more: str = "", *,
          r: int = 2, h: float = 0.1, steps: int = 10, system: str = "") -> str:  # fmt: skip
    name = "r" if "r" in coordinates else "q"
    return (
        f'study = "ggl"\n[system]\nparticles = {count}\ncoordinates = {coordinates}\n'
        f'lagrangian = "{law}"\n{system}\n'
        f"[start]\nposition = {{ {name} = {position} }}\nvelocity = {{ {name} = {velocity} }}\n"
        f"[integrator]\nr = {r}\ndt = {h!r}\nsteps = {steps}\n{more}\n"
    )


def three(r: int, h: float, steps: int, law: str = GRAVITY, **more) -> Run:
    """Three bodies of masses 0.3, 0.4, 0.5 in a plane."""
    text = study(3, "{ r = 2 }", law, PLACES.tolist(), SPEEDS.tolist(),
                 "[parameters]\nm = [0.3, 0.4, 0.5]", r=r, h=h, steps=steps, **more)  # fmt: skip
    return ran(text)


def by_body(run: Run) -> np.ndarray:
    """Positions (rows, bodies, components)."""
    problem = run.program.system
    return run.q.reshape(len(run.q), len(problem.words.names), -1).swapaxes(1, 2)


def written_out(system: str, r: int = 2, h: float = 0.1, steps: int = 10) -> Run:
    steps_of = f"[integrator]\nr = {r}\ndt = {h}\nsteps = {steps}\n"
    return ran(f'study = "ggl"\n[system]\n{system}\n{steps_of}')


# -- the same motion as written out ---------------------------------------------------------------


@pytest.mark.parametrize(
    "distance",
    [
        "r[i,j]",
        *(pytest.param(d, marks=pytest.mark.slow) for d in ("|r[i] - r[j]|", "norm(r[j] - r[i])")),
    ],
)
def test_three_bodies_as_three_vectors(distance):
    many = three(2, 0.02, 20, GRAVITY.replace("r[i,j]", distance))
    start = "\n".join(
        f"{what} = {{ "
        + ", ".join(f"{n} = {row.tolist()}" for n, row in zip("abc", rows, strict=True))
        + " }" for what, rows in (("position", PLACES), ("velocity", SPEEDS))
    )  # fmt: skip
    plain = written_out(
        "coordinates = { a = 2, b = 2, c = 2 }\n"
        "lagrangian = \"(3*dot(a', a') + 4*dot(b', b') + 5*dot(c', c'))/20"
        ' + 0.12/|a - b| + 0.15/|a - c| + 0.2/|b - c|"\n[start]\n' + start,
        h=0.02, steps=20,
    )  # fmt: skip
    assert by_body(many).reshape(20, 6) == pytest.approx(plain.q, abs=1e-13)


CHAINS = {
    "damped by neighbours": (
        SPRINGS.format(n=3), "sum(i, -0.3*(q_plus'[i+1] - q_plus'[i])*(q_minus[i+1] - q_minus[i]))",
        "(x'^2 + y'^2 + z'^2)/2 - ((y - x)^2 + (z - y)^2 + x^2 + z^2)/2",
        "-0.3*((y_plus' - x_plus')*(y_minus - x_minus) + (z_plus' - y_plus')*(z_minus - y_minus))",
    ),
    "next but one, and the number of a body": (
        "sum(i, (1 + i)*q'[i]^2/2) - sum(i, i*(q[i+2] - q[i])^4) - sum(i, cos(q[i] - q[2]))",
        "-0.2*q_plus'[2]*q_minus[2]",
        "x'^2 + 3*y'^2/2 + 2*z'^2 - (z - x)^4 - cos(x - y) - 1 - cos(z - y)",
        "-0.2*y_plus'*y_minus",
    ),
    "a pair that may not be exchanged": (
        "sum(j, q'[j]^2/2) - sum(i<j, (j - i)*q[i]^2*q[j] + t*q[j])", "0*q_minus[1]",
        "(x'^2 + y'^2 + z'^2)/2 - (x^2*y + 2*x^2*z + y^2*z) - t*(y + 2*z)", "0*x_minus",
    ),
    "a magnetic momentum": (
        "sum(i, q'[i]^2/2 - q[i]^2/2) + sum(i, q'[i]*q[i+1]^2)", "0*q_minus[1]",
        "(x'^2 + y'^2 + z'^2)/2 - (x^2 + y^2 + z^2)/2 + x'*y^2 + y'*z^2", "0*x_minus",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_three_oscillators_as_three_coordinates(name):
    law, coupling, plain_law, plain_coupling = CHAINS[name]
    many = ran(study(3, '["q"]', law, [0.3, -0.1, 0.2], '"0.1*i"',
                     system=f'nonconservative = "{coupling}"'))  # fmt: skip
    plain = written_out(
        f'coordinates = ["x", "y", "z"]\nlagrangian = "{plain_law}"\n'
        f'nonconservative = "{plain_coupling}"\n[start]\n'
        "position = { x = 0.3, y = -0.1, z = 0.2 }\nvelocity = { x = 0.1, y = 0.2, z = 0.3 }"
    )
    # a linear map and an iteration, or two iterations: the same step to round-off
    assert many.q == pytest.approx(plain.q, abs=1e-12)
    assert many.p == pytest.approx(plain.p, abs=1e-12)


# -- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("r", orders(0, 2, slow=(1,)))
def test_order(r):
    steps = [40, 80] if r == 0 else [10, 20]
    true = three(7, 1.0 / 40, 40).q[-1]
    errors = [float(np.max(np.abs(three(r, 1.0 / n, n).q[-1] - true))) for n in steps]
    assert slope([1 / n for n in steps], errors) == pytest.approx(2 * r + 2, abs=0.4)


def test_the_charges_of_three_bodies():
    run = three(4, 0.01, 400)
    book = {e["charge"]: e for e in run.findings().extra["ledger"]}
    assert {*book} == {"energy", "total momentum of r[1]", "total momentum of r[2]",
                       "angular momentum of (r[1], r[2])"}  # fmt: skip
    masses = np.array([0.3, 0.4, 0.5])
    momentum, (x, y), (u, v) = masses @ SPEEDS, PLACES.T, SPEEDS.T
    assert book["total momentum of r[1]"]["initial"] == pytest.approx(momentum[0])
    assert book["angular momentum of (r[1], r[2])"]["initial"] == pytest.approx(
        masses @ (x * v - y * u)
    )
    assert all(e["defect"] < 1e-12 for name, e in book.items() if name != "energy")
    assert book["energy"]["defect"] < 1e-10 and all(c.passed for c in run.findings().checks)


def test_friction_between_bodies_keeps_their_momentum():
    coupling = "sum(i<j, -0.2*dot(r_plus'[i] - r_plus'[j], r_minus[i] - r_minus[j]))"
    run = three(3, 0.02, 100, system=f'nonconservative = "{coupling}"')
    book = {e["charge"]: e for e in run.findings().extra["ledger"]}
    lost = book["energy"]["initial"] - book["energy"]["final"]
    assert lost > 0.1 and book["energy"]["flux"] == pytest.approx(-lost, rel=1e-6)
    assert book["total momentum of r[2]"]["defect"] < 1e-13
    assert abs(book["total momentum of r[2]"]["flux"]) < 1e-13
    assert book["angular momentum of (r[1], r[2])"]["defect"] < 1e-12


@pytest.mark.parametrize("r", orders(0, 3, slow=(1,)))
def test_a_normal_mode_of_a_chain(r):
    """The error of a mode is that of one oscillator of its frequency, of order 2r + 2."""
    mode = "sin(3*pi*i/41)"
    exact = f'[parameters]\nw = "2*sin(3*pi/82)"\n[exact]\nq = "cos(w*t)*{mode}"'
    law = SPRINGS.format(n=40)
    errors = []
    for steps in (10, 20):
        text = study(40, '["q"]', law, f'"{mode}"', 0.0, exact, r=r, h=20 / steps, steps=steps)
        run = ran(text)
        errors.append(run.findings().metrics["exact_error_max"])
    if r < 3:
        assert errors[0] / errors[1] == pytest.approx(2 ** (2 * r + 2), rel=0.35)
    assert errors[1] < 10 ** -(1.5 * r + 1)


# -- a program that does not grow -----------------------------------------------------------------


def jaxprs(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    yield jaxpr
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for one in value if isinstance(value, tuple | list) else (value,):
                if isinstance(one, ClosedJaxpr):
                    yield from jaxprs(one.jaxpr)
                elif isinstance(one, Jaxpr):
                    yield from jaxprs(one)


def traced(text: str) -> tuple[int, int]:
    """Equations in the program of a march, and the numbers of its largest array."""
    run = build(loads(text)).solver
    stop, every = run._counts(10)

    def advanced():
        return _advance(run.march, run.start(), run.h, run.theta, stop, every, 16)

    found = [*jaxprs(jax.make_jaxpr(advanced)().jaxpr)]
    sizes = [v.aval.size for one in found for e in one.eqns for v in e.outvars
             if hasattr(v.aval, "size")]  # fmt: skip
    return sum(len(one.eqns) for one in found), max(sizes)


def test_the_program_of_a_chain_does_not_grow():
    small, large = (
        traced(study(n, '["q"]', SPRINGS.format(n=n), '"sin(i)"', 0.0,
                     system="nonconservative = \"sum(i, -0.1*q_plus'[i]*q_minus[i])\""))
        for n in (10, 1000)
    )  # fmt: skip
    assert small[0] == large[0]
    assert large[1] <= 20 * 1000  # 16 rows of 1000, and nothing of 1000 by 1000


def test_the_program_of_pairs_does_not_grow():
    law = "sum(i, dot(r'[i], r'[i])/2) + sum(i<j, 1/r[i,j])"
    small, large = (
        traced(study(n, "{ r = 3 }", law, '["cos(i)", "sin(i)", "i/10"]', [0, 0, 0]))
        for n in (5, 80)
    )
    assert small[0] == large[0]


# -- what is refused ------------------------------------------------------------------------------

REFUSED = {
    "mass-not-diagonal": ("sum(i, q'[i]^2/2) + sum(i, q'[i]*q'[i+1]/8)", ""),
    "mass-not-constant": ("sum(i, (1 + q[i]^2)*q'[i]^2/2)", ""),
    "sum-in-formula": ("sum(i, q'[i]^2/2) - sum(i, q[i])^2", ""),
    "degenerate": ("sum(i, q'[i]^2/2 - (q[i+1] - q[i])^2/2)", ""),
    "k-not-odd": ("sum(i, q'[i]^2/2)", "nonconservative = \"sum(i, q_minus[i]^2)\""),
}  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
def test_refused(code):
    law, system = REFUSED[code]
    with pytest.raises(Faults) as caught:
        compile(loads(study(4, '["q"]', law, '"0.1*i"', 0.0, system=system)))
    (fault,) = caught.value.faults
    assert fault.code == code and fault.line and fault.hint


@pytest.mark.parametrize(("count", "r"), [(9, 2), pytest.param(200, 3, marks=pytest.mark.slow)])
def test_newton_takes_over_on_a_chain_too_stiff_for_the_fixed_point(count, r):
    """A chain in honey, in steps longer than a tenth of what its drag needs; of more unknowns than
    there are directions too. Its mode k is an oscillator of omega = 2 sin(k pi/(2 (n + 1))), whose
    step is a linear map."""
    h, k, drag = 1.0, count // 2 + 1, -30.0
    omega = 2 * np.sin(k * np.pi / (2 * (count + 1)))
    shape = f'"sin({k}*pi*i/{count + 1})"'
    honey = f'nonconservative = "{drag}*sum(i, q_plus\'[i]*q_minus[i])"'
    springs = SPRINGS.format(n=count)
    run = ran(study(count, '["q"]', springs, shape, 0.0, h=h, r=r, steps=20, system=honey))
    assert bool(run.state.newton)
    law = f'lagrangian = "q\'^2/2 - w^2*q^2/2"\nnonconservative = "{drag}*q_plus\'*q_minus"'
    alone = ran(text(f'coordinates = ["q"]\n{law}', "q = 1", "q = 0",
                     r, h, 20, f"[parameters]\nw = {float(omega)!r}\n"))  # fmt: skip
    assert alone.program.march.solver == "linear"
    mode = np.sin(k * np.pi * np.arange(1, count + 1) / (count + 1))
    np.testing.assert_allclose(run.q, alone.q * mode, rtol=0, atol=1e-12)
    assert any("Newton took over" in note for note in run.findings().notes)


def test_explained():
    """The equations of one body, however many there are."""
    text = study(500, "{ r = 2 }", GRAVITY, '["cos(i)", "sin(i)"]', [0, 0],
                 '[parameters]\nm = ' + str([1.0] * 500))  # fmt: skip
    found = {e.name: e for section in explain(loads(text)) for e in section.equations}
    assert found["Motion of r[i][1]"].text == (
        "pi_r[i][1]' = sum(j!=i, m[i]*m[j]*(-r[i][1] + r[j][1])/r[i,j]^3)"
    )
    assert r"\sum_{i<j} \frac{m_{i} \, m_{j}}" in found["Lagrangian"].latex
    assert len(found) < 20
