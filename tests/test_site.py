"""The site: its studies pass `check`, its Python runs, it builds without a warning."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from actionrun.runtime import cli
from actionrun.spec.kinds.registry import KINDS

TOP = Path(__file__).parents[1]
DOCS = TOP / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(
    r'^(?:<!-- with: (\w+) -->\n)?```toml(?: title="[^"]*")?\n(.*?)^```', re.S | re.M
)
STUDIES = [
    pytest.param(text, base, id=f"{page.relative_to(DOCS)}-{number}")
    for page in PAGES
    for number, (base, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("text", "base"), STUDIES)
def test_studies_of_the_site_have_no_faults(text, base, tmp_path, capsys):
    """A block is a whole study, or `<!-- with: NAME -->` says which shipped one it changes."""
    file = tmp_path / "study.toml"
    file.write_text(merged((TOP / "studies" / f"{base}.toml").read_text(), text) if base else text)
    assert cli.main(["check", str(file)]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.rstrip().endswith("no faults")


def merged(study: str, part: str) -> str:
    """The study with the tables of the part in place of its own of the same name."""
    new = dict(tables(part))
    kept = "".join(text for name, text in tables(study) if name == "" or name not in new)
    return kept + "".join(new[name] for name in sorted(new, key=bool))


def tables(text: str) -> list[tuple[str, str]]:
    """The tables of a TOML text, with what stands above the first under ""."""
    parts = re.split(r"^(?=\[)", text, flags=re.M)
    return [("", parts[0])] + [(part[1 : part.index("]")], part) for part in parts[1:]]


DICTIONARY = (DOCS / "reference" / "outputs.md").read_text(encoding="utf-8")
WRITERS = [
    file
    for room in ("compiler", "runtime")
    for file in sorted((TOP / room).rglob("*.py"))
    if "numerics" not in file.parts
]


def documented(title: str) -> set[str]:
    """The names in the first column of the tables below a heading of the output dictionary."""
    part = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DICTIONARY, re.S | re.M)
    cells = re.findall(r"^\|([^|]*)\|", part[1], re.M) if part else []
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def put_into_metrics(file: Path) -> set[str]:
    """The names that a module puts into a dict that it calls `metrics` or `times`, or hands on as
    `metrics=`; what varies in a name is NAME."""

    def words(node: ast.AST, loops: list[ast.For]) -> set[str]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return {node.value}
        if isinstance(node, ast.JoinedStr):
            parts = [one.value if isinstance(one, ast.Constant) else "NAME" for one in node.values]
            return {"".join(map(str, parts))}
        if isinstance(node, ast.Name):  # `for name in ("a", "b")`, `for name, value in (("a", x),)`
            over = [loop.iter for loop in loops if node.id in names_in(loop.target)]
            return {
                first.value
                for one in over
                for entry in getattr(one, "elts", ())
                for first in [entry.elts[0] if isinstance(entry, ast.Tuple) else entry]
                if isinstance(first, ast.Constant)
            }
        return set()

    def names_in(node: ast.AST) -> set[str]:
        return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}

    def is_metrics(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in ("metrics", "times")

    def keys(node: ast.AST | None) -> set[str]:
        inside = ast.walk(node) if node is not None else ()
        dicts = [one for one in inside if isinstance(one, ast.Dict)]
        return {word for one in dicts for key in one.keys if key for word in words(key, [])}

    seen: set[str] = set()

    def visit(node: ast.AST, loops: list[ast.For]) -> None:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            flat = [one for t in targets for one in (t.elts if isinstance(t, ast.Tuple) else [t])]
            for one in flat:
                if isinstance(one, ast.Subscript) and is_metrics(one.value):
                    seen.update(words(one.slice, loops))
                if is_metrics(one):
                    seen.update(keys(node.value))
        if isinstance(node, ast.keyword) and node.arg == "metrics":
            seen.update(keys(node.value))
        inner = [*loops, node] if isinstance(node, ast.For) else loops
        for child in ast.iter_child_nodes(node):
            visit(child, inner)

    visit(ast.parse(file.read_text(encoding="utf-8")), [])
    return seen


def test_each_metric_of_the_code_is_in_the_output_dictionary_and_no_other():
    written = {name for file in WRITERS for name in put_into_metrics(file)}
    assert len(written) > 100, "the scan sees what the code writes"
    told = documented("Metrics") | documented("Progress")
    assert written - told == set(), "add them to docs/reference/outputs.md"
    assert told - written == set(), "docs/reference/outputs.md tells of metrics that nothing writes"


def assert_documented(result: dict[str, Any]) -> None:
    """Each key and metric of a result is in the output dictionary."""
    assert {*result} <= documented("`result.json`")
    patterns = [re.escape(name).replace("NAME", r".+") for name in documented("Metrics")]
    unknown = [n for n in result["metrics"] if not any(re.fullmatch(p, n) for p in patterns)]
    assert not unknown, "add them to docs/reference/outputs.md"


def test_each_public_name_is_on_the_python_page():
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    source = (TOP / "package" / "__init__.py").read_text(encoding="utf-8")
    (names,) = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert len(names) > 8
    assert [name for name in names if f"`ar.{name}`" not in text] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; a warning, as of a link that leads nowhere, is an error."""
    pytest.importorskip("material", reason="actionrun[docs] is not installed")
    pytest.importorskip("mkdocstrings", reason="actionrun[docs] is not installed")
    home = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(home)],
        capture_output=True, text=True, cwd=TOP, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def test_the_site_builds_without_a_warning(site):
    language = (site / "reference" / "language.html").read_text(encoding="utf-8")
    for kind in KINDS.values():
        for key in kind.model().model_fields:
            assert f"<code>{key}</code>" in language
    assert "<math" in (site / "theory" / "motion.html").read_text(encoding="utf-8")


