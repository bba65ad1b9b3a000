"""Makes studies/structures/morse13_*.xyz and lj2d_*.xyz: minima found by quenches of random or
built clusters. Run by hand; the files are in the repository.
"""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.invariants import fingerprints
from actionrun.compiler.numerics.molecular.minimization import quench
from actionrun.compiler.numerics.molecular.stationary_points import stationary_point
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import particle_system
from actionrun.runtime.environment.jax_setup import set_switches
from actionrun.spec import loads

HOME = Path(__file__).parents[2] / "studies" / "structures"
STUDY = """
study = "om"
title = "ends"
[system]
particles = {n}
dimension = {dim}
pair = "{pair}"
[ends]
start = "a.xyz"
end = "b.xyz"
[path]
duration = 1.0
points = 41
"""
MORSE = "exp(6*(1 - r))*(exp(6*(1 - r)) - 2)"
LENNARD_JONES = "4*((1/r)^12 - (1/r)^6)"


def potential(n, dim, pair):
    return particle_system(system_settings(loads(STUDY.format(n=n, dim=dim, pair=pair)))).potential


def distinct(land, q):
    """Minima below q (dim, N, B), polished, the lowest first, no copies."""
    result = quench(land, jnp.asarray(q))
    ok = np.asarray(result.converged)
    points = [stationary_point(land, np.asarray(result.q)[..., k]) for k in np.flatnonzero(ok)]
    points = [p for p in points if p.negative == 0 and p.gradient < 1e-10]
    kept = []
    for p in sorted(points, key=lambda p: p.energy):
        marks = fingerprints(p.q[..., None], np.zeros(p.q.shape[1]))[0]
        if not any(
            abs(p.energy - o.energy) < 1e-8 and np.allclose(marks, m, rtol=1e-6) for o, m in kept
        ):
            kept.append((p, marks))
    return [p for p, _ in kept]


def write(name, point, words):
    q = point.q - point.q.mean(axis=1, keepdims=True)
    q = np.pad(q, ((0, 3 - len(q)), (0, 0)))
    head = f'Properties=species:S:1:pos:R:3 units="reduced" energy={point.energy:.9f}'
    head += f' label="{words}"'
    lines = [str(q.shape[1]), head]
    lines += ["X " + " ".join(f"{x:.12f}" for x in one) for one in q.T]
    (HOME / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def morse():
    land = potential(13, 3, MORSE)
    draw = np.random.default_rng(1)
    q = draw.normal(size=(3, 13, 150))
    q = 1.1 * q / np.linalg.norm(q, axis=0) * draw.uniform(0.2, 1, (1, 13, 150)) ** (1 / 3)
    result = distinct(land, q)
    print("Morse", [round(p.energy, 6) for p in result[:12]])
    return result


def island():
    """Rows of 5 and 4, and one body in a hollow of the upper row: in the middle, or at a side."""
    land = potential(10, 2, LENNARD_JONES)
    a, h = 1.11, 1.11 * np.sqrt(3) / 2
    rows = [(k * a, 0.0) for k in range(5)] + [((k + 0.5) * a, h) for k in range(4)]
    result = []
    for place in (2.0, 1.0):
        q = np.array([*rows, (place * a, 2 * h)]).T[..., None]
        result += distinct(land, q)
    print("island", [(p.energy, p.negative) for p in result])
    return result


if __name__ == "__main__":
    set_switches()
    found = morse()
    if len(sys.argv) > 1:
        write("morse13_start.xyz", found[int(sys.argv[1])], "a minimum of 13 bodies, Morse, rho 6")
        write("morse13_ico.xyz", found[0], "icosahedron of 13 bodies, Morse, rho 6")
    middle, side = island()
    write("lj2d_middle.xyz", middle, "the adatom in the middle hollow")
    write("lj2d_side.xyz", side, "the adatom in a hollow at a side")
