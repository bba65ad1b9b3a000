"""How a measured motion is fitted, resolved from its study once: what solver and report read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from actionrun.compiler.family.figures import channel_labels
from actionrun.compiler.family.observations import ObservedMotions
from actionrun.compiler.numerics.inference.measured_expressions import KEY
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.spec.kinds.family import Family
from actionrun.spec.tables.observables import OBSERVABLES, short_columns


@dataclass(frozen=True)
class NormalPrior:
    """What is known of a coefficient beforehand: mean and standard deviation."""

    mean: float
    std: float


@dataclass(frozen=True)
class FitSettings:
    """`noise`: declared standard deviations by channel (observable, component), absolute, and
    `relative_noise`, those over the size of every channel; `start`: q and v (2 n, trials) of those
    that the study gives, NaN elsewhere; `labels` and `units` of channels and of names."""

    seed: int
    dt: float
    iterations: int
    tolerance: float
    sparse: bool
    loss: Literal["gauss", "student"]
    correlation: Literal["auto", "none", "ar1"]
    relative_noise: float | None
    noise: Mapping[tuple[str, int], float]
    start: np.ndarray | None
    priors: Mapping[str, NormalPrior]
    labels: Mapping[tuple[str, int], tuple[str, str]]
    units: Mapping[str, str] = field(default_factory=dict)

    def unit(self, name: str) -> str:
        return self.units.get(name, "")


def fit_settings(
    study: Family, symbolic: LagrangianSystem, observed: ObservedMotions
) -> FitSettings:
    """The settings of a study."""
    refine, observe = study.refine, study.observe
    names = ["t", *(c.name for c in symbolic.coefficients)]
    labels: dict[tuple[str, int], tuple[str, str]] = {}
    for key in OBSERVABLES:
        for i, label in enumerate(channel_labels(study, (key,))):
            labels[key, i] = label
    for i, (name, _) in enumerate(study.observables):
        labels[KEY, i] = name, study.unit(name)
    return FitSettings(
        study.seed, study.number(study.integrator.dt),
        refine.iterations if refine.method != "none" else 0, refine.tolerance, refine.sparse,
        refine.loss, observe.correlation,
        observe.relative_noise, _absolute_noise(study, symbolic), _start(study, symbolic, observed),
        _priors(study), labels, {name: study.unit(name) for name in names},
    )  # fmt: skip


def _absolute_noise(study: Family, symbolic: LagrangianSystem) -> dict[tuple[str, int], float]:
    """Declared standard deviations by channel; a vector's stands for each of its components."""
    result: dict[tuple[str, int], float] = {}
    for i, (name, _) in enumerate(study.observables):
        if (given := study.observe.absolute_noise.get(name)) is not None:
            result[KEY, i] = study.number(given)
    short = short_columns([*study.system.coordinates])
    for key, observable in OBSERVABLES.items():
        for name, part in symbolic.words.slices.items():
            column = observable.column(name)
            given = study.observe.absolute_noise.get(column)
            if given is None and short.get(key) == column:
                given = study.observe.absolute_noise.get(key)
            if given is not None:
                for i in range(part.start, part.stop):
                    result[key, i] = study.number(given)
    return result


def _start(
    study: Family, symbolic: LagrangianSystem, observed: ObservedMotions
) -> np.ndarray | None:
    """q and v of every trial (2 n, trials) where [start] gives them, else NaN; None where it gives
    nothing."""
    start, n, trials = study.start, symbolic.n, observed.t.shape[1]
    if start is None or study.network.kind != "none":
        return None
    known = np.full((2 * n, trials), np.nan)
    for trial in range(trials):
        given = {} if observed.driving is None else {
            name: float(observed.driving.constants[trial][k, 0])
            for k, name in enumerate(study.driven[1])
        }  # fmt: skip
        for first, part in ((0, start.position), (n, start.velocity or {})):
            for name, entry in part.items():
                place = symbolic.words.slices[name].start + first
                for i, one in enumerate(entry if isinstance(entry, tuple) else (entry,)):
                    known[place + i, trial] = study.number_given(one, given)
    return known if np.isfinite(known).any() else None


def _priors(study: Family) -> dict[str, NormalPrior]:
    result = {}
    for name, coefficient in study.coefficients.items():
        if coefficient.prior is not None:
            mean, std = (study.number(x) for x in (coefficient.prior.mean, coefficient.prior.std))
            result[name] = NormalPrior(mean, std)
    return result
