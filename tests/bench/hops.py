"""Barriers of hops in crystals and on a surface beside ASE's climbing band and dimer, in one run:
`python tests/bench/hops.py [vacancy] [interstitial] [adatom]`, by default all three.

vacancy, interstitial: 107 and 109 Lennard-Jones atoms in a periodic fcc box, cut-off 2.3; adatom:
on Cu(100), three layers free and three frozen, by the Gupta potential of Cleri and Rosato (Phys.
Rev. B 48, 22, 1993), energies in eV, lengths in distances of neighbours. Both sides have the same
potential with the same quintic switch; ASE's is NumPy, all pairs at once.

ASE: ends relaxed by BFGS, 7 images, IDPP start, improved tangents, FIRE, then climbing, until
forces are below 0.05 of the unit; the highest image then goes to its saddle by the dimer method,
until forces are below 1e-4. Ours: a study with a budget of 8 searches and one iteration of the path
of least action, which the barrier does not rest on; the saddle has one negative mode, and steepest
descent has verified both its minima. The first run compiles (less, where the cache has it), the
second does not. CPU seconds of one core.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

for name in ("NPROC", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from actionrun.runtime import load, run  # noqa: E402

FORCE, BAND_FORCE, BAND_STEPS, IMAGES = 1e-4, 0.05, 500, 7
LATTICE = 1.5496  # of the Lennard-Jones crystal
CUTOFF = {"vacancy": 2.3, "interstitial": 2.3, "adatom": 1.9}
COPPER = {"A": 0.0855, "xi": 1.224, "p": 10.96, "q": 2.278}
STUDY = """
study = "om"
[system]
particles = {n}
dimension = 3
{law}
cutoff = {cutoff}
box = {{ cell = {cell}, periodic = {periodic} }}
frozen = {frozen}
{parameters}
[ends]
start = "start.xyz"
end = "end.xyz"
[path]
duration = 1.0
points = 8
[training]
epochs = 1
[refine]
barrier = true
searches = 8
images = 11
"""


def switch(s, cutoff):
    """The quintic in s = r^2 from 0.9 of the cut-off on, and its slope by s."""
    low, high = (0.9 * cutoff) ** 2, cutoff**2
    x = np.clip((s - low) / (high - low), 0, 1)
    return 1 - x**3 * (10 - 15 * x + 6 * x * x), -30 * (x * (1 - x)) ** 2 / (high - low)


def lennard_jones(s, cutoff):
    u = s**-3
    value, slope = 4 * (u * u - u), 4 * (3 * u - 6 * u * u) / s
    S, S1 = switch(s, cutoff)
    return np.sum(value * S) / 2, value * S1 + slope * S


def gupta(s, cutoff):
    r = np.sqrt(s)
    S, S1 = switch(s, cutoff)
    push = COPPER["A"] * np.exp(-COPPER["p"] * (r - 1))
    bond = COPPER["xi"] ** 2 * np.exp(-2 * COPPER["q"] * (r - 1))
    root = np.sqrt(np.sum(bond * S, axis=1))
    d_push = push * S1 - COPPER["p"] * push / (2 * r) * S
    d_bond = bond * S1 - COPPER["q"] * bond / r * S
    # of a pair: d_push from each of its two atoms, d_bond in the roots of both
    slope = 2 * d_push - d_bond * (1 / root[:, None] + 1 / root[None]) / 2
    return np.sum(push * S) - np.sum(root), slope


def calculator(law, cutoff):
    from ase.calculators.calculator import Calculator, all_changes

    class Pairs(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012
        calls = 0

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            Pairs.calls += 1
            edges, q = np.diag(self.atoms.cell), self.atoms.positions
            d = q[:, None] - q[None]
            d -= np.where(self.atoms.pbc, edges * np.round(d / edges), 0)
            s = np.sum(d * d, axis=2)
            near = (s < cutoff**2) & (s > 0)
            energy, slope = law(np.where(near, s, cutoff**2), cutoff)
            slope = np.where(near, slope, 0)
            self.results = {"energy": energy, "forces": -2 * np.einsum("ij,ijk->ik", slope, d)}

    return Pairs


def crystal():
    cells = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    return (cells[:, None] + basis).reshape(-1, 3) * LATTICE, np.full(3, 3 * LATTICE)


def vacancy():
    q, edges = crystal()
    end = q.copy()
    end[3] = q[0]  # the atom beside the hole goes into it
    return q[1:], end[1:], edges, (True,) * 3, []


def interstitial():
    """A split pair along z jumps to a neighbour's place, where it lies along x."""
    q, edges = crystal()
    off = 0.3 * LATTICE
    start, end = np.concatenate([q, q[:1]]), np.concatenate([q, q[2:3]])
    start[0, 2] -= off
    start[-1, 2] += off
    end[-1, 0] -= off
    end[2, 0] += off
    return start, end, edges, (True,) * 3, []


