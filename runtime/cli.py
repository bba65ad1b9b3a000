"""The command line.

Commands that only read words import neither jax, sympy, matplotlib nor numpy.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from actionrun import spec
from actionrun.spec.text.source import Faults, UsageFault, shown

from .commands import COMMANDS, action
from .commands.faults import print_faults
from .environment.limits import bytes_in
from .environment.streams import UNWRITABLE, forget_output, prepare_streams
from .errors import (
    DATA,
    INTERRUPTED,
    OUT_OF_MEMORY,
    RETRY,
    USAGE,
    WRITE,
    RunError,
    is_out_of_memory,
)
from .workers import MOST_WORKERS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of runs.md."""
    if arguments is None:
        prepare_streams()
    # Plugins of other packages could change what a study means, and looking for them takes time.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argument_parser()
    if words and words[0] not in (*COMMANDS, "-h", "--help", "--version"):
        words.insert(0, "run")

    def act() -> int:
        try:
            _refuse_bare_keys(words)
            options = parser.parse_args(words)
        except SystemExit as end:  # its help is printed, or what is wrong with the words
            return end.code if isinstance(end.code, int) else USAGE
        if options.command is None:
            parser.print_help()
            return USAGE
        return action(options.command)(options)

    return guarded(act, words, debug="--debug" in words)


def _refuse_bare_keys(words: list[str]) -> None:
    """Say how a key is set where somebody writes `actionrun STUDY.toml integrator.dt=0.1`."""
    for before, word in pairwise(words):
        name, equals, _ = word.partition("=")
        bare = equals and not before.startswith("-") and all(map(str.isidentifier, name.split(".")))
        if bare and words[0] in ("run", "check", "explain"):
            raise UsageFault(f"a key is set by --set {word}")


def guarded(act: Callable[[], int], words: list[str], *, debug: bool) -> int:
    """The exit code of a deed; what goes wrong in it is told in words."""
    try:
        code = act()
        sys.stdout.flush()
        return code
    except Faults as faults:
        print_faults(faults.faults, sys.stderr)
        return DATA
    except UsageFault as fault:
        _complain(str(fault))
        return USAGE
    except RunError as error:
        _complain(str(error))
        return error.code
    except KeyboardInterrupt:
        _complain("interrupted; what was saved before is kept, and the same command goes on")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`actionrun … | head`); nothing is left to say.
        forget_output()
        return 0
    except RecursionError:
        _complain("a formula of the study is nested too deep, with what it stands on by [define]. "
                  "Put numbers where names only stand for names")  # fmt: skip
        return DATA
    except Exception as error:
        if is_out_of_memory(error):
            _complain(OUT_OF_MEMORY)
            return RETRY
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            forget_output()
            _complain(f"cannot write to the standard output: {str(error.strerror).lower()}")
            return WRITE
        if debug:
            raise
        _complain(
            f"this is a bug in actionrun, not in your study: {type(error).__name__}: {error}\n"
            f"Please report it with the output of: actionrun {' '.join(words)} --debug"
        )
        return 1


def _complain(text: str) -> None:
    with suppress(OSError):  # nobody listens; the exit code says it
        print(f"actionrun: {shown(text)}", file=sys.stderr, flush=True)


