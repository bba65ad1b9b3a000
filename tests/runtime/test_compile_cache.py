"""The cache of compiled programs: bounded, mended, and never in the way of a run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from actionrun.runtime.environment.compile_cache import FOLDER, SWITCH, trim, use

PROGRAM = "\n".join(
    (
        "from actionrun.runtime.environment.jax_setup import set_switches",
        "set_switches()",
        "import jax",
        "print(jax.jit(lambda x: 2 * x + 1)(20.5))",
    )
)


def test_the_oldest_entries_go_first(tmp_path):
    for age, name in enumerate(("new", "middle", "old")):
        entry = tmp_path / "version" / f"{name}-cache"
        entry.parent.mkdir(exist_ok=True)
        entry.write_bytes(bytes(1000))
        os.utime(entry, (10**9 - age, 10**9 - age))
    trim(tmp_path, limit=2500)
    assert not (tmp_path / "version" / "old-cache").exists()
    trim(tmp_path, limit=0)
    left = {entry.name for entry in (tmp_path / "version").iterdir()}
    assert left == {"new-cache", "middle-cache"}, "it looked a moment ago"
    trim(tmp_path, limit=0, every=0.0)
    assert not any((tmp_path / "version").iterdir())


def test_a_damaged_entry_is_told_once_and_mended(tmp_path):
    def run() -> str:
        environment = {name: value for name, value in os.environ.items() if name != FOLDER}
        done = subprocess.run(
            (sys.executable, "-c", PROGRAM), env=environment | {"XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "42.0\n"
        return done.stderr

    assert run() == ""
    entries = list(tmp_path.glob("actionrun/*/*-cache"))
    assert entries
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:40])
    (folder,) = tmp_path.glob("actionrun/*/")
    assert run() == (
        f"actionrun: cache of compiled programs: {folder} had a damaged entry and is emptied\n"
    )
    assert run() == "", "the entries are whole again"


def test_no_room_for_it_is_told_and_the_run_goes_on(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    use(environment)
    assert environment[SWITCH] == "false" and FOLDER not in environment
    assert "set XDG_CACHE_HOME to another folder" in capsys.readouterr().err


@pytest.mark.parametrize("chosen", [{FOLDER: "mine"}, {SWITCH: "false"}])
def test_what_the_user_chose_is_kept(chosen, tmp_path):
    environment = {"XDG_CACHE_HOME": str(tmp_path)} | chosen
    use(environment)
    assert chosen.items() <= environment.items() and not any(tmp_path.iterdir())
