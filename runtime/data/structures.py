"""Structures of atoms: the two ends of a path from files, a trajectory as extended XYZ.

Of a file with several structures "a.xyz@2" names one (from 0; -1 is the last); where one file is
both ends of a path the first structure is its start and the last its end. In a study with units
places are in angstrom, velocities in angstrom/fs, momenta in sqrt(u*eV) as ASE has them, else all
are plain numbers.
"""

from __future__ import annotations

import re

import numpy as np
from actionrun.compiler.findings import Trajectory
from actionrun.spec.kinds.experiment import StructureFiles
from actionrun.spec.kinds.om import Om
from actionrun.spec.kinds.registry import Study
from actionrun.spec.tables.system import System
from actionrun.spec.text.source import Faults
from actionrun.spec.units.atomic_units import atomic

from .xyz import PLAIN, Structure, structures

ELEMENTS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy "
    "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf "
    "Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
NOT_WORDS = re.compile(r"[^\w .,:+-]")


def ends(study: Study, files: StructureFiles) -> dict[str, np.ndarray] | None:
    """What the files of [ends] hold, in the study's base units: `start`, `end` (N, dim), with
    `_species` (N,) names, `_velocities` (N, dim) where the file has them, `_cell` (3, 3) and
    `_periodic` (3,) where it says anything of these, `_frozen` (N,) where it has a move_mask.

    None where only one end is a file. Raises Faults: what is wrong in a file, and files that do not
    fit the study or each other.
    """
    if len(files.paths) < 2:
        return None
    first, last = (_chosen(study, files, name) for name in ("start", "end"))
    scale = atomic(study.units)
    columns: dict[str, np.ndarray] = {}
    for name, one in (("start", first), ("end", last)):
        _require_count(study.system, one)
        columns[name] = _within(study.system, one) / scale.length
        columns[f"{name}_species"] = one.species
        if (velocities := _velocities(study, one)) is not None:
            columns[f"{name}_velocities"] = velocities[:, : columns[name].shape[1]]
        if one.cell is not None:
            columns[f"{name}_cell"] = one.cell / scale.length
        if one.periodic is not None:
            columns[f"{name}_periodic"] = np.array(one.periodic)
        if one.frozen is not None:
            columns[f"{name}_frozen"] = one.frozen
    _require_alike(first, last, files.align)
    return columns


def _chosen(study: Study, files: StructureFiles, name: str) -> Structure:
    """The structure of a file that an end names. Raises Faults where a file holds several, and the
    study does not say which."""
    each, frame = [*structures(files.paths[name])], files.frames.get(name)
    if frame is None and len(each) > 1:
        if files.paths["start"] == files.paths["end"] and files.frames.get("end") is None:
            return each[0 if name == "start" else -1]
        file = files.names[name]
        raise Faults([study.fault(
            ("ends", name), None, "ends.frame", f"{file} holds {len(each)} structures",
            f'say which: write {name} = "{file}@0" for the first, "{file}@-1" for the last',
        )])  # fmt: skip
    if frame is not None and not -len(each) <= frame < len(each):
        raise Faults([study.fault(
            ("ends", name), None, "ends.frame",
            f"{files.names[name]} holds {len(each)} structures, numbered from 0",
            f'write {name} = "{files.names[name]}@{len(each) - 1}" for the last',
        )])  # fmt: skip
    return each[frame or 0]


def _velocities(study: Study, one: Structure) -> np.ndarray | None:
    """Velocities (N, 3) in base units: those of the file, or its momenta over the study's masses.

    Raises Faults where a file has both and they disagree.
    """
    scale = atomic(study.units)
    given = None if one.velocities is None else one.velocities * (scale.time / scale.length)
    wanted = isinstance(study, Om) and "velocities" in study.ends.given
    if one.momenta is None or not wanted:
        return given
    mass = study.system.mass
    if isinstance(mass, dict):
        if not {*one.species} <= {*mass}:
            return given  # that is told as a fault of the species
        masses = np.array([study.number(mass[name]) for name in one.species])
    else:
        masses = np.full(len(one.species), 1.0 if mass is None else study.number(mass))
    result = one.momenta / scale.momentum / masses[:, None]
    if given is None:
        return result
    off = np.max(np.abs(given - result), axis=1) > 1e-4 * np.max(np.abs(result)) + 1e-12
    if off.any():
        raise one.fault(
            "structure.momenta", "velo and momenta disagree by the study's masses",
            "keep one of the two columns, or correct mass in [system]", int(np.argmax(off)),
        )  # fmt: skip
    return result if given is None else given


