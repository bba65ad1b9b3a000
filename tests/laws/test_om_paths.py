"""Laws of paths: bases that hold their ends, an action with the right slope, collocation of its
order, minimisers that find Newton's motion."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.linalg import sum_of_squares
from actionrun.compiler.numerics.optimizers import gauss_newton_cg as gauss_newton
from actionrun.compiler.numerics.paths import gauss_collocation as collocation
from actionrun.compiler.numerics.paths.action import (
    FixedEnds,
    FreeEnds,
    LossWeights,
    PathLoss,
)
from actionrun.compiler.numerics.paths.basis import PathBasis, tabulated
from actionrun.compiler.numerics.paths.minimizers import OPTIMIZERS
from actionrun.compiler.numerics.paths.network_path import NetworkPath, initial_layers
from actionrun.compiler.om.build import path_problem_of
from actionrun.spec import loads

KINDS = ("legendre", "sine", "features")
PLACES = [f"{kind}-{'qv' if v else 'q'}" for kind in KINDS for v in (0, 1)]


def basis(name: str, points: int = 20, duration: float = 0.7) -> PathBasis:
    kind, given = name.split("-")
    return PathBasis(kind, duration, points, given == "qv")


@pytest.mark.parametrize("name", PLACES)
def test_functions_vanish_at_the_ends_and_are_orthonormal_in_their_curvature(name):
    b = basis(name)
    ends = b.functions(np.array([0.0, b.duration]))
    assert np.max(np.abs(ends[0])) < 1e-12
    if b.velocities:
        assert np.max(np.abs(ends[1])) < 1e-12
    bent = b.functions(b.nodes)[2] * np.sqrt(b.weights)[:, None]
    assert np.allclose(bent.T @ bent, np.eye(b.count), atol=1e-9)
    assert b.count <= b.points - 2 * b.velocities


@pytest.mark.parametrize("name", PLACES)
def test_rates_and_curvatures_are_derivatives(name):
    b, t, d = basis(name, points=9), np.linspace(0.1, 0.6, 7), 1e-5
    for at in (b.functions, b.lift):
        low, here, high = at(t - d), at(t), at(t + d)
        size = np.max(np.abs(here[2])) + 1
        assert np.allclose((high[0] - low[0]) / (2 * d), here[1], atol=1e-7 * size)
        assert np.allclose((high[1] - low[1]) / (2 * d), here[2], atol=1e-6 * size)


@pytest.mark.parametrize("velocities", [False, True])
def test_the_lift_is_the_identity_of_the_ends(velocities):
    b = PathBasis("legendre", 0.7, 8, velocities)
    result = b.lift(np.array([0.0, 0.7]))
    rows = np.concatenate([result[0], result[1]]) if velocities else result[0]
    assert np.allclose(rows, np.eye(4 if velocities else 2), atol=1e-13)


def test_more_points_are_better_without_end():
    """The stretched time costs no convergence: cos(20 t) on [0, 1]."""
    t, errors = np.linspace(0, 1, 301), []
    for points in (16, 32, 80):
        b = PathBasis("legendre", 1.0, points, True)
        ends = np.array([1, np.cos(20), 0, -20 * np.sin(20)])
        bent = -400 * np.cos(20 * b.nodes) - b.lift(b.nodes)[2] @ ends
        c = b.functions(b.nodes)[2].T @ (b.weights * bent)
        errors.append(np.max(np.abs(b.lift(t)[0] @ ends + b.functions(t)[0] @ c - np.cos(20 * t))))
    assert errors[0] < 1e-3 and errors[1] < 1e-2 * errors[0] and errors[2] < 1e-2 * errors[1]


FLUID = """
study = "om"
[system]
particles = 13
dimension = 3
pair = "4*((1/r)^12 - (1/r)^6)"
cutoff = 1.6
box = { length = 3.6 }
[ends]
from = "md"
given = ["positions", "velocities"]
temperature = 0.8
md = { dt = 0.002, equilibration = 2.0 }
[path]
duration = 0.3
points = 9
"""


OWN = """
[loss]
terms = { floor = "exp(-z)", wave = "sin(x + 2*y) - t" }
"""


@pytest.fixture(scope="module")
def crystal():
    result = path_problem_of(loads(FLUID))
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 3)[:13] * 1.2
    q = grid.T[..., None] + 0.05 * rng.normal(size=(3, 13, 2))
    return result, jnp.asarray(np.concatenate([q, rng.normal(size=(3, 13, 2))], axis=2))


def loss_of(crystal, *, loose=False, energy=None, terms=None) -> tuple[PathLoss, object]:
    result, given = crystal
    there = tabulated(result.basis, result.basis.nodes)
    potential, mass = result.system.potential, result.mass
    neighbors = potential.neighbor_list(
        there.motion(given, jnp.zeros((3, 13, result.basis.count))).q
    )
    ansatz = FreeEnds(there, mass) if loose else FixedEnds(there, given, mass)
    weights = LossWeights(
        jnp.asarray(0.7),
        jnp.asarray(20.0) if loose else None,
        None if energy is None else jnp.asarray(energy),
    )
    c = jnp.asarray(np.random.default_rng(1).normal(size=(3, 13, result.basis.count)))
    quadrature = jnp.asarray(result.basis.weights)
    level = jnp.asarray(-3.0)
    loss = PathLoss(potential, mass, ansatz, quadrature, given, weights, neighbors, level, terms)
    return loss, (given + 0.01, c) if loose else c


@pytest.mark.parametrize("loose", [False, True])
@pytest.mark.parametrize("energy", [None, 0.3])
def test_the_jacobian_is_the_slope_and_its_transpose_the_transpose(crystal, loose, energy):
    result, _ = crystal
    settings = replace(result.settings, loss=loads(FLUID + OWN).loss)
    terms = replace(result, settings=settings).terms(result.basis.nodes) if energy else None
    loss, x = loss_of(crystal, loose=loose, energy=energy, terms=terms)
    rng = np.random.default_rng(2)
    dx = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), x)

    @jax.jit
    def checked(x, dx):
        step = 1e-6
        residual, push, pull = loss.linearised(x)
        ahead = loss.residual(jax.tree.map(lambda a, d: a + step * d, x, dx))
        behind = loss.residual(jax.tree.map(lambda a, d: a - step * d, x, dx))
        slope = jax.tree.map(lambda a, b: (a - b) / (2 * step), ahead, behind)
        y = jax.tree.map(jnp.cos, residual)
        return slope, push(dx), y, pull(y)

    slope, pushed, y, pulled = checked(x, dx)
    size = max(float(jnp.max(jnp.abs(a))) for a in jax.tree.leaves(pushed))
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(pushed), strict=True):
        assert np.allclose(a, b, atol=1e-6 * size)
    left = sum(
        float(jnp.vdot(a, b)) for a, b in zip(*map(jax.tree.leaves, (pushed, y)), strict=True)
    )
    right = sum(
        float(jnp.vdot(a, b)) for a, b in zip(*map(jax.tree.leaves, (dx, pulled)), strict=True)
    )
    assert left == pytest.approx(right, rel=1e-10)


def oscillator(points: int = 16):
    """x'' = -x from 0 to 2, as one body in a plane; the true motion is (cos t, 2 sin t)."""
    study = loads(
        f"""
