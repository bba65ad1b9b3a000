"""Structures of atoms: the two ends of a path from files, a trajectory as extended XYZ.

Of a file with several structures the start of a path is the first, its end the last. In a study
with units places are in angstrom and velocities in angstrom/fs, else both are plain numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from actionrun.spec.units.atomic_units import atomic

from .xyz import PLAIN, Structure, structures

if TYPE_CHECKING:
    from actionrun.compiler.findings import Trajectory
    from actionrun.spec.kinds.om import Om

ELEMENTS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy "
    "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf "
    "Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
NOT_WORDS = re.compile(r"[^\w .,:+-]")


def ends(study: Om) -> dict[str, np.ndarray] | None:
    """What the files of [ends] hold, in the study's base units: `start`, `end` (N, dim), with
    `_species` (N,) names, `_velocities` (N, dim) where the file has them, `_cell` () the edge.

    None for ends that are not files. Raises Faults: what is wrong in a file, and files that do not
    fit the study or each other.
    """
    files = {name: getattr(study.ends, name) for name in ("start", "end")}
    if not all(isinstance(file, str) for file in files.values()):
        return None
    first = next(structures(study.ends.path(files["start"])))
    *_, last = structures(study.ends.path(files["end"]))
    scale = atomic(study.units)
    found: dict[str, np.ndarray] = {}
    for name, one in (("start", first), ("end", last)):
        _require_count(study, one)
        found[name] = _within(study, one) / scale.length
        found[f"{name}_species"] = one.species
        if one.velocities is not None:
            speed = scale.length / scale.time
            found[f"{name}_velocities"] = one.velocities[:, : found[name].shape[1]] / speed
        if one.edge is not None:
            found[f"{name}_cell"] = np.array(one.edge / scale.length)
    _require_alike(first, last, study.ends.align)
    return found


def extended_xyz(found: Trajectory) -> str:
    """A trajectory as text that ASE, OVITO and VMD read.

    Beside velocities (`velo`) stand masses and momenta: ASE knows these two. It knows no species
    but the elements, so another name stands in a column of its own behind an X.
    """
    count, n, dim = found.positions.shape
    columns = [found.positions]
    properties = PLAIN
    if found.masses is not None:
        columns.append(np.broadcast_to(np.asarray(found.masses)[None, :, None], (count, n, 1)))
        properties += ":masses:R:1"
    for name, part in (("velo", found.velocities), ("momenta", found.momenta)):
        if part is not None:
            columns.append(part)
            properties += f":{name}:R:3"
    names, elements = list(found.species), set(ELEMENTS.split())
    if not elements.issuperset(names):
        names = [name if name in elements else "X" for name in names]
        names = [f"{name} {own}" for name, own in zip(names, found.species, strict=True)]
        properties = properties.replace(":S:1:", ":S:1:name:S:1:", 1)
    padded = [_padded(part, dim) for part in columns]
    text: list[str] = []
    for frame in range(count):
        rows = np.concatenate([part[frame] for part in padded], axis=1).tolist()
        text += [str(n), _comment(found, frame, properties, dim)]
        for name, row in zip(names, rows, strict=True):
            text.append(f"{name} " + " ".join(f"{x:.12g}" for x in row))
    return "\n".join(text) + "\n"


def _padded(part: np.ndarray, dim: int) -> np.ndarray:
    """Columns of vectors in three dimensions; XYZ knows no other."""
    size = part.shape[2]
    return np.pad(part, ((0, 0), (0, 0), (0, 3 - size))) if size == dim and dim < 3 else part


def _comment(found: Trajectory, frame: int, properties: str, dim: int) -> str:
    parts: list[str] = []
    if found.edge is not None:
        sides = [found.edge if k < dim else 1.0 for k in range(3)]
        cell = [f"{sides[k] if k == m else 0:.12g}" for k in range(3) for m in range(3)]
        parts.append(f'Lattice="{" ".join(cell)}"')
    parts.append(f"Properties={properties}")
    if found.times is not None:
        parts.append(f"Time={found.times[frame]:.12g}")
    if found.energies is not None:
        parts.append(f"energy={found.energies[frame]:.12g}")
    if found.labels:
        parts.append(f'label="{NOT_WORDS.sub(" ", found.labels[frame])}"')
    periodic = ["T" if found.edge is not None and k < dim else "F" for k in range(3)]
    return " ".join([*parts, f'units="{found.units}"', f'pbc="{" ".join(periodic)}"'])


def _within(study: Om, one: Structure) -> np.ndarray:
    """Places in the study's dimension; what is beyond it must be one plane or line."""
    size = study.system.dimension or 3
    beyond = one.positions[:, size:]
    if beyond.size and not np.allclose(beyond, beyond[:1], rtol=0, atol=1e-9):
        atom = int(np.argmax(np.abs(beyond - beyond[:1]).max(axis=1) > 1e-9))
        raise one.fault("structure.dimension", f"the study has {size} dimensions, and the atoms "
                        "leave them", "write dimension = 3", atom)  # fmt: skip
    return one.positions[:, :size]


def _require_count(study: Om, one: Structure) -> None:
    wanted, count = study.system.particles, len(one.positions)
    if wanted is not None and count != wanted:
        raise one.fault(
            "structure.count", f"{count} atoms here, and the study has particles = {wanted}",
            f"write particles = {count} in [system], or take another structure",
        )  # fmt: skip


def _require_alike(first: Structure, last: Structure, align: bool) -> None:
    """Both ends need the same atoms, in the same order unless they are aligned."""
    one, other = _composition(first), _composition(last)
    if one != other:
        raise last.fault(
            "structure.species", f"the end has {other}, the start {one}",
            "both ends of a path hold the same atoms",
        )  # fmt: skip
    different = np.nonzero(first.species != last.species)[0]
    if len(different) and not align:
        k = int(different[0])
        raise last.fault(
            "structure.order", f"atom {k + 1} is {last.species[k]} here and {first.species[k]} at "
            "the start", "write align = true in [ends], or bring the atoms into one order", k,
        )  # fmt: skip


def _composition(one: Structure) -> str:
    names, counts = np.unique(one.species, return_counts=True)
    return " ".join(f"{name}{count}" for name, count in zip(names, counts, strict=True))
