"""How commands end where the world around them is at fault: each with a word and a code of its own,
and none of it called a bug."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from actionrun.runtime import cli, infer
from actionrun.runtime.environment.algebra_limit import VARIABLE
from actionrun.runtime.errors import AlgebraTooLong, Refused
from actionrun.runtime.events import Noted
from actionrun.runtime.execution import march
from actionrun.runtime.runner import run
from actionrun.runtime.storage.run_folder import Folder
from helpers import SCRIPT
from oscillator import Oscillator, task

CLI = [sys.executable, "-m", "actionrun.runtime.cli"]

# A program whose algebra never ends: in Python, or in a library that knows no signals.
ENDLESS = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from pathlib import Path
from dataclasses import replace
from oscillator import Oscillator, task
from actionrun.runtime import cli
from actionrun.runtime.environment.signals import Signals
from actionrun.runtime.runner import run

def algebra():
    print("begun", flush=True)
    while True:
        {line}

def act():
    stop = Signals()
    run(replace(task(Oscillator()), program=algebra), out=Path(sys.argv[1]), stop=stop)
    return 0

sys.exit(cli.guarded(act, [], debug=False))
"""


@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        ("pass", signal.SIGTERM, 75),
        pytest.param("np.linalg.svd(np.ones((5000, 5000)))", signal.SIGTERM, 75,
                     marks=pytest.mark.campaign),
        pytest.param("pass", signal.SIGINT, 130, marks=pytest.mark.campaign),
    ],
    ids=["python", "library", "ctrl-c"],
)  # fmt: skip
def test_a_signal_in_the_algebra_is_heeded(tmp_path, line, number, code):
    script = ENDLESS.format(folder=str(SCRIPT.parent), line=line)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.3)
    clock = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "the same command goes on" in said and "Traceback" not in said
    assert time.monotonic() - clock < 8  # 2 s on a machine with nothing else to do
    assert not Folder(tmp_path / "run").busy
    assert run(task(Oscillator(total=20)), out=tmp_path / "run").result["status"] == "done"


def test_algebra_of_a_run_has_a_limit_of_cpu_time(tmp_path, monkeypatch):
    """Also where it catches what is raised in it; other work of the process goes on."""
    monkeypatch.setenv(VARIABLE, "0.3")

    def algebra():
        while True:
            with suppress(Exception):
                sum(range(1000))

    clock = time.process_time()
    with pytest.raises(
        AlgebraTooLong, match=r"within 0\.3 s of CPU time.*ALGEBRA_SECONDS=0\.6"
    ) as no:
        run(replace(task(Oscillator()), program=algebra), out=tmp_path / "run")
    assert no.value.code == 65 and 0.2 < time.process_time() - clock < 3
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def words(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*CLI, *arguments], capture_output=True, text=True, **options)


