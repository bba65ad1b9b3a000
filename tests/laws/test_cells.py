"""Skewed cells and slabs: nearest images against all images, forces against brute force."""

from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.molecular.energy_surface import EnergySurface
from actionrun.compiler.numerics.molecular.periodic_cell import (
    PeriodicCell,
    minimum_image,
    periodic_cell,
    reduced,
)
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import particle_system
from actionrun.spec import loads

STUDY = """
study = "om"
[system]
particles = {n}
dimension = 3
pair = "4*((1/r)^12 - (1/r)^6)"
cutoff = 2.0
box = {{ cell = {cell}, periodic = {periodic} }}
[ends]
start = "a.xyz"
end = "b.xyz"
[path]
duration = 1.0
points = 16
"""


def images(cell, periodic, reach=5):
    turns = product(*(range(-reach, reach + 1) if flag else (0,) for flag in periodic))
    return np.array(list(turns), dtype=float) @ cell


@pytest.mark.parametrize("seed", range(12))
def test_the_nearest_image_is_nearest_of_all(seed):
    """Random cells, some skewed until their vectors are long; some repeat along two vectors."""
    draw = np.random.default_rng(seed)
    cell = np.diag(draw.uniform(2, 5, 3)) + np.tril(draw.uniform(-3, 3, (3, 3)), -1)
    periodic = (True, True, bool(seed % 3))
    there = periodic_cell(cell, periodic, None)
    assert isinstance(there, PeriodicCell)
    d = draw.uniform(-8, 8, (3, 200))
    shifts = images(cell, periodic, 12).T
    all_of_them = np.sum((d[:, :, None] + shifts[:, None]) ** 2, axis=0)
    near = minimum_image(d, there)
    np.testing.assert_allclose(np.sum(near**2, axis=0), all_of_them.min(axis=1), rtol=1e-9)
    np.testing.assert_allclose(minimum_image(jnp.asarray(d), there), near, atol=1e-12)
    short = reduced(cell[np.flatnonzero(periodic)])
    assert abs(np.linalg.det(short @ short.T)) == pytest.approx(
        np.linalg.det(cell[: len(short)] @ cell[: len(short)].T), rel=1e-9
    )
    lone = np.sqrt(np.sum(images(cell, periodic, 12) ** 2, axis=1))
    assert np.linalg.norm(short[0]) == pytest.approx(np.min(lone[lone > 0]), rel=1e-9)


@pytest.mark.parametrize("periodic", [(True, True, True), (True, True, False)])
def test_energies_and_forces_in_a_skewed_cell(periodic):
    """Against a sum over all images, with the quintic switch, and its slope."""
    cell = np.array([[5.0, 0, 0], [1.9, 4.6, 0], [-1.4, 1.7, 4.9]])
    words = str(list(periodic)).lower()
    system = particle_system(
        system_settings(loads(STUDY.format(n=6, cell=cell.tolist(), periodic=words)))
    )
    draw = np.random.default_rng(4)
    q = draw.uniform(0, 1, (40, 3)) @ cell
    kept = [q[0]]
    for one in q[1:]:
        d = np.array(kept)[:, None] - one + images(cell, periodic, 2)
        if np.min(np.sum(d**2, axis=-1)) > 0.95**2 and len(kept) < 6:
            kept.append(one)
    q = np.array(kept)
    assert len(q) == 6

    def energy(x):
        i, j = np.triu_indices(6, 1)
        s = np.sum(((x[i] - x[j])[:, None] + images(cell, periodic)) ** 2, axis=-1).ravel()
        u = np.clip((s - 1.8**2) / (2.0**2 - 1.8**2), 0, 1)
        return np.sum(4 * (s**-6 - s**-3) * (1 - 10 * u**3 + 15 * u**4 - 6 * u**5))

    alone = jnp.asarray(q.T)[..., None]
    assert float(system.potential.energy(alone)[0]) == pytest.approx(energy(q), abs=1e-9)
    slope = np.zeros_like(q)
    for at in np.ndindex(*q.shape):
        for weight, k in ((45, 1), (-9, 2), (1, 3)):
            move = np.zeros_like(q)
            move[at] = k * 1e-3
            slope[at] += weight * (energy(q + move) - energy(q - move)) / 0.06
    forces = np.asarray(system.potential.forces(alone))[..., 0].T
    np.testing.assert_allclose(forces, -slope, atol=1e-6 * np.max(np.abs(slope)))


@pytest.mark.parametrize("frozen", [(), (1, 4)])
def test_the_hessian_is_its_products(frozen):
    """Pairs with a cut-off in a skewed cell and a field, written down and column by column."""
    cell = np.array([[5.0, 0, 0], [1.9, 4.6, 0], [-1.4, 1.7, 4.9]])
    text = STUDY.format(n=6, cell=cell.tolist(), periodic="[true, true, false]")
    text = text.replace("[ends]", 'external = "z^4/4"\n[ends]', 1)
    system = particle_system(system_settings(loads(text)))
    q = np.random.default_rng(2).uniform(0, 4, (3, 6))
    held = np.isin(np.arange(6), frozen)
    surface = EnergySurface.of(system.potential, q, held, 2.0, 4.0)
    there = surface.within(q)
    size = there.size
    columns = surface.hessian_product(
        jnp.repeat(jnp.asarray(there)[..., None], size, axis=2),
        jnp.eye(size).reshape(*there.shape, size),
    ).reshape(size, size)
    result = surface.hessian(jnp.asarray(there))
    np.testing.assert_allclose(result, columns, atol=1e-12 * float(jnp.max(jnp.abs(columns))))
