"""XYZ and extended XYZ, read with the place of each fault.

    8
    Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:velo:R:3 Time=0.5
    Ar 0.0 0.0 0.0 0.1 0.2 0.3
    ...

Without `Properties` a line holds a name and a place, and what follows is passed over. Of the
comment's keys Properties, Lattice and pbc are read; of the columns species, pos, velo, momenta and
move_mask (atoms with F are held; ASE's FixAtoms).
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from actionrun.spec.text.source import Fault, Faults

from .cells import number_in

MOST_BYTES = 100 * 2**20
MOST_COMMENT = 20_000  # characters
MOST_FAULTS = 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,15}")
PLAIN = "species:S:1:pos:R:3"
KEPT = {"species": 1, "pos": 3, "velo": 3, "momenta": 3, "move_mask": 1}
CELL = 'write Lattice="a 0 0 0 b 0 0 0 c", nine numbers, three for each vector'
PERIODIC = 'write pbc="T T F", a letter for each vector of the cell'


@dataclass(frozen=True)
class Structure:
    """Places (N, 3) and names (N,) of atoms; vectors of the `cell` (3, 3), a row each, and along
    which of them it is `periodic`; None where the file does not say. `frozen` (N,): held by
    move_mask. Atom k stands in line `line` + k."""

    path: Path
    line: int
    text: tuple[str, ...]
    positions: np.ndarray
    species: np.ndarray
    velocities: np.ndarray | None
    cell: np.ndarray | None = None
    periodic: tuple[bool, ...] | None = None
    momenta: np.ndarray | None = None
    frozen: np.ndarray | None = None

    def fault(self, code: str, message: str, hint: str = "", atom: int | None = None) -> Faults:
        """One fault at an atom, or at the number of atoms."""
        line = self.line - 2 if atom is None else self.line + atom
        text = str(len(self.text)) if atom is None else self.text[atom]
        width = max(1, len(text))
        return Faults([Fault(code, message, str(self.path), line, 1, width, "", text, hint=hint)])


def structures(path: Path) -> Iterator[Structure]:
    """Every structure of a file, one after the other. Raises Faults."""
    lines = _lines(path)
    at, last = 0, len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    if not last:
        raise Faults([Fault("structure.empty", "the file holds no structure", str(path))])
    while at < last:
        reader = _Reader(path, lines[:last], at)
        yield reader.structure()
        at = reader.end


def _lines(path: Path) -> list[str]:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            message = f"{size / 2**20:.0f} MB, and {MOST_BYTES // 2**20} MB can be read"
            raise Faults([Fault("structure.size", message, str(path))])
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        message = f"this is no UTF-8 text (byte {error.start})"
        raise Faults([Fault("structure.text", message, str(path))]) from None
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise Faults([Fault("structure.read", f"cannot be read: {reason}", str(path))]) from None


class _Reader:
    """One structure of a file, from line index `at`; `end` is the index behind it."""

    def __init__(self, path: Path, lines: list[str], at: int):
        self.path, self.lines, self.at = path, lines, at
        self.faults: list[Fault] = []
        count = lines[at].strip()
        if not re.fullmatch(r"[0-9]{1,9}", count) or not int(count):
            hint = "a structure begins with a line that holds the number of its atoms"
            self.add(at, "structure.count", "the number of atoms is wanted here", hint)
            raise Faults(self.faults)
        self.count = int(count)
        self.end = at + 2 + self.count
        if self.end > len(lines):
            there = max(0, len(lines) - at - 2)
            self.add(at, "structure.short", f"{self.count} atoms are announced, {there} follow",
                     "correct the number, or add what is missing")  # fmt: skip
            raise Faults(self.faults)

    def add(
        self, at: int, code: str, message: str, hint: str = "", span: tuple[int, int] | None = None
    ) -> None:
        if len(self.faults) < MOST_FAULTS:
            text = self.lines[at]
            start, stop = span or (0, len(text))
            width = max(1, stop - start)
            self.faults.append(
                Fault(code, message, str(self.path), at + 1, start + 1, width, "", text, hint=hint)
            )

    def structure(self) -> Structure:
        keys = self._keys()
        kinds = self._columns(keys)
        width = sum(size for _, size in kinds)
        names, rows = [], np.zeros((self.count, width))
        for k in range(self.count):
            cells = [
                (m.group(), m.span()) for m in re.finditer(r"\S+", self.lines[self.at + 2 + k])
            ]
            if len(cells) < width or (len(cells) > width and "Properties" in keys):
                hint = "a line holds a name and three coordinates: Ar 0.0 0.5 1.0"
                if "Properties" in keys:
                    hint = "the comment line names the columns in Properties"
                message = f"{len(cells)} columns, {width} wanted"
                self.add(self.at + 2 + k, "structure.row", message, hint)
                continue
            names.append(self._row(k, kinds, cells, rows))
        cell, periodic = self._cell(keys)
        if self.faults:
            raise Faults(self.faults)
        parts = dict(_split(kinds, rows))
        first = self.at + 3
        text = tuple(self.lines[first - 1 : first - 1 + self.count])
        return Structure(
            self.path,
            first,
            text,
            parts["pos"],
            np.array(names, dtype=str),
            parts.get("velo"),
            cell,
            periodic,
            parts.get("momenta"),
            None if "move_mask" not in parts else parts["move_mask"][:, 0] == 0,
        )

    def _keys(self) -> dict[str, str]:
        text = self.lines[self.at + 1]
        if len(text) > MOST_COMMENT:
            self.add(self.at + 1, "structure.comment", f"a comment of {len(text)} characters",
                     f"{MOST_COMMENT} can be read")  # fmt: skip
            raise Faults(self.faults)
        if not any(key in text for key in ("Properties", "Lattice", "pbc")):
            return {}
        try:
            words = shlex.split(text, posix=True)
        except ValueError:
            self.add(self.at + 1, "structure.comment", "a quotation mark is not closed")
            raise Faults(self.faults) from None
        return dict(word.split("=", 1) for word in words if "=" in word)

    def _columns(self, keys: Mapping[str, str]) -> list[tuple[str, int]]:
        text = keys.get("Properties", PLAIN)
        parts = text.split(":")
        triples = list(zip(parts[::3], parts[1::3], parts[2::3], strict=False))
        sizes = all(re.fullmatch(r"[1-9][0-9]?", size) for _, _, size in triples)
        kinds = [(name, int(size)) for name, _, size in triples] if sizes else []
        kept = [(n, s) for n, s in kinds if n in KEPT]
        wanted = [("species", 1), ("pos", 3)]
        right = len(parts) % 3 == 0 and all(kept.count(one) == 1 for one in wanted)
        if ("move_mask", 3) in kept:
            self.add(self.at + 1, "structure.properties", "a move_mask for each component",
                     "hold whole atoms: move_mask:L:1")  # fmt: skip
            raise Faults(self.faults)
        if not right or any(s != KEPT[n] for n, s in kept) or len({*kept}) < len(kept):
            self.add(self.at + 1, "structure.properties", "Properties that cannot be read",
                     "write Properties=species:S:1:pos:R:3, or with velocities "
                     "Properties=species:S:1:pos:R:3:velo:R:3")  # fmt: skip
            raise Faults(self.faults)
        return kinds

    def _row(self, k: int, kinds, cells, rows: np.ndarray) -> str:
        at, column, name = self.at + 2 + k, 0, ""
        for kind, size in kinds:
            for text, span in cells[column : column + size]:
                if kind == "species":
                    name = text
                    if not NAME.fullmatch(text):
                        self.add(at, "structure.species", f'"{text[:40]}" is no name of an atom',
                                 "names have up to 16 letters and digits: Ar", span)  # fmt: skip
                elif kind == "move_mask":
                    rows[k, column] = self._mask(at, text, span)
                elif kind in KEPT:
                    rows[k, column] = self._number(at, text, span)
                column += 1
        return name

    def _mask(self, at: int, text: str, span: tuple[int, int]) -> float:
        if text.lower() not in ("t", "true", "1", "f", "false", "0"):
            self.add(at, "structure.mask", f'"{text[:40]}" is neither T nor F',
                     "write T for an atom that moves, F for one that is held", span)  # fmt: skip
        return float(text.lower() in ("t", "true", "1"))

    def _number(self, at: int, text: str, span: tuple[int, int]) -> float:
        value = number_in(text, ".")
        if value is None or not math.isfinite(value):
            self.add(at, "structure.number", f'"{text[:40]}" is not a finite number',
                     "write decimals with a point: 0.5", span)  # fmt: skip
            return math.nan
        return value

    def _cell(self, keys: Mapping[str, str]) -> tuple[np.ndarray | None, tuple[bool, ...] | None]:
        """The vectors of the cell, a row each, and along which of them the structure repeats."""
        if "Lattice" not in keys and "pbc" not in keys:
            return None, None
        words = keys.get("pbc", "T T T").strip("[]").replace(",", " ").split()
        letters = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
        flags = [letters.get(word.lower()) for word in words]
        flags = flags * 3 if len(flags) == 1 else flags
        if len(flags) != 3 or None in flags:
            self.add(self.at + 1, "structure.periodic", "pbc that cannot be read", PERIODIC)
            return None, None
        periodic = tuple(bool(flag) for flag in flags)
        if "Lattice" not in keys:
            if any(periodic):
                self.add(self.at + 1, "structure.cell", "periodic, without a Lattice", CELL)
            return None, periodic
        numbers = [number_in(text, ".") for text in keys["Lattice"].split()]
        cell = np.array(numbers if len(numbers) == 9 else [None] * 9, float).reshape(3, 3)
        sizes = np.linalg.norm(cell, axis=1)
        axes = np.flatnonzero(periodic)
        part = cell[axes] / np.where(sizes[axes] > 0, sizes[axes], 1)[:, None]
        volume = np.linalg.det(part @ part.T) if len(axes) and np.isfinite(cell).all() else 1.0
        if not np.isfinite(cell).all() or not volume > 1e-12 or not np.all(sizes[axes] > 0):
            self.add(self.at + 1, "structure.cell", "the cell has no finite volume", CELL)
        return cell, periodic


def _split(kinds: list[tuple[str, int]], rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    at = 0
    for name, size in kinds:
        yield name, rows[:, at : at + size]
        at += size