study = "om"
[system]
coordinates = ["x", "y"]
mass = 1.5
potential = "1.5*(x^2 + y^2)/2"
[ends]
start = {{ x = 1.0, y = 0.0 }}
end = {{ x = {np.cos(2)}, y = {2 * np.sin(2)} }}
[path]
duration = 2.0
points = {points}
"""
    )
    result = path_problem_of(study)
    ends = [[1.0, np.cos(2)], [0.0, 2 * np.sin(2)]]
    return result, jnp.asarray(np.array(ends)[:, None, :])


def test_gauss_newton_finds_the_oscillator():
    result, given = oscillator()
    x = jnp.zeros((2, 1, result.basis.count))
    neighbors = result.system.potential.neighbor_list(result.ansatz(given).motion(x).q)
    loss, fit = result.loss(given, neighbors), gauss_newton.start(x)
    for _ in range(20):
        fit = gauss_newton.step(loss, fit)
        if int(fit.ended):
            break
    assert int(fit.ended) == 1 and float(fit.cost) < 1e-20
    t = np.linspace(0, 2, 33)
    q = np.asarray(result.path(fit.x, given, t).q)[:, 0]
    assert np.allclose(q, [np.cos(t), 2 * np.sin(t)], atol=1e-7)


def test_a_term_of_ones_own_bends_a_free_motion_as_its_closed_form_says():
    """Least integral of q''^2 + w^2 q^2 from 0 to 1: D^4 q = -w^2 q, D^2 q = 0 at the ends."""
    w, points = 30.0, 20
    result = path_problem_of(
        loads(
            f"""
