"""The solvers of a step agree, say when they do not converge, and have true derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.integrators.time_marching import TimeMarcher, energy_error
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.numerics.linalg import apply, inverse, solve
from actionrun.compiler.program import Reported
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.lowered_system import mechanics
from actionrun.spec import loads
from orders import orders
from systems import DAMPED, KEPLER, OSCILLATOR, PARABOLA, PENDULUM, integrator, marched


@pytest.mark.parametrize("system", [OSCILLATOR, DAMPED], ids=["oscillator", "damped"])
@pytest.mark.parametrize("r", orders(0, 3, slow=(1,)))
def test_three_solvers_one_motion(system, r):
    motions = [
        marched(system, r, 0.3, 100, 1.0, 0.5, solver=solver)
        for solver in ("linear", "fixed point", "newton")
    ]
    for other in motions[1:]:
        np.testing.assert_allclose(other.q, motions[0].q, rtol=0, atol=1e-13)
        np.testing.assert_allclose(other.p, motions[0].p, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("system", "q", "p"),
    [(PENDULUM, 2.0, 0.3), (PARABOLA, 1.0, 0.1), (KEPLER, [1.0, 0.0], [0.1, 1.1])],
    ids=["pendulum", "parabola", "kepler"],
)
def test_fixed_point_and_newton_solve_the_same_equations(system, q, p):
    one = marched(system, 2, 0.1, 50, q, p, solver="fixed point")
    two = marched(system, 2, 0.1, 50, q, p, solver="newton")
    np.testing.assert_allclose(two.q, one.q, rtol=0, atol=1e-13)
    np.testing.assert_allclose(two.p, one.p, rtol=0, atol=1e-13)


def test_a_step_that_does_not_converge_says_so():
    """Where the passes do not contract, trouble is set and the state stays the one before."""
    stiff = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 + 400*cos(q)"'
    ggl, theta = integrator(stiff, 2)
    march, zero, one = TimeMarcher(ggl, "fixed point", None), jnp.zeros(()), jnp.asarray(1)
    x = march.start(jnp.array([1.0]), jnp.array([0.0]), zero, theta)

    @eqx.filter_jit
    def advanced(x):
        return march.advance(x, zero, jnp.asarray(1.0), theta, jnp.asarray(10), one, 16)

    after, _, count = advanced(x)
    assert int(after.status) == 1 and int(count) == int(after.step) == 0
    assert np.array_equal(after.q, x.q) and np.array_equal(after.p, x.p)


@pytest.mark.parametrize("r", [2, 4])
def test_a_small_motion_is_the_large_one_made_small(r):
    """To the last bit, with a power of two between them, though products of it underflow."""
    large = marched(DAMPED, r, 0.1, 200, 1.0, 0.0, solver="fixed point")
    small = marched(DAMPED, r, 0.1, 200, 2.0**-600, 0.0, solver="fixed point")
    assert np.array_equal(small.q * 2.0**600, large.q)
    assert int(small.state.monitor.iterations) == int(large.state.monitor.iterations)


@pytest.mark.parametrize("r", [2, 4])
def test_the_fixed_point_follows_a_motion_to_rest(r):
    """Near 1e-308, where forces underflow; a step that does not converge would end the march."""
    motion = marched(DAMPED, r, 0.1, 4000, 1e-304, 0.0, solver="fixed point")
    assert abs(motion.q[-1, 0]) < 1e-306


def test_newton_takes_over_where_the_fixed_point_fails():
    """Long steps in a steep well: the passes run away, Newton does not, and the run goes on."""
    study = loads(
        'study = "ggl"\n[system]\ncoordinates = ["q"]\nlagrangian = "q\'^2/2 - 10*q^4/4"\n'
        "[start]\nposition = { q = 0.0 }\nvelocity = { q = 5.0 }\n"
        "[integrator]\nr = 4\ndt = 0.5\nsteps = 200\n"
    )
    program = compile(study)
    assert isinstance(program, Reported) and program.solver.march.solver == "fixed point"
    state, report = program.advance(program.start(), 0, 200)
    assert report.diverged is None
    assert bool(state.newton) and int(state.step) == 200
    assert energy_error(state) < 0.02


@pytest.fixture(scope="module")
def anharmonic():
    """q'' = -a q - b q^3 - c q' with theta = (a, b, c)."""
    study = loads(
        'study = "ggl"\n[system]\ncoordinates = ["q"]\n'
        'lagrangian = "q\'^2/2 - a*q^2/2 - b*q^4/4"\nnonconservative = "-c*q_plus\'*q_minus"\n'
        "[parameters]\na = 1.3\nb = 0.6\nc = 0.2\n"
        "[start]\nposition = { q = 1.0 }\nvelocity = { q = 0.0 }\n"
        "[integrator]\nr = 2\ndt = 0.3\nsteps = 5\n"
    )
    return GGL(mechanics(lagrangian_system(study)), 2)


