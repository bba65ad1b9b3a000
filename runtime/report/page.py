"""report.html: one page that needs no network and no script, made from the run folder alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from shlex import join
from typing import Any
from urllib.parse import quote

import numpy as np
from actionrun.compiler.findings import (
    Axis,
    Curve,
    Equation,
    Figure,
    Findings,
    Panel,
    Section,
    Table,
)
from actionrun.runtime.storage.findings_file import read_content
from actionrun.runtime.storage.progress_log import rows
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.kinds.registry import kind_of

from .document import document
from .figures import parts, svg
from .inert_text import inert
from .markup import (
    coefficients_html,
    equation_html,
    of_coefficients,
    pairs_html,
    table_html,
    text_html,
    toml_html,
    values_html,
)
from .mathml import mathml
from .rounding import duration

MOST_STUDY = 4 << 20  # bytes of the study that is shown
MOST_PANELS = 4
MOST_HERO_PANELS = 2


def write_report(folder: Folder) -> Path:
    """Draw the figures and the page; returns the page's path. Raises CannotWrite."""
    content = read_content(folder)
    provenance = folder.origin()
    salt = str(provenance.get("hash", ""))[:8]
    drawn: dict[str, str] = {}
    for figure in content.findings.figures:
        drawn[figure.name] = inert(svg(figure, salt + figure.name))
        folder.write(f"figures/{stem(figure.name)}.svg", drawn[figure.name])
    text = page(folder, content.findings, content.asked, provenance, drawn)
    return folder.write("report.html", text)


def page(
    folder: Folder, findings: Findings, asked: Sequence[Section], provenance: Mapping[str, Any],
    drawn: Mapping[str, str],
) -> str:  # fmt: skip
    """The page as text; `drawn` has the drawings of its figures by name."""
    study = folder.text("study.toml", limit=MOST_STUDY)
    known = (
        str(provenance.get("finished") or "")[:10],
        f"took {duration(provenance.get('seconds'))}",
        str(provenance.get("device") or ""),
        f"actionrun {provenance.get('actionrun')}",
    )
    hero = main_equation(findings)
    sections = [
        ("short", "In short", _short(findings, hero)),
        ("results", "Results", _results(findings, hero)),
        ("figures", "Figures", _figures(findings.figures, "f", drawn)),
        ("trust", "How far to trust it", _trust(findings)),
        ("asked", "What was asked", _asked(asked, study, _command(provenance))),
        ("course", "How it went", _course(folder, provenance)),
        ("repeat", "How to repeat it", _repeat(folder, provenance)),
    ]
    title, facts = str(provenance.get("title", "")), " · ".join(filter(None, known))
    return document(title, _question(provenance), facts, sections, contents=True)


def _question(provenance: Mapping[str, Any]) -> str:
    """What a study of this kind asks."""
    name = str(provenance.get("study", ""))
    kind = kind_of(name)
    return name if kind is None else kind.question[0].upper() + kind.question[1:]


def main_equation(findings: Findings) -> Equation | None:
    """The equation that answers the study: the first, with learned values where one of the same
    left-hand side has them."""
    if not findings.equations:
        return None
    first = findings.equations[0]
    same = (one for one in findings.equations if one.values and _left(one) == _left(first))
    return next(same, first)


def _left(equation: Equation) -> str:
    return equation.latex.partition("=")[0].strip()


def hero_figure(findings: Findings) -> Figure | None:
    """The figure that shows the answer: the first panels of the first figure."""
    if not findings.figures:
        return None
    first = findings.figures[0]
    return replace(first, panels=first.panels[:MOST_HERO_PANELS])


def _short(findings: Findings, hero: Equation | None) -> str:
    """The answer beside the figure that shows it, so that both are on the first screen."""
    answer = [mathml(hero.latex)] if hero is not None else []
    answer += [pairs_html(findings.summary), _verdict(findings)]
    text = "\n".join(filter(None, answer))
    figure = hero_figure(findings)
    if figure is None:
        return text
    drawings = "\n".join(parts(figure, "hero", svg(figure, "hero")))
    label = escape(figure.caption, quote=True)
    return (
        f'<div class="hero">\n<div>{text}</div>\n<figure>\n<a href="#figures" '
        f'aria-label="{label}">\n{drawings}\n</a>\n'
        f"<figcaption>{escape(figure.caption)}</figcaption>\n</figure>\n</div>"
    )


