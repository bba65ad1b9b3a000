"""Alignments, stationary points, ways through saddles, steepest descent, strings: the parts of a
cluster's transformation, against what is known without them."""

from itertools import permutations
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.molecular.alignment import matching_order, nearest_alignments
from actionrun.compiler.numerics.molecular.invariants import fingerprints
from actionrun.compiler.numerics.molecular.minimax_path import minimax_energies, minimax_path
from actionrun.compiler.numerics.molecular.stationary_points import stationary_point, zero_modes
from actionrun.compiler.numerics.molecular.steepest_descent import descend_both_sides
from actionrun.compiler.numerics.molecular.string_method import string
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import particle_system
from actionrun.spec import loads
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

STRUCTURES = Path(__file__).parents[2] / "studies" / "structures"
STUDY = """
study = "om"
title = "a cluster"
[system]
particles = {n}
dimension = {dim}
pair = "4*((1/r)^12 - (1/r)^6)"
[ends]
start = "a.xyz"
end = "b.xyz"
[path]
duration = 1.0
points = 41
"""


def structure(name):
    lines = (STRUCTURES / f"{name}.xyz").read_text(encoding="utf-8").splitlines()[2:]
    return np.array([[float(x) for x in line.split()[1:4]] for line in lines]).T


def potential(n, dim=3):
    return particle_system(system_settings(loads(STUDY.format(n=n, dim=dim)))).potential


@pytest.mark.parametrize(
    ("name", "energy", "negative"),
    [("lj13_cubo", -40.884493676, 1), ("lj13_ico", -44.326801420, 0),
     ("lj38_ico", -173.252378416, 0), ("lj38_fcc", -173.928426591, 0)],
)  # fmt: skip
def test_stationary_points_of_the_literature(name, energy, negative):
    q = structure(name)
    result = stationary_point(
        potential(q.shape[1]), q + 1e-4 * np.sin(np.arange(q.size)).reshape(q.shape)
    )
    assert abs(result.energy - energy) < 1e-8
    assert result.gradient < 1e-10
    assert result.negative == negative


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_motions_of_the_whole_cost_nothing(dim):
    q = np.random.default_rng(0).normal(size=(dim, 6)) * 3
    rigid = zero_modes(potential(6, dim), q)
    assert rigid.shape[1] == dim + dim * (dim - 1) // 2
    assert np.allclose(rigid.T @ rigid, np.eye(rigid.shape[1]))
    d = np.linalg.norm(q[:, :, None] - q[:, None, :], axis=0)
    moved = q + 1e-6 * (rigid @ np.ones(rigid.shape[1])).reshape(q.shape)
    after = np.linalg.norm(moved[:, :, None] - moved[:, None, :], axis=0)
    assert np.max(np.abs(after - d)) < 1e-10


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), mirrored=st.booleans())
def test_a_copy_is_found_again(seed, mirrored):
    draw = np.random.default_rng(seed)
    q = draw.normal(size=(3, 9))
    turn = Rotation.random(random_state=seed).as_matrix() * (-1 if mirrored else 1)
    copy = turn @ q[:, draw.permutation(9)] + draw.normal(size=(3, 1))
    near = nearest_alignments(q, copy, starts=300)[0]
    assert near.distance < 1e-10
    assert np.allclose(near.q, q, atol=1e-9)


def test_the_nearest_labels_are_those_of_all_labels():
    """Against all relabellings, each with its best rotation."""
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, 3, 5))
    result = nearest_alignments(a, b, starts=200)[0].distance
    x, y = (q - q.mean(axis=1, keepdims=True) for q in (a, b))
    best = np.inf
    for labels in permutations(range(5)):
        left, _, right = np.linalg.svd(x @ y[:, labels].T)
        best = min(best, np.linalg.norm(x - left @ right @ y[:, labels]))
    assert abs(result - best) < 1e-9


def test_known_distances():
    assert (
        abs(nearest_alignments(structure("lj13_cubo"), structure("lj13_ico"))[0].distance - 0.884)
        < 1e-3
    )
    result = nearest_alignments(structure("lj38_ico"), structure("lj38_fcc"), count=10, starts=1000)
    assert result[0].distance <= 3.136
    distances = [one.distance for one in result]
    assert distances == sorted(distances)
    assert np.min(np.diff(distances)) > 0


