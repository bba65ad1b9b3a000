"""What of a motion can be seen: the names, column prefixes and dimensions of the observables.

The one table of the language; how each is computed and written is the table of the same keys in
`compiler/numerics/inference/observables.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from actionrun.spec.units.unit_table import Dimension

ObservableKey = Literal["q", "velocity", "pi"]


class Dimensions(Protocol):
    """Dimensions of a coordinate, of its velocity and of its momentum, by the coordinate's name."""

    @property
    def known(self) -> dict[str, Dimension | None]: ...

    def velocity(self, name: str) -> Dimension | None: ...

    def momentum(self, name: str) -> Dimension | None: ...


@dataclass(frozen=True)
class ObservableName:
    """`prefix` of a column's key and of an array's name, before the coordinate's; `quantity`: the
    name by which `study.unit` knows it; `state`: the part of [start] that it is, if any; `rate`:
    how often time divides the coordinate in it, where the coordinate's dimension follows so."""

    key: str
    prefix: str
    quantity: str
    dimension: Callable[[Dimensions, str], Dimension | None]
    state: str | None = None
    rate: int | None = None

    def column(self, coordinate: str) -> str:
        """The key of its column, such as v_q."""
        return self.prefix + coordinate


OBSERVABLES = {
    one.key: one
    for one in (
        ObservableName("q", "", "{}", lambda of, name: of.known.get(name), "position", 0),
        ObservableName("velocity", "v_", "{}'", lambda of, name: of.velocity(name), "velocity", 1),
        ObservableName("pi", "pi_", "pi_{}", lambda of, name: of.momentum(name), "momentum"),
    )
}


def short_columns(coordinates: list[str]) -> dict[str, str]:
    """With one coordinate a column may have the observable's own name: `velocity` for v_q."""
    if len(coordinates) != 1:
        return {}
    return {one.key: one.column(coordinates[0]) for one in OBSERVABLES.values() if one.prefix}


def column_names(coordinates: list[str]) -> list[str]:
    """Every name that a column of something observed may have."""
    every = [one.column(name) for one in OBSERVABLES.values() for name in coordinates]
    return [*every, *short_columns(coordinates)]
