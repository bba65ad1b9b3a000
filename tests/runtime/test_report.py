"""The page: one file, no network, no script, everything escaped, figures that are labelled."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from actionrun.compiler.findings import Axis, Curve, Figure, Panel, Table
from actionrun.runtime.errors import Refused
from actionrun.runtime.report.figures import inline, parts, svg
from actionrun.runtime.report.markup import coefficients_html, of_coefficients
from actionrun.runtime.report.mathml import mathml
from actionrun.runtime.report.page import write_report
from actionrun.runtime.runner import run
from actionrun.runtime.storage.findings_file import decimated, read_content
from actionrun.runtime.storage.run_folder import Folder
from oscillator import Oscillator, task

EVIL = "<script>alert('x')</script> & $x_{$ \\input{/etc/passwd}"
VOID = {"meta", "br", "img", "link", "input"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    job = task(Oscillator(total=2000, evil=EVIL), title=EVIL)
    return run(job, out=tmp_path_factory.mktemp("evil") / "run").folder


class Page(HTMLParser):
    """Tags, and whether they are nested as they should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_page_is_well_formed_and_loads_nothing(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "image")
        assert not any(name.startswith("on") or name == "src" for name in attributes)
        href = attributes.get("href", "#")
        assert href.startswith("#") or re.fullmatch(r"figures/[\w.-]+\.svg", href)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert EVIL in page.text, "user text is shown as it is"


def test_page_has_its_sections(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == ["In short", "Results", "Figures", "How far to trust it", "What was asked",
                      "How it went", "How to repeat it"]  # fmt: skip
    linked = re.findall(r'<a href="#(\w+)">', text[text.index("<nav") : text.index("</nav>")])
    assert linked == re.findall(r'<section id="(\w+)">', text)[1:]
    assert "<math" in text and "1.0023 ± 0.0031" in text and "not determined" in text


def test_ids_are_unique_and_references_lead_somewhere(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"""(?:url\(|href=")#([\w.-]+)""", text)) <= set(ids)


def test_page_can_be_made_again_from_the_folder(folder):
    before = (folder / "report.html").read_bytes()
    drawing = (folder / "figures" / "motion.svg").read_bytes()
    (folder / "report.html").unlink()
    write_report(Folder(folder))
    assert (folder / "report.html").read_bytes() == before
    assert (folder / "figures" / "motion.svg").read_bytes() == drawing


def test_findings_survive_the_folder(folder):
    again = read_content(Folder(folder)).findings
    t = 0.01 * np.arange(1, 2001)
    figure = again.figures[0]
    assert figure.panels[0].x == Axis("time", "s")
    np.testing.assert_array_equal(figure.panels[0].curves[0].x, t)
    assert again.equations[0].values == {"k": (1.0023, 0.0031), "gamma": (None, None)}


def _figure(*panels: Panel) -> Figure:
    return Figure("figure", "caption", panels)


def test_every_axis_has_its_label_and_unit():
    curve = Curve(np.arange(3.0), np.arange(3.0) ** 2)
    one = Panel(Axis("time", "s"), Axis("angle $a_{", "rad"), (curve,))
    two = Panel(Axis("time", "s"), Axis("error", log=True), (curve,))
    other = Panel(Axis("x", "au"), Axis("y", "au"), (curve,), equal=True)
    for figure in (_figure(one, two), _figure(one, other)):
        tree = ElementTree.fromstring(svg(figure, "salt"))
        words = " ".join(
            "".join(node.itertext()) for node in tree.iter() if node.tag.endswith("text")
        )
        for panel in figure.panels:
            for axis in (panel.x, panel.y):
                assert (f"{axis.label} [{axis.unit}]" if axis.unit else axis.label) in words
    assert len(parts(_figure(one, two), "s")) == 1, "one time axis, one drawing"
    assert len(parts(_figure(one, other), "s")) == 2


def test_drawings_are_the_same_bytes_and_undated():
    panel = Panel(Axis("x"), Axis("y"), (Curve(np.arange(9.0), np.sin(np.arange(9.0)), "a"),))
    assert svg(_figure(panel), "s") == svg(_figure(panel), "s")
    assert "dc:date" not in svg(_figure(panel), "s")


