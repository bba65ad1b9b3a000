"""The page in a browser, where there is one: no sideways scroll on a phone, no complaints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from actionrun.runtime.job import run
from oscillator import Oscillator, task

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-web-security --allow-file-access-from-files "
    "--enable-logging=stderr --virtual-time-budget=5000"
)

# The page of the run is measured from outside, as it forbids scripts of its own.
FRAME = """<!DOCTYPE html><iframe id="f" style="width:{width}px;height:800px;border:0" src="{url}">
</iframe><script>
document.getElementById("f").onload = (event) => {{
  const page = event.target.contentDocument, root = page.documentElement;
  const texts = [...page.querySelectorAll("svg text")];
  const sizes = texts.map((text) => text.getBoundingClientRect().height);
  const wide = [...page.querySelectorAll("main > section > *, main > section > * > svg")].filter(
    (item) => item.getBoundingClientRect().right > {width} + 1);
  document.title = JSON.stringify({{scroll: root.scrollWidth, math: page.querySelectorAll("math")
    .length, texts: texts.length, smallest: Math.min(...sizes), wide: wide.length}});
}};
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    program = Oscillator(total=3000, evil="<script>alert(1)</script> " + "long" * 60)
    folder = tmp_path_factory.mktemp("page") / "run"
    return run(task(program, title="A " + "very" * 40 + " long title"), out=folder).folder


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1000])
def test_page_fits_and_is_quiet(page, tmp_path, width):
    assert CHROMIUM is not None
    frame = tmp_path / "frame.html"
    url = (page / "report.html").resolve().as_uri()
    frame.write_text(FRAME.format(width=width, url=url))
    done = subprocess.run(
        [CHROMIUM, *FLAGS.split(), "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stderr[-2000:]
    seen = json.loads(title[1])
    assert seen["scroll"] <= width and seen["wide"] == 0
    assert seen["math"] >= 3 and seen["texts"] > 10
    assert seen["smallest"] >= 7, "the small print of figures can be read on a phone"
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints
