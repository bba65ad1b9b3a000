"""Two checkouts of this repository, study by study: are their results the same, bit for bit?

    python tests/bench/same_results.py OLD NEW [--studies NAME …] [--jobs N] [--cache DIR] [--out TABLE.md]

OLD and NEW are folders of checkouts. Each study of `studies/` runs shortened (`shortened.py`) on
both, each run a process of its own on one core in an empty folder. Compared are `result.json` and
`findings.json` but for times, each variable of `data.nc` by its bytes, and the equations. The table
has a line a study: same, or which keys and variables differ and by how much at most. A run in
`--cache` is taken again as long as code, study and overrides are the same. Exit code 1 where
anything differs.
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from shortened import MEASURED, SHORT  # pyright: ignore[reportMissingImports]

ROOMS = ("spec", "compiler", "runtime")
FILES = ("result.json", "findings.json", "equations.json", "equations.tex", "tables.tex",
         "trajectory.extxyz", "data.nc")  # fmt: skip
CLOCK = ("seconds", "nanoseconds", "per_second")
LONGEST = 900  # seconds of a run; then it counts as hung


@dataclass(frozen=True)
class Outcome:
    """A finished run: its folder, CPU seconds, exit code and the last words on stderr."""

    folder: Path
    cpu: float
    code: int
    stderr: str


@dataclass(frozen=True)
class Difference:
    """A key of a JSON file or a variable of data.nc that differs; `relative` is None where it is
    not a number on both sides."""

    where: str
    relative: float | None


def importable(checkout: Path, home: Path) -> Path:
    """A folder for PYTHONPATH with a copy of the three rooms as `actionrun.…`: what changes in a
    checkout that somebody works in does not reach the runs."""
    for room in ROOMS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(checkout / room, home / "actionrun" / room, ignore=ignore)
    return home


def code_hash(home: Path) -> str:
    """SHA-256 of every source file below a folder."""
    digest = sha256()
    for file in sorted(path for path in home.rglob("*") if path.is_file()):
        digest.update(file.relative_to(home).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def arguments(checkout: Path, study: str) -> list[str]:
    words = [str(checkout / "studies" / f"{study}.toml")]
    if study in MEASURED:
        words += ["--data", str(checkout.parent / "shared" / "data" / MEASURED[study])]
    for override in SHORT.get(study, ()):
        words += ["--set", override]
    return words


def run(checkout: Path, path: Path, study: str, cache: Path, code: str) -> Outcome:
    """The run of a study on a checkout, from the cache or made now."""
    text = (checkout / "studies" / f"{study}.toml").read_bytes()
    key = sha256(repr((code, study, SHORT.get(study), text)).encode()).hexdigest()[:16]
    folder, note = cache / f"{study}-{key}", cache / f"{study}-{key}.json"
    if note.exists():
        return Outcome(folder, **json.loads(note.read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "actionrun.runtime.cli", "run", *arguments(checkout, study)]
    with tempfile.TemporaryFile() as stderr:
        child = subprocess.Popen(
            [*command, "--out", str(folder), "--quiet"],
            cwd=cache, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(path)},
            preexec_fn=lambda: __import__("resource").setrlimit(0, (LONGEST, LONGEST)),
        )  # fmt: skip
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        last = stderr.read().decode(errors="replace")[-600:]
    about = {"cpu": usage.ru_utime + usage.ru_stime, "code": child.returncode, "stderr": last}
    if child.returncode == 0:
        note.write_text(json.dumps(about), encoding="utf-8")
    return Outcome(folder, **about)


def leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its path; numbers of the clock are left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.endswith(CLOCK):
                yield from leaves(item, f"{where}.{key}" if where else key)
        yield f"{where}{{}}", sorted(key for key in value if not key.endswith(CLOCK))
    elif isinstance(value, list):
        yield f"{where}[]", len(value)
        for number, item in enumerate(value):
            yield from leaves(item, f"{where}[{number}]")
    else:
        yield where, value


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def json_differences(one: Path, other: Path) -> Iterator[Difference]:
    pair = (dict(leaves(json.loads(f.read_text(encoding="utf-8")))) for f in (one, other))
    old, new = pair
    for where in [*old, *(key for key in new if key not in old)]:
        a, b = old.get(where), new.get(where)
        if a != b or type(a) is not type(b):
            size = abs(a - b) / max(abs(a), abs(b)) if is_number(a) and is_number(b) else None
            yield Difference(f"{one.name}: {where}", size)


def array_differences(one: Path, other: Path) -> Iterator[Difference]:
    with h5netcdf.File(one, "r") as old, h5netcdf.File(other, "r") as new:
        for name in sorted({*old.variables, *new.variables}):
            where = f"data.nc: {name}"
            if name not in old.variables or name not in new.variables:
                yield Difference(where, None)
                continue
            a, b = (np.asarray(side.variables[name][...]) for side in (old, new))
            attributes = (dict(side.variables[name].attrs) for side in (old, new))
            shapes = (a.shape, a.dtype) == (b.shape, b.dtype)
            if not shapes or repr(next(attributes)) != repr(next(attributes)):
                yield Difference(f"{where} (shape, type or attributes)", None)
            elif a.tobytes() != b.tobytes():
                size = None
                if a.dtype.kind == "f":
                    scale = np.nanmax(np.abs(a), initial=0.0)
                    size = float(np.nanmax(np.abs(a - b), initial=0.0) / (scale or 1.0))
                yield Difference(where, size)


def differences(one: Path, other: Path) -> Iterator[Difference]:
    """What differs between two run folders, a swept study's points included."""
    names = {
        path.relative_to(side)
        for side in (one, other)
        for name in FILES
        for path in side.rglob(name)
    }
    for name in sorted(names):
        old, new = one / name, other / name
        if not (old.exists() and new.exists()):
            yield Difference(f"{name} is on one side only", None)
        elif old.read_bytes() != new.read_bytes():
            if name.suffix == ".json":
                yield from json_differences(old, new)
            elif name.suffix == ".nc":
                yield from array_differences(old, new)
            else:
                yield Difference(f"{name}", None)


