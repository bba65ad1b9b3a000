"""Copies of structures: which relabellings lay one on another, point groups, ways between labelled
copies; on random and on symmetric structures, against what is known."""

from itertools import permutations

import numpy as np
import pytest
from actionrun.compiler.numerics.molecular.superposition import EnergySymmetry, Relabelling
from actionrun.compiler.numerics.molecular.zero_modes import invariant_motions
from actionrun.compiler.om.cluster.labelled_ways import LabelledWays
from scipy.spatial.transform import Rotation

NONE = np.zeros((3, 0))


def shapes():
    """Structures with the orders of their point groups, proper and improper operations."""
    ring = np.array([[np.cos(k * 2 * np.pi / 5), np.sin(k * 2 * np.pi / 5), 0] for k in range(5)]).T
    tip = np.array([[0, 0, 0.8], [0, 0, -0.8]]).T
    golden = (1 + 5**0.5) / 2
    ico = [[0, a, b * golden] for a in (1, -1) for b in (1, -1)]
    ico = [*ico, *([z, x, y] for x, y, z in ico), *([y, z, x] for x, y, z in ico), [0, 0, 0]]
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]]).T
    return {
        "bipyramid": (np.concatenate([ring, tip], axis=1), 20),
        "icosahedron": (np.array(ico).T, 120),
        "row": (np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2.0]]).T, 2 * 2),
        "square": (square, 8),
        "triangle": (np.array([[0, 1, 0.2], [0, 0, 1.3], [0, 0, 0]]), 2),
    }


@pytest.mark.parametrize("name", shapes())
def test_point_groups(name):
    """As groups of signed relabellings: a row or a plane is its own mirror image."""
    q, order = shapes()[name]
    symmetry = EnergySymmetry(np.zeros(q.shape[1], dtype=int))
    found = symmetry.superpositions(q, q)
    assert len(found) == order
    known = {(one.sign, tuple(one.order)) for one in found}
    for a in found[:10]:
        assert (a.inverse().sign, tuple(a.inverse().order)) in known
        for b in found[:10]:
            both = a.then(b)
            assert (both.sign, tuple(both.order)) in known


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_is_recognised_and_no_other(seed):
    draw = np.random.default_rng(seed)
    q = draw.normal(size=(3, 7)) * 1.5
    kinds = np.array([0, 0, 0, 1, 1, 2, 2])
    order = np.concatenate([draw.permutation(3), 3 + draw.permutation(2), 5 + draw.permutation(2)])
    sign = int(draw.choice([-1, 1]))
    copy = Rotation.random(random_state=seed).as_matrix() @ (sign * q[:, order]) + 3.0
    (one,) = EnergySymmetry(kinds).superpositions(q, copy)
    assert one.sign == sign and np.array_equal(one.order, order)
    alone = EnergySymmetry(kinds, inversion=False).superpositions(q, copy)
    assert len(alone) == (sign == 1)
    other = copy.copy()
    other[0, 0] += 0.3
    assert not EnergySymmetry(kinds).superpositions(q, other)


def test_what_a_field_and_held_bodies_leave():
    """A field of the distance from an axis keeps the turn around it and the way along it; one held
    body keeps the turns around it; two the turn around their line; three nothing; a slab two
    translations."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(3, 30))
    around = np.stack([x[0] - 1, x[1] - 2, 0 * x[2]])
    assert len(invariant_motions(3, x, around, NONE, np.zeros((0, 3)))) == 2
    held = draw.normal(size=(3, 3))
    for count, left in ((0, 6), (1, 3), (2, 1), (3, 0)):
        motions = invariant_motions(3, NONE, NONE, held[:, :count], np.zeros((0, 3)))
        assert len(motions) == left
    vectors = np.array([[3.0, 0, 0], [1, 4, 0]])
    assert len(invariant_motions(3, NONE, NONE, NONE, vectors)) == 3
    assert len(invariant_motions(3, NONE, NONE, NONE, vectors[:1])) == 4  # and a turn around it
    motions = invariant_motions(3, x, around, NONE, np.zeros((0, 3)))
    symmetry = EnergySymmetry(np.arange(4), motions, inversion=False)
    q = draw.normal(size=(3, 4))
    turn = Rotation.from_euler("z", 1.1).as_matrix()
    axis = np.array([[1.0], [2.0], [0.0]])
    assert symmetry.superpositions(q, turn @ (q - axis) + axis + np.array([[0], [0], [0.7]]))
    assert not symmetry.superpositions(q, turn @ q)  # around another axis
    assert not symmetry.superpositions(q, Rotation.from_euler("x", 0.4).as_matrix() @ q)


@pytest.mark.parametrize("seed", range(4))
def test_labelled_ways_against_all_copies(seed):
    """Random graphs of three minima of four bodies: the way through copies is that of the graph of
    all 24 copies of each, written out."""
    draw = np.random.default_rng(seed)
    structures = [draw.normal(size=(3, 4)) * 2 for _ in range(2)]
    square = np.array([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0.0]]).T * 1.3
    structures.append(square)
    symmetry = EnergySymmetry(np.zeros(4, dtype=int))
    count = 6
    joins = draw.integers(0, 3, (count, 2))
    energies = draw.normal(size=count)
    signs = np.ones((count, 2, 1), dtype=int)
    orders = np.stack([[draw.permutation(4) for _ in range(2)] for _ in range(count)])
    operations = np.concatenate([signs, orders], axis=2)
    ways = LabelledWays(symmetry, True, False, lambda m: structures[m])
    start, end = (0, Relabelling(1, np.arange(4))), (0, Relabelling(1, draw.permutation(4)))

    groups = [{tuple(one.order) for one in symmetry.superpositions(q, q)} for q in structures]

    def copy(m, order):
        return m, frozenset(tuple(np.array(own)[list(order)]) for own in groups[m])

    edges = []
    for k in range(count):
        for over in permutations(range(4)):
            ends = [copy(int(joins[k, s]), orders[k, s][list(over)]) for s in (0, 1)]
            edges.append((energies[k], *ends))
    group = {}

    def root(x):
        while group.get(x, x) != x:
            x = group[x]
        return x

    level, (a, b) = np.inf, (copy(0, range(4)), copy(0, end[1].order))
    for energy, one, other in sorted(edges, key=lambda edge: edge[0]):
        group[root(one)] = root(other)
        if root(a) == root(b):
            level = energy
            break
    found = ways.way(joins, operations, energies, start, end)
    if a == b:
        return
    assert (found is None) == (level == np.inf)
    if found is not None:
        assert found.complete
        assert max(energies[found.path.saddles]) == level
        for k, (s, over) in enumerate(zip(found.path.saddles, found.saddles, strict=True)):
            ends = {copy(int(joins[s, side]), orders[s, side][over.order]) for side in (0, 1)}
            both = found.path.minima[k : k + 2], found.minima[k : k + 2]
            assert {copy(m, one.order) for m, one in zip(*both, strict=True)} == ends
