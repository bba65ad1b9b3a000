"""The page in a browser, where there is one: no sideways scroll on a phone, no complaints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from actionrun.runtime import load
from actionrun.runtime.comparison import comparison
from actionrun.runtime.comparison import page as comparison_page
from actionrun.runtime.folder import Folder
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
  if (!event.target.contentDocument.querySelector("h1")) return;  // not the page yet
  const page = event.target.contentDocument, root = page.documentElement;
  const texts = [...page.querySelectorAll("svg text")];
  // Of a letter on the screen, whichever way its text is turned.
  const sizes = texts.map((text) => {{ const at = text.getScreenCTM();
    return Math.hypot(at.a, at.b) * parseFloat(getComputedStyle(text).fontSize); }});
  const wide = [...page.querySelectorAll("main > section > *, main > section > * > svg")].filter(
    (item) => item.getBoundingClientRect().right > {width} + 1);
  document.title = JSON.stringify({{scroll: root.scrollWidth, math: page.querySelectorAll("math")
    .length, texts: texts.length, smallest: Math.min(...sizes), wide: wide.length,
    unlabelled: [...page.querySelectorAll("figure svg")].filter(
      (item) => ![...item.querySelectorAll("g > text")].some((text) => /[a-z]/i.test(
        text.textContent))).length}});
}};
</script>"""


STUDIES = Path(__file__).parents[2] / "studies"
PAGES = {  # a study of each kind, shortened
    "ggl": ("kepler_transformed", "integrator.steps=200"),
    "family": ("dho_family", "training.steps=30", "training.batch=64", "test.systems=10"),
    "om": ("double_well_path",),
    "bodies": ("lj_liquid_32", "path.points=8", "ends.md.equilibration=1.0"),
    "pnn": ("melting", "search.population=10", "search.generations=3"),
    "sweep": ("dho_ggl", "integrator.steps=50", "sweep.integrator.r=[0, 1]"),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Pages of runs, made when they are asked for, kept for each width."""
    home = tmp_path_factory.mktemp("pages")

    class Made(dict):
        def __missing__(self, name: str) -> Path:
            if name == "evil":
                program = Oscillator(total=3000, evil="<script>alert(1)</script> " + "long" * 60)
                task_ = task(program, title="A " + "very" * 40 + " long title")
                self[name] = run(task_, out=home / name).folder / "report.html"
            elif name == "comparison":
                runs = [Folder(self[one].parent) for one in ("evil", "ggl")]
                (home / "compare.html").write_text(comparison_page(comparison(runs)))
                self[name] = home / "compare.html"
            else:
                study, *overrides = PAGES[name]
                loaded = load(STUDIES / f"{study}.toml", overrides=overrides)
                self[name] = run(loaded, out=home / name).folder / "report.html"
            return self[name]

    return Made()


def looked_at(frame: Path) -> tuple[dict, str]:
    """What a frame measured, and what the browser said. A busy machine may need several tries."""
    assert CHROMIUM is not None
    for _ in range(3):
        done = subprocess.run(
            [CHROMIUM, *FLAGS.split(), "--dump-dom", frame.as_uri()],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if title := re.search(r"<title>(.*?)</title>", done.stdout):
            return json.loads(title[1]), done.stderr
    raise AssertionError("the page was never loaded")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1000])
@pytest.mark.parametrize("name", ["evil", *PAGES, "comparison"])
def test_page_fits_and_is_quiet(pages, tmp_path, name, width):
    frame = tmp_path / "frame.html"
    url = pages[name].resolve().as_uri()
    frame.write_text(FRAME.format(width=width, url=url))
    seen, said = looked_at(frame)
    assert seen["scroll"] <= width and seen["wide"] == 0
    assert seen["math"] >= 2
    if name != "comparison":
        assert seen["texts"] > 10 and not seen["unlabelled"]
        assert seen["smallest"] >= 7, "the small print of figures can be read on a phone"
    complaints = [line for line in said.splitlines() if "CONSOLE" in line]
    assert not complaints