def row(study: str, old: Outcome, new: Outcome) -> tuple[bool, str]:
    """Whether both are the same, and the table's line."""
    costs = f"{old.cpu:.1f} | {new.cpu:.1f}"
    if old.code or new.code:
        words = " ".join((new if new.code else old).stderr.split())[-200:]
        return False, f"| {study} | FAILED: {old.code}, {new.code}: {words} | | {costs} |"
    unlike = list(differences(old.folder, new.folder))
    if not unlike:
        return True, f"| {study} | same | 0 | {costs} |"
    sizes = [one.relative for one in unlike if one.relative is not None]
    shown = "; ".join(
        one.where + (f" ({one.relative:.1e})" if one.relative is not None else "")
        for one in unlike[:6]
    )
    largest = f"{max(sizes):.1e}" if sizes else "not numbers"
    return False, f"| {study} | {len(unlike)} differ: {shown} | {largest} | {costs} |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--studies", nargs="+", metavar="NAME")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="keeps finished runs; default: none are kept")
    parser.add_argument("--out", type=Path, help="the table as Markdown")
    options = parser.parse_args()
    names = options.studies or [*SHORT, *MEASURED]
    lines = ["| study | result | largest relative difference | CPU s, old | CPU s, new |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    print("\n".join(lines), flush=True)
    bad, cpu = 0, [0.0, 0.0]
    with tempfile.TemporaryDirectory() as scratch:
        cache = (options.cache or Path(scratch) / "runs").resolve()
        cache.mkdir(parents=True, exist_ok=True)
        sides = []
        for number, checkout in enumerate((options.old.resolve(), options.new.resolve())):
            path = importable(checkout, Path(scratch) / str(number))
            sides.append((checkout, path, code_hash(path)))

        def compare(study: str) -> tuple[bool, str, float, float]:
            old, new = (run(checkout, path, study, cache, code) for checkout, path, code in sides)
            return *row(study, old, new), old.cpu, new.cpu

        with ThreadPoolExecutor(options.jobs) as pool:
            for same, line, old, new in pool.map(compare, names):
                bad += not same
                cpu = [cpu[0] + old, cpu[1] + new]
                lines.append(line)
                print(line, flush=True)
    total = f"| {len(names)} studies | {bad} not the same | | {cpu[0]:.0f} | {cpu[1]:.0f} |"
    lines.append(total)
    print(total)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
