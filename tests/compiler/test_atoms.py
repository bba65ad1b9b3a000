"""Ends from files against the study's bodies, and the trajectory that goes back to a file."""

from pathlib import Path

import numpy as np
import pytest
from actionrun.compiler.om.build import settings, system_settings
from actionrun.compiler.om.particle_system import particle_system
from actionrun.compiler.om.structures import given_ends, held_bodies, overlapping_pair, trajectory
from actionrun.runtime.data.xyz import structures
from actionrun.spec import Faults, loads
from actionrun.spec.validation.om_rules import check_samples
from actionrun.spec.validation.sample_context import EndStructure, SampleContext

SHIPPED = Path(__file__).parents[2] / "studies" / "structures"
STUDY = """\
study = "om"
[system]
particles = {n}
dimension = 3
pair = "{pair}"
{more}
[ends]
start = "a.xyz"
end = "b.xyz"
given = {given}
[path]
duration = {duration}
points = 16
"""


def study(n=3, more="", given='["positions"]', pair="4*((1/r)^12 - (1/r)^6)", duration="1.0"):
    return loads(STUDY.format(n=n, more=more, given=given, pair=pair, duration=duration))


def seen(q, **more):
    """What the runtime hands over for two equal ends."""
    names = np.array(["Ar"] * len(q))
    each = {"": np.asarray(q, float), "_species": names} | more
    return {f"{end}{key}": value for end in ("start", "end") for key, value in each.items()}


def cluster(name):
    (one,) = structures(SHIPPED / f"{name}.xyz")
    return one.positions.T


@pytest.mark.parametrize(
    ("name", "energy"),
    [("lj13_ico", -44.326801420), ("lj13_cubo", -40.884493676), ("lj38_fcc", -173.928426591),
     ("lj38_ico", -173.252378416)],
)  # fmt: skip
def test_shipped_clusters_are_stationary(name, energy):
    """Their energies (Cambridge Cluster Database for the minima) to 1e-8, and no force."""
    q = cluster(name)
    result = particle_system(system_settings(study(q.shape[1])))
    assert result.potential.energy(q[..., None])[0] == pytest.approx(energy, abs=1e-8)
    assert np.max(np.abs(result.potential.forces(q[..., None]))) < 1e-8
    assert overlapping_pair(result, q) is None


def test_ends_are_turned(cubes=((0, 0, 0), (1.1, 0, 0), (0, 1.2, 0))):
    v = np.arange(9.0).reshape(3, 3)
    one = study(given='["positions", "velocities"]', more="box = { length = 6.0 }")
    observed = seen(cubes, _velocities=v, _cell=np.array(6.0))
    start, end = given_ends(particle_system(system_settings(one)), observed)
    np.testing.assert_array_equal(start.q, np.transpose(cubes))
    np.testing.assert_array_equal(end.v, v.T)
    assert start.species == ("Ar", "Ar", "Ar")


@pytest.mark.parametrize(
    ("more", "given", "observed", "message"),
    [
        ("", '["positions"]', seen([[0, 0, 0], [0.3, 0, 0], [0, 1.2, 0]]),
         "atoms 1 and 2 overlap: they are 0.3 apart"),
        ("", '["positions"]', seen([[0, 0, 0], [2, 0, 0], [2, 0, 0]]), "atoms 2 and 3 overlap"),
        ("box = { length = 5.0 }", '["positions"]',
         seen([[0, 0, 0], [4.7, 0, 0], [0, 2.2, 0]]), "atoms 1 and 2 overlap"),
    ],
)  # fmt: skip
def test_ends_that_cannot_be_are_told(more, given, observed, message):
    one = study(more=more, given=given)
    with pytest.raises(Faults) as caught:
        given_ends(particle_system(system_settings(one)), observed)
    text = caught.value.faults[0].render(False)
    assert message in text
    assert 'start = "a.xyz"' in text


@pytest.mark.parametrize(
    ("more", "given", "edge", "message"),
    [
        ("", '["positions"]', 5.0, "box = { length = 5 }"),
        ("box = { length = 6.0 }", '["positions"]', 5.0, "the study's box 6"),
        ("", '["positions", "velocities"]', None, "no velocities"),
    ],
)
def test_ends_that_are_not_the_studys_are_told_by_check(more, given, edge, message):
    cell = None if edge is None else tuple(map(tuple, (edge * np.eye(3)).tolist()))
    cell = None if edge is None else tuple(map(tuple, (edge * np.eye(3)).tolist()))
    end = EndStructure(("Ar",) * 3, False, cell, None if edge is None else (True,) * 3)
    context = SampleContext(study(more=more, given=given), ends={"start": end, "end": end})
    check_samples(context)
    text = context.faults[0].render(False)
    assert message in text
    assert 'start = "a.xyz"' in text


