"""Shears: one linear unit of a layer also says s times what another says, and those who hear them
hear as much less of the other. The function stays, and now and then it costs less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actionrun.compiler.numerics.genomes.network import PRODUCTS, Neuron

from .genome import Layout

Wired = Sequence[tuple[int, Neuron]]
Hearers = Mapping[int, Sequence[tuple[Neuron, int]]]
Sums = list[list[int]]
NONE = -1  # a sum that is no setting


@dataclass(frozen=True)
class Shear:
    """`linear`: genes that have to be linear activations; `terms`: to the weight gene add the other
    one by a table; `factors`: genes of activation and weight of who must not multiply it."""

    linear: tuple[int, ...]
    terms: tuple[tuple[int, int, Sums], ...]
    factors: tuple[tuple[int, int], ...]


class Shears:
    """All shears of a layout, and what they cost."""

    def __init__(self, layout: Layout, units: Wired, hearers: Hearers):
        self._values = [None if v is None else float(v) for v in layout.values]
        self._codes = {value: code for code, value in enumerate(self._values)}
        self._cost = layout.costs.tolist()
        self._zero = self._codes.get(0.0, NONE)
        self._linear = [name == "linear" for name in layout.activations]
        self._product = [name in PRODUCTS for name in layout.activations]
        self._first = layout.units
        self.all = self._shears(units, hearers)

    def _shears(self, units: Wired, hearers: Hearers) -> list[Shear]:
        by_sources: dict[tuple[int, ...], list[tuple[int, Neuron]]] = {}
        for place, unit in units:
            by_sources.setdefault(unit.sources, []).append((place, unit))
        signed = [v for v in self._values if v]
        steps = [(self._sums(s), self._sums(-s)) for s in (*signed, *(-v for v in signed))]
        shears = []
        for layer in by_sources.values():
            for one in layer:
                for other in layer:
                    if one is not other:
                        shears += [self._shear(one, other, hearers, *step) for step in steps]
        return [one for one in shears if one is not None]

    def _sums(self, s: float) -> Sums:
        """[code][other code] of weight + s * other. Two weights cannot be tied: what gets a
        trainable one is trainable before."""

        def total(value: float | None, more: float | None) -> int:
            if value is None:
                return self._codes[None]
            return NONE if more is None else self._codes.get(value + s * more, NONE)

        return [[total(value, more) for more in self._values] for value in self._values]

    def _shear(
        self, one: tuple[int, Neuron], other: tuple[int, Neuron], hearers: Hearers, plus: Sums,
        minus: Sums,
    ) -> Shear | None:  # fmt: skip
        """None where not all who hear one hear the other, or a weight is no gene."""
        first, second = (
            {id(h): (h, w) for h, w in hearers.get(place, [])} for place, _ in (one, other)
        )
        weights = [*one[1].weights, *other[1].weights]
        weights += [w for _, w in (*first.values(), *second.values())]
        if first.keys() != second.keys() or min(weights) < 0:
            return None
        at = self._first
        terms = [
            (at + w, at + by, plus)
            for w, by in zip(one[1].weights, other[1].weights, strict=True)
        ]  # fmt: skip
        terms += [(at + second[k][1], at + first[k][1], minus) for k in first]
        factors = [(h.activation, at + w) for h, w in first.values() if h.activation >= 0]
        linear = tuple(u.activation for u in (one[1], other[1]) if u.activation >= 0)
        return Shear(linear, tuple(terms), tuple(factors))

    def done(self, genome: list[int], shear: Shear, most: int) -> bool:
        """Shear the genome where that costs at most `most` more; whether it was."""
        zero, price = self._zero, self._cost
        for gene in shear.linear:
            if not self._linear[genome[gene]]:
                return False
        changes: list[tuple[int, int]] = []
        cost = 0
        for gene, by, sums in shear.terms:
            more = genome[by]
            if more == zero:
                continue
            value = genome[gene]
            total = sums[value][more]
            if total == NONE:
                return False
            if total != value:
                cost += price[total] - price[value]
                changes.append((gene, total))
        if cost > most or any(
            self._product[genome[active]] and genome[w] != zero for active, w in shear.factors
        ):
            return False
        for gene, code in changes:
            genome[gene] = code
        return bool(changes)
