"""From a family study to its program: a training, or the fit of a measured motion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from actionrun.compiler.family.measured.settings import FitSettings
from actionrun.compiler.numerics.inference.measured_expressions import KEY
from actionrun.compiler.program import Program, Reported
from actionrun.compiler.symbolic.driven import trial_marks
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.vocabulary import vocabulary
from actionrun.spec import Faults, Range
from actionrun.spec.kinds.family import Family
from actionrun.spec.kinds.registry import KINDS
from actionrun.spec.study import validate
from actionrun.spec.sweep.rivals import rival_studies
from actionrun.spec.tables.distributions import NormalPrior
from actionrun.spec.tables.observables import OBSERVABLES, short_columns

from .bounds import Ranges, ranges
from .constraints import integrator, require_fit_surface
from .figures import channel_labels
from .fit import Fitting
from .fit_findings import FitReport
from .fit_with_network import FitWithNetwork, measured_population
from .library.found_law import LibraryFitting, LibraryReport
from .library.terms import LibraryTerms, library_terms
from .measured.expressions import measured_expressions
from .observations import ObservedMotions, observed_motions
from .settings import (
    CoefficientRange,
    MeasuredColumns,
    MeasuredFormula,
    Settings,
    StartRanges,
)
from .train import Training, population
from .training_findings import TrainingReport


def build(study: Family, observations: Mapping[str, np.ndarray] | None) -> Program:
    """The program of a family study: a training, or the fit of a measured motion.

    Raises Faults for what the mathematics forbids.
    """
    minutes = study.training.minutes
    if (terms := library_of(study)) is not None:
        assert observations is not None  # the columns of [data]
        solver = _library(study, terms, observations)
        return Reported(solver, LibraryReport(solver), minutes)
    if study.data is not None and study.network.kind == "none":
        assert observations is not None  # the columns of [data]
        return _fits(study, observations)
    symbolic = lagrangian_system(study)
    of = settings(study, symbolic)
    within = ranges(of, symbolic)
    if study.data is None:
        training = Training(of, symbolic, population(of, symbolic, within, of.steps))
        return Reported(training, TrainingReport(training), minutes)
    assert observations is not None
    fitting = _fitting(study, of, symbolic, within, observations)
    training = Training(of, symbolic, measured_population(of, symbolic, within, fitting.observed))
    return Reported(training, FitWithNetwork(training, fitting), minutes)


def library_of(study: Family) -> LibraryTerms | None:
    """The terms of a study's library, None where it has none. Raises Faults for what algebra finds
    wrong."""
    if study.library is None:
        return None
    values = {name: study.number(value) for name, value in study.parameters.items()}
    return library_terms(study.library, vocabulary(study), values)


def _library(
    study: Family, terms: LibraryTerms, observations: Mapping[str, np.ndarray]
) -> LibraryFitting:
    """The search of a library, whose law is a study of its own."""
    meaning = study._meaning

    def fitting(law: Mapping[str, Any]) -> Fitting:
        raw = {key: item for key, item in meaning.raw.items() if key not in ("library", "sweep")}
        raw |= {"system": {**raw["system"], **law["system"]}, "coefficients": law["coefficients"]}
        made, faults = validate(meaning.source, raw, KINDS["family"])
        if not isinstance(made, Family) or any(one.severity == "error" for one in faults):
            raise Faults(faults)
        symbolic = lagrangian_system(made)
        of = settings(made, symbolic)
        return _fitting(made, of, symbolic, ranges(of, symbolic), observations)

    observed = observed_motions(MeasuredColumns(), terms.words, observations)
    taken = frozenset((*study.system.coordinates, *study.parameters, *study.define))
    return LibraryFitting(terms, observed, fitting, taken)


def _fits(study: Family, observations: Mapping[str, np.ndarray]) -> Program:
    """The fit of measured motions, and of rival laws to them."""
    trial = np.asarray(observations.get("trial", np.zeros(len(observations["t"]), int)))
    trials = np.unique(trial)

    def fitting(of: Family) -> Fitting:
        law = lagrangian_system(of, trials=len(trials))
        how = settings(of, law)
        columns = {**observations}
        if law.words.by_trial:
            marks = zip(trial_marks(len(trials)), trials, strict=True)
            columns |= {name: (trial == k).astype(float) for name, k in marks}
        return _fitting(of, how, law, ranges(how, law), columns)

    rivals = rival_studies(study, partial(validate, kind=KINDS["family"]))
    asked = study.refine.posterior
    draws = None if asked is None else (asked.draws, asked.chains)
    each = {name: fitting(rival) for name, rival in rivals.items()}
    own = fitting(study)
    written = own.problem.symbolic
    if written.words.by_trial:
        written = lagrangian_system(study)
    return Reported(own, FitReport(own, written, each, study.test.folds, draws))


def _fitting(
    study: Family, of: Settings, symbolic: LagrangianSystem, within: Ranges,
    observations: Mapping[str, np.ndarray],
) -> Fitting:  # fmt: skip
    observed = observed_motions(of.columns, symbolic.words, observations)
    ggl = integrator(symbolic, of.r)
    how = fit_settings(study, of, symbolic, observed)
    formulas = measured_expressions(of.columns.formulas, symbolic)
    fitting = Fitting(how, symbolic, within, observed, ggl, formulas)
    driving = observed.driving
    require_fit_surface(
        symbolic, ggl, within, fitting.first_positions(), how.start,
        None if driving is None else driving.at(observed.t[:1])[:, 0, 0],
    )  # fmt: skip
    return fitting


def settings(study: Family, symbolic: LagrangianSystem) -> Settings:
    """The settings of a study. Raises Faults for numbers that have no value."""
    coefficients = (study.coefficients[as_written(c.name)] for c in symbolic.coefficients)
    # a step of scoring leaves the surface of constraints, needs a noise, and known times
    scored = study.observe.relative_noise and study.network.scaled and not study.system.holonomic
    columns, seen = {*study.system.coordinates}, study.observe.variables
    if study.data is not None:
        columns = {*study.data.columns, *study.data.observables}
        seen = tuple(
            key
            for key, observable in OBSERVABLES.items()
            if any(observable.column(name) in columns for name in study.system.coordinates)
        )
    return Settings(
        seed=study.seed,
        r=study.integrator.r,
        h=study.number(study.integrator.dt),
        steps=study.integrator.steps or 0,
        every=study.observe.every,
        variables=study.observe.variables,
        seen=seen,
        hides_positions=not {*study.system.coordinates} <= columns,
        noise=study.observe.relative_noise,
        coefficients=tuple(
            CoefficientRange(study.number(c.low), study.number(c.high), c.log, c.zero)
            for c in coefficients
        ),
        inequalities=study.system.inequalities,
        cases=tuple(
            {name: study.number(value) for name, value in case.items()} for case in study.test.cases
        ),
        systems=study.test.systems,
        start=_start_ranges(study, symbolic),
        network=study.network,
        training=study.training,
        refine=study.refine,
        scoring=study.network.scoring if scored and study.data is None else 0,
        columns=_columns(study, symbolic),
    )


def _start_ranges(study: Family, symbolic: LagrangianSystem) -> StartRanges | None:
    """The ranges of [start]; None where there is none, or a fit is to estimate some of it."""
    start, names = study.start, symbolic.words.slices
    if start is None or start.holds(NormalPrior):
        return None
    rate = start.momentum if start.velocity is None else start.velocity
    if study.network.kind == "none" and (
        study.driven[1] or not {*names} <= {*start.position} & {*(rate or {})}
    ):
        return None
    assert rate is not None  # one of them is given where systems are drawn
    position, speed = (_ends(study, symbolic, table) for table in (start.position, rate))
    return StartRanges(*position, *speed, start.velocity is not None)


def _ends(study: Family, symbolic: LagrangianSystem, table) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (n,) of a [start] table; a number is a range of no width."""
    low, high = [], []
    for name in symbolic.words.slices:
        value = table[name]
        for part in value if isinstance(value, tuple) else (value,):
            ends = (part.low, part.high) if isinstance(part, Range) else (part, part)
            low.append(study.number(ends[0]))
            high.append(study.number(ends[1]))
    return np.array(low, float), np.array(high, float)


