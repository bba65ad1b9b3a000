"""A run folder from a stranger: nothing outside it is touched, read or run, whatever it holds."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from actionrun.runtime.report.latex_words import foreign
from strangers import answer, mutate, prepare, snapshot, trial

SEED = 7


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run, the watched folder, a place to write."""
    return prepare(tmp_path_factory.mktemp("strangers"))


@pytest.fixture
def run(whole, tmp_path, monkeypatch):
    """A copy of the run, to be altered; the watched folder must be the same afterwards."""
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "run"
    shutil.copytree(whole[0], copy)
    before = snapshot(whole[1])
    yield copy
    assert snapshot(whole[1]) == before


@pytest.mark.parametrize(
    ("place", "goal", "words", "code"),
    [
        ("export/.data.nc.tmp", "precious.txt", ["export", "RUN", "--format", "netcdf"], 0),
        ("export/data.nc", "precious.txt", ["export", "RUN", "--format", "netcdf"], 0),
        (".lock", "precious.txt", ["report", "RUN"], 74),
        (".report.html.tmp", "precious.txt", ["report", "RUN"], 0),
        ("figures", "folder", ["report", "RUN"], 74),
        ("checkpoint", "folder", ["run", "STUDY", "--out", "RUN"], 74),
        ("export", "folder", ["export", "RUN", "--format", "csv"], 74),
        ("data.nc", "precious.txt", ["export", "RUN", "--format", "netcdf"], 2),
        ("findings.json", "precious.txt", ["latex", "RUN"], 2),
        ("resolved.toml", "precious.txt", ["compare", "RUN", "RUN"], 2),
        ("metrics.jsonl", "new.txt", ["run", "STUDY", "--out", "RUN"], 74),
    ],
)
def test_links_are_not_followed(run, whole, place, goal, words, code):
    _, watched, out = whole
    if words[0] == "run":
        (run / "result.json").unlink()
        shutil.rmtree(run / "checkpoint")
    path = run / place
    path.parent.mkdir(exist_ok=True)
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(watched / goal)
    names = {"RUN": str(run), "STUDY": str(out / "study.toml")}
    done, said, _ = answer([names.get(word, word) for word in words])
    assert done == code, said
    if code:
        assert ("no run folder" if place == "resolved.toml" else path.name) in said


def test_a_hard_link_to_a_file_of_ours_is_not_written(run, whole):
    (run / "metrics.jsonl").unlink()
    (run / "result.json").unlink()
    os.link(whole[1] / "precious.txt", run / "metrics.jsonl")
    (run / ".lock").unlink()
    os.link(whole[1] / "precious.txt", run / ".lock")
    code, said, _ = answer(["run", str(whole[2] / "study.toml"), "--out", str(run)])
    assert code == 74 and "hard link" in said


@pytest.mark.parametrize("kind", ["pipe", "zero", "socket", "huge", "deep"])
@pytest.mark.parametrize("name", ["findings.json", "provenance.json", "data.nc"])
def test_what_never_ends_is_not_read(run, kind, name):
    path = run / name
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "zero":
            path.symlink_to("/dev/zero")
        case "socket":
            import socket

            socket.socket(socket.AF_UNIX).bind(name)
            Path(name).rename(path)
        case "huge":
            path.touch()
            os.truncate(path, 2**41)
        case "deep":
            path.write_text("[" * 200_000)
    words = ["export", str(run), "--format", "csv"] if name == "data.nc" else ["report", str(run)]
    code, said, seconds = answer(words)
    assert code == 2 and seconds < 10
    assert name in said and ("missing or damaged" in said or "has no" in said), said


@pytest.mark.parametrize(
    "evil", [r"\input{/etc/passwd}", r"\write18{touch owned}", "^^5cinput{x}", r"}\catcode`\@=0{"]
)
@pytest.mark.parametrize("where", ["equations", "asked"])
def test_latex_of_others_is_not_passed_on(run, evil, where):
    path = run / "findings.json"
    data = json.loads(path.read_text())
    found = data["equations"] if where == "equations" else data["asked"][0]["equations"]
    found[0]["latex"] += evil
    path.write_text(json.dumps(data))
    (run / "equations.tex").write_text(evil)
    for words in (["latex", str(run)], ["latex", str(run), "--standalone"]):
        code, said, _ = answer(words)
        assert code == 2 and "damaged" in said and "passwd" not in said
    assert answer(["report", str(run)])[0] == 0, "the page needs no TeX"


def test_latex_of_ours_is(run):
    code, said, _ = answer(["latex", str(run)])
    assert code == 0 and said == (run / "equations.tex").read_text()
    assert foreign(r"\frac{1}{2} \, \dot{q}^{2} \begin{aligned} a &= b \\ c \end{aligned}") is None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("findings.json", lambda d: d["figures"][0]["panels"][0]["curves"][0].update(y=["x"])),
        ("findings.json", lambda d: d["equations"][0].update(text=5)),
        ("provenance.json", lambda d: d.update(command=7)),
        ("provenance.json", lambda d: d.update(versions=["jax"])),
        ("result.json", lambda d: d.update(metrics=[1])),
    ],
)
def test_altered_data_are_damage_and_no_bug(run, name, change):
    data = json.loads((run / name).read_text())
    change(data)
    (run / name).write_text(json.dumps(data))
    command = ["compare", str(run), str(run)] if name == "result.json" else ["report", str(run)]
    code, said, _ = answer(command)
    assert code == 2 and f"{name} is missing or damaged" in said
    assert answer(["list", str(run.parent)])[0] == 0


def test_what_a_screen_would_obey_is_shown_as_its_code(run):
    for name in ("provenance.json", "findings.json"):
        text = (run / name).read_text().replace("A pendulum", "\\u001b[31mA\\u202ependulum")
        (run / name).write_text(text)
    assert answer(["report", str(run)])[0] == 0
    page = (run / "report.html").read_text()
    assert "\x1b" not in page and "\u202e" not in page and "\\u202ependulum" in page
    said = answer(["list", str(run.parent)])[1]
    assert "\x1b" not in said and "\\x1b[31mA\\u202ependulum" in said


@pytest.mark.parametrize("seed", range(4))
def test_altered_run_folders(whole, seed, monkeypatch):
    monkeypatch.chdir(whole[2])
    base, watched, out = whole
    assert trial(base, watched, out, SEED * 1_000_000 + seed) == []


@pytest.mark.campaign
def test_two_hundred_altered_run_folders(whole, monkeypatch):
    monkeypatch.chdir(whole[2])
    base, watched, out = whole
    assert [wrong for seed in range(200) for wrong in trial(base, watched, out, seed)] == []


def test_the_watch_sees_a_change(whole, tmp_path):
    """The harness would notice what it looks for."""
    _, watched, _ = whole
    before = snapshot(watched)
    (watched / "folder" / "new").touch()
    assert snapshot(watched) != before
    (watched / "folder" / "new").unlink()
    import random

    copy = tmp_path / "copy"
    shutil.copytree(whole[0], copy)
    assert ": " in mutate(copy, watched, random.Random(1))
