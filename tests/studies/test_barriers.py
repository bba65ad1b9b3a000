"""Transformations of clusters: what we claim, checked without the code that claims it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.molecular.minimization import quench
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import particle_system
from actionrun.runtime import load
from actionrun.runtime.data.observations import observations
from actionrun.runtime.storage.checkpoint import flat, restored
from actionrun.spec import Faults, loads
from claims import STUDIES, finished
from scipy.integrate import solve_ivp

TWO_BATCHES = "refine.searches=512"
FREE = """
study = "om"
title = "between two minima of 13 bodies"
[system]
particles = 13
dimension = 3
pair = "4*((1/r)^12 - (1/r)^6)"
[ends]
start = "start.xyz"
end = "end.xyz"
align = true
[path]
duration = 1.0
points = 21
[refine]
barrier = true
alignments = 2
searches = 512
"""


def lennard_jones(x, dim):
    """Energy and gradient of bodies x (N dim,), written out here."""
    q = x.reshape(-1, dim)
    d = q[:, None] - q[None]
    s = np.sum(d * d, axis=2) + np.eye(len(q))
    e = 4 * (s**-6 - s**-3)
    np.fill_diagonal(e, 0)
    slope = 4 * (-6 * s**-7 + 3 * s**-4)
    np.fill_diagonal(slope, 0)
    return e.sum() / 2, (2 * slope[:, :, None] * d).sum(axis=1).ravel()


def curvatures(x, dim):
    """Eigenvalues of the Hessian by differences, motions of the whole left out by their size."""
    h, n = 1e-5, len(x)
    rows = [(lennard_jones(x + h * e, dim)[1] - lennard_jones(x - h * e, dim)[1]) / (2 * h)
            for e in np.eye(n)]  # fmt: skip
    values, vectors = np.linalg.eigh((np.array(rows) + np.array(rows).T) / 2)
    kept = np.sort(np.abs(values))[dim * (dim + 1) // 2 :].min()
    return values[np.abs(values) >= kept], vectors[:, 0]


def below(x, mode, dim):
    """The energies of the minima on both sides of a saddle, by steepest descent."""
    result = []
    for sign in (1, -1):
        start = x + sign * 1e-2 * mode
        run = solve_ivp(lambda t, y: -lennard_jones(y, dim)[1], (0, 40), start, method="LSODA",
                        rtol=1e-7, atol=1e-9)  # fmt: skip
        result.append(lennard_jones(run.y[:, -1], dim)[0])
    return sorted(result)


def chain(folder):
    """Energies, labels and places (T, N, 3) of trajectory.extxyz."""
    lines = (folder / "trajectory.extxyz").read_text().splitlines()
    n = int(lines[0])
    labels, places = [], []
    for at in range(0, len(lines), n + 2):
        labels.append(lines[at + 1].partition('label="')[2].partition('"')[0])
        rows = [[float(x) for x in line.split()[1:4]] for line in lines[at + 2 : at + 2 + n]]
        places.append(rows)
    return labels, np.array(places)


def holds(folder, dim, metrics):
    """The chain of a run of Lennard-Jones bodies is what it says it is."""
    labels, places = chain(folder)
    energies = []
    for label, place in zip(labels, places, strict=True):
        x = place[:, :dim].ravel()
        energy, gradient = lennard_jones(x, dim)
        values, _ = curvatures(x, dim)
        assert np.max(np.abs(gradient)) < 1e-7  # twelve digits of places
        assert np.sum(values < -1e-3) == ("saddle" in label)
        energies.append(energy)
    tops = [k for k, label in enumerate(labels) if "saddle" in label]
    assert max(energies[k] for k in tops) == pytest.approx(metrics["saddle_energy"], abs=1e-8)
    for k in tops:
        x = places[k][:, :dim].ravel()
        joined = below(x, curvatures(x, dim)[1], dim)
        beside = sorted((energies[k - 1], energies[k + 1]))
        assert np.allclose(joined, beside, atol=1e-5)


@pytest.mark.slow
def test_the_cuboctahedron_is_a_saddle_and_nothing_bars_its_way(tmp_path):
    changes = ('ends.start="structures/lj13_cubo.xyz"', "refine.alignments=1")
    metrics = finished("lj13", tmp_path / "run", *changes)["metrics"]
    assert abs(metrics["start_energy"] + 40.884493676) < 1e-8
    assert abs(metrics["end_energy"] + 44.326801420) < 1e-8
    assert metrics["start_negative_modes"] == 1 and metrics["end_negative_modes"] == 0
    assert abs(metrics["end_distance"] - 0.884) <= 1e-3
    assert abs(metrics["path_length"] - 0.89) <= 1e-2
    assert metrics["barrier_forward"] == 0 and metrics["saddle_negative_modes"] == 1
    assert metrics["barrier_backward"] == pytest.approx(3.442307743, abs=1e-8)
    assert metrics["action"] < 1e-12 and metrics["reintegration_miss"] < 1e-6


@pytest.mark.slow
def test_an_icosahedron_heals(tmp_path):
    """The least of its defects goes back; each structure on the way by NumPy and SciPy alone."""
    metrics = finished("lj13", tmp_path / "run")["metrics"]
    assert metrics["start_energy"] == pytest.approx(-41.471979848, abs=1e-8)
    assert metrics["end_energy"] == pytest.approx(-44.326801420, abs=1e-8)
    assert metrics["start_negative_modes"] == metrics["end_negative_modes"] == 0
    assert 0 < metrics["barrier_forward"] < 1
    holds(tmp_path / "run", 3, metrics)


@pytest.mark.slow
def test_an_atom_hops_on_an_island(tmp_path):
    metrics = finished("lj2d_hop", tmp_path / "run")["metrics"]
    assert metrics["barrier_forward"] == pytest.approx(0.518516, abs=1e-5)
    assert metrics["saddle_negative_modes"] == 1
    holds(tmp_path / "run", 2, metrics)


@pytest.mark.slow
def test_a_cluster_that_is_not_of_lennard_jones(tmp_path):
    result = finished("morse13", tmp_path / "run")
    metrics = result["metrics"]
    assert metrics["end_energy"] == pytest.approx(-42.439863, abs=1e-6)  # Doye and Wales, 1997
    assert metrics["saddle_gradient"] < 1e-8 and metrics["saddle_negative_modes"] == 1
    assert 0 < metrics["barrier_forward"] < metrics["barrier_backward"]
    assert metrics["chain_saddles"] >= 1 and metrics["barrier_forward"] < 1.76


@pytest.fixture(scope="module")
def minima():
    """Low minima of 13 bodies other than the icosahedron (3, 13, K), the lowest first."""
    field = particle_system(system_settings(loads(FREE))).potential
    draw = np.random.default_rng(4)
    q = draw.normal(size=(3, 13, 64))
    q = 1.2 * q / np.linalg.norm(q, axis=0) * draw.uniform(0.2, 1, (1, 13, 64)) ** (1 / 3)
    result = quench(field, jnp.asarray(q))
    energy, ok = np.asarray(result.energy), np.asarray(result.converged)
    order = [k for k in np.argsort(energy) if ok[k] and energy[k] > -44.3]
    kept = [order[0]]
    for k in order[1:]:
        if energy[k] - energy[kept[-1]] > 1e-4:
            kept.append(k)
    return np.asarray(result.q)[..., kept]


def written(path, q):
    rows = "\n".join("Ar " + " ".join(f"{x:.12f}" for x in one) for one in q.T)
    path.write_text(f"{q.shape[1]}\nmade by a test\n{rows}\n", encoding="utf-8")


@pytest.mark.slow
def test_a_chain_between_two_other_minima(tmp_path, minima):
    from actionrun.runtime import run

    written(tmp_path / "start.xyz", minima[..., 1])
    written(tmp_path / "end.xyz", minima[..., 4])
    (tmp_path / "study.toml").write_text(FREE, encoding="utf-8")
    done = run(load(tmp_path / "study.toml"), out=tmp_path / "run")
    assert done.metrics["chain_saddles"] >= 1
    holds(tmp_path / "run", 3, done.metrics)


@pytest.mark.slow
def test_chunks_and_checkpoints_change_no_bit():
    study = load(STUDIES / "lj2d_hop.toml", overrides=(TWO_BATCHES,), seed=3)
    program = compile(study, observations(study))
    whole, _ = program.advance(program.start(), 0, program.total)
    state, done = program.start(), 0
    while done < program.total:
        count = min(21, program.total - done)
        state, _ = program.advance(state, done, count)
        done += count
        leaves, shape = flat(state)
        state = restored([leaf.copy() for leaf in leaves], shape, program.start(), "test")
        program = compile(study, observations(study))  # as in a new process
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(state), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.slow
def test_who_does_the_parts_changes_no_bit(monkeypatch):
    """Parts of a step done last to first, by the program of another process."""
    monkeypatch.setattr("actionrun.compiler.om.cluster.pathway_search.MANY", 512)
    study = load(STUDIES / "lj2d_hop.toml", overrides=(TWO_BATCHES,))
    result = []
    for other in (False, True):
        program = compile(study, observations(study))
        assert program.sharing.shares == 2
        if other:
            theirs = compile(study, observations(study)).sharing
            program.sharing.shared(lambda tasks: [theirs.part(*t) for t in reversed(tasks)][::-1])  # noqa: B023
        state, _ = program.advance(program.start(), 0, program.total)
        result.append(state)
    for one, other in zip(*map(jax.tree.leaves, result), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("mirrored", [False, True])
def test_two_copies_of_one_minimum(tmp_path, minima, mirrored):
    q = minima[..., 0]
    order = np.random.default_rng(1).permutation(13)
    written(tmp_path / "start.xyz", q)
    written(tmp_path / "end.xyz", (-q if mirrored else q)[:, order])
    (tmp_path / "study.toml").write_text(FREE, encoding="utf-8")
    study = load(tmp_path / "study.toml")
    with pytest.raises(Faults) as caught:
        compile(study, observations(study))
    (fault,) = caught.value.faults
    assert fault.code == "ends.same" and "copies of one structure" in fault.message
    assert fault.line == 10


def test_different_atoms(tmp_path, minima):
    q = minima[..., 0]
    written(tmp_path / "start.xyz", q)
    written(tmp_path / "end.xyz", q[:, :12])
    (tmp_path / "study.toml").write_text(FREE, encoding="utf-8")
    with pytest.raises(Faults) as caught:
        observations(load(tmp_path / "study.toml"))
    assert "12 atoms here, and the study has particles = 13" in caught.value.faults[0].message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ('ends.align=["mirror"]', "value.choice"),
        ("system.frozen=[14]", "system.frozen"),
        ('ends.given=["positions","velocities"]', "ends.given"),
        ("refine.temperature=0.0", "value.range"),
    ],
)
def test_what_is_refused(change, code):
    with pytest.raises(Faults) as caught:
        load(STUDIES / "lj13.toml", overrides=(change,))
    assert caught.value.faults[0].code == code
