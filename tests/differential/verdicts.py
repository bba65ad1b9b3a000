"""The verdict on one random study, and what is common to all kinds of them."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from actionrun.compiler import explain, symbolic_check
from actionrun.runtime import run
from actionrun.runtime.errors import RunError
from actionrun.runtime.runner import Run
from actionrun.spec import Faults, loads

Word = Literal["right", "refused", "stopped", "WRONG", "crashed", "hung"]
WORDS: tuple[Word, ...] = ("right", "refused", "stopped", "WRONG", "crashed", "hung")


@dataclass(frozen=True)
class Verdict:
    """`what` is a short class of it (the same fault has the same words), `detail` the rest."""

    word: Word
    what: str = ""
    detail: str = ""
    tags: tuple[str, ...] = field(default=())


class NotRunError(Exception):
    """A study that was not run, with the verdict on that."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict


def finished(text: str, folder: Path, *, deep: bool = False) -> Run:
    """The run of a study's text. Raises NotRunError for any other end."""
    with tempfile.TemporaryDirectory() as out:
        try:
            study = loads(text, folder=folder)
            if deep:
                explain(study)
                for fault in symbolic_check(study):
                    if fault.severity == "error":
                        raise Faults([fault])
            return run(study, out=Path(out) / "run")
        except Faults as faults:
            fault = faults.faults[0]
            located = fault.line > 0 and fault.message
            word: Word = "refused" if located else "crashed"
            raise NotRunError(
                Verdict(word, fault.code, f"{fault.line}:{fault.column} {fault.message}")
            ) from None
        except RunError as error:
            raise NotRunError(Verdict("stopped", type(error).__name__, str(error)[:400])) from None
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f for f in frames if "/actionrun/" in f.filename] or frames
            where = f"{ours[-1].filename.split('/actionrun/')[-1]}:{ours[-1].name}"
            message = f"{type(error).__name__}: {error}"[:300]
            short = f"{type(error).__name__} in {where}"
            raise NotRunError(Verdict("crashed", short, message)) from None


Judge = Callable[[str, int, Path], tuple[Verdict, str]]
