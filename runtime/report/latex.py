"""LaTeX documents and the text of `explain`."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from actionrun.compiler.findings import Equation, Section, Table
from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.findings_file import Content, read_content
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.source import shown

from .latex_words import foreign
from .rounding import with_error

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "±": r"\ensuremath{\pm}", "–": "--", "—": "---", "“": "``", "”": "''", "’": "'",
    "…": r"\dots{}", "·": r"\ensuremath{\cdot}", "×": r"\ensuremath{\times}", 
    "°": r"\ensuremath{^\circ}",
    "²": r"\ensuremath{^2}", "³": r"\ensuremath{^3}", "Å": r"\AA{}", "µ": r"\ensuremath{\mu}",
}  # fmt: skip

PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[a4paper,margin=25mm]{geometry}
\usepackage{amsmath,amssymb,graphicx,booktabs}
\setlength{\parindent}{0pt}
% An equation that is wider than the page shrinks to it.
\newsavebox{\equationbox}
\newcommand{\fitted}[1]{\[\sbox{\equationbox}{$\displaystyle #1$}%
  \ifdim\wd\equationbox>\linewidth\resizebox{\linewidth}{!}{\usebox{\equationbox}}%
  \else\usebox{\equationbox}\fi\]}
"""


BAR = SPECIAL["|"]  # keeps the spaces at the ends of what is escaped


def escaped(text: str) -> str:
    """Any text as LaTeX that pdflatex sets as it stands; what it has no glyph for as its name."""
    return "".join(_escaped(char) for char in " ".join(text.split()))


def _escaped(char: str) -> str:
    if char in SPECIAL:
        return SPECIAL[char]
    if char.isascii():
        return char if char.isprintable() else ""
    name = unicodedata.name(char, "")
    if name.startswith(("GREEK SMALL LETTER ", "GREEK CAPITAL LETTER ")) and name.count(" ") == 3:
        word = name.rpartition(" ")[2].lower()
        if "CAPITAL" in name:
            word = word.capitalize()
        if word in _GREEK.split():
            return rf"\ensuremath{{\{word}}}"
    base = unicodedata.normalize("NFKD", char)[0]
    if name.startswith("LATIN ") and base.isascii() and ord(char) < 0x180:
        return char
    return f"[U+{ord(char):04X}]"


_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)


def equations(folder: Folder) -> str:
    """A run's equations, for `\\input`. Raises Refused as `standalone`."""
    return equations_tex(mathematical_content(folder).findings.equations)


def mathematical_content(folder: Folder) -> Content:
    """The findings of a run. Raises Refused for a command that no equation of ours has: the folder
    was altered."""
    content = read_content(folder)
    asked = [equation for section in content.asked for equation in section.equations]
    cells = [cell for table in content.findings.tables for row in table.latex for cell in row]
    for latex in (*(one.latex for one in (*content.findings.equations, *asked)), *cells):
        if latex is not None and (odd := foreign(latex)):
            raise Refused(
                f"{folder.findings} is missing or damaged: an equation holds {odd}, which none "
                "that actionrun writes has. Run the study again with --fresh"
            )
    return content


def standalone(folder: Folder) -> str:
    """A run's equations, with their values, as a document that pdflatex compiles. Raises Refused
    where they are damaged, or hold LaTeX that is not ours."""
    result, content = folder.results(), mathematical_content(folder)
    parts = [
        PREAMBLE,
        r"\begin{document}",
        rf"\section*{{{escaped(str(result.get('title', '')))}}}",
    ]
    for equation in content.findings.equations:
        parts += [rf"\subsection*{{{escaped(equation.name)}}}", rf"\fitted{{{equation.latex}}}"]
        parts += values_table(equation.values)
    for table in content.findings.tables:
        if table.latex:
            parts += [rf"\subsection*{{{escaped(table.caption)}}}"]
            parts += [r"\begin{lrbox}{\equationbox}\small", tabular(table), r"\end{lrbox}"]
            parts += [
                r"\resizebox{\ifdim\wd\equationbox>\linewidth\linewidth\else\wd\equationbox\fi}"
                r"{!}{\usebox{\equationbox}}"
            ]
    parts += [rf"\section*{{{escaped('What was asked')}}}"]
    for section in content.asked:
        if section.equations:
            parts += [rf"\subsection*{{{escaped(section.title)}}}"]
            parts += [rf"\fitted{{{equation.latex}}}" for equation in section.equations]
    return "\n".join([*parts, r"\end{document}"])


