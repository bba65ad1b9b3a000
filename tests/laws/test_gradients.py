"""Derivatives of trajectories by the adjoint: against differences, and between orders."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.spec import loads
from adjoint import KEPT_BYTES, total

STUDY = """
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "{lagrangian}"
nonconservative = "-lam*q_plus'*q_minus"
[parameters]
m = 1.0
k = 1.0
lam = 0.02
[start]
position = {{ q = 1.0 }}
velocity = {{ q = 0.0 }}
[integrator]
r = {r}
dt = 0.1
steps = 10
"""
SYSTEMS = {"oscillator": "m*q'^2/2 - k*q^2/2", "pendulum": "m*q'^2/2 + k*cos(q)"}


def action(system: str, r: int, steps: int):
    """Sum of q^2 h over a run, and where it starts."""
    program = compile(loads(STUDY.format(lagrangian=SYSTEMS[system], r=r))).solver
    ggl = program.march.integrator

    def functional(theta, q, p, h):
        return total(ggl, lambda q, p, t: h * q @ q, theta, q, p, jnp.zeros(()), h, steps)

    return functional, (program.theta, program.q, program.p, program.h)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("steps", [7, 400])
def test_gradient_equals_differences(system, steps):
    functional, at = action(system, 2, steps)
    value = jax.jit(functional)
    slopes = jax.jit(jax.grad(functional, argnums=(0, 1, 2, 3)))(*at)
    flat, back = jax.flatten_util.ravel_pytree(at)
    ours = jax.flatten_util.ravel_pytree(slopes)[0]
    for k in range(len(flat)):
        step = 1e-5 * max(abs(float(flat[k])), 0.1)
        ends = [float(value(*back(flat.at[k].add(s * step)))) for s in (1, -1)]
        assert float(ours[k]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("system", SYSTEMS)
def test_gradient_does_not_depend_on_the_order(system):
    found = []
    for r in (2, 4):
        functional, at = action(system, r, 1000)
        slopes = jax.jit(jax.grad(functional, argnums=(0, 1, 2)))(*at)
        found.append(np.concatenate([np.asarray(s) for s in slopes]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_memory_grows_with_the_root_of_the_steps():
    """Beyond the size that is kept whole, four times the steps cost about twice the memory."""
    sizes = []
    for steps in (100_000, 400_000):
        functional, at = action("pendulum", 2, steps)
        compiled = jax.jit(jax.grad(functional)).lower(*at).compile()
        sizes.append(compiled.memory_analysis().temp_size_in_bytes)
    assert sizes[1] < 2.5 * sizes[0] and sizes[1] < KEPT_BYTES