def test_inline_drawing_takes_the_colours_of_the_page():
    curves = tuple(Curve(np.arange(9.0), np.arange(9.0) + k, f"curve {k}") for k in range(6))
    text = inline(svg(_figure(Panel(Axis("x"), Axis("y"), curves)), "s"))
    assert not re.search(r"#[0-9a-f]{6}\b", text), "no colour is left that the dark would hide"
    assert all(f"var(--c{number})" in text for number in range(1, 7))


@pytest.mark.parametrize("style", ["line", "points", "steps", "dashed", "band"])
def test_styles_and_gaps_are_drawn(style):
    y = np.array([1.0, np.nan, 3.0, 4.0])
    curve = Curve(np.arange(4.0), y, "a", style, y - 1, y + 1)
    assert "<svg" in svg(_figure(Panel(Axis("x"), Axis("y"), (curve,))), "s")


def test_empty_and_constant_curves_are_drawn():
    nothing = Curve(np.array([]), np.array([]), "a")
    zero = Curve(np.arange(3.0), np.zeros(3), "b")
    for log in (False, True):
        panel = Panel(Axis("x"), Axis("y", log=log), (nothing, zero))
        assert "<svg" in svg(_figure(panel), "s")


def test_decimation_keeps_the_extremes_and_the_ends():
    generator = np.random.default_rng(1)
    y = generator.normal(size=100_000)
    y[[31_415, 92_653]] = 50, -60
    y[500:600] = np.nan
    x = np.arange(len(y), dtype=float)
    kept = decimated(Curve(x, y, low=y - 1, high=y + 1))
    assert len(kept.x) <= 4002
    assert np.nanmax(kept.y) == 50 and np.nanmin(kept.y) == -60
    assert kept.x[0] == 0 and kept.x[-1] == x[-1]
    np.testing.assert_array_equal(kept.low, y[kept.x.astype(int)] - 1)


@pytest.mark.parametrize(
    "latex",
    [
        r"L = \frac{1}{2} m \dot{q}^{2} - \frac{1}{2} k q^{2}",
        r"\begin{aligned} \dot{q} &= \frac{p}{m} \\ \dot{p} &= - k q \end{aligned}",
        r"\left|\boldsymbol{q}_{+}\right|^{2} \cos\left(\omega t\right)",
    ],
)
def test_mathematics_becomes_mathml(latex):
    markup = mathml(latex)
    tree = ElementTree.fromstring(markup)
    assert tree.find("math") is not None
    assert "&" not in "".join(tree.itertext()) and "\\" not in markup


@pytest.mark.parametrize(
    "latex",
    [r"\text{<script>alert(1)</script>}", r"\notacommand{x}", r"\text{a & b}", "x^{", "\\"],
)
def test_what_is_not_mathematics_is_shown_as_text(latex):
    assert Page(mathml(latex)).text.strip() == latex.strip()
    assert "<script" not in mathml(latex)


def test_damaged_findings_are_refused(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "findings.json").write_text((folder / "findings.json").read_text()[:-100])
    with pytest.raises(Refused, match=r"findings\.json is missing or damaged"):
        write_report(Folder(copy))


def test_a_table_of_coefficients_quotes_each_once_and_says_it_unrounded():
    header = ("coefficient", "value", "standard deviation", "unit")
    rows = (("k", 2.249637467535166, 0.0008, "N/m"), ("c", None, None, "N*s/m"))
    table = Table("coefficients", "", header, rows)
    assert of_coefficients(table)
    html = coefficients_html(table)
    assert "2.24964 ± 0.00080" in html and "2.249637467535166" in html and "not determined" in html
    for strange in (("k", "<b>", 0.1, ""), (1.0, 1.0, 1.0, "")):
        assert not of_coefficients(replace(table, rows=(strange,)))
    assert not of_coefficients(replace(table, header=("coefficient", "value"), rows=(("k", 1.0),)))