study = "om"
[system]
coordinates = ["x"]
lagrangian = "x'^2/2"
[parameters]
w = {w}
[ends]
start = {{ x = 0.0 }}
end = {{ x = 1.0 }}
[path]
duration = 1.0
points = {points}
[loss]
terms = {{ low = "w*x" }}
"""
        )
    )
    given = jnp.asarray([[[0.0, 1.0]]])
    x = jnp.zeros((1, 1, result.basis.count))
    loss, fit = result.loss(given, result.system.potential.neighbor_list(x)), gauss_newton.start(x)
    for _ in range(4):
        fit = gauss_newton.step(loss, fit)
    t = np.linspace(0, 1, 21)
    b = np.sqrt(w / 2)  # q = exp(+-b t) (cos b t, sin b t)
    roots = b * np.array([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j])
    ends = np.array([[np.exp(r * s) * r**k for r in roots] for s in (0, 1) for k in (0, 2)])
    exact = np.exp(np.outer(t, roots)) @ np.linalg.solve(ends, [0, 0, 1, 0])
    assert np.allclose(result.path(fit.x, given, t).q[0, 0], exact.real, atol=1e-7)


def test_lbfgs_finds_the_same():
    result, given = oscillator()
    x = jnp.zeros((2, 1, result.basis.count))
    neighbors = result.system.potential.neighbor_list(result.ansatz(given).motion(x).q)
    loss = result.loss(given, neighbors)
    lbfgs = OPTIMIZERS["lbfgs"].make(0.0)
    fit, lost = eqx.filter_jit(lbfgs.steps)(loss, lbfgs.start(x), jnp.asarray(200))
    assert not bool(lost) and int(fit.ended) == 1
    t = np.linspace(0, 2, 33)
    q = np.asarray(result.path(fit.x, given, t).q)[:, 0]
    assert np.allclose(q, [np.cos(t), 2 * np.sin(t)], atol=1e-6)


def test_the_least_action_is_not_above_its_neighbours():
    result, given = oscillator(points=6)
    x = jnp.zeros((2, 1, result.basis.count))
    neighbors = result.system.potential.neighbor_list(result.ansatz(given).motion(x).q)
    loss, fit = result.loss(given, neighbors), gauss_newton.start(x)
    for _ in range(10):
        fit = gauss_newton.step(loss, fit)
    least = float(loss.cost(fit.x))
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-1):
        for _ in range(5):
            other = fit.x + size * jnp.asarray(rng.normal(size=fit.x.shape))
            assert float(loss.cost(other)) >= least


def test_a_network_knows_its_derivatives():
    given = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 4)))
    layers = initial_layers(jax.random.key(0), (7, 5), np.zeros((3, 2)), jnp.float64)

    def path(t):
        net = NetworkPath(t / 0.7, jnp.asarray(0.7), None, None, given, "sigmoid")
        return net.motion(layers)

    t, d = jnp.linspace(0.1, 0.6, 5), 1e-5
    low, here, high = path(t - d), path(t), path(t + d)
    assert np.allclose((high.q - low.q) / (2 * d), here.v, atol=1e-8)
    assert np.allclose((high.v - low.v) / (2 * d), here.a, atol=1e-7)


def test_a_network_in_single_precision_stays_there():
    """Else its neighbour lists are of two precisions."""
    layers = initial_layers(jax.random.key(0), (7, 5), np.zeros((3, 2)), jnp.float32)
    assert {x.dtype.name for x in jax.tree.leaves(layers)} == {"float32"}


@pytest.mark.parametrize("sign", [1, -1])
def test_the_march_is_of_order_16_and_goes_back(sign):
    result, _ = oscillator()
    potential, mass = result.system.potential, result.mass
    q = jnp.asarray([[[1.0]], [[0.0]]])
    v = sign * jnp.asarray([[[0.0]], [[2.0]]])
    errors = []
    for windows in (2, 3):
        h = sign * 12.0 / windows
        neighbors = potential.neighbor_list(jnp.repeat(q, collocation.NODES, axis=2))
        _, end, _ = jax.jit(
            lambda q, v, neighbors, h=h, windows=windows: collocation.collocate(
                potential, mass, neighbors, q, v, jnp.asarray([h]), windows
            )
        )(q, v, neighbors)
        errors.append(float(jnp.hypot(end[0, 0, 0] - np.cos(12), end[1, 0, 0] - 2 * np.sin(12))))
    assert errors[1] < errors[0] * (2 / 3) ** 14 or errors[1] < 1e-10
    assert float(sum_of_squares(end)) == pytest.approx(
        np.cos(12) ** 2 + 4 * np.sin(12) ** 2, abs=1e-3
    )
