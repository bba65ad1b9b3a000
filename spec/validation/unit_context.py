"""The context of the units stage: dimensions that are known by now, and readers of leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.tables.leaves import Column, Expression, Value
from actionrun.spec.text.span import Key
from actionrun.spec.units.quantities import dimension_product
from actionrun.spec.units.unit_table import NONE, Dimension

from .check_state import CheckState


class UnitContext:
    """What a rule of units reads; `known` holds the dimension of each name, `energy` that of L."""

    def __init__(self, state: CheckState):
        self.state = state
        self.known = state.dimensions
        self.values, self.expressions = state.reading.values, state.reading.expressions
        self.coordinate_names = [*state.reading.coordinates]
        self.energy: Dimension | None = None

    def of(self, leaf: Value | Expression | Column | None) -> Dimension | None:
        """The dimension of a leaf; a mismatch inside it is kept once."""
        if isinstance(leaf, Column):
            return leaf.unit.dimension if leaf.unit else NONE
        if leaf is None:
            return None
        try:
            return self.state.dimension(leaf)
        except ExpressionFault as fault:
            self.state.add_last(leaf.path, fault)
            return None

    def expect(
        self, leaf: Value | Expression | Column | None, wanted: Dimension | None, what: str
    ) -> None:
        """A fault where a leaf has not the dimension that its place has."""
        given = self.of(leaf)
        if leaf is None or given is None or wanted is None or given == wanted:
            return
        words = self.state.dimensional.words
        label = self.state.units.label(wanted)
        if given == NONE:
            text = leaf.name if isinstance(leaf, Column) else leaf.text
            example = f"{text} [{label}]" if isinstance(leaf, Column) else f"{text} {label}"
            plain = isinstance(leaf, Column) or (isinstance(leaf, Value) and leaf.tree is None)
            self.state.blame(leaf.path, "unit.mixed" if plain else "unit.dimension",
                             f"{what} is {words(wanted)}, and this is a plain number",
                             f'write "{example}"' if plain else None)  # fmt: skip
        elif wanted == NONE:
            self.state.blame(
                leaf.path,
                "unit.mixed",
                f"{what} is a plain number here, and this is {words(given)}",
                "use units for it everywhere, or nowhere",
            )
        else:
            self.state.blame(
                leaf.path,
                "unit.dimension",
                f"{what} is {words(wanted)}, and this is {words(given)}",
                f"a unit of the right kind is {label}"
                if isinstance(leaf, Column) or (isinstance(leaf, Value) and not leaf.tree)
                else None,
            )

    def leaves(self, key: Key, item: Any) -> Iterator[Value | Expression | Column]:
        """The leaves at and below a key."""
        if isinstance(item, dict | list):
            inner = item.items() if isinstance(item, dict) else enumerate(item)
            for name, one in inner:
                yield from self.leaves((*key, name), one)
            return
        reading = self.state.reading
        leaf = self.values.get(key) or self.expressions.get(key) or reading.columns.get(key)
        if leaf is not None:
            yield leaf

    def given(self, *path: str) -> dict[str, Any]:
        """The table at a path of the document; an empty one where there is none."""
        at: Any = self.state.raw
        for part in path:
            at = at.get(part) if isinstance(at, dict) else None
        return at if isinstance(at, dict) else {}

    def velocity(self, name: str) -> Dimension | None:
        """The dimension of a coordinate's velocity."""
        given = self.known.get(name)
        return None if given is None else dimension_product(given, self.state.units.time, -1)

    def momentum(self, name: str) -> Dimension | None:
        """The dimension of a momentum: that of energy over velocity."""
        return self.conjugate(self.velocity(name))

    def conjugate(self, dimension: Dimension | None) -> Dimension | None:
        """What gives an energy when it is multiplied by something of a dimension."""
        if dimension is None or self.energy is None:
            return None
        return dimension_product(self.energy, dimension, -1)
