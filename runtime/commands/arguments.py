"""What the words of a command name: a study."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from actionrun import spec
from actionrun.runtime.errors import Refused

from . import COMMANDS

if TYPE_CHECKING:
    from actionrun.spec import Study


def study_of(options: Namespace) -> Study:
    """The study that a command names, with the keys that it changes. Raises Faults, Refused."""
    require_study(options.study)
    return spec.load(
        options.study, overrides=options.overrides, seed=options.seed, data=options.data
    )


def require_study(path: Path) -> None:
    """Tell a mistyped command from a study that is not there, which `spec` complains of."""
    if path.is_dir():
        raise Refused(f"{path} is a folder. Name a study's file")
    if path.exists() or path.suffix == ".toml":
        return
    near = path.with_name(f"{path.name}.toml")
    from difflib import get_close_matches  # at start-up: only a mistake needs it

    words = get_close_matches(path.name, COMMANDS, n=1)
    hint = f"Did you mean {near}?" if near.is_file() else "See actionrun --help"
    if words:
        hint = f"Did you mean actionrun {words[0]}?"
    raise Refused(f'"{path}" is neither a command nor a file. {hint}')
