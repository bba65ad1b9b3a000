"""Mixtures: each pair has the parameters of its species, each body the mass of its own."""

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.molecular import molecular_dynamics as md
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import particle_system
from actionrun.spec import loads, resolved_toml
from actionrun.spec.validation.om_rules import check_samples
from actionrun.spec.validation.sample_context import EndStructure, SampleContext
from fluids import FILES, RUN, equilibrated, fluid, places

MIXTURE = """\
study = "om"
[system]
particles = 27
species = { Ar = 20, Kr = 7 }
dimension = 3
mass = { Kr = 2.1, Ar = 1.0 }
pair = "4*eps*((sigma/r)^12 - (sigma/r)^6) + shift"
cutoff = 1.6
box = { density = 0.75 }
[parameters]
eps = { Ar-Ar = 1.0, Kr-Ar = 1.18, Kr-Kr = 1.4 }
sigma = { Ar-Ar = 1.0, Ar-Kr = 1.04, Kr-Kr = "2.14/two" }
two = 2
shift = 0.1
"""
EPS = np.array([[1.0, 1.18], [1.18, 1.4]])
SIGMA = np.array([[1.0, 1.04], [1.04, 1.07]])


def mixture(text=MIXTURE, order=None):
    ends = RUN if "box" in text else FILES
    return particle_system(system_settings(loads(text + ends), order))


@pytest.mark.parametrize("images", [1, 5])
def test_a_mixture_is_the_sum_over_its_pairs(images):
    """Energies and forces against a double loop by hand (places clear of the switch)."""
    result = mixture(
        MIXTURE.replace("cutoff = 1.6\n", "").replace("box = { density = 0.75 }\n", "")
    )
    q = places(27, images)
    kind = np.array([0] * 20 + [1] * 7)
    energy, forces = np.zeros(images), np.zeros(q.shape)
    for i in range(27):
        for j in range(i):
            d = np.asarray(q[:, i] - q[:, j])
            r = np.sqrt(np.sum(d * d, axis=0))
            eps, sigma = EPS[kind[i], kind[j]], SIGMA[kind[i], kind[j]]
            energy += 4 * eps * ((sigma / r) ** 12 - (sigma / r) ** 6) + 0.1
            pull = 4 * eps * (12 * (sigma / r) ** 12 - 6 * (sigma / r) ** 6) / r**2 * d
            forces[:, i] += pull
            forces[:, j] -= pull
    np.testing.assert_allclose(result.potential.energy(q), energy, rtol=1e-12)
    scale = np.max(np.abs(forces))
    for neighbors in (None, result.potential.neighbor_list(q)):
        got = result.potential.forces(q, neighbors)
        np.testing.assert_allclose(got, forces, atol=1e-12 * scale)


def test_alike_species_are_one_species():
    text = MIXTURE.replace("1.18", "1.0").replace("1.4 }", "1.0 }").replace("1.04", "1.0")
    alike = mixture(text.replace('"2.14/two"', "1.0").replace("+ shift", ""))
    plain = fluid(27, cutoff=1.6, density=0.75)
    for images in (1, 5):
        q = places(27, images)
        assert jnp.array_equal(alike.potential.forces(q), plain.potential.forces(q))


def test_species_and_masses_follow_the_order_of_a_file():
    order = ["Kr"] * 7 + ["Ar"] * 20
    result = mixture(order=order)
    assert result.species == tuple(order)
    assert result.mass[0, 6, 0] == 2.1
    assert result.mass[0, 7, 0] == 1.0
    q = places(27, 5)
    turned = mixture().potential.forces(jnp.roll(q, -7, axis=1))
    np.testing.assert_allclose(result.potential.forces(q), jnp.roll(turned, 7, axis=1), atol=1e-9)
    end = EndStructure(("Ar",) * 21 + ("Kr",) * 6, None, False)
    context = SampleContext(loads(MIXTURE + RUN), ends={"start": end, "end": end})
    check_samples(context)
    assert "the structures have Ar21 Kr6, and the study Ar20 Kr7" in context.faults[0].message


def test_a_mixture_keeps_energy_and_momentum():
    result = mixture()
    verlet = md.MDIntegrator(result.potential, jnp.asarray(result.mass))
    start = md.lattice(27, 3, result.edge, 0)
    x = equilibrated(verlet, start, 0.8, 0.002, 1.0, 0)
    run = md.sampled_trajectory(verlet, x, 0.5, 0.0005, 20)
    energy = run.kinetic + run.potential
    assert np.max(np.abs(energy - energy[0])) < 1e-4 * abs(energy[0])
    assert np.max(np.abs(np.sum(result.mass * run.v, axis=1))) < 1e-11
    heavy = 0.5 * np.sum(result.mass * run.v**2, axis=(0, 2))
    assert np.all(heavy > 0)


def test_a_mixture_is_written_and_read():
    study = loads(MIXTURE + RUN)
    assert loads(resolved_toml(study)) == study