def test_output_that_cannot_be_written():
    full = f"{sys.executable} -m actionrun.runtime.cli schema > /dev/full"
    done = subprocess.run(full, shell=True, capture_output=True, text=True)
    assert done.returncode == 74
    assert done.stderr == (
        "actionrun: cannot write to the standard output: no space left on device\n"
    )
    closed = f"{sys.executable} -m actionrun.runtime.cli new ggl >&-"
    done = subprocess.run(closed, shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    piped = f"({sys.executable} -m actionrun.runtime.cli schema; echo $? >&2) | head -1"
    done = subprocess.run(piped, shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{\n", "0\n")


def test_a_name_beyond_the_locale(tmp_path):
    (tmp_path / "bü.toml").write_text("study = 1\n")
    bare = os.environ | {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([*CLI, "check", "bü.toml"], cwd=tmp_path, env=bare, capture_output=True)
    assert done.returncode == 65 and done.stderr == b""
    assert done.stdout.decode().startswith("bü.toml:1:9: ")


def test_too_little_memory_for_xla(capsys):
    import jax.numpy as jnp

    def act() -> int:
        jnp.zeros(2**46).block_until_ready()
        return 0

    assert cli.guarded(act, [], debug=False) == 75
    assert "out of memory" in capsys.readouterr().err


def test_formulas_that_stand_on_a_hundred_others(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chain = "\n".join(f'a{k} = "sin(a{k - 1})"' for k in range(1, 150))
    Path("deep.toml").write_text(
        'study = "ggl"\n[system]\ncoordinates = ["q"]\nlagrangian = "q\'^2/2 - a149"\n'
        f'[define]\na0 = "q"\n{chain}\n[start]\nposition = {{ q = 1.0 }}\n'
        "velocity = { q = 0.0 }\n[integrator]\nr = 1\ndt = 0.1\nsteps = 10\n"
    )
    assert cli.main(["run", "deep.toml"]) == 65
    assert "nested too deep" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["tls://127.0.0.1:9", "nonsense://x"])
def test_an_address_that_is_none(tmp_path, address):
    pytest.importorskip("distributed")
    with pytest.raises(Exception, match="no Dask scheduler answers at") as caught:
        run(task(Oscillator(total=20)), out=tmp_path / "run", cluster=address)
    assert caught.value.code == 2
    assert ("needs certificates" in str(caught.value)) == address.startswith("tls")


def test_a_huge_output_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(march, "MOST_OUTPUT", 10_000)
    asked = []

    def answer(need: int) -> bool:
        asked.append(need)
        return len(asked) > 1

    with pytest.raises(Refused, match=r"would write about .* kB.*--yes"):
        run(task(Oscillator(total=1000)), out=tmp_path / "run", allow_output=answer)
    done = run(task(Oscillator(total=1000)), out=tmp_path / "run", allow_output=answer)
    assert len(asked) == 2, "once a run"
    held = sum(array.data.nbytes for array in done.findings.arrays.values())
    assert asked == [held, held]


def test_a_full_disk_is_told_beforehand(tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(march.shutil, "disk_usage", lambda path: _Usage(5000))
    run(task(Oscillator(total=1000)), out=tmp_path / "run", on_event=heard.append)
    notes = [event.text for event in heard if isinstance(event, Noted)]
    assert any("will write about" in text and "are free" in text for text in notes)


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_arrays_of_a_finished_run(tmp_path):
    first = run(task(Oscillator(total=50)), out=tmp_path / "run")
    again = run(task(Oscillator(total=50)), out=tmp_path / "run")
    assert [*again.findings.arrays] == [*first.findings.arrays] == ["t", "q"]
    for name, array in first.findings.arrays.items():
        other = again.findings.arrays[name]
        assert (other.dims, other.unit, other.long_name) == (
            array.dims,
            array.unit,
            array.long_name,
        )
        assert other.data.dtype == array.data.dtype and np.array_equal(other.data, array.data)


def test_parts_of_an_inference_are_kept(tmp_path):
    from actionrun.compiler.findings import Inference

    row = {
        "trial": 1, "network": {"c": 1.5}, "residual": 0.25, "network_residual": None,
        "coefficients": {"c": {"value": 0.1, "std": None, "unit": "m"}}, "strays": [],
    }  # fmt: skip
    parts = infer.Parts(tmp_path / "parts", tmp_path, "mark", 3)
    assert not parts.done
    for number in (2, 0):
        parts.keep(number, Inference(("c",), ("m",), [row | {"trial": number}]))
    again = infer.Parts(tmp_path / "parts", tmp_path, "mark", 3)
    assert {*again.done} == {0, 2}
    assert [one["trial"] for one in again.together().motions] == [0, 2]
    assert again.together().motions[0] == row | {"trial": 0}
    assert not infer.Parts(tmp_path / "parts", tmp_path, "another", 3).done, "of other data"
    (tmp_path / "parts" / "00000.json").write_text('{"mark": "mark"}')
    assert {*infer.Parts(tmp_path / "parts", tmp_path, "mark", 3).done} == {2}, "damaged"
    again.clear()
    assert not (tmp_path / "parts").exists()
