"""Forces of a Lennard-Jones liquid, one command: `python tests/bench/forces.py`.

500 atoms in a periodic box, density 0.7876, cut-off 2.5: our forces of 32 configurations at once
(as a path asks for them) and of one (as molecular dynamics does), beside ASE's LennardJones and
OpenMM's CPU platform in one thread. OpenMM takes its own Lennard-Jones force, which has a switch of
another form, and a custom force of our formula, which our forces are compared with. CPU time of one
configuration, without the making of neighbour lists where a code keeps them; take the ratios and
not the seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

os.environ["OPENMM_CPU_THREADS"] = "1"

from actionrun.runtime.environment.jax_setup import set_switches

set_switches()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from actionrun.compiler.numerics.molecular.molecular_dynamics import lattice  # noqa: E402
from actionrun.compiler.om.build import system_settings  # noqa: E402
from actionrun.compiler.om.particle_system import ParticleSystem, particle_system  # noqa: E402
from actionrun.spec import load  # noqa: E402
from ase import Atoms  # noqa: E402
from ase.calculators.lj import LennardJones  # noqa: E402
from om import STUDIES  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

IMAGES = 32
NOISE = 0.07  # of the places about a lattice
SECONDS = 1.0  # each is timed for this long at least
SWITCHED = (
    "4*(u^6 - u^3)*S; u = 1/s; S = 1 - x^3*(10 - 15*x + 6*x^2);"
    "x = min(1, max(0, (s - first)/(last - first))); s = r^2"
)


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds of work that has been done once already."""
    jax.block_until_ready(work())
    start, count = time.process_time(), 0
    while (spent := time.process_time() - start) < SECONDS:
        jax.block_until_ready(work())
        count += 1
    return spent / count


def ours(result: ParticleSystem, q: jax.Array) -> tuple[float, np.ndarray]:
    neighbors = result.potential.neighbor_list(q)
    forces = jax.jit(lambda q: result.potential.forces(q, neighbors))
    return timed(lambda: forces(q)) / q.shape[2], np.asarray(forces(q))


def ases(result: ParticleSystem, q: np.ndarray) -> float:
    atoms = Atoms(f"Ar{q.shape[1]}", positions=q[..., 0].T, cell=[result.edge] * 3, pbc=True)
    atoms.calc = LennardJones(sigma=1.0, epsilon=1.0, rc=result.cutoff, smooth=False)

    def work() -> np.ndarray:
        atoms.calc.reset()
        return atoms.get_forces()

    return timed(work)


def openmms(result: ParticleSystem, q: np.ndarray, custom: bool) -> tuple[float, np.ndarray]:
    import openmm  # pyright: ignore[reportMissingImports]

    assert result.edge is not None and result.cutoff is not None and result.switch is not None
    system, n = openmm.System(), q.shape[1]
    edge = result.edge
    system.setDefaultPeriodicBoxVectors((edge, 0, 0), (0, edge, 0), (0, 0, edge))
    if custom:
        force = openmm.CustomNonbondedForce(SWITCHED)
        force.addGlobalParameter("first", result.switch**2)
        force.addGlobalParameter("last", result.cutoff**2)
        force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    else:
        force = openmm.NonbondedForce()
        force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
        force.setUseDispersionCorrection(False)
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(result.switch)
    force.setCutoffDistance(result.cutoff)
    for _ in range(n):
        system.addParticle(1.0)
        force.addParticle(()) if custom else force.addParticle(0.0, 1.0, 1.0)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(
        system,
        openmm.VerletIntegrator(0.001),
        platform,
        {"Threads": "1", "DeterministicForces": "true"},
    )
    places = q[..., 0].T.copy()

    def work() -> Any:
        context.setPositions(places)
        return context.getState(getForces=True)

    return timed(work), np.asarray(work().getForces(asNumpy=True)._value)


def main() -> None:
    result = particle_system(system_settings(load(STUDIES / "lj_liquid.toml")))
    assert result.edge is not None
    dim, n = result.shape
    rng = np.random.default_rng(0)
    q = lattice(n, dim, result.edge, 0) + NOISE * rng.normal(size=(dim, n, 1))
    many = jnp.asarray(q + 0.02 * rng.normal(size=(dim, n, IMAGES)))
    each, _ = ours(result, many)
    one, forces = ours(result, jnp.asarray(q))
    rows = [(f"ours, {IMAGES} configurations at once", each), ("ours, one configuration", one),
            ("ASE, LennardJones", ases(result, q))]  # fmt: skip
    try:
        for name, custom in (("OpenMM, NonbondedForce, single precision", False),
                             ("OpenMM, our formula, single precision", True)):  # fmt: skip
            seconds, there = openmms(result, q, custom)
            rows.append((name, seconds))
        apart = np.max(np.abs(forces[..., 0].T - there)) / np.max(np.abs(there))
        said = f"our forces and OpenMM's of our formula differ by {apart:.1e} of the largest"
    except ImportError:
        said = "OpenMM is not installed: pip install 'actionrun[bench]'"
    console = Console()
    table = Table("forces of 500 atoms", "CPU ms", "over ours", title="one configuration")
    for name, seconds in rows:
        table.add_row(name, f"{1e3 * seconds:.2f}", f"{seconds / each:.2f}")
    console.print(table)
    console.print(said)


if __name__ == "__main__":
    main()