def adatom():
    side, layers = 4, 6
    plane = np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"), -1).reshape(-1, 2)
    rows = [np.column_stack([plane + 0.5 * (k % 2), np.full(side**2, k / np.sqrt(2))])
            for k in range(layers)]  # fmt: skip
    slab = np.concatenate(rows).astype(float)
    height = layers / np.sqrt(2)
    places = [np.array([[1.0 + x, 1.0, height]]) for x in (0, 1)]
    start, end = (np.concatenate([slab, one]) for one in places)
    edges = np.array([side, side, height + 12.0])
    return start, end, edges, (True, True, False), [k + 1 for k in range(3 * side**2)]


def ase(law, cutoff, start, end, edges, periodic, frozen):
    """Barrier, force calls and CPU seconds of the band and the dimer."""
    from ase import Atoms
    from ase.constraints import FixAtoms
    from ase.mep import NEB, DimerControl, MinModeAtoms, MinModeTranslate
    from ase.optimize import BFGS, FIRE

    kind, clock = calculator(law, cutoff), time.process_time()

    def atoms(q):
        one = Atoms(["Cu"] * len(q), positions=q, cell=edges, pbc=periodic, calculator=kind())
        one.set_constraint(FixAtoms(indices=[k - 1 for k in frozen]))
        return one

    ends = [atoms(q) for q in (start, end)]
    for one in ends:
        BFGS(one, logfile=None).run(fmax=FORCE)
    chain = [ends[0], *(atoms(start) for _ in range(IMAGES - 2)), ends[1]]
    for climb in (False, True):
        band = NEB(chain, climb=climb, method="improvedtangent")
        if not climb:
            band.interpolate("idpp", mic=True)
        FIRE(band, logfile=None, maxstep=0.05).run(fmax=BAND_FORCE, steps=BAND_STEPS)
    energies = [image.get_potential_energy() for image in chain]
    top = int(np.argmax(energies))
    way = chain[top + 1].positions - chain[top - 1].positions
    mask = [k + 1 not in frozen for k in range(len(start))]
    dimer = MinModeAtoms(
        chain[top], DimerControl(initial_eigenmode_method="displacement",
                                 displacement_method="vector", logfile=None, mask=mask),
    )  # fmt: skip
    dimer.displace(displacement_vector=1e-3 * way / np.linalg.norm(way))
    MinModeTranslate(dimer, logfile=None).run(fmax=FORCE, steps=1000)
    left = float(np.max(np.linalg.norm(dimer.get_forces(), axis=1)))
    barrier = dimer.get_potential_energy() - energies[0]
    return barrier, left, kind.calls, time.process_time() - clock


def ours(folder, name, law, cutoff, start, end, edges, periodic, frozen):
    """Barrier from the start, and CPU seconds of two runs."""
    words = 'pair = "4*((1/r)^12 - (1/r)^6)"' if law is lennard_jones else (
        'potential = "sum(i, sum(j, A*exp(-p*(r[i,j] - 1)))'
        ' - sqrt(sum(j, xi^2*exp(-2*q*(r[i,j] - 1)))))"'
    )  # fmt: skip
    table = "".join(f"{k} = {x}\n" for k, x in COPPER.items()) if law is gupta else ""
    (folder / "hop.toml").write_text(STUDY.format(
        n=len(start), law=words, cutoff=cutoff, cell=np.diag(edges).tolist(), frozen=frozen,
        periodic=str(list(periodic)).lower(), parameters="[parameters]\n" + table,
    ))  # fmt: skip
    for file, q in (("start", start), ("end", end)):
        rows = "\n".join("Cu " + " ".join(f"{x:.12f}" for x in one) for one in q)
        (folder / f"{file}.xyz").write_text(f"{len(q)}\n\n{rows}\n")
    seconds = []
    for k in range(2):
        clock = time.process_time()
        run(load(folder / "hop.toml"), out=folder / f"{name}{k}")
        seconds.append(time.process_time() - clock)
    return json.loads((folder / f"{name}1" / "result.json").read_text())["metrics"], seconds


def main(*names):
    cases = {"vacancy": (vacancy, lennard_jones), "interstitial": (interstitial, lennard_jones),
             "adatom": (adatom, gupta)}  # fmt: skip
    print(f"{'':14}{'':10}{'barrier':>12}{'CPU s':>8}")
    for name in names or cases:
        make, law = cases[name]
        system = make()
        with tempfile.TemporaryDirectory() as folder:
            metrics, seconds = ours(Path(folder), name, law, CUTOFF[name], *system)
        barrier = metrics.get("barrier_forward", np.nan)
        print(f"{name:14}{'actionrun':10}{barrier:12.7f}{seconds[1]:8.1f}  first run "
              f"{seconds[0]:.1f}", flush=True)  # fmt: skip
        right, left, calls, clock = ase(law, CUTOFF[name], *system)
        print(f"{'':14}{'ASE':10}{right:12.7f}{clock:8.1f}  {calls} force calls, largest force "
              f"left {left:.1e}", flush=True)  # fmt: skip
        print(f"{'':14}{'':10}{abs(barrier / right - 1):12.1e}{seconds[1] / clock:8.2f}  relative "
              "difference, ratio of times", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