def _verdict(findings: Findings) -> str:
    """How many checks held, and which did not, with the way to what they say."""
    missed = [check.name for check in findings.checks if not check.passed]
    count = len(findings.checks)
    if not count:
        return ""
    if missed:
        text = f"{len(missed)} of {count} checks not held: {', '.join(missed)}"
    else:
        text = "The check held" if count == 1 else f"All {count} checks held"
    kind = "missed" if missed else "held"
    mark = "✗" if missed else "✓"
    return (
        f'<p class="verdict {kind}"><span class="mark">{mark}</span> '
        f'<a href="#trust">{escape(text)}</a></p>'
    )


def _asked(asked: Sequence[Section], study: str, command: str) -> str:
    parts: list[str] = []
    for section in asked:
        parts.append(f"<h3>{escape(section.title)}</h3>")
        if section.text:
            parts.append(text_html(section.text))
        parts += [
            equation_html(equation, len(section.equations) > 1) for equation in section.equations
        ]
    parts.append("<h3>The study, as it was written</h3>")
    parts.append(toml_html(study))
    if any(option in command for option in ("--set", "--seed", "--data")):
        parts.append(f'<p class="aside">changed by: <code>{escape(command)}</code></p>')
    return "\n".join(parts)


def _results(findings: Findings, hero: Equation | None) -> str:
    """Each equation once, the hero's not again; after each group of equations one table of the
    values they share, but for those that a table of coefficients has; then tables and metrics."""
    pieces: list[str] = []
    told = {row[0] for table in findings.tables if of_coefficients(table) for row in table.rows}
    for group in _by_values(findings.equations):
        pieces += [
            equation_html(equation)
            for equation in group
            if hero is None or equation.latex != hero.latex
        ]
        values = {
            name: value for equation in group for name, value in equation.values.items()
            if name not in told
        }  # fmt: skip
        pieces += [values_html(values)] if values else []
    pieces += [
        coefficients_html(table)
        if of_coefficients(table)
        else table_html(table, _pages(table, findings))
        for table in findings.tables
    ]
    if findings.metrics:
        table = Table("", "All metrics", ("metric", "value"), tuple(findings.metrics.items()))
        pieces.append(table_html(table))
    return "\n".join(pieces)


def _by_values(equations: Iterable[Equation]) -> list[list[Equation]]:
    """Runs of equations in which a symbol has one value."""
    groups: list[list[Equation]] = []
    known: dict[str, tuple[float | None, float | None]] = {}
    for equation in equations:
        if not groups or any(
            known.get(name, value) != value for name, value in equation.values.items()
        ):
            groups.append([])
            known = {}
        groups[-1].append(equation)
        known |= equation.values
    return groups


def _pages(table: Table, findings: Findings) -> Sequence[str | None]:
    """The pages of the points of a sweep, a row of its table each; None where there is none."""
    points = findings.extra.get("sweep", {}).get("points", ())
    if table.name != "points" or len(points) != len(table.rows):
        return ()
    return [f"{one['folder']}/report.html" if one["status"] == "done" else None for one in points]


def _figures(figures: Iterable[Figure], salt: str, drawn: Mapping[str, str]) -> str:
    blocks = []
    for number, figure in enumerate(figures):
        drawings = "\n".join(parts(figure, f"{salt}{number}", drawn.get(figure.name)))
        label = escape(figure.caption, quote=True)
        blocks.append(
            f'<figure>\n<div class="panels" role="group" aria-label="{label}">\n{drawings}\n'
            f"</div>\n<figcaption>{escape(figure.caption)}{_file_link(figure, drawn)}"
            "</figcaption>\n</figure>"
        )
    return "\n".join(blocks)


def _file_link(figure: Figure, drawn: Mapping[str, str]) -> str:
    if figure.name not in drawn:
        return ""
    return f' <a href="figures/{quote(stem(figure.name))}.svg">SVG</a>'


