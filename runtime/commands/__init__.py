"""The commands, each in the module that imports what it needs and no more."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from importlib import import_module

# A command's module and function. A module is imported when its command is given, at start-up:
# editors run `check` at each save, and it needs neither jax, sympy, Matplotlib nor numpy.
COMMANDS = {
    "run": ("run", "run"),
    "check": ("check", "check"),
    "compare": ("compare", "compare"),
    "explain": ("explain", "explain"),
    "latex": ("latex", "latex"),
    "export": ("export", "export"),
    "infer": ("infer", "infer"),
    "look": ("look", "look"),
    "list": ("list_runs", "list_runs"),
    "report": ("report", "report"),
    "schema": ("language", "schema"),
    "new": ("language", "new"),
    "completion": ("completion", "completion"),
}


def action(command: str) -> Callable[[Namespace], int]:
    """What a command does: its options to its exit code."""
    module, function = COMMANDS[command]
    return getattr(import_module(f".{module}", __name__), function)
