"""Makes studies/structures/morse13_*.xyz, lj13_defect.xyz and lj2d_*.xyz: minima found by quenches
of random or built clusters. Run by hand; the files are in the repository.
"""

import sys
from itertools import combinations
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.invariants import fingerprints
from actionrun.compiler.numerics.molecular.minimization import quench
from actionrun.compiler.numerics.molecular.stationary_points import stationary_point
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import particle_system
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


def write(name, point, words, symbol="X"):
    q = point.q - point.q.mean(axis=1, keepdims=True)
    q = np.pad(q, ((0, 3 - len(q)), (0, 0)))
    head = f'Properties=species:S:1:pos:R:3 units="reduced" energy={point.energy:.9f}'
    head += f' label="{words}"'
    lines = [str(q.shape[1]), head]
    lines += [f"{symbol} " + " ".join(f"{x:.12f}" for x in one) for one in q.T]
    (HOME / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def morse():
    land = potential(13, 3, MORSE)
    draw = np.random.default_rng(1)
    q = draw.normal(size=(3, 13, 150))
    q = 1.1 * q / np.linalg.norm(q, axis=0) * draw.uniform(0.2, 1, (1, 13, 150)) ** (1 / 3)
    result = distinct(land, q)
    print("Morse", [round(p.energy, 6) for p in result[:12]])
    return result


def defect():
    """The icosahedron with one of its atoms on a face of the others: the lowest of such minima."""
    ring = [(np.cos(k * 0.4 * np.pi), np.sin(k * 0.4 * np.pi), 0.5) for k in range(5)]
    half = np.array([*ring, (0, 0, np.sqrt(1.25))])
    shell = np.concatenate([half, -half]) * 1.08 / np.sqrt(1.25)
    starts = []
    for face in combinations(range(11), 3):
        sides = [np.linalg.norm(shell[a] - shell[b]) for a, b in combinations(face, 2)]
        if max(sides) < 1.3:
            middle = shell[list(face)].mean(axis=0)
            atom = middle * (1 + 0.9 / np.linalg.norm(middle))
            starts.append(np.stack([np.zeros(3), *shell[:11], atom]))
    result = distinct(potential(13, 3, LENNARD_JONES), np.stack(starts).transpose(2, 1, 0))
    print("defects", [round(p.energy, 6) for p in result])
    return result[0]


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
    jax.config.update("jax_enable_x64", True)
    found = morse()
    if len(sys.argv) > 1:
        write("morse13_start.xyz", found[int(sys.argv[1])], "a minimum of 13 bodies, Morse, rho 6")
        write("morse13_ico.xyz", found[0], "icosahedron of 13 bodies, Morse, rho 6")
    write("lj13_defect.xyz", defect(), "icosahedron with one atom out of its place", "Ar")
    middle, side = island()
    write("lj2d_middle.xyz", middle, "the adatom in the middle hollow")
    write("lj2d_side.xyz", side, "the adatom in a hollow at a side")
