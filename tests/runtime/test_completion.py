"""Completion for shells, and `list`."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from actionrun.runtime import cli
from actionrun.runtime.commands import COMMANDS
from actionrun.runtime.report.listing import changes


def script(shell: str, capsys) -> str:
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_completes(tmp_path, capsys):
    text = script("bash", capsys)

    def offered(*words: str) -> set[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        ask = f"{text}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _actionrun\n"
        ask += 'printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True)
        assert not done.stderr
        return {*done.stdout.split()}

    assert offered("actionrun", "") >= {*COMMANDS}
    assert offered("actionrun", "exp") == {"explain", "export"}
    assert "pendulum_measured" in offered("actionrun", "new", "pend")
    assert offered("actionrun", "export", "--format", "p") == {"pdf", "png", "python"}
    assert "--fresh" in offered("actionrun", "run", "--f")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_it(shell, capsys):
    text = script(shell, capsys)
    assert all(name in text for name in COMMANDS) and "pendulum_measured" in text
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_what_a_command_changed():
    words = ["actionrun", "a.toml", "--set", "integrator.dt=0.1", "--seed=3", "--data", "x.csv"]
    assert changes(words) == "integrator.dt=0.1, data x.csv, seed 3"
    assert changes([]) == "" and changes(["actionrun", "--set"]) == ""


def test_list_says_that_there_is_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["list"]) == 0
    assert "no folder runs" in capsys.readouterr().out