def test_no_page_of_the_site_asks_another_machine(site):
    """Its scripts, styles, fonts and pictures lie beside it."""
    asks = re.compile(
        r"""<(?:script|img|link|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//[^"'>]+"""
    )
    for page in site.rglob("*.html"):
        assert not asks.findall(page.read_text(encoding="utf-8")), page


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


FRAMES = """<!DOCTYPE html><script>
const seen = {};
function loaded(frame, page) {
  seen[page] = frame.contentDocument.documentElement.scrollWidth;
  if (Object.keys(seen).length === COUNT) document.title = JSON.stringify(seen);
}
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(  # as Chromium numbers them
    "dark", [pytest.param(1, id="light"), pytest.param(0, id="dark", marks=pytest.mark.slow)]
)
def test_pages_fit_a_phone_and_are_quiet(site, dark):
    assert CHROMIUM is not None
    pages = sorted(str(page.relative_to(site)) for page in site.rglob("*.html"))
    pages = [page for page in pages if page not in ("404.html", "frames.html")]
    frames = [
        f'<iframe style="width:390px;height:800px;border:0" src="{page}" '
        f"onload=\"loaded(this, '{page}')\"></iframe>"
        for page in pages
    ]
    text = "\n".join([FRAMES.replace("COUNT", str(len(pages))), *frames])
    (site / "frames.html").write_text(text, encoding="utf-8")
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
             "--virtual-time-budget=20000", f"--blink-settings=preferredColorScheme={dark}",
             "--dump-dom", f"http://127.0.0.1:{server.server_port}/frames.html"],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        server.shutdown()
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, "the pages were never loaded"
    widths = json.loads(unescape(title[1]))
    assert len(widths) == len(pages) > 20
    assert {page: width for page, width in widths.items() if width > 390} == {}
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]


CODE = [page for page in PAGES if "```python\n" in page.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("page", CODE, ids=lambda page: str(page.relative_to(DOCS)))
def test_python_of_a_page_runs(page, tmp_path):
    """The blocks of a page one after the other, its named studies beside them as files."""
    text = page.read_text(encoding="utf-8")
    for name, study in re.findall(r'^```toml title="([^"]+)"\n(.*?)^```', text, re.S | re.M):
        (tmp_path / name).write_text(study, encoding="utf-8")
    (tmp_path / "studies").symlink_to(TOP / "studies")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    done = subprocess.run(
        [sys.executable, "-c", "import matplotlib; matplotlib.use('Agg')\n" + "\n".join(blocks)],
        capture_output=True, text=True, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for result in tmp_path.rglob("runs/**/result.json"):
        assert_documented(json.loads(result.read_text(encoding="utf-8")))