def tabular(table: Table) -> str:
    """A table as LaTeX with booktabs' rules; columns of numbers are aligned to the right."""
    latex = table.latex or tuple((None,) * len(row) for row in table.rows)
    shown = [
        [_cell(cell, math) for cell, math in zip(row, maths, strict=True)]
        for row, maths in zip(table.rows, latex, strict=True)
    ]
    columns = "".join(
        "r" if all(isinstance(row[k], int | float | None) for row in table.rows) else "l"
        for k in range(len(table.header))
    )
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(escaped, table.header)) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in shown),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _cell(cell: str | float | int | None, math: str | None) -> str:
    if math is not None:
        return f"${math}$"
    return "" if cell is None else escaped(f"{cell:.6g}" if isinstance(cell, float) else str(cell))


def equations_tex(equations: Sequence[Equation]) -> str:
    """Display equations, each after a comment with its name, for `\\input`."""
    return "\n".join(
        f"% {' '.join(equation.name.split())}\n\\[\n{equation.latex}\n\\]\n"
        for equation in equations
    )


def tables_tex(tables: Sequence[Table]) -> str:
    """The tables that hold mathematics, each after a comment with its caption, for `\\input` where
    booktabs is loaded."""
    return "\n".join(
        f"% {' '.join(table.caption.split())}\n{tabular(table)}\n"
        for table in tables
        if table.latex
    )


def values_table(values: Mapping[str, tuple[float | None, float | None]]) -> list[str]:
    """Learned symbols with their standard deviations, as lines of LaTeX."""
    if not values:
        return []
    rows = [
        rf"\texttt{{{escaped(symbol)}}} & {escaped(with_error(value, std))} \\"
        for symbol, (value, std) in values.items()
    ]
    return [r"\begin{center}\begin{tabular}{ll}", *rows, r"\end{tabular}\end{center}"]


def explained_text(sections: Sequence[Section], toml: str) -> str:
    """What `explain` prints: the study with all its defaults, then what it means."""
    blocks = [_headed("Study", toml.rstrip().split("\n"))]
    for section in sections:
        lines = [section.text] if section.text else []
        for equation in section.equations:
            lines += [f"{equation.name}:", *(f"    {line}" for line in equation.text.splitlines())]
        blocks.append(_headed(section.title, lines))
    return shown("\n\n".join(blocks))


def _headed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, "-" * len(title), *lines])


def _typed(line: str) -> str:
    """A line in the typewriter font, which has straight quotation marks."""
    return r"\char34{}".join(escaped(f"|{part}|")[len(BAR) : -len(BAR)] for part in line.split('"'))


def explained_tex(sections: Sequence[Section], toml: str) -> str:
    """What `explain --latex` prints: a document that pdflatex compiles as it is."""
    lines = [PREAMBLE, r"\begin{document}", r"\section*{Study}"]
    lines += [r"\begin{flushleft}\small\ttfamily"]
    lines += [rf"{_typed(line)}\\" if line.strip() else r"\medskip" for line in toml.split("\n")]
    lines += [r"\end{flushleft}"]
    for section in sections:
        lines.append(rf"\section*{{{escaped(section.title)}}}")
        # Line breaks of the text are its structure, as in a list of defaults.
        lines += [rf"{escaped(line)}\par" for line in section.text.splitlines() if line.strip()]
        for equation in section.equations:
            lines += [rf"\subsection*{{{escaped(equation.name)}}}", rf"\fitted{{{equation.latex}}}"]
    return "\n".join([*lines, r"\end{document}"])
