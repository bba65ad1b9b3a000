"""`actionrun schema` and `actionrun new`: the study language for editors and beginners."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from actionrun import spec
from actionrun.runtime.data.study_files import with_files_beside
from actionrun.runtime.errors import CannotWrite, Refused
from actionrun.runtime.report.listing import columned
from actionrun.spec.examples import Example, example, examples
from actionrun.spec.templates import kinds
from actionrun.spec.text.source import UsageFault


def schema(options: Namespace) -> int:
    """Print the JSON Schema of the study language."""
    print(json.dumps(spec.schema(), indent=2, ensure_ascii=False))
    return 0


def new(options: Namespace) -> int:
    """Print a commented starter study, list the shipped studies, or copy one with its files."""
    if options.list:
        head = ("study", "kind", "takes", "title")
        rows = [(one.name, one.kind, one.time, one.title) for one in examples()]
        print("\n".join(columned([head, *rows])))
        return 0
    if options.kind is None:
        raise UsageFault("name a kind or a shipped study: actionrun new --list shows them")
    if options.kind in kinds():
        print(spec.template(options.kind), end="")
        return 0
    for path in _copy(example(options.kind)):
        print(path)
    return 0


def _copy(one: Example) -> list[Path]:
    """Copies of a study and of the files that it names, in the working folder; over none."""
    _, files = with_files_beside(spec.load(one.path))
    sources = {one.path.name: one.path, **files}
    there = [name for name in sources if Path(name).exists() or Path(name).is_symlink()]
    if there:
        raise Refused(f"{there[0]} is there already, and nothing is written over")
    written = []
    for name, source in sources.items():
        if not source.is_file():
            print(f"{name} is not shipped: name your own with --data FILE.csv")
            continue
        try:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            with Path(name).open("xb") as file:
                file.write(source.read_bytes())
        except OSError as error:
            raise CannotWrite(Path(name), source.stat().st_size, error) from None
        written.append(Path(name))
    return written
