r"""A folder for a paper: figures (PDF), equations, tables (booktabs), a paragraph on methods with
versions and citations (BibTeX), and a document that shows all of it and compiles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from actionrun.compiler.findings import Figure, Findings, Section
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.kinds.registry import kind_of

from .figures import drawn, stacked
from .latex import PREAMBLE, escaped, mathematical_content, tabular, values_table
from .page import main_equation, stem

HOME = Path(__file__).parent
LIBRARIES = {"jax": "jax", "sympy": "sympy2017"}  # those a paper cites, by their keys
METHODS = (
    "Method",
    "Integration",
    "Path",
    "Minimisation",
    "Search",
    "Networks",
    "Judgement",
    "Loss",
)


def write_paper(folder: Folder) -> tuple[Path, ...]:
    """Write the folder `paper` of a run; returns its files. Raises CannotWrite, and Refused where
    it is damaged or holds LaTeX that is not ours."""
    content, provenance = mathematical_content(folder), folder.origin()
    findings = content.findings
    keys = _keys(provenance)
    files: dict[str, bytes | str] = {
        "main.tex": _main(findings, provenance, keys),
        "methods.tex": methods(content.asked, provenance, keys),
        "results.tex": _results(findings),
        "references.bib": _entries(keys),
    }
    for figure in findings.figures:
        files[f"figures/{stem(figure.name)}.pdf"] = drawn(figure, "pdf")
    return tuple(folder.write(f"paper/{name}", made) for name, made in files.items())


def methods(asked: Sequence[Section], provenance: Mapping[str, Any], keys: Sequence[str]) -> str:
    """What was done, with what, in words that can stand in a paper."""
    cited = ",".join(key for key in keys if key not in LIBRARIES.values())
    kind, versions = provenance.get("study"), provenance.get("versions", {})
    made = ", ".join(
        rf"{escaped(name)} {escaped(str(versions[name]))}~\cite{{{key}}}"
        for name, key in LIBRARIES.items()
        if name in versions
    )
    release, seed, device = (
        escaped(str(provenance.get(key))) for key in ("actionrun", "seed", "device")
    )
    sentences = [
        rf"The study ({escaped(str(kind))}~\cite{{{cited}}}) was run with actionrun {release} on "
        rf"{made}, seed {seed}, {device}."
    ]
    texts = {section.title: section.text for section in asked if section.text}
    sentences += [escaped(texts[title]) for title in METHODS if title in texts]
    return "\n\n".join(sentences) + "\n"


def _keys(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    kind = kind_of(provenance.get("study"))
    used = (key for name, key in LIBRARIES.items() if name in provenance.get("versions", {}))
    return (*(kind.references if kind is not None else ()), *used)


def _entries(keys: Sequence[str]) -> str:
    """The entries of these keys from references.bib."""
    text = (HOME / "references.bib").read_text(encoding="utf-8")
    entries = {
        entry[1]: entry[0] for entry in re.finditer(r"@\w+\{(\w+),.*?\n\}\n", text, re.DOTALL)
    }
    return "\n".join(entries[key] for key in keys)


def _main(findings: Findings, provenance: Mapping[str, Any], keys: Sequence[str]) -> str:
    lines = [
        PREAMBLE,
        rf"\title{{{escaped(str(provenance.get('title', '')))}}}",
        rf"\date{{{escaped(str(provenance.get('finished') or '')[:10])}}}",
        r"\begin{document}",
        r"\maketitle",
        r"\section*{Methods}",
        r"\input{methods}",
        r"\section*{Results}",
        r"\input{results}",
        *_figures(findings.figures),
        r"\bibliographystyle{unsrt}" if keys else "",
        r"\bibliography{references}" if keys else "",
        r"\end{document}",
    ]
    return "\n".join(filter(None, lines)) + "\n"


def _results(findings: Findings) -> str:
    """The equation that answers, the learned values once, the checks, and the tables."""
    lines: list[str] = []
    hero = main_equation(findings)
    values = {
        name: pair for one in reversed(findings.equations) for name, pair in one.values.items()
    }
    if hero is not None:
        lines.append(rf"\fitted{{{hero.latex}}}")
        values |= hero.values
    lines += values_table(values)
    missed = [f"{check.name}: {check.text}" for check in findings.checks if not check.passed]
    if missed:
        lines.append(escaped("Checks that did not hold: " + "; ".join(missed)))
    for table in findings.tables:
        lines += [
            r"\begin{table}[ht]", r"\centering", rf"\caption{{{escaped(table.caption)}}}",
            r"\begin{lrbox}{\equationbox}\small", tabular(table), r"\end{lrbox}",
            r"\resizebox{\ifdim\wd\equationbox>\linewidth\linewidth\else\wd\equationbox\fi}"
            r"{!}{\usebox{\equationbox}}",
            r"\end{table}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _figures(figures: Sequence[Figure]) -> Iterator[str]:
    for figure in figures:
        width = r"0.6\linewidth" if stacked(figure.panels) else r"\linewidth"
        yield r"\begin{figure}[ht]"
        yield r"\centering"
        yield rf"\includegraphics[width={width},height=0.7\textheight,keepaspectratio]" + (
            rf"{{figures/{stem(figure.name)}.pdf}}"
        )
        yield rf"\caption{{{escaped(figure.caption)}}}"
        yield r"\end{figure}"
