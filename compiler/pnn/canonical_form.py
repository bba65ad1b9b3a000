"""Canonical forms of genomes: equals are one function, with fewer settings or in another order.

Everything here is exact, for any values of the trainable weights but zero: what no unit uses is
dropped, so is what is always zero, twins are merged, a linear unit's scale is moved from the
weights before it to those behind it, and units of a layer are put in order. `canonicalize` takes
the steps that pay at once. Some pay only after one that does not: to let a unit carry x + v dt/2
through two layers costs nothing in one of them and saves a weight in the other. So `least_complex`
walks over equals of the same cost until none is left, or enough have been seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from itertools import permutations, product
from math import factorial, prod

import numpy as np
from actionrun.compiler.numerics.genomes.network import PRODUCTS, ForceEvaluation, Neuron

from .genome import Layout
from .shears import Shears

Genes = tuple[int, ...]
MOST_ORDERS = 720
MOST_EQUALS = 400  # equals of one genome that are looked at
MOST_PASSES = 20  # of one reduction; a few suffice
MOST_ROUNDS = 3  # of reducing and ordering


@dataclass(frozen=True)
class CanonicalForm:
    """The simplest equal of a genome, `canonicalize(rows)`; its answers are kept."""

    layout: Layout

    @cached_property
    def known(self) -> dict[tuple[int, ...], tuple[int, ...]]:
        return {}

    def canonicalize(self, rows: np.ndarray) -> np.ndarray:
        """The simplest known equals of genomes (n, genes), one spelling for all of one kind."""
        forms = []
        for row in rows.tolist():
            forms.append(self.canonical(tuple(row)))
        return np.array(forms, dtype=np.int32).reshape(len(rows), self.layout.genes)

    def canonical(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """The same of one genome."""
        if row not in self.known:
            self.known[row] = self._canonical(row)
        return self.known[row]

    def _canonical(self, row: tuple[int, ...]) -> tuple[int, ...]:
        form = row
        for _ in range(MOST_ROUNDS):
            genome = self._reduced(form)
            ordered = min(tuple(genome[k] for k in order) for order in self.orders)
            if ordered == form:
                break
            form = ordered
        return form

    def _reduced(self, row: tuple[int, ...]) -> list[int]:
        genome = list(row)
        for _ in range(MOST_PASSES):
            before = list(genome)
            self._drop_unused(genome)
            self._merge(genome)
            self._move_scales(genome)
            if genome == before and not self._shear(genome):
                break
        return genome

    @cached_property
    def _wired(self) -> tuple[list[tuple[int, Neuron]], dict[int, list[tuple[Neuron, int]]]]:
        """Hidden units with the numbers of their values, and who hears each value: the unit that
        does, and the weight."""
        layout = self.layout
        count, units = layout.inputs + layout.bias, []
        hearers: dict[int, list[tuple[Neuron, int]]] = {}

        def hear(unit: Neuron) -> None:
            for source, weight in zip(unit.sources, unit.weights, strict=True):
                hearers.setdefault(source, []).append((unit, weight))

        for step in layout.net.steps:
            if isinstance(step, ForceEvaluation):
                for argument in step.arguments:
                    hear(argument)
                count += len(step.arguments)
            else:
                hear(step)
                units.append((count, step))
                count += 1
        for unit in layout.net.outputs:
            hear(unit)
        return units, hearers

    @cached_property
    def push(self) -> tuple[list[int], tuple[Neuron, ...]]:
        """The numbers of the force's values, and the units that are its arguments."""
        count = self.layout.inputs + self.layout.bias
        for step in self.layout.net.steps:
            if isinstance(step, ForceEvaluation):
                return [*range(count, count + len(step.arguments))], step.arguments
            count += 1
        return [], ()

    # Weights are numbers here, None where trainable: sums and products of halves are exact.

    @cached_property
    def _values(self) -> list[float | None]:
        return [None if v is None else float(v) for v in self.layout.values]

    @cached_property
    def _codes(self) -> dict[float | None, int]:
        return {value: code for code, value in enumerate(self._values)}

    @cached_property
    def _units(self) -> int:
        return self.layout.units

    def _value(self, genome: list[int], weight: int) -> float | None:
        return 1.0 if weight < 0 else self._values[genome[self._units + weight]]

    def _set(self, genome: list[int], weight: int, value: float | None) -> bool:
        code = self._codes.get(value)
        if weight < 0 or code is None:
            return False
        genome[self._units + weight] = code
        return True

    def _name(self, genome: list[int], unit: Neuron) -> str:
        if unit.activation < 0:
            return "linear"
        return self.layout.activations[genome[unit.activation]]

    def _drop_unused(self, genome: list[int]) -> None:
        """Zero the weights of units that nobody hears, and those by which the silent are heard."""
        if 0 not in self._codes:
            return
        units, hearers = self._wired
        places, push = self.push

        def hears(hearer: Neuron, weight: int) -> bool:
            return self._value(genome, weight) != 0 and not (deaf and hearer in push)

        deaf = False
        outward = [w for place in places for _, w in hearers.get(place, [])]
        deaf = bool(places) and all(self._value(genome, w) == 0 for w in outward)
        if deaf:
            for argument in push:
                self._zero(genome, argument.weights)
        for place, unit in reversed(units):
            if not any(hears(*pair) for pair in hearers.get(place, [])):
                self._zero(genome, unit.weights)
                if unit.activation >= 0:
                    genome[unit.activation] = self.layout.plain
        for place, unit in units:
            silent = all(self._value(genome, w) == 0 for w in unit.weights)
            name = self._name(genome, unit)
            if silent and (name in PRODUCTS or self.layout.activation(name).zero_at_zero):
                # A factor that is zero is not the same as a factor that is not there.
                pairs = hearers.get(place, [])
                self._zero(genome, [w for h, w in pairs if self._name(genome, h) not in PRODUCTS])

    def _zero(self, genome: list[int], weights: Iterable[int]) -> None:
        for weight in weights:
            self._set(genome, weight, 0)

    def _merge(self, genome: list[int]) -> None:
        """Let one of two units speak for both where they say the same."""
        units, hearers = self._wired
        if 0 not in self._codes:
            return
        for k, (place, unit) in enumerate(units):
            for twin_place, twin in units[k + 1 :]:
                if twin.sources != unit.sources or not self._twins(genome, unit, twin):
                    continue
                for hearer, weight in hearers.get(twin_place, []):
                    pairs = zip(hearer.sources, hearer.weights, strict=True)
                    own = next((w for s, w in pairs if s == place), None)
                    if own is None or own < 0 or weight < 0:
                        continue
                    if self._name(genome, hearer) in PRODUCTS:
                        continue
                    self._add(genome, own, weight)

    def _twins(self, genome: list[int], unit: Neuron, twin: Neuron) -> bool:
        values = [self._value(genome, w) for w in unit.weights]
        return (
            None not in values
            and any(values)
            and values == [self._value(genome, w) for w in twin.weights]
            and self._name(genome, unit) == self._name(genome, twin)
        )

    def _add(self, genome: list[int], weight: int, other: int) -> None:
        """Add one weight to another and zero it, where the sum is a setting."""
        a, b = self._value(genome, weight), self._value(genome, other)
        if b == 0:
            return
        total = None if a is None or b is None else a + b
        if self._set(genome, weight, total):
            self._set(genome, other, 0)

    def _move_scales(self, genome: list[int]) -> None:
        """Move the scale of linear units from the weights before them to those behind them."""
        if 1 not in self._codes:
            return
        values, units = self._values, self._units
        for activation, inward, outward in self._scaled:
            if activation >= 0 and self.layout.activations[genome[activation]] != "linear":
                continue
            before = [w for w in inward if values[genome[units + w]] != 0]
            behind = [w for w, _ in outward if values[genome[units + w]] != 0]
            raised = any(
                gene >= 0 and self.layout.activations[genome[gene]] == "power"
                for w, gene in outward
                if values[genome[units + w]] != 0
            )
            if before and behind and not raised:
                self._move(genome, before, behind)

    @cached_property
    def _scaled(self) -> list[tuple[int, tuple[int, ...], tuple[tuple[int, int], ...]]]:
        """Of units whose scale can be moved: activation, the weights before, those behind with the
        activation of who hears by them."""
        units, hearers = self._wired
        scaled = []
        for place, unit in units:
            behind = tuple((w, h.activation) for h, w in hearers.get(place, []))
            if min(*unit.weights, *(w for w, _ in behind), 0) == 0:
                scaled.append((unit.activation, unit.weights, behind))
        return scaled

    def _move(self, genome: list[int], before: list[int], behind: list[int]) -> None:
        first, last = ([self._value(genome, w) for w in part] for part in (before, behind))
        if all(v == 1 for v in first) and all(v == 1 for v in last):
            return
        free = first == [None] * len(first), last == [None] * len(last)
        if free[1] and (free[0] or (len(first) == 1 and first[0] is not None)):
            self._set(genome, before[0], 1)
        elif len(last) == 1 and last[0] is not None and free[0]:
            if len(first) == 1:
                self._set(genome, behind[0], None)
                self._set(genome, before[0], 1)
            else:
                self._set(genome, behind[0], 1)
        elif len(first) == 1 and first[0] not in (None, 1):
            self._scale(genome, behind, last, first[0], before[0])
        elif len(last) == 1 and last[0] not in (None, 1):
            self._scale(genome, before, first, last[0], behind[0])
        elif len(first) > 1:
            self._rescale(genome, before, first, behind, last)

    def _rescale(
        self, genome: list[int], before: list[int], first: list, behind: list[int], last: list
    ) -> None:
        """Scale a unit so that the fixed weights that are not 1 stand as early as they can."""

        def late(values: list) -> tuple[int, int]:
            odd = [w for w, v in zip((*before, *behind), values, strict=True) if v not in (None, 1)]
            return len(odd), sum(odd)

        best = late([*first, *last])
        if not best[0]:
            return
        for s in [v for v in self._values if v]:
            trial = [v and v * s for v in first] + [v and v / s for v in last]
            if late(trial) < best and all(v in self._codes for v in trial):
                for w, v in zip((*before, *behind), trial, strict=True):
                    self._set(genome, w, v)
                return

    def _scale(self, genome: list[int], weights: list[int], values: list, by, single: int) -> None:
        """Multiply weights by the single one, which becomes 1, where all products are settings."""
        products = [None if v is None else v * by for v in values]
        if all(v in self._codes for v in products):
            for w, v in zip(weights, products, strict=True):
                self._set(genome, w, v)
            self._set(genome, single, 1)

    @cached_property
    def shears(self) -> Shears:
        return Shears(self.layout, *self._wired)

    def _shear(self, genome: list[int]) -> bool:
        """The first shear that costs less; whether there was one."""
        return any(self.shears.done(genome, shear, -1) for shear in self.shears.all)

    def sheared(self, row: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Equals of a genome that one shear of no cost makes."""
        equals = []
        for shear in self.shears.all:
            genome = [*row]
            if self.shears.done(genome, shear, 0):
                equals.append(tuple(genome))
        return equals

    @cached_property
    def orders(self) -> list[list[int]]:
        """Every order of genes that only renames the units of a layer; the first is the study's."""
        layout = self.layout
        plain = list(range(layout.genes))
        if layout.early or prod(map(factorial, layout.layers)) > MOST_ORDERS:
            return [plain]
        units, hearers = self._wired
        starts = np.cumsum([0, *layout.layers])
        orders = []
        for order in product(*(permutations(range(n)) for n in layout.layers)):
            genes = list(plain)
            renamed = {}
            for start, one in zip(starts, order, strict=False):
                for k, j in enumerate(one):
                    renamed[units[start + k][0]] = units[start + j][0]
            for place, unit in units:
                other = dict(units)[renamed[place]]
                genes[unit.activation] = other.activation
                self._rename(genes, unit, other, renamed)
            for hearer in {id(h): h for hs in hearers.values() for h, _ in hs}.values():
                if all(hearer is not unit for _, unit in units):
                    self._rename(genes, hearer, hearer, renamed)
            orders.append(genes)
        return orders

    def _rename(
        self, genes: list[int], unit: Neuron, other: Neuron, renamed: dict[int, int]
    ) -> None:
        by_source = dict(zip(other.sources, other.weights, strict=True))
        for source, weight in zip(unit.sources, unit.weights, strict=True):
            if weight >= 0:
                place = self.layout.units + weight
                genes[place] = self.layout.units + by_source[renamed.get(source, source)]


def least_complex(canonical_form: CanonicalForm, rows: np.ndarray) -> np.ndarray:
    """The least complex equals found of genomes (n, genes), and of these the first."""
    genomes = [
        _least(canonical_form, tuple(row)) for row in canonical_form.canonicalize(rows).tolist()
    ]
    return np.array(genomes, dtype=np.int32).reshape(len(rows), canonical_form.layout.genes)


def _least(canonical_form: CanonicalForm, start: Genes) -> Genes:
    def cost(genome: Genes) -> int:
        return int(canonical_form.layout.complexity(np.array(genome)))

    waiting = [(cost(start), start)]
    seen = {start}
    best = waiting[0]
    while waiting and len(seen) < MOST_EQUALS:
        here = heappop(waiting)
        best = min(best, here)
        if here[0] > best[0]:
            break
        for other in sorted(
            {canonical_form.canonical(near) for near in canonical_form.sheared(here[1])} - seen
        ):
            seen.add(other)
            heappush(waiting, (cost(other), other))
    return min([best, *waiting])[1]