def argument_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="actionrun",
        description="Experiments with the physics of least action: one TOML study in, measured "
        "results and learned equations out.",
        epilog="`actionrun STUDY.toml` alone runs the study. Exit codes: 0 done, 2 wrong command "
        "line, 65 fault in study or data, 74 cannot write, 75 busy or saved and stopped, "
        "130 interrupted and saved.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, help="show the version and exit")
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--debug", action="store_true", help="show the traceback of a bug")
    loading = argparse.ArgumentParser(add_help=False)
    loading.add_argument("--seed", type=int, metavar="N", help="instead of the study's seed")
    loading.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", dest="overrides",
        help="change one key; VALUE is read as TOML, else as a string",
    )  # fmt: skip
    loading.add_argument("--data", type=Path, metavar="FILE", help="instead of [data] file")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    def command(name: str, help: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return group.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.",
            parents=[*parents, every], allow_abbrev=False,
        )  # fmt: skip

    run = command("run", "run a study, or go on with it", loading)
    run.add_argument("study", type=Path, metavar="STUDY.toml")
    run.add_argument("--out", type=Path, metavar="DIR", help="the run folder itself")
    run.add_argument("--fresh", action="store_true", help="start a new run beside older ones")
    run.add_argument("--yes", action="store_true", help="also where it writes more than 100 GB")
    run.add_argument(
        "--limit-minutes", type=_minutes, metavar="M", help="save and stop after so long"
    )
    run.add_argument(
        "--limit-memory", type=_memory, metavar="4GB", help="stop where a process would hold more"
    )
    run.add_argument("--quiet", action="store_true", help="say nothing but what went wrong")
    _shares(run)

    check = command("check", "show every fault of studies", loading)
    check.add_argument("study", type=Path, nargs="+", metavar="STUDY.toml")
    check.add_argument("--deep", action="store_true", help="add the symbolic checks")
    check.add_argument("--format", choices=("text", "json"), default="text")

    explain = command("explain", "show all that a short study means", loading)
    explain.add_argument("study", type=Path, metavar="STUDY.toml")
    form = explain.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="as LaTeX")
    form.add_argument("--json", action="store_true", help="as JSON, for programs")

    latex = command("latex", "print a run's equations as LaTeX")
    latex.add_argument("run", type=Path, metavar="RUN")
    latex.add_argument(
        "--standalone", action="store_true", help="a document that compiles as it is"
    )

    export = command("export", "write a run's arrays, figures or equations for other tools")
    export.add_argument("run", type=Path, metavar="RUN")
    export.add_argument(
        "--format",
        required=True,
        choices=("csv", "netcdf", "npz", "extxyz", "pdf", "png", "python", "sympy", "c", "study"),
    )
    export.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/export")

    infer = command("infer", "name new motions by a trained family network")
    infer.add_argument("run", type=Path, metavar="RUN")
    infer.add_argument("--data", type=Path, metavar="FILE.csv", required=True, help="new motions")
    infer.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/inferred/FILE")
    _shares(infer)

    look = command("look", "say what a data file holds, and print a study to start from")
    look.add_argument("file", type=Path, metavar="FILE.csv")
    look.add_argument("--out", type=Path, metavar="FIGURE.svg", help="draw its columns over time")

    listed = command("list", "list the runs in a folder")
    listed.add_argument("folder", type=Path, nargs="?", default=Path("runs"), metavar="DIR")
    listed.add_argument(
        "--sort", choices=("run", "started", "took", "study", "title"), default="run",
        help="by what; default: the folder's name",
    )  # fmt: skip
    listed.add_argument("--json", action="store_true", help="as JSON, for programs")

    compare = command("compare", "show what differs between runs")
    compare.add_argument("run", type=Path, nargs="+", metavar="RUN")
    compare.add_argument(
        "--out", type=Path, metavar="PAGE.html", default=Path("compare.html"), help="its page"
    )
    compare.add_argument("--json", action="store_true", help="as JSON, without a page")

    report = command("report", "make a run's page again from its folder")
    report.add_argument("run", type=Path, metavar="RUN")
    report.add_argument(
        "--paper", action="store_true",
        help="and RUN/paper: figures as PDF, equations, tables, methods with citations",
    )  # fmt: skip

    command("schema", "print the JSON Schema of the study language")
    # by their starter studies: the registry of kinds would import pydantic
    kinds = sorted(path.stem for path in (Path(spec.__path__[0]) / "templates").glob("*.toml"))
    new = command("new", "print a commented starter study, or copy a shipped one with its data")
    new.add_argument(
        "kind", nargs="?", metavar="KIND_OR_STUDY",
        help=f"{', '.join(kinds[:-1])} or {kinds[-1]}: printed; a shipped study: copied here",
    )  # fmt: skip
    new.add_argument("--list", action="store_true", help="list the shipped studies")
    complete = command("completion", "print what a shell needs to complete commands and options")
    complete.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def _shares(command: argparse.ArgumentParser) -> None:
    share = command.add_mutually_exclusive_group()
    share.add_argument(
        "--workers", type=_count, default=0, metavar="N", help="processes that share the work"
    )
    share.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler, tcp://host:8786")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise argparse.ArgumentTypeError(f"write a number of minutes above 0, not {text}")
    return minutes


def _memory(text: str) -> int:
    try:
        return bytes_in(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"write a size such as 4GB, not {text}") from None


def _count(text: str) -> int:
    count = int(text) if text.isdecimal() and len(text) < 5 else 0
    if not 1 <= count <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"write a number from 1 to {MOST_WORKERS}, not {text}")
    return count


class Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than most of `check`."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from actionrun.runtime.storage.versions import version_of  # at start-up: see above

        print(f"actionrun {version_of('actionrun')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
