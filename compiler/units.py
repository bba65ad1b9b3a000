"""Labels of units: what stands behind a number, by the name of the thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class UnitLabels:
    """`unit("t")`, `unit("q")`, `unit("q'")`, `unit("pi_q")`, `unit("force_q")`,
    `unit("lagrangian")`, a parameter's name, ...: the coherent unit in words, "" where there is
    none. All that findings need of a study's units."""

    label: Callable[[str], str]

    def __call__(self, what: str) -> str:
        return self.label(what)

    def behind(self, what: str) -> str:
        """The same with a blank before it, to stand behind a number."""
        return f" {self(what)}".rstrip()
