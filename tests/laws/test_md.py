"""The reference run: order, conserved quantities, temperature, the same bits again; observables."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.molecular import molecular_dynamics as md
from actionrun.compiler.numerics.molecular.observables import (
    first_peak,
    first_zero,
    radial_distribution,
    rmsd,
    velocity_autocorrelation,
)
from fluids import equilibrated, fluid


@pytest.fixture(scope="module")
def liquid():
    """108 atoms near the triple point, at rest with their bath."""
    result = fluid(108, cutoff=2.5, density=0.7876)
    verlet = md.MDIntegrator(result.potential, jnp.asarray(result.mass))
    start = md.lattice(108, 3, result.edge, 0)
    return result, verlet, equilibrated(verlet, start, 0.81, 0.002, 8.0, 0)


def test_energy_error_is_of_second_order(liquid):
    """A quarter of it for half the step; no momentum appears."""
    _, verlet, x = liquid
    errors = []
    for dt in (0.004, 0.002, 0.001):
        run = md.sampled_trajectory(verlet, x, 0.4, dt, 20)
        energy = run.kinetic + run.potential
        errors.append(np.max(np.abs(energy - energy[0])) / abs(energy[0]))
        assert np.max(np.abs(np.sum(run.v, axis=1))) < 1e-11
    assert errors[2] < 1e-4
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all((orders > 1.7) & (orders < 2.3))


def test_ase_finds_the_same_motion(liquid):
    """ASE's velocity Verlet over all pairs of the formula with the smooth cut-off, by NumPy."""
    pytest.importorskip("ase")
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from ase.md.verlet import VelocityVerlet

    result, verlet, x = liquid
    first, last = (0.9 * 2.5) ** 2, 2.5**2

    class Smooth(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012

        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            super().calculate(atoms, properties, system_changes)
            d = atoms.positions[:, None] - atoms.positions
            d -= result.edge * np.round(d / result.edge)
            s = np.sum(d * d, axis=2) + 1e6 * np.eye(len(atoms))
            u, y = s**-3, np.clip((s - first) / (last - first), 0, 1)
            e, slope = 4 * (u * u - u), (12 * u - 24 * u * u) / s
            fade = 1 - y**3 * (10 - 15 * y + 6 * y * y)
            fading = -30 * (y * (1 - y)) ** 2 / (last - first)
            forces = -2 * np.sum((slope * fade + e * fading)[..., None] * d, axis=1)
            self.results = {"energy": 0.5 * np.sum(e * fade), "forces": forces}

    cell, steps, dt = np.full(3, result.edge), 100, 0.002
    atoms = Atoms("Ar108", np.asarray(x.q[..., 0]).T, cell=cell, pbc=True, masses=np.ones(108))
    atoms.calc = Smooth()
    atoms.set_velocities(np.asarray(x.v[..., 0]).T)
    energy = atoms.get_total_energy()
    VelocityVerlet(atoms, timestep=dt).run(steps)
    run = md.sampled_trajectory(verlet, x, steps * dt, dt, 1)
    assert run.kinetic[0] + run.potential[0] == pytest.approx(energy, rel=1e-12)
    assert np.max(np.abs(atoms.positions.T - run.q[..., -1])) < 1e-10
    assert np.max(np.abs(atoms.get_velocities().T - run.v[..., -1])) < 1e-9


def test_motion_converges_and_turns_back(liquid):
    """Errors of the places fall by 4; with the velocities turned round the start comes back."""
    _, verlet, x = liquid
    runs = [md.sampled_trajectory(verlet, x, 0.4, dt, 10) for dt in (0.002, 0.001, 0.0005)]
    first, second = (np.max(rmsd(a.q, b.q)) for a, b in pairwise(runs))
    assert 1.7 < np.log2(first / second) < 2.3
    there = md.propagated(verlet, x, 200, 0.002)
    back = md.propagated(verlet, verlet.start(there.q, -there.v), 200, 0.002)
    assert jnp.max(jnp.abs(back.q - x.q)) < 1e-8


def test_the_same_seed_gives_the_same_bits(liquid):
    result, verlet, _ = liquid
    start = md.lattice(108, 3, result.edge, 0)
    a, b, c = (equilibrated(verlet, start, 0.81, 0.004, 0.4, seed) for seed in (3, 3, 4))
    assert jnp.array_equal(a.q, b.q)
    assert jnp.array_equal(a.v, b.v)
    assert not jnp.array_equal(a.v, c.v)


def test_marches_do_not_depend_on_how_they_are_cut(liquid):
    _, verlet, x = liquid
    whole = md.propagated(verlet, x, 90, 0.002)
    parts = md.propagated(verlet, md.propagated(verlet, x, 37, 0.002), 53, 0.002)
    assert jnp.array_equal(whole.q, parts.q)


def test_the_bath_has_its_temperature(liquid):
    """The mean kinetic energy over a long run with the thermostat, within its noise."""
    _, verlet, x = liquid
    bath = md.LangevinThermostat(jnp.asarray(0.81), jnp.asarray(5.0), jax.random.key(1))
    seen = []
    for _ in range(60):
        x = md.propagated(verlet, x, 100, 0.004, bath)
        seen.append(float(0.5 * jnp.sum(verlet.mass * x.v**2)) * 2 / (3 * 108))
    assert abs(np.mean(seen) - 0.81) < 4 * np.std(seen) / np.sqrt(len(seen) / 2)


def test_thermal_velocities():
    mass = jnp.asarray(np.linspace(1, 3, 50)[None, :, None])
    v = md.thermal_velocities(mass, 0.7, (3, 50, 1), jax.random.key(0))
    assert jnp.max(jnp.abs(jnp.sum(mass * v, axis=1))) < 1e-12
    assert md.temperature(v, mass)[0] == pytest.approx(0.7, rel=1e-13)


@pytest.mark.parametrize(("n", "dim", "nearest"), [(32, 3, 2**-0.5), (64, 2, 1), (5, 1, 1)])
def test_lattices(n, dim, nearest):
    """Face-centred cubic, square, a row: distances of nearest neighbours, in units of the cell."""
    cells = {3: 2, 2: 8, 1: 5}[dim]
    q = md.lattice(n, dim, float(cells), 0)[..., 0]
    d = q[:, :, None] - q[:, None]
    d -= cells * np.round(d / cells)
    r = np.sqrt(np.sum(d * d, axis=0)) + 10 * np.eye(n)
    np.testing.assert_allclose(r.min(axis=0), nearest, rtol=1e-12)
    assert len({*map(tuple, md.lattice(n - 1, dim, 1.0, 1)[..., 0].T)}) == n - 1


def test_the_liquid_has_its_structure(liquid):
    """First peak of g(r) at 1.06 to 1.09; no pairs closer than 0.8; velocities forget."""
    result, verlet, x = liquid
    run = md.sampled_trajectory(verlet, x, 2.0, 0.004, 200)
    r, g = radial_distribution(run.q[..., ::10], result.edge, 80)
    assert np.all(g[r < 0.8] == 0)
    place, height = first_peak(r, g)
    assert 1.06 < place < 1.09
    assert 2.5 < height < 3.2
    zero = first_zero(run.times, velocity_autocorrelation(run.v))
    assert 0.13 < zero < 0.18


def test_an_ideal_gas_has_no_structure():
    q = np.random.default_rng(0).uniform(0, 5, size=(3, 200, 40))
    _, g = radial_distribution(q, 5.0, 10)
    np.testing.assert_allclose(g[2:], 1, atol=0.03)
    for dim in (1, 2):
        _, g = radial_distribution(q[:dim], 5.0, 5)
        np.testing.assert_allclose(g, 1, atol=0.03)


def test_autocorrelation_of_an_oscillator():
    """v = cos(t + phase) forgets as cos t; its first zero is pi/2."""
    t = np.linspace(0, 4, 401)
    phase = np.arange(8) * np.pi / 4
    result = velocity_autocorrelation(np.cos(t + phase[:, None])[None])
    np.testing.assert_allclose(result, np.cos(t[: len(result)]), atol=1e-12)
    assert first_zero(t, result) == pytest.approx(np.pi / 2, abs=1e-4)
    assert first_zero(t, np.ones_like(t)) is None


def test_numbers_that_run_away_are_told(liquid):
    _, verlet, x = liquid
    with pytest.raises(FloatingPointError, match="smaller time step"):
        md.sampled_trajectory(verlet, x, 0.8, 0.04, 10)
    with pytest.raises(FloatingPointError, match="run away"):
        md.propagated(verlet, x._replace(v=x.v * jnp.inf), 10, 0.002)
