"""Families whose motions are held by constraints: a rod in x and y beside the same in angles."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile, symbolic_check
from actionrun.compiler.family.build import settings
from actionrun.compiler.family.constraints import integrator
from actionrun.compiler.family.symbolic_identifiability import symbolic_identifiability
from actionrun.compiler.numerics.inference.weak_form import weak_form_of_many, weak_residuals
from actionrun.compiler.numerics.integrators.shooting import Grid, motions, motions_on
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.scaling import scalings
from actionrun.spec import Faults, loads
from actionrun.spec.kinds.family import Family

ROD = """\
coordinates = ["x", "y"]
lagrangian = "m*(x'^2 + y'^2)/2 - w*y"
nonconservative = "-c*(x_plus'*x_minus + y_plus'*y_minus)"
constraints = ["x^2 + y^2 = l^2"]
"""
ANGLE = """\
coordinates = ["th"]
lagrangian = "m*l^2*th'^2/2 + w*l*cos(th)"
nonconservative = "-c*l^2*th_plus'*th_minus"
"""
UNKNOWN = "m = [0.5, 2.0]\nw = [4.0, 12.0]\nc = [0.0, 0.5]\nl = [0.7, 1.3]\n"
START = "position = { x = [-1, 1], y = [-1, -0.4] }\nvelocity = { x = [-1, 1], y = [-0.5, 0.5] }\n"
MEMBERS = np.array([[1.0, 0.6, 1.8], [9.0, 5.0, 11.0], [0.2, 0.0, 0.4], [1.0, 0.8, 1.2]])
TURN, RATE = np.array([1.2, -0.5, 0.3]), np.array([0.5, 1.0, -2.0])


def study(system: str, unknown: str = UNKNOWN, start: str = START, more: str = "") -> Family:
    text = (
        f'study = "family"\n[system]\n{system}[coefficients]\n{unknown}[start]\n{start}'
        f"[integrator]\nr = 3\ndt = 0.05\nsteps = 40\n{more}"
    )
    found = loads(text)
    assert isinstance(found, Family)
    return found


def cartesian(length, th, rate):
    """x, y and their velocities (2, ...) of rods at angles from the lowest point."""
    along = np.array([np.cos(th), np.sin(th)])
    return length * np.array([np.sin(th), -np.cos(th)]), length * rate * along


def stepper(family: Family):
    return integrator(lagrangian_system(family), family.integrator.r)


@eqx.filter_jit
def moved(ggl, c, q, p, h, steps: int):
    return motions(ggl, c, q, p, h, steps)


START_ANGLE = "position = { th = [-1, 1] }\nvelocity = { th = [-1, 1] }\n"


@cache
def both():
    """The same members by the constraint and by the angle: q, p (samples, 2, batch) of each."""
    m, length = MEMBERS[0], MEMBERS[3]
    c, h = jnp.asarray(MEMBERS), jnp.asarray(0.05)
    q, v = cartesian(length, TURN, RATE)
    rod = moved(stepper(study(ROD)), c, jnp.asarray(q), jnp.asarray(m * v), h, 40)
    ggl, p = stepper(study(ANGLE, start=START_ANGLE)), m * length**2 * RATE
    turn = moved(ggl, c, jnp.asarray(TURN[None]), jnp.asarray(p[None]), h, 40)
    th, rate = np.asarray(turn.q)[:, 0], np.asarray(turn.p)[:, 0] / (m * length**2)
    q, v = cartesian(length, th, rate)
    return rod, np.moveaxis(q, 0, 1), np.moveaxis(m * v, 0, 1)


def test_a_batch_on_the_surface_moves_as_in_angles():
    rod, q, p = both()
    assert float(jnp.max(rod.change)) < 1e-9
    np.testing.assert_allclose(rod.q, q, rtol=0, atol=1e-8)
    np.testing.assert_allclose(rod.p, p, rtol=0, atol=1e-7)
    off = np.sum(np.asarray(rod.q) ** 2, axis=1) / MEMBERS[3] ** 2 - 1
    assert np.max(np.abs(off)) < 1e-14


@pytest.mark.slow
def test_derivatives_by_coefficients_and_start():
    """Forward and backward mode agree with central differences, the length of the rod included."""
    ggl = stepper(study(ROD))
    q, v = cartesian(MEMBERS[3], TURN, RATE)
    x = jnp.asarray(np.concatenate([MEMBERS, q, MEMBERS[0] * v])[:, :1])

    def end(x):
        found = motions(ggl, x[:4], x[4:6], x[6:], 0.05, 10)
        return jnp.concatenate([found.q[-1], found.p[-1]])[:, 0]

    forward, backward = (np.asarray(jax.jit(by(end))(x))[..., 0] for by in (jax.jacfwd, jax.jacrev))
    np.testing.assert_allclose(backward, forward, atol=1e-10)
    ends, eps = jax.jit(jax.vmap(end, 0)), 1e-5
    steps = eps * np.eye(8)[..., None]
    central = (ends(x + steps) - ends(x - steps)) / (2 * eps)
    np.testing.assert_allclose(forward, np.asarray(central).T, atol=1e-7)


@pytest.mark.slow
def test_many_starts_in_single_precision():
    """A double pendulum in places: as many starts as a survey draws are put on the surface."""
    double = """\
