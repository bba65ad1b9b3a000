"""What MkDocs calls while it builds the site: pages made from the code, and formulas as MathML.

Three pages are no files: the language reference is made from the JSON Schema's source, the
architecture from CONTRIBUTING.md and the changelog from CHANGELOG.md, so that none can fall behind.
"""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from actionrun.runtime.report.mathml import NAMESPACE
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

HOME = Path(__file__).parent
TOP = HOME.parent
sys.path.insert(0, str(HOME))

from language_reference import reference  # noqa: E402


def on_files(files: Files, config: Any) -> Files:
    for place, text in (
        ("reference/language.md", reference()),
        ("architecture.md", architecture()),
        ("changelog.md", (TOP / "CHANGELOG.md").read_text(encoding="utf-8")),
    ):
        files.append(File.generated(config, place, content=text))
    return files


def architecture() -> str:
    """The tour of CONTRIBUTING.md, and its style and ways to extend, under a heading of its own."""
    text = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.replace("# Contributing\n", "# How it is built\n", 1)


def on_page_content(html: str, **_: Any) -> str:
    """Formulas become MathML, which browsers draw by themselves. Raises ValueError for one that the
    converter does not know: the build then fails."""
    return re.sub(
        r'<(span|div) class="arithmatex">\\([\[(])(.*?)\\[\])]</\1>', _formula, html, flags=re.S
    )


def _formula(match: re.Match[str]) -> str:
    latex = unescape(match[3]).strip()
    if match[2] == "(":
        return _mathml(latex, "inline")
    return f'<div class="display">{_mathml(latex, "block")}</div>'


def _mathml(latex: str, display: str) -> str:
    latex = latex.replace("{aligned}", "{split}")  # the converter's name of the same
    root = ElementTree.fromstring(convert(latex, display=display))
    for element in root.iter():
        element.tag = element.tag.removeprefix(NAMESPACE)
        if (element.text or "").startswith("\\"):
            raise ValueError(f"{element.text} is not known, in {latex}")
    root.set("xmlns", NAMESPACE.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode")
