"""The screen: plain lines where there is no terminal, a live bar where there is one."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys

import pytest
from actionrun.runtime.display import PlainDisplay, display, summary
from actionrun.runtime.events import Noted, Opened, Progressed, ProgressThrottle, Started
from actionrun.runtime.report.rounding import duration, speed, with_error
from actionrun.runtime.runner import run
from helpers import SCRIPT, started
from hypothesis import given
from hypothesis import strategies as st
from oscillator import Oscillator, task

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def test_piped_output_is_few_plain_lines(tmp_path):
    environment = os.environ | {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "GITHUB_ACTIONS": "1"}
    process = started(tmp_path / "run", "total=2000", "chunk=0.001", env=environment)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert not CONTROL.search(out + said)
    lines = said.splitlines()
    assert len(lines) < 20, "not a line for each chunk"
    assert lines[0].startswith("A damped oscillator (ggl) in ")
    assert any(re.match(r"integrate 100 %  2000/2000  .*energy ", line) for line in lines)


def test_quiet_says_nothing():
    stream = io.StringIO()
    listener = display(stream, quiet=True)
    listener(Started("train", 10))
    listener(Noted("a note"))
    assert stream.getvalue() == ""


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_shows_stage_share_speed_and_numbers(tmp_path, width):
    text = _on_terminal([str(tmp_path / "run"), "total=2000", "pause=0.0005"], width)
    assert "\x1b[" in text, "a terminal gets a live bar"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert re.search(r"integrate .*%.*/s.*left", plain)
    assert "energy" in plain and "done in" in plain
    assert max(map(len, re.split(r"[\r\n]+", plain))) <= width


def _on_terminal(words: list[str], width: int) -> str:
    terminal, theirs = os.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(width), "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words], stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    parts = []
    while select.select([terminal], [], [], 30)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        parts.append(part)
    process.wait(30)
    os.close(terminal)
    return b"".join(parts).decode()


@pytest.mark.parametrize("evil", ["[bold]x[/bold]", "\x1b[31mred", "[/]", ":smile:", "a\x07b"])
def test_text_of_users_is_neither_markup_nor_control(evil, tmp_path):
    stream = io.StringIO()
    plain = PlainDisplay(stream)
    plain(Opened(evil, "ggl", tmp_path))
    plain(Noted(evil))
    assert not CONTROL.search(stream.getvalue())
    if "[" in evil and "\x1b" not in evil:
        assert evil in stream.getvalue()


def test_summary_shows_equation_values_and_report(tmp_path, monkeypatch):
    done = run(task(Oscillator(total=20)), out=tmp_path / "run")
    stream = io.StringIO()
    summary(done, stream)
    text = stream.getvalue()
    assert "q'^2/2 - k*q^2/2" in text
    assert re.search(r"k +1\.0023 ± 0\.0031", text) and re.search(r"gamma +not determined", text)
    assert text.rstrip().endswith("report.html")
    assert "$$\\displaystyle L =" in done._repr_latex_()


def test_pace_knows_rate_and_time_left(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("actionrun.runtime.events.monotonic", lambda: clock[0])
    heard = []
    pace = ProgressThrottle(heard.append, before=100.0)
    for second, done in ((0, 0), (2, 10), (2.1, 11), (4, 20)):
        clock[0] = float(second)
        pace("train", done, 100, {"loss": 2})
    assert heard[0] == Started("train", 100)
    reports = [event for event in heard if isinstance(event, Progressed)]
    assert [event.done for event in reports] == [0, 10, 20], "two close ones are one"
    assert [event.rate for event in reports] == [None, 5.0, pytest.approx(5.0)]
    assert reports[-1].left == pytest.approx(80 / 5) and reports[-1].seconds == 104.0
    assert reports[-1].metrics == {"loss": 2.0}


@given(st.floats(-1e12, 1e12), st.floats(1e-12, 1e6))
def test_rounded_value_is_within_its_uncertainty(value, std):
    text = with_error(value, std)
    if std < 1e-14 * abs(value):
        assert text == f"{value:.15g} ± {std:.1e}"
        return
    match = re.fullmatch(r"\(?(-?[\d.]+) ± ([\d.]+(?:e-\d+)?)\)?(e[+-]\d+)?", text)
    assert match, text
    scale = float("1" + (match[3] or "e0"))
    assert abs(float(match[1]) * scale - value) <= 0.06 * std + 1e-9 * abs(value)
    assert float(match[2]) * scale == pytest.approx(std, rel=0.06)


def test_words_for_numbers():
    assert with_error(6.22043, 0.00123) == "6.2204 ± 0.0012"
    assert with_error(2.9591e-4, 3.1e-9) == "0.0002959100 ± 3.1e-09"
    assert with_error(1.5, None) == "1.5"
    assert with_error(None, None) == "not determined"
    assert duration(3725) == "1 h 02 min" and duration(200) == "3 min 20 s"
    assert duration(0.0004) == "0.4 ms" and duration(None) == "–"
    assert speed(850.4) == "850/s" and speed(12345) == "12.3k/s" and speed(0.1) == "10 s a step"
