"""Which map of a front to recommend.

The criterion is the papers' objective on the validation rows: error in decibels plus parsimony
times complexity. Candidates are the maps that have the structure of the true motion, proved by
algebra, and miss nothing that the study declares; where there are none, all maps. Among candidates
that are within one standard error of the least, as far as the motions can tell (the rule of
Breiman et al., Classification and Regression Trees, 1984, 3.4.3, paired), the simplest is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .model import MapModel
from .result import FrontEntry, MapChoice, resting_error


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
