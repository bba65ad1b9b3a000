"""Barriers of what is no cluster of equal atoms in the open: surfaces of coordinates, torsions,
ions in a trap, held atoms, mirror images, labelled copies, energies in electronvolts. Each against
a number from a paper, or from NumPy and SciPy alone."""

import heapq
import json

import numpy as np
import pytest
from actionrun.runtime import load, run
from actionrun.spec import Faults
from claims import finished
from scipy.optimize import minimize

PATH = "[path]\nduration = 1.0\npoints = 12\n[refine]\nbarrier = true\nsearches = 256\n"
COORDINATES = 'study = "om"\n[system]\nmass = 1.0\n'


def metrics_of(folder, text, **structures):
    for name, (q, names) in structures.items():
        q = np.pad(np.asarray(q, float), ((0, 0), (0, 3 - np.shape(q)[1])))
        rows = [f"{a} {x:.12f} {y:.12f} {z:.12f}" for a, (x, y, z) in zip(names, q, strict=True)]
        (folder / f"{name}.xyz").write_text(f"{len(q)}\n\n" + "\n".join(rows) + "\n")
    (folder / "a.toml").write_text(text, encoding="utf-8")
    run(load(folder / "a.toml"), out=folder / "run")
    return json.loads((folder / "run" / "result.json").read_text())["metrics"]


def flooded(law, low, high, start, end, count, periodic=False):
    """The least height at which water from start reaches end on a grid of a plane."""
    axes = [np.linspace(a, b, count, endpoint=not periodic) for a, b in zip(low, high, strict=True)]
    height = law(*np.meshgrid(*axes, indexing="ij"))
    ends = [
        tuple(int(np.argmin(np.abs(axis - x))) for axis, x in zip(axes, q, strict=True))
        for q in (start, end)
    ]
    level, queue = {ends[0]: height[ends[0]]}, [(height[ends[0]], ends[0])]
    while queue:
        top, here = heapq.heappop(queue)
        if here == ends[1]:
            return top
        for step in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            there = tuple(a + b for a, b in zip(here, step, strict=True))
            if periodic:
                there = tuple(a % count for a in there)
            elif min(there) < 0 or max(there) >= count:
                continue
            if there not in level:
                level[there] = max(top, height[there])
                heapq.heappush(queue, (level[there], there))
    raise AssertionError("not reached")


@pytest.mark.slow
def test_mueller_and_brown(tmp_path):
    """Its three minima and two saddles are the chain (Theor. Chim. Acta 53, 75, 1979)."""
    metrics = finished("mueller_brown", tmp_path / "run")["metrics"]
    assert metrics["start_energy"] == pytest.approx(-146.700, abs=1e-3)
    assert metrics["end_energy"] == pytest.approx(-108.167, abs=1e-3)
    assert metrics["saddle_energy"] == pytest.approx(-40.665, abs=1e-3)
    assert metrics["chain_saddles"] == 2 and metrics["chain_minima"] == 3