coordinates = ["x", "y", "u", "v"]
lagrangian = "m*(x'^2 + y'^2)/2 + w*(u'^2 + v'^2)/2 - 9.81*(m*y + w*v)"
constraints = ["x^2 + y^2 = l^2", "(u - x)^2 + (v - y)^2 = c^2"]
"""
    anywhere = "{ x = 0, y = -1, u = 0, v = -2 }"
    family = study(double, start=f"position = {anywhere}\nvelocity = {anywhere}\n")
    ggl, dice = stepper(family), np.random.default_rng(1)
    near = dice.uniform(0.5, 1, (2, 20_000))
    q = jnp.asarray(np.concatenate([near, near + dice.uniform(0.5, 1, near.shape)]), jnp.float32)
    c = jnp.asarray(dice.uniform(0.5, 1.5, (4, 20_000)), jnp.float32)
    zero = jnp.zeros((), jnp.float32)
    q, p = eqx.filter_jit(ggl.project_to_constraints)(q, c[0] * q, zero, c)
    assert float(jnp.max(jnp.abs(ggl.constraint_residual(q, zero, c)))) < 1e-6
    assert float(jnp.max(jnp.abs(ggl.initial_constraint_residual(q, p, zero, c, 1.0)))) < 1e-5


@pytest.mark.slow
def test_steps_of_no_length_leave_a_motion_where_it_is():
    """Trials of unequal length share a grid: the shorter one ends in steps of zero."""
    ggl = stepper(study(ROD))
    h = np.full((6, 2), 0.05)
    h[3:, 1] = 0
    t = np.concatenate([np.zeros((1, 2)), np.cumsum(h, axis=0)])
    rows = np.minimum(np.arange(7)[:, None], [6, 3])
    grid = Grid(jnp.asarray(t[:-1]), jnp.asarray(h), jnp.asarray(rows))
    c = jnp.asarray(MEMBERS[:, :2])
    q, v = (jnp.asarray(x[:, :2]) for x in cartesian(MEMBERS[3], TURN, RATE))
    found = motions_on(ggl, c, q, c[0] * v, grid)
    whole = motions(ggl, c, q, c[0] * v, 0.05, 6)
    rows = rows[:, None, :] * np.ones((7, 2, 2), int)
    np.testing.assert_allclose(found.q, np.take_along_axis(whole.q, rows, 0), atol=1e-13)
    assert np.isfinite(found.change).all()


def test_the_weak_form_knows_no_forces_of_constraint():
    """Its residuals vanish at the truth as the samples grow denser, and are large beside it."""
    ggl = stepper(study(ROD))
    worst = []
    rod, _, _ = both()
    for every in (2, 1):
        q, p = (jnp.swapaxes(x, 0, 1)[:, ::every] for x in (rod.q, rod.p))
        weak = weak_form_of_many(np.linspace(0, 2.0, 40 // every + 1), q, p)
        worst.append(float(jnp.max(jnp.abs(weak_residuals(ggl, weak, jnp.asarray(MEMBERS))))))
    for k in range(4):
        wrong = np.array(MEMBERS)
        wrong[k] += 0.1
        miss = np.abs(weak_residuals(ggl, weak, jnp.asarray(wrong)))
        assert miss.max(axis=0).min() > 5 * worst[-1]
    assert worst[1] < worst[0] / 4 and worst[1] < 0.01


def told(family: Family) -> tuple[int, set[str]]:
    symbolic = lagrangian_system(family)
    found = symbolic_identifiability(settings(family, symbolic), symbolic)
    assert found is not None
    return found.rank, set(found.lost)


def test_what_motions_determine():
    """Places tell the rod and the ratios of the rest; momenta the rest too. A part of the law that
    the constraint makes idle is not told."""
    seen = '[observe]\nvariables = ["q"]\n'
    assert told(study(ROD)) == (4, set())
    assert told(study(ROD, more=seen)) == (3, {"m", "w", "c"})
    rest = UNKNOWN.replace("c = [0.0, 0.5]\n", "k = [0.5, 2.0]\n")
    idle = ROD.replace("w*y", "w*y - k*(x^2 + y^2)")
    idle = "\n".join(line for line in idle.splitlines() if "nonc" not in line) + "\n"
    assert told(study(idle, rest)) == (3, {"k"})


def test_scalings_leave_the_constraint_alone():
    found = {s.pivot: s.coefficients for s in scalings(lagrangian_system(study(ROD)))}
    assert found[""] == {"m": 1, "w": 1, "c": 1, "l": 0}
    assert found["x"] == {"m": -2, "w": -1, "c": -2, "l": 1}
    fixed = ROD.replace("l^2", "1")
    known = scalings(lagrangian_system(study(fixed, UNKNOWN.replace("l = [0.7, 1.3]\n", ""))))
    assert [s.pivot for s in known] == [""]


@pytest.mark.parametrize(
    ("system", "start", "code"),
    [
        (ROD.replace('l^2"]', 'l^2", "x^2 + y^2 = 2*l^2"]'), START, "constraint-inconsistent"),
        (ROD.replace('l^2"]', 'l^2", "2*x^2 + 2*y^2 = 2*l^2"]'), START, "constraint-redundant"),
        (ROD.replace('l^2"]', 'l^2", "x = y"]'), START, "constraint-frozen"),
        (ROD.replace("= l^2", "+ l^2 = 0"), START, "constraint-start"),
        (ROD.replace("= l^2", "= 4"), "position = { x = 1, y = 1 }\nvelocity = { x = 0, y = 0 }\n",
         "constraint-start"),
    ],
    ids=["inconsistent", "redundant", "frozen", "nowhere", "off"],
)  # fmt: skip
def test_constraints_that_cannot_be_are_told(system, start, code):
    wrong = study(system, start=start)
    with pytest.raises(Faults) as caught:
        compile(wrong)
    assert {fault.code for fault in caught.value.faults} == {code}
    assert [fault.code for fault in symbolic_check(wrong)] == [code]