def extended_xyz(trajectory: Trajectory) -> str:
    """A trajectory as text that ASE, OVITO and VMD read.

    Beside velocities (`velo`) stand masses and momenta: ASE knows these two. It knows no species
    but the elements, so another name stands in a column of its own behind an X.
    """
    count, n, dim = trajectory.positions.shape
    columns = [trajectory.positions]
    properties = PLAIN
    if trajectory.masses is not None:
        columns.append(np.broadcast_to(np.asarray(trajectory.masses)[None, :, None], (count, n, 1)))
        properties += ":masses:R:1"
    for name, part in (("velo", trajectory.velocities), ("momenta", trajectory.momenta)):
        if part is not None:
            columns.append(part)
            properties += f":{name}:R:3"
    names, elements = list(trajectory.species), set(ELEMENTS.split())
    if not elements.issuperset(names):
        names = [name if name in elements else "X" for name in names]
        names = [f"{name} {own}" for name, own in zip(names, trajectory.species, strict=True)]
        properties = properties.replace(":S:1:", ":S:1:name:S:1:", 1)
    mask = [""] * n
    if trajectory.frozen is not None:
        properties += ":move_mask:L:1"
        mask = [" F" if held else " T" for held in trajectory.frozen]
    padded = [_padded(part, dim) for part in columns]
    text: list[str] = []
    for frame in range(count):
        rows = np.concatenate([part[frame] for part in padded], axis=1).tolist()
        text += [str(n), _comment(trajectory, frame, properties, dim)]
        for name, row, held in zip(names, rows, mask, strict=True):
            text.append(f"{name} " + " ".join(f"{x:.12g}" for x in row) + held)
    return "\n".join(text) + "\n"


def _padded(part: np.ndarray, dim: int) -> np.ndarray:
    """Columns of vectors in three dimensions; XYZ knows no other."""
    size = part.shape[2]
    return np.pad(part, ((0, 0), (0, 0), (0, 3 - size))) if size == dim and dim < 3 else part


def _comment(trajectory: Trajectory, frame: int, properties: str, dim: int) -> str:
    parts: list[str] = []
    if trajectory.cell is not None:
        cell = np.eye(3)
        cell[:dim, :dim] = trajectory.cell
        numbers = [f"{x:.12g}" for x in cell.ravel()]
        parts.append(f'Lattice="{" ".join(numbers)}"')
    parts.append(f"Properties={properties}")
    if trajectory.times is not None:
        parts.append(f"Time={trajectory.times[frame]:.12g}")
    if trajectory.energies is not None:
        parts.append(f"energy={trajectory.energies[frame]:.12g}")
    if trajectory.labels:
        parts.append(f'label="{NOT_WORDS.sub(" ", trajectory.labels[frame])}"')
    flags = [*(trajectory.periodic or (trajectory.cell is not None,) * dim), False, False][:3]
    periodic = ["T" if flag else "F" for flag in flags]
    return " ".join([*parts, f'units="{trajectory.units}"', f'pbc="{" ".join(periodic)}"'])


def _within(system: System, one: Structure) -> np.ndarray:
    """Places in the study's dimension; what is beyond it must be one plane or line."""
    size = system.dimension or 3
    beyond = one.positions[:, size:]
    if beyond.size and not np.allclose(beyond, beyond[:1], rtol=0, atol=1e-9):
        atom = int(np.argmax(np.abs(beyond - beyond[:1]).max(axis=1) > 1e-9))
        raise one.fault("structure.dimension", f"the study has {size} dimensions, and the atoms "
                        "leave them", "write dimension = 3", atom)  # fmt: skip
    return one.positions[:, :size]


def _require_count(system: System, one: Structure) -> None:
    wanted, count = system.particles, len(one.positions)
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