@pytest.mark.slow
def test_torsions_go_round_the_short_way(tmp_path):
    """Two periodic angles, against a flooded grid; the way crosses the border of the angles."""

    def law(phi, psi):
        return (np.cos(3 * phi) + 0.5 * np.cos(phi) + 0.3 * np.cos(psi - 0.4)
                + 0.2 * np.cos(phi + psi))  # fmt: skip

    text = COORDINATES + (
        'coordinates = ["phi", "psi"]\n'
        'potential = "cos(3*phi) + 0.5*cos(phi) + 0.3*cos(psi - 0.4) + 0.2*cos(phi + psi)"\n'
        'periods = { phi = "2*pi", psi = "2*pi" }\n'
        "[ends]\nstart = { phi = 3.0, psi = 3.3 }\nend = { phi = -1.1, psi = 3.3 }\n"
    )
    metrics = metrics_of(tmp_path, text + PATH)
    there = [minimize(lambda x: law(*x), x, tol=1e-12).x for x in ((3.0, 3.3), (-1.1, 3.3))]
    assert metrics["start_energy"] == pytest.approx(law(*there[0]), abs=1e-8)
    right = flooded(law, (-np.pi, -np.pi), (np.pi, np.pi), there[0], there[1], 700, periodic=True)
    assert metrics["saddle_energy"] == pytest.approx(right, abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_two_channels_and_any_zero_of_energy(tmp_path, shift):
    """The lower of two channels around a hill; what is added to the energy changes nothing."""

    def law(x, y):
        return (x**2 - 1) ** 2 + 2 * (y**2 + x**2 - 1) ** 2 + 0.3 * y + 0.2 * x

    text = COORDINATES + (
        'coordinates = ["x", "y"]\npotential = "(x^2 - 1)^2 + 2*(y^2 + x^2 - 1)^2 + 0.3*y + 0.2*x'
        f' + {shift}"\n[ends]\nstart = {{ x = -1.0, y = 0.0 }}\nend = {{ x = 1.0, y = 0.0 }}\n'
    )
    metrics = metrics_of(tmp_path, text + PATH)
    there = [minimize(lambda q: law(*q), q, tol=1e-12).x for q in ((-1, 0), (1, 0))]
    right = flooded(law, (-2, -2), (2, 2), there[0], there[1], 1200) - law(*there[0])
    assert metrics["barrier_forward"] == pytest.approx(right, abs=1e-4)


LEPS = """
study = "om"
[system]
mass = 1.0
coordinates = ["x", "y"]
potential = "q1 + q2 + q3 - sqrt(j1^2 + j2^2 + j3^2 - j1*j2 - j2*j3 - j1*j3){more}"
[parameters]
De = 4.746
al = 1.942
r0 = 0.742
s1 = {s1}
s2 = {s2}
s3 = {s3}
[define]
r2 = "{r2}"
q1 = "De/2*(3/2*exp(-2*al*(x - r0)) - exp(-al*(x - r0)))/(1 + s1)"
q2 = "De/2*(3/2*exp(-2*al*(r2 - r0)) - exp(-al*(r2 - r0)))/(1 + s2)"
q3 = "D3/2*(3/2*exp(-2*al*(x + r2 - r0)) - exp(-al*(x + r2 - r0)))/(1 + s3)"
j1 = "De/4*(exp(-2*al*(x - r0)) - 6*exp(-al*(x - r0)))/(1 + s1)"
j2 = "De/4*(exp(-2*al*(r2 - r0)) - 6*exp(-al*(r2 - r0)))/(1 + s2)"
j3 = "D3/4*(exp(-2*al*(x + r2 - r0)) - 6*exp(-al*(x + r2 - r0)))/(1 + s3)"
D3 = "{D3}"
[ends]
"""


def leps(x, y, sato, d3):
    """London, Eyring, Polanyi and Sato: three atoms in a row, x and y apart."""
    coulomb, exchange = [], []
    for r, d, s in zip((x, y, x + y), (4.746, 4.746, d3), sato, strict=True):
        e = np.exp(-1.942 * (r - 0.742))
        coulomb.append(d / 2 * (1.5 * e**2 - e) / (1 + s))
        exchange.append(d / 4 * (e**2 - 6 * e) / (1 + s))
    a, b, c = exchange
    return sum(coulomb) - np.sqrt(a**2 + b**2 + c**2 - a * b - b * c - a * c)


HYDROGEN = LEPS.format(more="{more}", r2="y", D3=4.746, s1=0.05, s2=0.05, s3=0.05) + (
    "start = {{ x = 0.742, y = 3.0 }}\nend = {{ x = 3.0, y = 0.742 }}\n"
)


@pytest.mark.slow
def test_hydrogen_and_an_atom_change_partners(tmp_path):
    """Collinear H3 with a weak spring between its outer atoms, which closes the valleys."""

    def law(q):
        return leps(q[0], q[1], (0.05,) * 3, 4.746) + 0.02 * (q[0] + q[1] - 3.0) ** 2

    metrics = metrics_of(tmp_path, HYDROGEN.format(more=" + 0.02*(x + y - 3)^2") + PATH)
    wells = [minimize(law, q, tol=1e-12).x for q in ((0.742, 3.0), (3.0, 0.742))]
    right = flooded(lambda x, y: law((x, y)), (0.4, 0.4), (4.0, 4.0), wells[0], wells[1], 500)
    assert metrics["start_energy"] == pytest.approx(law(wells[0]), abs=1e-8)
    assert metrics["saddle_energy"] == pytest.approx(right, abs=5e-4)
    assert metrics["barrier_forward"] == pytest.approx(metrics["barrier_backward"], abs=1e-8)


@pytest.mark.slow
def test_an_open_valley_has_no_minimum(tmp_path):
    with pytest.raises(Faults) as caught:
        metrics_of(tmp_path, HYDROGEN.format(more="") + PATH)
    assert caught.value.faults[0].code == "ends.flat"


def test_where_nothing_acts_there_is_no_minimum(tmp_path):
    """A body alone, whose law is one of pairs."""
    text = (
        'study = "om"\n[system]\nparticles = 1\ndimension = 3\npair = "1/r^12 - 1/r^6"\n'
        '[ends]\nstart = "s.xyz"\nend = "e.xyz"\n'
    )
    with pytest.raises(Faults) as caught:
        metrics_of(tmp_path, text + PATH, s=([[0, 0, 0]], ["Ar"]), e=([[1, 0, 0]], ["Ar"]))
    assert caught.value.faults[0].code == "ends.flat"


@pytest.mark.slow
def test_an_atom_between_two_in_a_bath(tmp_path):
    """LEPS with an oscillator (Jónsson, Mills & Jacobsen, 1998): its two minima, and saddles."""
    sato = (0.05, 0.80, 0.05)

    def law(q):
        x, y = q
        return leps(x, 3.742 - x, sato, 3.445) + 2 * 0.2025 * (x - (3.742 / 2 - y / 1.154)) ** 2

    text = LEPS.format(more=" + 2*0.2025*(x - (3.742/2 - y/1.154))^2", r2="3.742 - x", D3=3.445,
                       s1=0.05, s2=0.80, s3=0.05)  # fmt: skip
    text += "start = { x = 0.74, y = 1.3 }\nend = { x = 3.0, y = -1.3 }\n"
    metrics = metrics_of(tmp_path, text + PATH)
    wells = [minimize(law, q, tol=1e-12).x for q in ((0.74, 1.3), (3.0, -1.3))]
    right = flooded(lambda x, y: law((x, y)), (0.4, -4.0), (3.4, 4.0), wells[0], wells[1], 500)
    assert metrics["start_energy"] == pytest.approx(law(wells[0]), abs=1e-8)
    assert metrics["end_energy"] == pytest.approx(law(wells[1]), abs=1e-8)
    assert metrics["saddle_energy"] == pytest.approx(right, abs=5e-4)


@pytest.mark.slow
def test_rates_of_a_double_well(tmp_path):
    """Vineyard's formula in closed form: a double well across, a spring along, two masses."""
    text = (
        'study = "om"\n[system]\ncoordinates = ["x", "y"]\nmass = { x = 2.0, y = 0.5 }\n'
        'potential = "(x^2 - 1)^2 + (1 + x^2)*y^2"\n'
        "[ends]\nstart = { x = -1.0, y = 0.0 }\nend = { x = 1.0, y = 0.0 }\n"
    )
    metrics = metrics_of(tmp_path, text + PATH + "temperature = 0.2\n")
    well = np.sqrt(8 / 2.0) * np.sqrt(2 * 2 / 0.5) / np.sqrt(2 * 1 / 0.5) / (2 * np.pi)
    assert metrics["prefactor_forward"] == pytest.approx(well, rel=1e-9)
    assert metrics["rate_forward"] == pytest.approx(well * np.exp(-1 / 0.2), rel=1e-8)
    assert metrics["rate_backward"] == pytest.approx(metrics["rate_forward"], rel=1e-8)
    assert metrics["imaginary_frequency"] == pytest.approx(np.sqrt(4 / 2.0) / (2 * np.pi))


@pytest.mark.slow
def test_three_ions_in_a_trap(tmp_path):
    """From zig to zag over the row, whose energy is known: two outer ions 2 (5/4)^(1/3) apart."""
    q = np.array([[-0.9, 0.24], [0, -0.48], [0.9, 0.24]])
    text = (
        'study = "om"\n[system]\nparticles = 3\ndimension = 2\npair = "1/r"\n'
        'external = "(x^2 + 1.96*y^2)/2"\n[ends]\nstart = "s.xyz"\nend = "e.xyz"\n'
    )
    names = ["X"] * 3
    metrics = metrics_of(tmp_path, text + PATH, s=(q, names), e=(q * [1, -1], names))
    assert metrics["barrier_forward"] == pytest.approx(0.041695, abs=1e-6)
    outer = 1.25 ** (1 / 3)
    assert metrics["saddle_energy"] == pytest.approx(outer**2 + 2 / outer + 0.5 / outer, abs=1e-9)


def bipyramid():
    ring = [[0.94 * np.cos(k * 0.4 * np.pi), 0.94 * np.sin(k * 0.4 * np.pi), 0] for k in range(5)]
    return np.array([*ring, [0, 0, 0.57], [0, 0, -0.57]])


@pytest.mark.slow
def test_labelled_copies_in_electronvolts(tmp_path):
    """An atom of the ring of LJ7 changes places with one of its tips: a degenerate rearrangement,
    1.06065 of the well's depth, told in the unit that the study writes."""
    text = (
        'study = "om"\n[system]\nparticles = 7\ndimension = 3\nmass = "39.95 u"\n'
        'pair = "4*eps*((s/r)^12 - (s/r)^6)"\n[parameters]\neps = "0.0104 eV"\n'
        's = "3.4 angstrom"\n[ends]\nstart = "s.xyz"\nend = "e.xyz"\n'
    )
    q = 3.4 * bipyramid()
    names = ["Ar"] * 7
    path = PATH.replace("1.0", '"1 ps"')
    metrics = metrics_of(tmp_path, text + path, s=(q, names), e=(q[[5, 1, 2, 3, 4, 0, 6]], names))
    assert metrics["start_energy"] == pytest.approx(-16.505384168 * 0.0104, abs=1e-9)
    assert metrics["end_energy"] == pytest.approx(metrics["start_energy"], abs=1e-9)
    assert metrics["barrier_forward"] == pytest.approx(1.0606503682 * 0.0104, abs=1e-8)


@pytest.mark.slow
def test_mirror_images_are_two_structures(tmp_path):
    """Four ligands around a centre cannot change hands below the planar geometries: those are at
    least as high as a minimum of the energy in the plane."""
    names, letters = "abcde", ("b", "c", "d", "e")
    pairs = [f"{x}-{y}" for k, x in enumerate(names) for y in names[k:]]
    stiff = {p: 100.0 if "a" in p and p != "a-a" else 20.0 for p in pairs}
    lone = {p for p in pairs if p[0] == p[2]}
    tables = [
        f"{name} = {{ " + ", ".join(f"{p} = {value(p)}" for p in pairs) + " }"
        for name, value in (
            ("K", lambda p: 0.0 if p in lone else stiff[p]),
            ("d", lambda p: 1.0 if "a" in p else 1.633 + 0.05 * letters.index(p[0])),
        )
    ]
    text = (
        'study = "om"\n[system]\nparticles = 5\ndimension = 3\nspecies = { a = 1, b = 1, c = 1, '
        'd = 1, e = 1 }\npair = "K*(r - d)^2/2"\n[parameters]\n' + "\n".join(tables)
        + '\n[ends]\nstart = "s.xyz"\nend = "e.xyz"\n'
    )  # fmt: skip
    q = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.577
    metrics = metrics_of(tmp_path, text + PATH, s=(q, names), e=(q * [1, 1, -1], names))

    def energy(x, dim):
        q = x.reshape(5, dim)
        total = 0.0
        for i, a in enumerate(names):
            for j in range(i + 1, 5):
                p = f"{a}-{names[j]}"
                length = 1.0 if "a" in p else 1.633 + 0.05 * letters.index(a)
                total += stiff[p] * (np.linalg.norm(q[i] - q[j]) - length) ** 2 / 2
        return total

    draw = np.random.default_rng(0)
    flat = min(minimize(energy, draw.normal(size=10), args=(2,), tol=1e-10).fun for _ in range(60))
    assert metrics["start_energy"] == pytest.approx(metrics["end_energy"], abs=1e-8)
    assert metrics["saddle_energy"] >= flat - 1e-6


@pytest.mark.slow
def test_held_atoms_stay(tmp_path):
    """An atom hops over a row of held ones: the way is that of one body in their field, which a
    flooded grid knows."""
    row = np.array([[1.12 * k, 0.0] for k in range(5)])
    hollow = [np.array([[1.12 * k + 0.56, 0.97]]) for k in (1, 2)]

    def law(x, y):
        s = [(x - a) ** 2 + (y - b) ** 2 for a, b in row]
        return sum(4 * (1 / t**6 - 1 / t**3) for t in s)

    text = (
        'study = "om"\n[system]\nparticles = 6\ndimension = 2\npair = "4*((1/r)^12 - (1/r)^6)"\n'
        'frozen = [1, 2, 3, 4, 5]\n[ends]\nstart = "s.xyz"\nend = "e.xyz"\n'
    )
    names = ["X"] * 6
    metrics = metrics_of(
        tmp_path, text + PATH, s=(np.concatenate([row, hollow[0]]), names),
        e=(np.concatenate([row, hollow[1]]), names),
    )  # fmt: skip
    there = [minimize(lambda q: law(*q), q[0], tol=1e-12).x for q in hollow]
    right = flooded(law, (0.5, 0.5), (4.0, 2.5), there[0], there[1], 1500) - law(*there[0])
    assert metrics["barrier_forward"] == pytest.approx(right, abs=2e-4)
    last = (tmp_path / "run" / "trajectory.extxyz").read_text().split("\n")
    for at in range(0, len(last) - 1, 8):
        for k in range(5):
            place = [float(x) for x in last[at + 2 + k].split()[1:3]]
            assert np.allclose(place, row[k], atol=1e-11)


def silicon(x):
    """Stillinger and Weber's silicon in its own units, of places x (3 N,), real or complex."""
    q = x.reshape(-1, 3)
    d = q[None] - q[:, None]
    eye = np.eye(len(q), dtype=bool)
    r = np.sqrt(np.where(eye, 1.0, np.sum(d * d, axis=2)))
    near = (r.real < 1.8) & ~eye
    r = np.where(near, r, 1.0)
    pairs = 7.049556277 * (0.6022245584 / r**4 - 1) * np.exp(1 / (r - 1.8))
    fade = np.where(near, np.exp(1.2 / (r - 1.8)), 0)
    angle = np.einsum("ija,ika->ijk", d, d) / (r[:, :, None] * r[:, None, :])
    triples = 21 * (angle + 1 / 3) ** 2 * fade[:, :, None] * fade[:, None, :]
    triples = np.where(eye[None], 0, triples)
    return np.sum(np.where(near, pairs, 0)) / 2 + np.sum(triples) / 2


def slope(x):
    return np.array([silicon(x + 1e-30j * e).imag / 1e-30 for e in np.eye(len(x))])


@pytest.mark.campaign
def test_a_cluster_of_silicon(tmp_path):
    """Angles and a cut-off of the law's own: each structure of the chain by its own Hessian."""
    draw, wells = np.random.default_rng(5), {}
    while len(wells) < 2:
        x = 0.6 * draw.normal(size=18)
        well = minimize(silicon, x, jac=slope, method="BFGS", options={"gtol": 1e-9})
        if well.fun < -6 and np.max(np.abs(slope(well.x))) < 1e-7:  # six atoms, none on one bond
            wells[round(well.fun, 5)] = well.x.reshape(-1, 3)
    text = (
        'study = "om"\n[system]\nparticles = 6\ndimension = 3\ncutoff = 1.8\nswitch = 1.8\n'
        'potential = "sum(i<j, 7.049556277*(0.6022245584/r[i,j]^4 - 1)*exp(1/(r[i,j] - 1.8))) + '
        "sum(i, sum(j<k, 21*(dot(r[j]-r[i], r[k]-r[i])/(r[i,j]*r[i,k]) + 1/3)^2*"
        'exp(1.2/(r[i,j] - 1.8) + 1.2/(r[i,k] - 1.8))))"\n'
        '[ends]\nstart = "s.xyz"\nend = "e.xyz"\nalign = true\n'
    )
    one, other = ((q, ["Si"] * 6) for _, q in sorted(wells.items(), reverse=True))
    metrics = metrics_of(tmp_path, text + PATH, s=one, e=other)
    assert metrics["start_energy"] == pytest.approx(silicon(one[0].ravel()), abs=1e-8)
    rows = (tmp_path / "run" / "trajectory.extxyz").read_text().splitlines()
    assert metrics["chain_saddles"] >= 1
    for at in range(0, len(rows), 8):
        x = np.array([line.split()[1:4] for line in rows[at + 2 : at + 8]], dtype=float).ravel()
        assert np.max(np.abs(slope(x))) < 1e-7
        steps = 1e-5 * np.eye(18)
        matrix = np.array([(slope(x + e) - slope(x - e)) / 2e-5 for e in steps])
        negative = np.sum(np.linalg.eigvalsh((matrix + matrix.T) / 2) < -1e-3)
        assert negative == ("saddle" in rows[at + 1])