def test_derivatives_of_a_step(anharmonic):
    """Of (q', p') by (q, p, h, a, b, c): forward, backward, and central differences."""
    at = jnp.array([0.8, -0.3, 0.4, 1.3, 0.6, 0.2])

    def step(x):
        q, p, h, theta = x[:1], x[1:2], x[2], x[3:]
        V = anharmonic.guess(q, p, jnp.zeros(()), theta)
        done = anharmonic.newton(q, p, jnp.zeros(()), h, theta, V, 6)
        return jnp.concatenate([done.q, done.p])

    forward, backward = jax.jit(jax.jacfwd(step))(at), jax.jit(jax.jacrev(step))(at)
    np.testing.assert_allclose(forward, backward, rtol=1e-12, atol=1e-14)
    stepped, eps = jax.jit(step), 1e-5
    for k in range(len(at)):
        shift = jnp.zeros_like(at).at[k].set(eps)
        difference = (stepped(at + shift) - stepped(at - shift)) / (2 * eps)
        np.testing.assert_allclose(forward[:, k], difference, rtol=1e-8, atol=1e-9)


def test_derivatives_of_the_linear_map():
    """d(D, d)/dh against central differences; the damped oscillator, r = 2."""
    ggl, theta = integrator(DAMPED, 2)
    affine = jax.jit(lambda h: ggl.affine(h, theta)[0])
    slope = jax.jit(jax.jacfwd(affine))(jnp.asarray(0.3))
    difference = (affine(0.3 + 1e-5) - affine(0.3 - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope, difference, rtol=1e-8, atol=1e-10)


def test_a_batch_is_its_members(anharmonic):
    """The batch comes last and its members do not see each other."""
    q = jnp.array([[0.1, 0.8, -1.2]])
    p = jnp.array([[0.0, 0.4, 2.0]])
    theta = jnp.array([[1.0, 1.3, 0.2], [0.1, 0.6, 2.0], [0.0, 0.2, 0.5]])
    h, t = jnp.asarray(0.2), jnp.zeros(())

    @jax.jit
    def newton(q, p, theta):
        return anharmonic.newton(q, p, t, h, theta, anharmonic.guess(q, p, t, theta), 6).q

    together = newton(q, p, theta)
    for k in range(3):
        alone = newton(q[:, k], p[:, k], theta[:, k])
        np.testing.assert_allclose(together[:, k], alone, rtol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12, 13])
def test_small_dense_algebra_is_lapack(n):
    """Ours to size 12, LAPACK beyond; on 200 systems at once, whose first pivot is often zero."""
    random = np.random.default_rng(n)
    a, b = random.normal(size=(n, n, 200)), random.normal(size=(n, 2, 200))
    if n > 1:
        a[0, 0, ::2] = 0
    front = np.moveaxis(a, -1, 0)
    expected = np.moveaxis(np.linalg.solve(front, np.moveaxis(b, -1, 0)), 0, -1)
    tolerance = 1e-14 * np.linalg.cond(front)
    assert np.all(np.abs(solve(jnp.asarray(a), jnp.asarray(b)) - expected) <= tolerance * 10)
    inverted = np.moveaxis(np.linalg.inv(front), 0, -1)
    bound = tolerance * np.max(np.abs(inverted), axis=(0, 1))
    assert np.all(np.abs(inverse(jnp.asarray(a)) - inverted) <= bound)
    product = np.einsum("ijk,jk->ik", a, b[:, 0])
    np.testing.assert_allclose(apply(jnp.asarray(a), jnp.asarray(b[:, 0])), product, atol=1e-13)
