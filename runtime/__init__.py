"""What happens: runs, folders, screens.

    from actionrun.runtime import load, run
    run(load("studies/dho_family.toml"))

`load` gives a study and raises `actionrun.spec.Faults` where there is one to mend; `run` marches it
(or goes on with an unfinished run, or reads a finished one) and returns a `Run`, whose equations
show as LaTeX in a notebook. Importing this room costs nothing: its parts come when they are asked
for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actionrun.spec import load

    from .runner import Run, run

__all__ = ["Run", "load", "run"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from actionrun.spec import load

        return load
    if name in ("run", "Run"):
        from .runner import Run, run

        globals().update(Run=Run, run=run)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
