"""The page in a browser, where there is one: no sideways scroll on a phone, no complaints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from actionrun.runtime import load
from actionrun.runtime.report.comparison import comparison
from actionrun.runtime.report.comparison import page as comparison_page
from actionrun.runtime.runner import run
from actionrun.runtime.storage.run_folder import Folder
from oscillator import Oscillator, task

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-web-security --allow-file-access-from-files "
    "--enable-logging=stderr --virtual-time-budget=5000"
)
DARK = "--blink-settings=preferredColorScheme=0"
WIDTHS = (390, 1000)  # of a phone, of a desk

# The page of the run is measured from outside, as it forbids scripts of its own.
FRAME = """<!DOCTYPE html><script>
function luminance(color) {
  const [r, g, b] = color.match(/[\\d.]+/g).map((x) => x / 255)
    .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
function seen(page, width) {
  const root = page.documentElement, paper = getComputedStyle(page.body).backgroundColor;
  const all = (selector, where) => [...(where || page).querySelectorAll(selector)];
  const texts = all("svg text"), drawings = all("figure svg");
  const words = (label) => label.getBoundingClientRect().width > 0 ? label.textContent.trim() : "";
  const named = (svg, name) => all("." + name, svg).map(words).filter((x) => /[a-z]/i.test(x));
  const ink = [...texts.map((one) => getComputedStyle(one).fill),
               ...all("h1, p, td, dd, dt, figcaption").map((one) => getComputedStyle(one).color)];
  const lines = all("svg path").map((one) => getComputedStyle(one).stroke)
    .filter((one) => one !== "none");
  return {
    scroll: root.scrollWidth, math: page.querySelectorAll("math").length,
    texts: texts.length, paper: luminance(paper),
    // Of a letter on the screen, whichever way its text is turned.
    smallest: Math.min(...texts.map((text) => { const at = text.getScreenCTM();
      return Math.hypot(at.a, at.b) * parseFloat(getComputedStyle(text).fontSize); })),
    wide: all("main > section > *, main > section > * > svg").filter(
      (item) => item.getBoundingClientRect().right > width + 1).length,
    ink: Math.min(...ink.map((one) => contrast(one, paper))),
    faintest: Math.min(...lines.map((one) => contrast(one, paper))),
    axes: drawings.map((one) => [all(".axes", one).length, named(one, "x-label"),
                                 named(one, "y-label")]),
    captions: all("figure").map((one) => words(one.querySelector("figcaption"))),
    links: all("a").map((one) => one.getAttribute("href")),
  };
}
const found = {};
function loaded(frame, width, count) {
  const page = frame.contentDocument;
  if (!page.querySelector("h1")) return;  // not the page yet
  found[width] = seen(page, width);
  if (Object.keys(found).length === count) document.title = JSON.stringify(found);
}
</script>"""
INSIDE = """<iframe style="width:{width}px;height:800px;border:0" src="{url}"
 onload="loaded(this, {width}, {count})"></iframe>"""


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


def looked_at(page: Path, *flags: str) -> tuple[dict[int, dict], str]:
    """What was measured at each width, and what the browser said. A busy machine may need several
    tries."""
    assert CHROMIUM is not None
    frame, url = page.with_name("frame.html"), page.resolve().as_uri()
    inside = [INSIDE.format(width=width, url=url, count=len(WIDTHS)) for width in WIDTHS]
    frame.write_text("\n".join([FRAME, *inside]))
    for _ in range(3):
        done = subprocess.run(
            [CHROMIUM, *FLAGS.split(), *flags, "--dump-dom", frame.as_uri()],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if title := re.search(r"<title>(.*?)</title>", done.stdout):
            found = json.loads(unescape(title[1]))
            return {int(width): seen for width, seen in found.items()}, done.stderr
    raise AssertionError("the page was never loaded")


browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


SLOW = ("family", "bodies", "sweep", "pnn")


@browser
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in ("evil", *PAGES, "comparison")
    ],
)
def test_page_fits_is_quiet_and_can_be_read_in_the_dark(pages, name):
    found, said = looked_at(pages[name], DARK)
    for width, seen in found.items():
        assert seen["scroll"] <= width and seen["wide"] == 0, width
        assert seen["math"] >= 2 and seen["paper"] < 0.05
        assert seen["ink"] >= 4.5, "WCAG 2.2: letters"
        if name != "comparison":
            assert seen["texts"] > 10 and seen["faintest"] >= 1.3, "the grid is fainter than ink"
            assert seen["smallest"] >= 7, "the small print of figures can be read on a phone"
            assert all(seen["captions"])
            for axes, across, up in seen["axes"]:
                assert axes and len(up) == axes and len(across) in (1, axes), (across, up)
        away = [link for link in seen["links"] if not link.startswith(("#", "figures/"))]
        assert bool(away) == (name == "sweep")
    assert not [line for line in said.splitlines() if "CONSOLE" in line]


@browser
def test_page_can_be_read_in_the_light(pages):
    found, _ = looked_at(pages["evil"])
    for seen in found.values():
        assert seen["paper"] == 1 and seen["ink"] >= 4.5


def test_a_sweeps_table_leads_to_the_pages_of_its_points(pages):
    home = pages["sweep"].parent
    links = re.findall(r'<a href="(points/[^"]+)"', pages["sweep"].read_text())
    assert len(links) == 2 and all((home / unquote(link)).is_file() for link in links)


@browser
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext on this machine")
@pytest.mark.parametrize("name", ["evil", "sweep"])
def test_page_prints_whole(pages, tmp_path, name):
    """Every word of the page is on paper, inside of it."""
    assert CHROMIUM is not None
    paper, url = tmp_path / "page.pdf", pages[name].resolve().as_uri()
    subprocess.run(
        [CHROMIUM, *FLAGS.split(), DARK, f"--print-to-pdf={paper}", url],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    boxes = subprocess.run(
        ["pdftotext", "-bbox", str(paper), "-"], capture_output=True, text=True, check=True
    ).stdout
    width = float(re.search(r'<page width="([\d.]+)"', boxes)[1])
    right = [float(x) for x in re.findall(r'<word .*?xMax="([\d.]+)"', boxes)]
    assert len(right) > 200 and max(right) < width
    said = unescape("".join(re.findall(r"<word [^>]*>(.*?)</word>", boxes)))
    body = pages[name].read_text().partition("<main>")[2]
    body = re.sub(r"<math.*?</math>|<svg.*?</svg>|<nav.*?</nav>", "", body, flags=re.DOTALL)
    words = unescape(re.sub(r"<[^>]+>", " ", body)).split()
    lost = [word for word in words if word not in said]
    # A long word is cut where its line ends, and a soft hyphen or a ligature may stand in it.
    assert len(lost) < 0.03 * len(words), lost[:20]
