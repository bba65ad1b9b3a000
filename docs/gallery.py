"""The gallery: every shipped study with its hero figure, its equation, its answer and its time.

    python docs/gallery.py [NAME …] [--runs DIR] [--data DIR] [--seconds N]

Runs each study of `studies/` (or those named) where DIR has no finished run of it, and writes
`docs/gallery.md` with `docs/gallery/NAME.svg`. A study that names a measured file is looked for in
`--data`; one that was not run, or that takes more than N seconds, is left out and named. Times are
those of the runs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from actionrun.compiler.findings import Findings
from actionrun.runtime.report.figures import svg
from actionrun.runtime.report.page import hero_figure, main_equation
from actionrun.runtime.report.rounding import duration
from actionrun.runtime.storage.findings_file import read_content
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.kinds.registry import KINDS

HOME = Path(__file__).parent
STUDIES = HOME.parent / "studies"
MOST_PAIRS = 4


@dataclass(frozen=True)
class Shown:
    """A finished run: name of the study, kind and title, what was found, seconds of wall time."""

    name: str
    kind: str
    title: str
    findings: Findings
    seconds: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=Path, default=Path("runs/gallery"), metavar="DIR")
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--seconds", type=float, metavar="N", help="at most, for a study")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in STUDIES.glob("*.toml"))
    shown, missing = [], []
    for name in names:
        done = finished(name, options.runs / name, options.data, options.seconds)
        (shown if done is not None else missing).append(done or name)
    (HOME / "gallery").mkdir(exist_ok=True)
    for one in shown:
        draw(one)
    (HOME / "gallery.md").write_text(page(shown, missing), encoding="utf-8")
    if missing:
        print(f"not shown, for want of a finished run: {', '.join(missing)}", file=sys.stderr)


def finished(name: str, out: Path, data: Path | None, seconds: float | None) -> Shown | None:
    """The finished run of a study, run now where there is none; None where it did not end well or
    within so many seconds."""
    folder = Folder(out)
    if not folder.finished:
        command = [sys.executable, "-m", "actionrun.runtime.cli", str(STUDIES / f"{name}.toml")]
        measured = data / f"{name}.csv" if data is not None else None
        if measured is not None and measured.is_file():
            command += ["--data", str(measured)]
        try:
            subprocess.run([*command, "--quiet", "--out", str(out)], check=True, timeout=seconds)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
    provenance = folder.origin()
    if provenance.get("status") != "done":
        return None
    return Shown(
        name, provenance["study"], provenance["title"], read_content(folder).findings,
        provenance.get("seconds"),
    )  # fmt: skip


def draw(one: Shown) -> None:
    hero = hero_figure(one.findings)
    if hero is not None:
        (HOME / "gallery" / f"{one.name}.svg").write_text(svg(hero, one.name), encoding="utf-8")


def page(shown: list[Shown], missing: list[str]) -> str:
    lines = [
        "# Gallery",
        "",
        f"{len(shown)} of the {len(shown) + len(missing)} studies in `studies/`, with the figure "
        "and equation that their reports begin with. This page is made of runs by "
        "`python docs/gallery.py`; times are wall time on two shared cores.",
    ]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        lines += [
            "",
            "Not shown, for want of a finished run when this page was made (the longer ones take "
            f"minutes, and some want a measured file that is not in the repository): {names}.",
        ]
    for kind in KINDS.values():
        of_kind = [one for one in shown if one.kind == kind.name]
        if of_kind:
            lines += ["", f"## `{kind.name}`: {kind.question}"]
        for one in of_kind:
            lines += entry(one)
    return "\n".join(lines) + "\n"


def entry(one: Shown) -> list[str]:
    """One study in Markdown."""
    lines = ["", f"### {plain(one.title)}", ""]
    if one.findings.figures:
        lines += [f"![{plain(one.findings.figures[0].caption)}](gallery/{one.name}.svg)", ""]
    equation = main_equation(one.findings)
    if equation is not None:
        lines += [f"$$ {' '.join(equation.latex.split())} $$", ""]
    pairs = one.findings.summary[:MOST_PAIRS]
    lines += [f"- {plain(name)}: {plain(value)}" for name, value in pairs]
    lines += ["", f"`actionrun studies/{one.name}.toml`, {duration(one.seconds)}"]
    return lines


def plain(text: str) -> str:
    """A text as Markdown that shows just that: `q[1](0.5)` is no link."""
    return re.sub(r"([\\`*_\[\]<$])", r"\\\1", text)


if __name__ == "__main__":
    main()
