"""Equal laws: beside what holds for all genomes, scales pass through powers and products."""

from __future__ import annotations

from actionrun.compiler.numerics.genomes.network import Neuron
from actionrun.compiler.pnn.canonical_form import CanonicalForm


class LawCanonicalForm(CanonicalForm):
    """The simplest equal of a genome, where its trainable weights are not zero."""

    def _move_scales(self, genome: list[int]) -> None:
        super()._move_scales(genome)
        if self.layout.code(1) is None or self.layout.code(None) is None:
            return
        units, hearers = self._wired
        for place, unit in units:
            active = [(h, self._value(genome, w)) for h, w in hearers.get(place, [])]
            active = [(h, value) for h, value in active if value != 0]
            raised = any(self._name(genome, h) == "power" for h, _ in active)
            free = bool(active) and all(value is None for _, value in active) and not raised
            name = self._name(genome, unit)
            if name == "product":
                self._one_scale(genome, unit, free)
            elif name == "power":
                continue
            elif self.layout.activation(name).homogeneous and free:
                before = [w for w in unit.weights if self._value(genome, w) != 0]
                if before and all(self._value(genome, w) is None for w in before):
                    self._set(genome, before[0], 1)
        for unit in self.layout.net.outputs:
            if self._name(genome, unit) == "product":
                self._one_scale(genome, unit, False)

    def _one_scale(self, genome: list[int], unit: Neuron, free: bool) -> None:
        """Of the scales of factors one is enough, and none where what follows has one (`free`); a
        constant factor of 1 need not be there."""
        trainable = [w for w in unit.weights if self._value(genome, w) is None]
        for weight in trainable if free else trainable[1:]:
            self._set(genome, weight, 1)
        there = [w for w in unit.weights if self._value(genome, w) != 0]
        bias = self.layout.inputs if self.layout.bias else None
        for source, weight in zip(unit.sources, unit.weights, strict=True):
            if source == bias and len(there) > 1 and self._value(genome, weight) == 1:
                self._set(genome, weight, 0)
