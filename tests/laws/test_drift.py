"""The energy of long runs walks like round-off and does not drift (Brouwer's law)."""

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.spec import loads

SYSTEMS = {
    "henon_heiles": ('["x", "y"]', "(x'^2 + y'^2)/2 - (x^2 + y^2)/2 - x^2*y + y^3/3",
                     "{ x = 0.0, y = 0.1 }", "{ x = 0.3, y = 0.1 }", 4, 0.25),
    "pendulum": ('["x"]', "x'^2/2 + cos(x)", "{ x = 2.0 }", "{ x = 0.0 }", 6, 0.3),
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


@pytest.mark.campaign
def test_ten_million_steps():
    assert np.max(np.abs(energy_errors("henon_heiles", 10_000_000))) < 2e-13
