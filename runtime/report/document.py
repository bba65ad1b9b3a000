"""The frame of a page: head, style, title, contents and sections; no network, no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from .inert_text import inert

HOME = Path(__file__).parent


def document(
    title: str, kind: str, facts: str, sections: Sequence[tuple[str, str, str]], *, contents: bool
) -> str:
    """A page of sections, each an id, a title and its HTML; empty ones are left out. `contents`:
    whether links to all but the first stand below the title."""
    shown = [section for section in sections if section[2]]
    links = "\n".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in shown[1:])
    page = Template((HOME / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        kind=escape(kind),
        facts=escape(facts),
        style=(HOME / "page.css").read_text(encoding="utf-8"),
        contents=f'<nav aria-label="Contents">\n{links}\n</nav>' if contents else "",
        sections="\n".join(
            f'<section id="{key}">\n<h2>{escape(name)}</h2>\n{body}\n</section>'
            for key, name, body in shown
        ),
    )
    return inert(page)