@pytest.mark.parametrize(
    ("more", "end", "hint"),
    [
        ("box = { length = 6.0 }", {"periodic": (True, True, False)},
         "periodic = [true, true, false] } in [system]"),
        ("box = { length = 6.0 }", {"periodic": (False,) * 3}, "delete box in [system]"),
        ("frozen = [1]", {"frozen": frozenset({1})}, "write frozen = [2] in [system]"),
        ("box = { cell = [[6, 0, 0], [2, 6, 0], [0, 0, 9]] }", {"periodic": (True,) * 3},
         "write box = { length = 6 } in [system]"),
    ],
)  # fmt: skip
def test_a_file_that_disagrees_is_never_passed_over(more, end, hint):
    """A slab in a box that repeats everywhere, no box at all, other atoms that are held."""
    cell = tuple(map(tuple, (6.0 * np.eye(3)).tolist()))
    one = EndStructure(("Ar",) * 3, False, cell, **{"periodic": None, **end})
    context = SampleContext(study(more=more), ends={"start": one, "end": one})
    check_samples(context)
    assert len(context.faults) == 2
    assert hint in context.faults[0].hint


def test_held_atoms_of_both_ends():
    """move_mask of either file holds; one that lies elsewhere at the end is told."""
    held = np.array([True, False, False])
    observed = seen([[0, 0, 0], [1.2, 0, 0], [0, 1.2, 0]]) | {"start_frozen": held}
    observed["end"] = observed["end"] + [[0, 0, 0], [0, 0.1, 0], [0, 0, 0]]
    one = study()
    system = particle_system(system_settings(one))
    both = given_ends(system, observed)
    less, start, end = held_bodies(one.system.frozen, system, *both)
    assert less.shape == (3, 2) and start.q.shape == (3, 2)
    q = np.stack([start.q, end.q], axis=2)
    np.testing.assert_allclose(less.whole(q), np.stack([one.q for one in both], axis=2))
    right = np.asarray(system.potential.forces(np.stack([one.q for one in both], axis=2)))
    np.testing.assert_allclose(less.potential.forces(q), right[:, 1:], rtol=1e-12)
    observed["end"][0, 0] += 0.2
    with pytest.raises(Faults) as caught:
        held_bodies(one.system.frozen, system, *given_ends(system, observed))
    assert "atom 1 is held, and lies 0.2 from its place" in caught.value.faults[0].message


def test_soft_bodies_may_be_close():
    """Without a wall there is no overlap; two bodies alone are judged by the potential's range."""
    close = np.array([[0, 0.1, 2], [0, 0, 0], [0, 0, 1.0]])
    assert (
        overlapping_pair(particle_system(system_settings(study(3, pair="exp(-r^2)"))), close)
        is None
    )
    assert overlapping_pair(particle_system(system_settings(study(2))), close[:, [0, 2]]) is None
    assert overlapping_pair(particle_system(system_settings(study(2))), close[:, :2]) == (
        0,
        1,
        pytest.approx(0.1),
    )


def test_trajectories_have_the_units_of_files():
    """A study in nm, ps, u: angstrom and fs; m v in sqrt(u eV); energies in eV."""
    more = 'mass = "40 u"\n[parameters]\ne = "1 eV"\ns = "0.3 nm"\n'
    one = study(2, more, pair="e*(s/r)^9", duration='"1 ps"')
    result = particle_system(system_settings(one))
    q, v = np.ones((3, 2, 4)), np.full((3, 2, 4), 2.0)
    got = trajectory(settings(one), result, q, times=np.arange(4.0), v=v, energies=np.ones(4))
    energy = got.masses[0] * got.velocities[0, 0, 0] ** 2  # u angstrom^2/fs^2
    kinetic = got.momenta[0, 0, 0] ** 2 / got.masses[0]  # eV
    assert got.units == "angstrom fs u eV"
    length = one.units.number(1, None)
    assert length == 1
    assert got.masses[0] == pytest.approx(40)
    assert kinetic == pytest.approx(energy * 103.642697, rel=1e-6)
    assert got.positions.shape == (4, 2, 3)
    scale = got.positions[0, 0, 0]
    assert got.velocities[0, 0, 0] == pytest.approx(2 * scale / got.times[1])
    plain = trajectory(settings(study(2)), particle_system(system_settings(study(2))), q, v=v)
    np.testing.assert_array_equal(plain.momenta, 2.0)
    assert plain.units == "reduced"