def _columns(study: Family, symbolic: LagrangianSystem) -> MeasuredColumns:
    if study.data is None:
        return MeasuredColumns()
    periods = {
        name: study.number(one.wrap)
        for name, one in study.data.observables.items()
        if one.wrap is not None
    }
    formulas = tuple(
        MeasuredFormula(name, one.formula, periods.get(name, 0.0))
        for name, one in study.observables
    )
    inputs, _ = study.driven
    numbers = tuple(one.name for one in symbolic.words.driven.each if not one.is_input)
    return MeasuredColumns(formulas, periods, inputs, numbers, study.data.between)


def fit_settings(
    study: Family, of: Settings, symbolic: LagrangianSystem, observed: ObservedMotions
) -> FitSettings:
    """How the measured motions of a study are fitted."""
    words = symbolic.words
    from_rest = study.starts_from_rest([int(x) for x in observed.there.sum(axis=(0, 1))])
    names = ["t", *(c.name for c in symbolic.coefficients)]
    labels: dict[tuple[str, int], tuple[str, str]] = {}
    for key in OBSERVABLES:
        for i, label in enumerate(channel_labels(words, (key,))):
            labels[key, i] = label
    for i, one in enumerate(of.columns.formulas):
        labels[KEY, i] = one.name, words.unit(one.name)
    return FitSettings(
        of.seed, of.h, of.iterations, of.refine.tolerance, of.refine.sparse, of.refine.loss,
        study.observe.correlation, of.noise, _absolute_noise(study, symbolic),
        *_start(study, symbolic, observed, from_rest), from_rest, _prior(study, symbolic), labels,
        {name: words.unit(as_written(name)) for name in names},
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
    study: Family, symbolic: LagrangianSystem, observed: ObservedMotions, from_rest: bool
) -> tuple[np.ndarray | None, tuple[np.ndarray, np.ndarray] | None]:
    """q and v of every trial (2 n, trials) where [start] gives them, else NaN; and what it knows of
    them with an error: means, and deviations, infinite for others. None where it says nothing."""
    start, n, trials = study.start, symbolic.n, observed.t.shape[1]
    known = np.full((2 * n, trials), np.nan)
    if from_rest:
        known[n:] = 0.0
        return known, None
    if start is None or study.network.kind != "none":
        return None, None
    mean, std = np.zeros((2 * n, trials)), np.full((2 * n, trials), np.inf)
    for trial in range(trials):
        given = {} if observed.driving is None else {
            name: float(observed.driving.constants[trial][k, 0])
            for k, name in enumerate(study.driven[1])
        }  # fmt: skip
        for first, part in ((0, start.position), (n, start.velocity or {})):
            for name, entry in part.items():
                place = symbolic.words.slices[name].start + first
                for i, one in enumerate(entry if isinstance(entry, tuple) else (entry,)):
                    if isinstance(one, NormalPrior):
                        mean[place + i, trial] = study.number_given(one.mean, given)
                        std[place + i, trial] = study.number_given(one.std, given)
                    else:
                        known[place + i, trial] = study.number_given(one, given)
    return (
        known if np.isfinite(known).any() else None,
        (mean, std) if np.isfinite(std).any() else None,
    )


def _prior(study: Family, symbolic: LagrangianSystem) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations (k,) of the coefficients, infinite for those of which nothing is known;
    those of each trial by its number."""
    places = {c.name: k for k, c in enumerate(symbolic.coefficients)}
    mean, std = np.zeros(len(places)), np.full(len(places), np.inf)
    for name, coefficient in study.coefficients.items():
        each = [c.name for c in symbolic.words.by_trial.get(name, ())] or [name]
        priors = coefficient.prior
        if not isinstance(priors, tuple):
            priors = (priors,) * len(each)
        for one, prior in zip(each, priors, strict=True):
            if prior is not None and one in places:
                mean[places[one]] = study.number(prior.mean)
                std[places[one]] = study.number(prior.std)
    return mean, std


def as_written(name: str) -> str:
    """A coefficient's name in the study: c[2] is c of the second trial."""
    return name.partition("[")[0]
