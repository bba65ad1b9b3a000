"""The result of a search of maps: its front, the recommended map, its variants and its limit.

The criterion of the recommended map is the papers' objective on the validation rows: error in
decibels plus parsimony times complexity. Candidates are the maps that have the structure of the
true motion, proved by algebra (time reversal, areas, and that what rests without a force stays at
rest), and miss nothing that the study declares; where there are none, all maps. Among candidates
that are within one standard error of the least, as far as the motions can tell (the rule of Breiman
et al., Classification and Regression Trees, 1984, 3.4.3, paired), the simplest is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from actionrun.compiler.findings import Equation
from actionrun.spec.units.quantities import unit

from .evaluation import MapEvaluation
from .model import MapModel
from .structure_proof import MapMatrices, NaturalMatrices, StructureProof, natural_matrices
from .variants import LearnedForce


@dataclass(frozen=True)
class FrontEntry:
    """A network of the front, fitted on many rows; `error` on the test rows, `selected` on the
    validation rows. `matrices`, `scheme` and `equations` are of what it is on these (see `acting`),
    the proof is of the network wherever it is. `criterion`: `selected` plus parsimony times
    complexity; `parts`: errors on parts of the validation rows; `misses`: what the study declares
    and the map has not."""

    genome: np.ndarray
    weights: np.ndarray
    complexity: int
    error: float
    selected: float
    objective: float
    matrices: MapMatrices | None
    proof: StructureProof | None
    scheme: str | None
    equations: tuple[Equation, ...]
    reversal: float
    volume: float
    criterion: float
    parts: np.ndarray
    misses: tuple[str, ...]

    @property
    def known(self) -> str:
        """The scheme's name, and whether it is that one only where the data are."""
        here = " on these data" if self.proof is None else ""
        return f"{self.scheme}{here}" if self.scheme else ""

    def proved(self, damped: bool) -> bool:
        return self.proof is not None and self.proof.holds(damped)


@dataclass(frozen=True)
class MapChoice:
    """The map recommended, in a sentence why, and the maps that it was as good as."""

    best: FrontEntry
    reason: str
    ties: tuple[FrontEntry, ...]


@dataclass(frozen=True)
class Variants:
    """The recommended map trained as a chain (its weights), and with its own force; None where
    there is nothing to train."""

    chain: np.ndarray | None
    force: LearnedForce | None


@dataclass(frozen=True)
class ContinuumLimit:
    """The recommended map as dt goes to 0: `levels` of its numbers in natural units at dt, dt/2,
    ...; `inverse_mass`, `rate` (of damping), (coordinates,) each, in the study's units."""

    levels: list[NaturalMatrices]
    inverse_mass: np.ndarray
    rate: np.ndarray


@dataclass(frozen=True)
class MapResult:
    """All that a finished search gave: the front, the recommended one of it, evaluations of that
    one, its variants and what it stands beside, and its limit; `deviations` (weights,) of its
    fitted weights, 0 of those that are fixed."""

    entries: tuple[FrontEntry, ...]
    choice: MapChoice
    evaluations: list[MapEvaluation]
    variants: Variants
    limit: ContinuumLimit | None
    deviations: np.ndarray

    @property
    def best(self) -> FrontEntry:
        return self.choice.best


def in_natural_units(model: MapModel, forms: MapMatrices, genome, weights) -> NaturalMatrices:
    free = np.isnan(model.layout.fixed(genome))
    return natural_matrices(model, forms, weights[free])


def resting_error(model: MapModel) -> float:
    """Error of the map that leaves every state where it is, on the validation rows."""
    length, speed, _ = model.units
    rows = model.validation
    x = np.mean((rows.next_q - rows.q) ** 2) * length**2
    v = np.mean((rows.next_v - rows.v) ** 2) * speed**2
    with np.errstate(divide="ignore"):  # -inf where one of them never changes
        return float(10 * np.log10(x) + 10 * np.log10(v))


def energy_unit(model: MapModel) -> tuple[float, str]:
    """What turns the study's energies into eV, where it has units; else 1 and its own."""
    label = model.system.energy_unit
    if not label or unit(label).dimension != unit("eV").dimension:
        return 1.0, label
    return float(unit(label).factor / unit("eV").factor), "eV"


def as_result(model: MapModel, entry: FrontEntry) -> dict[str, Any]:
    """An entry of the front for result.json."""
    layout = model.layout
    settings: Mapping[str, Any] = {
        "activations": [layout.activations[c] for c in entry.genome[: layout.units]],
        "weights": [
            float(w) if layout.values[c] is None else layout.labels[c]
            for c, w in zip(entry.genome[layout.units :], entry.weights, strict=True)
        ],
    }
    shown = {
        "complexity": entry.complexity,
        "error": entry.error,
        "objective": entry.objective,
        "criterion": entry.criterion,
        "misses": list(entry.misses),
        "text": "; ".join(e.text for e in entry.equations),
        "latex": r" \\ ".join(e.latex for e in entry.equations),
        "genome": [int(c) for c in entry.genome],
        "validation_error": entry.selected,
        "scheme": entry.scheme,
        **settings,
    }
    if entry.proof is not None:
        shown |= {"reversible": entry.proof.reversible, "symplectic": entry.proof.symplectic}
    return shown


def recommended(model: MapModel, entries: Sequence[FrontEntry]) -> MapChoice:
    """The choice from a front. The published algorithm takes the lowest objective of all.

    A map that hardly moves is no candidate: in decibels its error has to be nearer to the least
    than to that of leaving every state as it is.
    """
    halfway = (min(e.selected for e in entries) + resting_error(model)) / 2
    sound = [
        e for e in entries
        if e.selected < halfway and e.proved(model.system.damped) and not e.misses
    ]  # fmt: skip
    if model.settings.paper or not sound:
        least = min(entries, key=lambda e: e.criterion)
        why = "the lowest criterion of all maps"
        if not model.settings.paper:
            why += ": none that predicts well has a structure that is proved and misses nothing"
        return MapChoice(least, f"{why}, {least.criterion:.1f} dB", ())
    least = min(sound, key=lambda e: (e.criterion, e.complexity))
    ties = [e for e in sound if e.criterion - least.criterion <= standard_error(e, least)]
    best = min(ties, key=lambda e: (e.complexity, e.criterion))
    why = (
        f"the lowest criterion, {least.criterion:.1f} dB, of the maps whose structure is "
        "proved and that miss nothing that the study declares"
    )
    if best is not least:
        why = (
            f"the simplest of the maps within one standard error of {why}; its own is "
            f"{best.criterion:.1f} dB at complexity {best.complexity} instead of {least.complexity}"
        )
    return MapChoice(best, why, tuple(ties))


def standard_error(one: FrontEntry, other: FrontEntry) -> float:
    """Of the difference of two maps' errors, from the same parts of the validation rows."""
    apart = one.parts - other.parts
    apart = apart[np.isfinite(apart)]
    return float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else 0.0
