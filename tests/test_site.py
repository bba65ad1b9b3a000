"""The site: its studies pass `check`, its Python runs, it builds without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from actionrun.runtime import cli

TOP = Path(__file__).parents[1]
DOCS = TOP / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"^(?:<!-- with: (\w+) -->\n)?```toml\n(.*?)^```", re.S | re.M)
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


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="actionrun[docs] is not installed")
    pytest.importorskip("material", reason="actionrun[docs] is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        capture_output=True, text=True, cwd=TOP,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "language.html").is_file()
