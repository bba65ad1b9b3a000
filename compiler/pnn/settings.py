"""What a search reads of its study, resolved once: names as symbols, quantities as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actionrun.compiler.numerics.networks.activations import Activation
from actionrun.compiler.program import Evolution
from actionrun.compiler.symbolic.vocabulary import Vocabulary
from actionrun.spec import Expression
from actionrun.spec.kinds.pnn import Holdout, Search
from actionrun.spec.tables.leaves import Column
from actionrun.spec.units.quantities import Units
from actionrun.spec.units.unit_table import Dimension


@dataclass(frozen=True)
class SearchSettings:
    """How genomes are bred (`paper`: by the published algorithm), what a unit of complexity costs,
    and how each is fitted: by which optimizer, in at most `iterations` from `starts` starting
    points. `asked`: whether the study asks for a search, whatever is solved for before it."""

    evolution: Evolution
    paper: bool
    parsimony: float
    optimizer: str
    iterations: int
    learning_rate: float
    starts: int
    asked: bool = True

    @property
    def seed(self) -> int:
        return self.evolution.seed


@dataclass(frozen=True)
class NetworkSpace:
    """The networks of [search]: what each weight may be, as the study writes it, with its number
    (None: trainable), and activations of the study's `own`. `words` read its formulas."""

    search: Search
    weights: tuple[tuple[str, float | None], ...]
    own: tuple[Activation, ...]
    words: Vocabulary


@dataclass(frozen=True)
class Quantities:
    """What is measured: `columns` as they stand in the file, `dimensions` of columns, parameters
    and definitions (None: it has none of its own), and the `units` that numbers are in."""

    columns: Mapping[str, Column]
    dimensions: Mapping[str, Dimension | None]
    units: Units

    @property
    def file_units(self) -> dict[str, float]:
        """The number of the unit that each column has in its file."""
        return {
            name: 1.0 if one.unit is None else self.units.number(1, one.unit)
            for name, one in self.columns.items()
        }


@dataclass(frozen=True)
class LawProblem:
    """A table that laws are looked for in: the networks, what is measured and how exactly (`sigma`,
    None: it does not say), how rows are held out and drawn, and the formulas that laws are measured
    by."""

    space: NetworkSpace
    quantities: Quantities
    sigma: Expression | None
    test: Holdout
    seed: int
    rivals: Mapping[str, Expression]
