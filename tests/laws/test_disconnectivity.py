"""Disconnectivity graphs of random networks: leaves at the minima, groups side by side, and two
lines meeting where the minimax way says."""

import numpy as np
import pytest
from actionrun.compiler.numerics.molecular.disconnectivity import LEVELS, disconnectivity_graph
from actionrun.compiler.numerics.molecular.minimax_path import minimax_energies


@pytest.mark.parametrize("seed", range(6))
def test_lines_meet_at_the_minimax_energies(seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(4, 40))
    energies = draw.normal(size=count)
    joins = np.array([(k, draw.integers(k)) for k in range(1, count)])
    joins = np.concatenate([joins, draw.integers(count, size=(count, 2))])
    tops = np.max(energies[joins], axis=1) + draw.exponential(size=len(joins))
    graph = disconnectivity_graph(energies, joins, tops)
    assert np.array_equal(np.sort(graph.places), np.arange(count))

    # The tree as drawn: from each minimum's place and energy up to the node above, and so on.
    ends = np.flatnonzero(np.isnan(graph.x))
    lines = np.split(np.stack([graph.x, graph.y], axis=1), ends)
    above = {}
    for line in lines:
        nodes = line[~np.isnan(line[:, 0])].tolist()
        if len(nodes) == 2 and nodes[0] != nodes[1]:
            assert nodes[0][1] > nodes[1][1]
            above[tuple(nodes[1])] = tuple(nodes[0])

    def way(m):
        node = (float(graph.places[m]), float(energies[m]))
        assert node in above
        result = [node]
        while result[-1] in above:
            result.append(above[result[-1]])
        return result

    ways = [way(m) for m in range(count)]
    step = (ways[0][-1][1] - energies.min()) / LEVELS
    for a in range(count):
        right = minimax_energies(count, joins, tops, a).level
        for b in range(a):
            meeting = next(node for node in ways[a] if node in ways[b])
            assert right[b] <= meeting[1] <= right[b] + step * (1 + 1e-6)


def test_what_is_not_joined_is_not_drawn():
    energies, joins = np.array([0.0, 0.5, 0.2, 3.0]), np.array([[0, 1], [1, 3], [0, 3]])
    graph = disconnectivity_graph(
        energies, joins, np.array([1.0, 3.0, 3.0]), np.array([True, True, True, False])
    )
    assert np.isnan(graph.places[2:]).all() and {*graph.places[:2]} == {0.0, 1.0}
