"""Run folders as a stranger might send them: every kind of link, pipe, device, oversized and
altered file; each command ends in time with a message of its own, and nothing outside is touched.

    python tests/runtime/strangers.py --count 1000 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from actionrun.runtime import cli

STUDY = """study = "ggl"
title = "A pendulum"

[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + cos(q)"

[start]
position = { q = 1.0 }
velocity = { q = 0.0 }

[integrator]
r = 1
dt = 0.1
steps = 40
"""
CODES = {0, 2, 65, 74, 75}
SECONDS = 20  # that a command may take here, its imports done
LOCKS = (".lock", "export/.data.nc.tmp", "figures/.energy.svg.tmp", ".result.json.tmp", ".stop",
         "data.nc.tmp", ".report.html.tmp")  # fmt: skip
FOLDERS = ("export", "figures", "checkpoint", "points", "data", "inferred")
EVIL = ("\x1b]0;owned\x07", "\u202etxt.exe", "\\input{/etc/passwd}", "\\write18{touch owned}",
        "^^5cinput", "</script><script>", "$(touch owned)", "\ud800", "a" * 70_000)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**400, 1e308, 2**70, "x", "", [], {}, [[]], {"a": 1}, *EVIL,
)  # fmt: skip


def commands(run: Path, out: Path) -> list[list[str]]:
    """The commands that a curious reader gives."""
    folder = str(run)
    return [
        ["list", str(run.parent)],
        ["latex", folder],
        ["latex", folder, "--standalone"],
        ["export", folder, "--format", "csv"],
        ["export", folder, "--format", "netcdf"],
        ["export", folder, "--format", "extxyz"],
        ["compare", folder, folder, "--out", str(out / "compare.html")],
        ["infer", folder, "--data", str(out / "motion.csv")],
        ["report", folder],
        ["run", str(out / "study.toml"), "--out", folder],
    ]


def mutate(run: Path, watched: Path, dice: random.Random) -> str:
    """Change one thing in a run folder; what was done, in words."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and not path.is_symlink())
    file = dice.choice(files)
    kind = dice.choice([*KINDS])
    if kind in ("lock", "planted", "link of folder"):
        file = run / dice.choice(FOLDERS if kind == "link of folder" else LOCKS)
    KINDS[kind](file, watched, dice)
    return f"{kind}: {file.relative_to(run)}"


def _is_plain(file: Path) -> bool:
    """Whether an earlier change has left it a file that we can read ourselves."""
    return file.is_file() and not file.is_symlink() and file.stat().st_size < 2**24


def _free(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    file.unlink(missing_ok=True)
    return file


def _link(file: Path, watched: Path, dice: random.Random) -> None:
    goal = dice.choice(["precious.txt", "new.txt", "folder", "../watched/data.nc"])
    _free(file).symlink_to(watched / goal)


def _link_of_folder(file: Path, watched: Path, dice: random.Random) -> None:
    _free(file).symlink_to(watched / "folder", target_is_directory=True)


def _link_to_device(file: Path, watched: Path, dice: random.Random) -> None:
    _free(file).symlink_to(dice.choice(["/dev/zero", "/dev/stdin", "/proc/self/mem", "/"]))


def _hard_link(file: Path, watched: Path, dice: random.Random) -> None:
    os.link(watched / "precious.txt", _free(file))


def _pipe(file: Path, watched: Path, dice: random.Random) -> None:
    os.mkfifo(_free(file))


def _socket(file: Path, watched: Path, dice: random.Random) -> None:
    here = Path.cwd()
    os.chdir(_free(file).parent)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(file.name)
    os.chdir(here)


def _device(file: Path, watched: Path, dice: random.Random) -> None:
    try:
        os.mknod(_free(file), 0o020666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:  # for those who are not root
        os.mkfifo(file)


def _oversized(file: Path, watched: Path, dice: random.Random) -> None:
    os.truncate(file, dice.choice([2**28, 2**36, 2**40]))  # holes: they take no room


def _folder(file: Path, watched: Path, dice: random.Random) -> None:
    _free(file).mkdir()


def _bytes(file: Path, watched: Path, dice: random.Random) -> None:
    content = bytearray(file.read_bytes() if _is_plain(file) else b"")
    for _ in range(dice.choice([1, 3, 30])):
        if content:
            content[dice.randrange(len(content))] = dice.randrange(256)
    file.write_bytes(content)


def _cut(file: Path, watched: Path, dice: random.Random) -> None:
    content = file.read_bytes() if _is_plain(file) else b""
    file.write_bytes(content[: dice.randrange(len(content) + 1)])


def _gone(file: Path, watched: Path, dice: random.Random) -> None:
    file.unlink()


def _json(file: Path, watched: Path, dice: random.Random) -> None:
    """Another value, or a key less, somewhere in a JSON file."""
    names = ["findings.json", "result.json", "provenance.json", "metrics.jsonl"]
    file = file.parent / dice.choice(names) if file.parent.name != "checkpoint" else file
    if not _is_plain(file):
        return
    try:
        value = json.loads(
            file.read_text().splitlines()[0] if "jsonl" in file.name else file.read_text()
        )
    except (OSError, ValueError, IndexError):
        return
    _alter(value, dice)
    with contextlib.suppress(ValueError):
        file.write_text(json.dumps(value), errors="surrogatepass")


def _alter(value: Any, dice: random.Random) -> None:
    """Walk down to some place of the data, and change it."""
    while isinstance(value, dict | list) and value:
        key = dice.choice([*value]) if isinstance(value, dict) else dice.randrange(len(value))
        if isinstance(value[key], dict | list) and value[key] and dice.random() < 0.85:
            value = value[key]
            continue
        if isinstance(value, dict) and dice.random() < 0.1:
            del value[key]
        elif isinstance(value[key], str) and dice.random() < 0.5:
            value[key] += dice.choice(EVIL)
        else:
            value[key] = dice.choice(VALUES)
        return


def _deep(file: Path, watched: Path, dice: random.Random) -> None:
    file.write_text("[" * 100_000 if dice.random() < 0.5 else '{"a":' * 100_000)


def _sealed(file: Path, watched: Path, dice: random.Random) -> None:
    """A checkpoint whose header is altered and whose checksum fits."""
    every = sorted((file.parents[0] / "checkpoint").glob("*.arrays")) or [file]
    file = dice.choice(every)
    if not _is_plain(file):
        return
    parts = file.read_bytes().split(b"\n", 3)
    if len(parts) < 4:
        return
    try:
        header = json.loads(parts[2])
    except ValueError:
        return
    _alter(header, dice)
    with contextlib.suppress(ValueError):
        body = json.dumps(header).encode() + b"\n" + parts[3]
        seal = json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode()
        file.write_bytes(b"\n".join((parts[0], seal, body)))


def _arrays(file: Path, watched: Path, dice: random.Random) -> None:
    """HDF5 that names bytes of other files, or numbers that take no room."""
    import h5py

    place = next(
        (one / "data.nc" for one in file.parents if (one / "resolved.toml").exists()), None
    )
    if place is None:
        return
    with h5py.File(_free(place), "w") as file_:
        match dice.randrange(4):
            case 0:
                file_["q"] = h5py.ExternalLink(str(watched / "data.nc"), "secret")
            case 1:
                secret = [(str(watched / "precious.txt"), 0, 16)]
                file_.create_dataset("q", (16,), "u1", external=secret)
            case 2:
                file_.create_dataset("q", (2**40,), "f8", chunks=(2**16,))
            case _:
                layout = h5py.VirtualLayout((4,), "u1")
                layout[:] = h5py.VirtualSource(str(watched / "data.nc"), "secret", (4,))
                file_.create_virtual_dataset("q", layout)


KINDS = {
    "link": _link, "lock": _link, "planted": _link, "link of folder": _link_of_folder,
    "link to device": _link_to_device, "hard link": _hard_link, "pipe": _pipe, "socket": _socket,
    "device": _device, "oversized": _oversized, "folder": _folder, "bytes": _bytes, "cut": _cut,
    "gone": _gone, "json": _json, "json again": _json, "json and again": _json, "deep": _deep,
    "sealed": _sealed, "arrays": _arrays,
}  # fmt: skip


def snapshot(folder: Path) -> dict[str, str]:
    """All that lies in a folder, with its content and its time of change."""
    return {
        str(path.relative_to(folder)): (
            f"{path.lstat().st_mtime_ns} {path.lstat().st_mode} "
            + (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        )
        for path in sorted(folder.rglob("*"))
    }


class Late(BaseException):
    """A command took too long."""


def _late(*_: object) -> None:
    raise Late


def answer(words: list[str]) -> tuple[int, str, float]:
    """Exit code, what was said, seconds of a command in this process."""
    said = io.StringIO()
    clock = time.monotonic()
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli.main(words)
    except Late:
        code = -1
    finally:
        signal.alarm(0)
    return code, said.getvalue(), time.monotonic() - clock


def prepare(home: Path) -> tuple[Path, Path, Path]:
    """A finished run, a folder that is watched, and one for what the commands write."""
    out, watched, run = home / "out", home / "watched", home / "runs" / "whole"
    (watched / "folder").mkdir(parents=True)
    out.mkdir()
    (out / "study.toml").write_text(STUDY)
    (out / "motion.csv").write_text("t,q\n0,1\n1,2\n")
    (watched / "precious.txt").write_text("all my data, and a password\n")
    (watched / "folder" / ".mine.tmp").write_text("a file of mine")
    (watched / "folder" / "mine.arrays").write_text("a file of mine")
    import h5py

    with h5py.File(watched / "data.nc", "w") as file:
        file["secret"] = [42, 43, 44, 45]
    code, said, _ = answer(["run", str(out / "study.toml"), "--out", str(run)])
    assert code == 0, said
    return run, watched, out


def trial(base: Path, watched: Path, out: Path, seed: int) -> list[str]:
    """What went wrong with one altered run folder."""
    dice = random.Random(seed)
    copy = base.parents[1] / "strangers" / f"run-{seed}"
    shutil.copytree(base, copy)
    done = [mutate(copy, watched, dice) for _ in range(dice.choice([1, 1, 2, 4]))]
    if dice.random() < 0.3:  # a run that is gone on with
        with contextlib.suppress(OSError):
            (copy / "result.json").unlink()
        done.append("unfinished")
    before = snapshot(watched)
    wrong = []
    for words in commands(copy, out):
        code, said, seconds = answer(words)
        if code not in CODES:
            wrong.append(
                f"{seed} {done}: {words}: exit {code} after {seconds:.1f} s: {said[-600:]}"
            )
        if "\x1b" in said or "\u202e" in said or "password" in said:
            wrong.append(f"{seed} {done}: {words}: says {said[-300:]!a}")
    if snapshot(watched) != before:
        wrong.append(f"{seed} {done}: the watched folder was changed")
    # A hard link is the file itself: the run folder holds the secret already.
    for path in () if any("hard link" in one for one in done) else copy.rglob("*"):
        if (
            path.is_file()
            and not path.is_symlink()
            and path.stat().st_size < 2**24
            and (path.stat().st_nlink == 1 and b"password" in path.read_bytes())
        ):
            wrong.append(f"{seed} {done}: {path} holds a secret")
    shutil.rmtree(copy.parent)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        base, watched, out = prepare(Path(scratch))
        os.chdir(out)
        for number in range(options.count):
            more = trial(base, watched, out, options.seed * 1_000_000 + number)
            wrong += more
            for line in more:
                print(line, file=sys.__stdout__, flush=True)
    print(f"{options.count} altered run folders, {len(wrong)} went wrong")
    print(Counter(line.split(": exit ")[-1][:40] for line in wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