def _course(folder: Folder, provenance: Mapping[str, Any]) -> str:
    nanoseconds = provenance.get("step_nanoseconds")
    again = len(provenance.get("sessions", []))
    pairs = (
        ("wall time", duration(provenance.get("seconds"))),
        ("CPU time", duration(provenance.get("cpu_seconds"))),
        ("of it compiling", duration(provenance.get("compile_seconds"))),
        ("time a step", "–" if nanoseconds is None else duration(nanoseconds * 1e-9)),
        ("device", str(provenance.get("device") or "–")),
        ("interrupted", f"{again} time{'s' if again > 1 else ''}, then gone on" if again else "no"),
    )
    return f"{pairs_html(pairs)}\n{_figures(progress(list(rows(folder.metrics))), 'p', {})}"


def progress(lines: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """A figure a stage of what it reported, over its steps, where there is a curve to see."""
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        stages.setdefault(str(line["stage"]), []).append(line)
    return [
        Figure(f"progress-{stage}", _progress_caption(stage, reports), panels)
        for stage, reports in stages.items()
        if len(reports) > 2 and (panels := _progress_panels(reports))
    ]


def _progress_caption(stage: str, reports: Sequence[Mapping[str, Any]]) -> str:
    times = [row["seconds"] for row in reports if row.get("seconds") is not None]
    took = f", which took {duration(times[-1] - times[0])}" if len(times) > 1 else ""
    return f"What the stage “{stage}” reported, over its steps{took}."


def _progress_panels(reports: Sequence[Mapping[str, Any]]) -> tuple[Panel, ...]:
    fixed = ("stage", "done", "total", "seconds")
    names = [name for name in reports[-1] if name not in fixed][:MOST_PANELS]
    panels = []
    for name in names:
        points = [
            (row["done"], row[name]) for row in reports if type(row.get(name)) in (int, float)
        ]
        if len(points) < 3:
            continue
        steps, values = zip(*points, strict=True)
        log = min(values) > 0 and max(values) > 30 * min(values)
        curve = Curve(np.array(steps, dtype=float), np.array(values, dtype=float))
        panels.append(Panel(Axis("step of the stage"), Axis(name, log=log), (curve,)))
    return tuple(panels)


def _trust(findings: Findings) -> str:
    items = [
        f'<li class="{"held" if check.passed else "missed"}">'
        f'<span class="mark">{"✓" if check.passed else "✗"}</span>'
        f"<strong>{escape(check.name)}</strong> "
        f"({'held' if check.passed else 'not held'}): {escape(check.text)}</li>"
        for check in findings.checks
    ]
    checks = f'<ul class="checks">{"".join(items)}</ul>' if items else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in findings.notes)
    return checks + (f'<ul class="notes">{notes}</ul>' if notes else "")


def _command(provenance: Mapping[str, Any]) -> str:
    return join(["actionrun", *map(str, provenance.get("command", [])[1:])])


def _repeat(folder: Folder, provenance: Mapping[str, Any]) -> str:
    command = _command(provenance)
    versions = provenance.get("versions", {})
    pairs = (
        ("seed", str(provenance.get("seed"))),
        ("hash of the study", str(provenance.get("hash"))),
        ("actionrun", f"{provenance.get('actionrun')} (code {provenance.get('code')})"),
        ("versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ("python", str(provenance.get("python"))),
        ("platform", str(provenance.get("platform"))),
        ("processor", f"{provenance.get('processor')} ({provenance.get('processors')} cores)"),
        (
            "switches",
            " ".join(f"{k}={v}" for k, v in provenance.get("switches", {}).items()) or "–",
        ),
    )
    return (
        f"<pre>{escape(command)}</pre>\n"
        '<p class="aside">The file <code>resolved.toml</code> beside this page has every default '
        "and override written out: <code>actionrun resolved.toml</code> gives the same run.</p>\n"
        f"{pairs_html(pairs)}"
    )


def stem(name: str) -> str:
    """A file's stem that stays in its folder, whatever a figure is called."""
    kept = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
    return kept[:80] or "figure"
