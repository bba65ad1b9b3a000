"""The energy of long runs walks like round-off and does not drift (Brouwer's law)."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.compensated import two_product, two_sum
from actionrun.spec import loads

SYSTEMS = {
    "henon_heiles": ('["x", "y"]', "(x'^2 + y'^2)/2 - (x^2 + y^2)/2 - x^2*y + y^3/3",
                     "{ x = 0.0, y = 0.1 }", "{ x = 0.3, y = 0.1 }", 4, 0.25),
    "henon_heiles_6": ('["x", "y"]', "(x'^2 + y'^2)/2 - (x^2 + y^2)/2 - x^2*y + y^3/3",
                       "{ x = 0.0, y = 0.1 }", "{ x = 0.3, y = 0.1 }", 6, 0.3),
    "pendulum": ('["x"]', "x'^2/2 + cos(x)", "{ x = 2.0 }", "{ x = 0.0 }", 6, 0.3),
    "quartic": ('["x"]', "x'^2/2 - x^4/4", "{ x = 1.0 }", "{ x = 0.0 }", 6, 0.3),
    "kepler": ('["x", "y"]', "(x'^2 + y'^2)/2 + 1/sqrt(x^2 + y^2)", "{ x = 1.0, y = 0.0 }",
               "{ x = 0.0, y = 1.05 }", 6, 0.3),
}  # fmt: skip


def energy_errors(name, steps):
    """Relative, in twenty parts of a run: mean errors."""
    coordinates, law, position, velocity, r, dt = SYSTEMS[name]
    program = compile(loads(
        f'study = "ggl"\n[system]\ncoordinates = {coordinates}\nlagrangian = "{law}"\n[start]\n'
        f"position = {position}\nvelocity = {velocity}\n[integrator]\nr = {r}\ndt = {dt}\n"
        f"steps = {steps}\nsave_every = 100\n"
    )).solver  # fmt: skip
    state, report = program.advance(program.start(), 0, steps)
    assert report.diverged is None
    rows = program.integrator.mechanics.flattened.states(
        *(np.asarray(report.samples[key]) for key in ("q", "p", "t")), program.theta
    )
    energy, start = np.asarray(rows[1]), float(state.monitor.energy_start)
    return np.mean(np.reshape(energy / start - 1, (20, -1)), axis=1)


def test_no_drift():
    """With rounded coefficients and increments it drifts by 8e-13 here."""
    assert np.max(np.abs(energy_errors("pendulum", 200_000))) < 5e-14


def test_products_keep_what_their_rounding_takes():
    """Sums of products in one program, where compilers make one operation of a product and a sum:
    increments of a step lost a part of a rounding then, by which long runs drifted."""
    h = 0.3

    @jax.jit
    def increment(v, f):
        flight, turn = two_product(jnp.asarray(h), v), two_product(jnp.asarray(h), f)
        turn = two_product(jnp.asarray(h), turn.high)
        total = two_sum(flight.high, turn.high)
        return total.high, total.low + (flight.low + turn.low), two_product(jnp.asarray(h), f).high

    draw = np.random.default_rng(0)
    for v, f in draw.normal(size=(50, 2)):
        high, low, once = map(float, increment(v, f))
        exact = Fraction(h) * Fraction(v) + Fraction(h) * Fraction(once)
        assert abs(float(Fraction(high) + Fraction(low) - exact)) < 1e-30


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_ten_million_steps(name):
    assert np.max(np.abs(energy_errors(name, 10_000_000))) < 2e-13
