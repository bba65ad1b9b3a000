"""The folder for a paper compiles, cites what was used, and holds no markup of a stranger's."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from actionrun.runtime.cli import main
from actionrun.runtime.runner import run
from oscillator import Oscillator, task

EVIL = "100 % of $x_{$ \\input{/etc/passwd} & <b>~^"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    job = task(Oscillator(total=200, evil=EVIL), title=EVIL)
    folder = run(job, out=tmp_path_factory.mktemp("paper") / "run").folder
    assert main(["report", str(folder), "--paper"]) == 0
    return folder


def test_what_is_cited_is_in_the_bibliography(folder):
    said = (folder / "paper" / "methods.tex").read_text(encoding="utf-8")
    keys = {key for group in re.findall(r"\\cite\{([^}]*)\}", said) for key in group.split(",")}
    entries = re.findall(r"@\w+\{(\w+),", (folder / "paper" / "references.bib").read_text())
    assert keys and keys == set(entries) and len(entries) == len(set(entries))


def test_figures_are_the_same_bytes_each_time(folder):
    first = {path.name: path.read_bytes() for path in (folder / "paper" / "figures").iterdir()}
    assert first and main(["report", str(folder), "--paper"]) == 0
    again = {path.name: path.read_bytes() for path in (folder / "paper" / "figures").iterdir()}
    assert first == again


def test_figures_are_exported_as_pictures(folder, tmp_path, capsys):
    assert main(["export", str(folder), "--format", "png", "--out", str(tmp_path)]) == 0
    made = [*tmp_path.iterdir()]
    assert {str(path) for path in made} == set(capsys.readouterr().out.split())
    assert made and all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in made)


def test_the_document_compiles(folder, tmp_path):
    if shutil.which("pdflatex") is None or shutil.which("bibtex") is None:
        pytest.skip("no pdflatex here")
    shutil.copytree(folder / "paper", tmp_path / "paper")
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main"]
    for command in (latex, ["bibtex", "main"], latex, latex):
        done = subprocess.run(
            command, cwd=tmp_path / "paper", capture_output=True, text=True, errors="replace"
        )
        assert done.returncode == 0, done.stdout[-2000:]
    assert "undefined" not in done.stdout
