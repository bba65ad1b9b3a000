"""The kinds of study, each a wing of the compiler: a package of its name with three doors or four.

`build.build(study, observations)` validates and gives the program, `explanation.explain(study)` the
sections of `actionrun explain`, `symbolic_check.check(study)` the faults and notes of
`check --deep`. A kind that trains networks for later use has `infer.infer(program, state, motions)`
too. A wing is imported when it is asked for: JAX is not needed to read a study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from actionrun.compiler.findings import Inference, Section
from actionrun.compiler.program import Program, Search
from actionrun.spec import Fault


@dataclass(frozen=True)
class Kind:
    """A kind of study; `wing` is the package that compiles it."""

    name: str
    wing: str

    def _door(self, name: str) -> Any:
        return import_module(f"{self.wing}.{name}")

    def build(self, study: Any, observations: Mapping[str, np.ndarray] | None) -> Program | Search:
        """The program of a study; `observations` are the columns of its [data]. Raises Faults."""
        return self._door("build").build(study, observations)

    def explain(self, study: Any) -> tuple[Section, ...]:
        """What the study means. Raises Faults."""
        return self._door("explanation").explain(study)

    def check(self, study: Any) -> list[Fault]:
        """Faults and notes of the symbolic stage. Raises Faults."""
        return self._door("symbolic_check").check(study)

    def infer(self, program: Program, state: Any, motions: Mapping[str, np.ndarray]) -> Inference:
        """What a trained program says of new motions. Raises Faults."""
        return self._door("infer").infer(program, state, motions)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ggl", "actionrun.compiler.ggl"),
        Kind("family", "actionrun.compiler.family"),
        Kind("om", "actionrun.compiler.om"),
        Kind("pnn", "actionrun.compiler.pnn"),
    )
}
