"""The barrier of a cluster's transformation beside ASE's NEB on the same ends, in one run:
`python tests/bench/clusters.py [STUDY]`, by default lj38; a study of Lennard-Jones bodies.

NEB: climbing image, improved tangents, IDPP start, FIRE, until forces are below 0.05 or 500 steps,
with its own Lennard-Jones in NumPy (faster than ASE's). Barriers of both are from the start; ours
is of saddles with one negative mode that steepest descent has verified, NEB's the highest image.
Force calls are evaluations of one configuration. Our searches are done twice in this process, on
one core: the first time compiles (less, where the cache has it), the second, until the barrier is
below NEB's, does not. Ratios are of one run on one machine.
"""

import sys
import time

import numpy as np
from actionrun.runtime.environment.jax_setup import set_switches

NEB_STEPS, NEB_FORCE = 500, 0.05


def lennard_jones():
    from ase.calculators.calculator import Calculator, all_changes

    class LennardJones(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012
        calls = 0

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            LennardJones.calls += 1
            q = self.atoms.positions
            d = q[:, None] - q[None]
            s = np.sum(d * d, axis=2)
            np.fill_diagonal(s, np.inf)
            slope = 8 * (6 * s**-7 - 3 * s**-4)
            energy = 2 * np.sum(s**-6 - s**-3)
            self.results = {"energy": energy, "forces": np.sum(slope[:, :, None] * d, axis=1)}

    return LennardJones


def neb(start, end, images):
    """Barrier from the start, the largest force left, force calls, CPU seconds."""
    from ase import Atoms
    from ase.mep import NEB
    from ase.optimize import FIRE

    clock, kind = time.process_time(), lennard_jones()

    def atoms(q):
        places = np.pad(q, ((0, 3 - len(q)), (0, 0))).T
        return Atoms(["Ar"] * q.shape[1], positions=places, calculator=kind())

    chain = [atoms(start), *(atoms(start) for _ in range(images - 2)), atoms(end)]
    band = NEB(chain, climb=True, method="improvedtangent")
    band.interpolate("idpp")
    optimiser = FIRE(band, logfile=None, maxstep=0.05)
    optimiser.run(fmax=NEB_FORCE, steps=NEB_STEPS)
    energies = [image.get_potential_energy() for image in chain]
    left = float(np.max(np.linalg.norm(band.get_forces().reshape(-1, 3), axis=1)))
    return max(energies) - energies[0], left, kind.calls, time.process_time() - clock


def ours(name, until=-np.inf):
    """The ends, the history of (CPU seconds, searches, barrier) of a study's search, which ends
    when the barrier is not above `until`, and images of a string."""
    from pathlib import Path

    from actionrun.compiler.om.build import build
    from actionrun.runtime import load
    from actionrun.runtime.data.observations import observations

    clock = time.process_time()
    study = load(Path(__file__).parents[2] / "studies" / f"{name}.toml")
    march = build(study, observations(study)).solver
    both, search = march.ends, march.search
    state, history = search.start(), []
    for step in range(search.total):
        search.advance(state, step)
        barrier = float(state["lid"]) - both.start.point.energy
        history.append((time.process_time() - clock, int(state["searches"]), barrier))
        if barrier <= until:
            break
    return both, history, study.refine.images


def main(name="lj38"):
    set_switches()
    both, history, images = ours(name)
    print(f"{name}: ends {both.aligned[0].distance:.4f} apart once aligned")
    barrier, left, calls, seconds = neb(both.start.q, both.aligned[0].q, images)
    print(f"{'':28}{'barrier':>10}{'CPU s':>9}  work")
    print(f"{'ASE NEB':28}{barrier:10.5f}{seconds:9.1f}  {calls} force calls, largest force left "
          f"{left:.2g}")  # fmt: skip
    metrics = np.inf
    for second, searches, lid in history:
        if lid < metrics - 1e-6 or searches == history[-1][1]:
            print(f"{'actionrun':28}{lid:10.5f}{second:9.1f}  {searches} searches")
            metrics = lid
    for word, rows in (("first call", history), ("compiled", ours(name, barrier)[1])):
        below = [second for second, _, lid in rows if lid <= barrier]
        if below:
            print(f"not above NEB's barrier after {below[0]:.1f} s, {below[0] / seconds:.2f} of "
                  f"its time ({word})")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
