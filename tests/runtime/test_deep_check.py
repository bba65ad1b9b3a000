"""`check --deep`: a child of bounded time and memory, which leaves nothing behind."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from actionrun.runtime.check_subprocess import deep_faults

STUDY = """study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - q^2/2"
nonconservative = "-{drag}*q_minus"
[parameters]
{parameters}
[start]
position = {{ q = 1.0 }}
velocity = {{ q = 0.0 }}
[integrator]
dt = {dt}
steps = 50
"""
# Each quantity holds the one before it twice: derivatives of the last one have no end.
CHAIN = [f'x{i + 1} = "sin(x{i})*x{i} + cos(x{i})"' for i in range(16)]
BOMB = STUDY.replace("q^2/2", "x16").format(drag="q_plus'", dt=0.1, parameters="") + "\n".join(
    ["[define]", 'x0 = "q"', *CHAIN]
)


def children() -> set[str]:
    return {p.name for p in Path("/proc").glob("[0-9]*") if _parent(p) == os.getpid()}


def _parent(place: Path) -> int:
    try:
        return int((place / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"seconds": 4}, "deep.time"), ({"seconds": 60, "megabytes": 300}, "deep.memory")],
)
def test_a_study_that_makes_the_algebra_explode(tmp_path, limits, code):
    (tmp_path / "bomb.toml").write_text(BOMB)
    before = children(), resource.getrlimit(resource.RLIMIT_DATA)
    (fault,) = deep_faults(tmp_path / "bomb.toml", **limits)
    assert fault.code == code and fault.severity == "error" and fault.hint
    assert (children(), resource.getrlimit(resource.RLIMIT_DATA)) == before
    assert ("of CPU time" in fault.message) == (code == "deep.time")


def test_faults_come_back_as_they_were(tmp_path):
    study = STUDY.format(drag="lam*q_plus'*q_minus", parameters="lam = 0.1", dt=0.1)
    (tmp_path / "even.toml").write_text(study)
    (fault,) = deep_faults(tmp_path / "even.toml")
    assert (fault.code, fault.line, fault.key) == ("k-not-odd", 5, "system.nonconservative")
    assert deep_faults(tmp_path / "even.toml", overrides=["system.nonconservative=-q_minus"]) == []


@pytest.mark.parametrize(("drag", "dt", "code"), [("lam", 0.1, 0), ("lam*q_minus", 0.1, 65)])
def test_the_command(tmp_path, drag, dt, code):
    (tmp_path / "a.toml").write_text(STUDY.format(drag=drag, parameters="lam = 0.1", dt=dt))
    words = [sys.executable, "-m", "actionrun.runtime.cli", "check", "--deep", "a.toml"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert ("no faults" in done.stdout) == (code == 0)


def test_where_less_memory_is_allowed_than_we_would_limit_it_to(tmp_path):
    study = STUDY.format(drag="lam", parameters="lam = 0.1", dt=0.1)
    (tmp_path / "a.toml").write_text(study)
    words = f"ulimit -d 3000000; {sys.executable} -m actionrun.runtime.cli check --deep a.toml"
    done = subprocess.run(words, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_message_of_a_k_that_is_not_odd(tmp_path):
    study = STUDY.format(drag="lam*q_plus'*q_minus", parameters="lam = 0.1", dt=0.1)
    (tmp_path / "even.toml").write_text(study)
    (fault,) = deep_faults(tmp_path / "even.toml")
    assert fault.render().replace(f"{tmp_path}{os.sep}", "").split("\n") == [
        "even.toml:5:19: K must be odd in the minus variables, but the term "
        "-lam*q_plus'*q_minus^2 is not  [k-not-odd]",
        '  5 | nonconservative = "-lam*q_plus\'*q_minus*q_minus"',
        "    |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "    = every term needs an odd number of factors q_minus or q_minus', "
        "as in -lam*q_plus'*q_minus",
    ]
