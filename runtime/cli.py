"""The command line. Global switches (doubles, XLA flags, signals, cache) are set here alone.

Commands that only read words import neither jax, sympy, matplotlib nor numpy.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from .errors import DATA, INTERRUPTED, RETRY, USAGE, WRITE, RunError

XLA_FLAGS = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000"
# XLA's YNNPACK fusions give wrong sums of products in single precision: of its parts only those
# for single products of matrices are used.
SUMS = "--xla_cpu_experimental_ynn_fusion_type"
SUMS_OF = ("0.10.", "0.11.")  # versions of jaxlib that know it; to others it is a fatal mistake
GARBAGE = 1_000_000  # new objects between two looks for garbage: more than a start makes
MOST_WORKERS = 512  # processes of this machine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of runs.md."""
    # Plugins of other packages could change what a study means, and looking for them takes time.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    from . import commands

    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(commands)
    if words and words[0] not in (*commands.COMMANDS, "-h", "--help", "--version"):
        words.insert(0, "run")
    options = parser.parse_args(words)
    if "act" not in options:
        parser.print_help()
        return USAGE
    return _guarded(options, words)


def _guarded(options: argparse.Namespace, words: list[str]) -> int:
    from actionrun.spec.text.source import Faults, UsageFault

    try:
        return options.act(options)
    except Faults as faults:
        from .commands import print_faults

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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        _complain("out of memory. A smaller batch, fewer steps or a larger save_every needs less")
        return RETRY
    except Exception as error:
        if options.debug:
            raise
        _complain(
            f"this is a bug in actionrun, not in your study: {type(error).__name__}: {error}\n"
            f"Please report it with the output of: actionrun {' '.join(words)} --debug"
        )
        return 1


def _complain(text: str) -> None:
    from actionrun.spec.text.source import shown

    print(f"actionrun: {shown(text)}", file=sys.stderr, flush=True)


def _parser(commands) -> argparse.ArgumentParser:
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

    def command(
        name: str, act: Callable[..., int], help: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        sub = group.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.",
            parents=[*parents, every], allow_abbrev=False,
        )  # fmt: skip
        sub.set_defaults(act=act)
        return sub

    run = command("run", commands.run, "run a study, or go on with it", loading)
    run.add_argument("study", type=Path, metavar="STUDY.toml")
    run.add_argument("--out", type=Path, metavar="DIR", help="the run folder itself")
    run.add_argument("--fresh", action="store_true", help="start a new run beside older ones")
    run.add_argument("--quiet", action="store_true", help="say nothing but what went wrong")
    _shares(run)

    check = command("check", commands.check, "show every fault of studies", loading)
    check.add_argument("study", type=Path, nargs="+", metavar="STUDY.toml")
    check.add_argument("--deep", action="store_true", help="add the symbolic checks")
    check.add_argument("--format", choices=("text", "json"), default="text")

    explain = command("explain", commands.explain, "show all that a short study means", loading)
    explain.add_argument("study", type=Path, metavar="STUDY.toml")
    explain.add_argument("--latex", action="store_true", help="as LaTeX")

    latex = command("latex", commands.latex, "print a run's equations as LaTeX")
    latex.add_argument("run", type=Path, metavar="RUN")
    latex.add_argument(
        "--standalone", action="store_true", help="a document that compiles as it is"
    )

    export = command("export", commands.export, "write a run's arrays for other tools")
    export.add_argument("run", type=Path, metavar="RUN")
    export.add_argument("--format", choices=("csv", "netcdf", "extxyz"), required=True)
    export.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/export")

    infer = command("infer", commands.infer, "name new motions by a trained family network")
    infer.add_argument("run", type=Path, metavar="RUN")
    infer.add_argument("--data", type=Path, metavar="FILE.csv", required=True, help="new motions")
    infer.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/inferred/FILE")
    _shares(infer)

    listed = command("list", commands.list_runs, "list the runs in a folder")
    listed.add_argument("folder", type=Path, nargs="?", default=Path("runs"), metavar="DIR")

    compare = command("compare", commands.compare, "show what differs between runs")
    compare.add_argument("run", type=Path, nargs="+", metavar="RUN")
    compare.add_argument(
        "--out", type=Path, metavar="PAGE.html", default=Path("compare.html"), help="its page"
    )

    report = command("report", commands.report, "make a run's page again from its folder")
    report.add_argument("run", type=Path, metavar="RUN")

    command("schema", commands.schema, "print the JSON Schema of the study language")
    new = command("new", commands.new, "print a commented starter study")
    new.add_argument("kind", metavar="KIND", help="ggl, family, om or pnn")
    return parser


def _shares(command: argparse.ArgumentParser) -> None:
    share = command.add_mutually_exclusive_group()
    share.add_argument(
        "--workers", type=_count, default=0, metavar="N", help="processes that share the work"
    )
    share.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler, tcp://host:8786")


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
        from actionrun.runtime.storage.provenance import version_of

        print(f"actionrun {version_of('actionrun')}")
        parser.exit()


def set_switches(*, doubles: bool = True) -> None:
    """Settings that must be there before jax is imported. What the user has set is kept.

    XLA divides sums among its threads, so their number changes the last bits of a result. NPROC is
    what its thread pool asks for. One thread gives the same bits on any number of cores, and for
    programs of our size is no slower; cores are for several runs at a time.
    """
    from actionrun.runtime.environment.compile_cache import use
    from actionrun.runtime.storage.provenance import version_of

    environment = os.environ
    if doubles:
        environment["JAX_ENABLE_X64"] = "true"
    environment.setdefault("NPROC", "1")
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")  # of NumPy and of JAX's eigenvalues
    flags = environment.get("XLA_FLAGS", "")
    if XLA_FLAGS not in flags:
        environment["XLA_FLAGS"] = f"{flags} {XLA_FLAGS}".strip()
    if SUMS not in flags and version_of("jaxlib").startswith(SUMS_OF):
        environment["XLA_FLAGS"] += f" {SUMS}=individual_dot"
    use(environment)
    # Imports and tracing make objects by the hundred thousand and hardly any garbage: with Python's
    # own threshold its collector looks at all of them again and again, 0.2 s of a short run.
    gc.set_threshold(GARBAGE)


class Signals:
    """Ctrl-C and SIGTERM ask the run to stop when it has saved; Ctrl-C twice stops at once."""

    def __init__(self) -> None:
        self.code: int | None = None
        signal.signal(signal.SIGINT, self._heard)
        signal.signal(signal.SIGTERM, self._heard)

    def __call__(self) -> int | None:
        return self.code

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.code == INTERRUPTED:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h\n")  # the live bar hides the cursor
            os._exit(INTERRUPTED)  # files are whole or absent at any moment
        self.code = INTERRUPTED if number == signal.SIGINT else RETRY
        word = "Ctrl-C again stops at once" if number == signal.SIGINT else "asked to stop"
        os.write(2, f"\nsaving ({word})\n".encode())


__all__ = ["WRITE", "Signals", "main", "set_switches"]

if __name__ == "__main__":
    sys.exit(main())
