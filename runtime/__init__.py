"""What happens: runs, folders, screens.

    from actionrun.runtime import load, run
    run(load("studies/dho_family.toml"))

`load` gives a study and raises `actionrun.spec.Faults` where there is one to mend; `run` marches it
(or goes on with an unfinished run, or reads a finished one) and returns a `Run`, whose equations
show as LaTeX in a notebook. Importing this room costs nothing: its parts come when they are asked
for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actionrun.runtime.execution.job import Run
    from actionrun.runtime.runner import run
    from actionrun.spec import load

__all__ = ["Run", "load", "run"]

HOMES = {
    "load": "actionrun.spec",
    "run": "actionrun.runtime.runner",
    "Run": "actionrun.runtime.execution.job",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(HOMES[name]), name)
    return value