def test_species_stay_themselves():
    draw = np.random.default_rng(5)
    q = draw.normal(size=(3, 6))
    kinds = ["A", "B", "A", "B", "B", "A"]
    order = matching_order(kinds, ["A", "A", "A", "B", "B", "B"])
    assert [["A", "A", "A", "B", "B", "B"][k] for k in order] == kinds
    swapped = q[:, [1, 0, 2, 3, 4, 5]]  # an A where a B was
    assert nearest_alignments(q, swapped, kinds, starts=100)[0].distance > 0.1
    assert nearest_alignments(q, swapped, starts=100)[0].distance < 1e-10


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_marks_do_not_see_turns_mirrors_and_labels(seed):
    draw = np.random.default_rng(seed)
    q, kinds = draw.normal(size=(3, 7, 1)), np.array([0, 0, 0, 1, 1, 0, 1])
    order = np.concatenate([draw.permutation([0, 1, 2, 5]), draw.permutation([3, 4, 6])])
    turn = Rotation.random(random_state=seed).as_matrix() * draw.choice([-1, 1])
    copy = np.einsum("ab,bnk->ank", turn, q[:, order])
    kinds_there = kinds[order]
    assert np.allclose(fingerprints(q, kinds), fingerprints(copy, kinds_there), rtol=1e-12)
    other = q.copy()
    other[0, 0] += 1e-3
    assert not np.allclose(fingerprints(q, kinds), fingerprints(other, kinds), rtol=1e-7)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_the_lowest_pass_is_that_of_all_ways(seed):
    """Against the level at which the two minima are first joined when saddles are added by
    energy (union-find)."""
    draw = np.random.default_rng(seed)
    n, m = 8, 14
    joins, energies = draw.integers(0, n, (m, 2)), draw.normal(size=m)
    group = list(range(n))
    level = np.inf
    for s in np.argsort(energies):
        a, b = (group[k] for k in joins[s])
        group = [a if g == b else g for g in group]
        if group[0] == group[1]:
            level = energies[s]
            break
    result = minimax_energies(n, joins, energies, 0)
    assert result.level[1] == level
    path = minimax_path(result, joins, 1)
    assert (path is None) == (level == np.inf)
    if path is not None:
        assert path.minima[0] == 0
        assert path.minima[-1] == 1
        assert max(energies[path.saddles]) == level
        for k, s in enumerate(path.saddles):
            assert sorted(joins[s]) == sorted(path.minima[k : k + 2])


def test_steepest_descent_from_the_cuboctahedron_ends_in_the_icosahedron():
    land = potential(13)
    saddle = stationary_point(land, structure("lj13_cubo"))
    for side in descend_both_sides(land, saddle.q, saddle.mode):
        assert side.converged
        assert abs(side.point.energy + 44.326801420) < 1e-8


def test_a_string_finds_the_pass_of_three_bodies_in_a_row():
    """Three bodies in a plane: the middle one leaves the triangle's base for the other side; by
    symmetry the row is the top of the way, a saddle of known energy."""
    land = potential(3, dim=2)
    r = 2 ** (1 / 6)
    h = r * np.sqrt(3) / 2
    start = np.array([[0.0, r, r / 2], [0.0, 0.0, h]])
    end = np.array([[0.0, r, r / 2], [0.0, 0.0, -h]])
    line = string(land, jnp.asarray(start), jnp.asarray(end), 21, jnp.asarray(100),
                  jnp.asarray(1 / 170.0))  # fmt: skip
    result = stationary_point(land, np.asarray(line.q[..., int(np.argmax(line.energy))]))
    x = np.linspace(1.0, 1.3, 300001)
    row = 2 * 4 * (x**-12 - x**-6) + 4 * ((2 * x) ** -12 - (2 * x) ** -6)
    assert result.negative == 1
    assert abs(result.energy - row.min()) < 1e-8
