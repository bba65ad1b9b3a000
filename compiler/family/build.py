"""From a family study to its program: a training, or the fit of a measured motion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from actionrun.compiler.program import Program, Reported
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.spec.kinds.family import Family
from actionrun.spec.kinds.registry import KINDS
from actionrun.spec.study import validate
from actionrun.spec.sweep.rivals import rival_studies

from .bounds import Ranges, ranges
from .constraints import integrator, require_fit_surface
from .fit import Fitting
from .fit_findings import FitReport
from .fit_with_network import FitWithNetwork, measured_population
from .measured.expressions import measured_expressions
from .measured.settings import fit_settings
from .observations import observed_motions
from .train import Training, population
from .training_findings import TrainingReport


def build(study: Family, observations: Mapping[str, np.ndarray] | None) -> Program:
    """The program of a family study: a training, or the fit of a measured motion.

    Raises Faults for what the mathematics forbids.
    """
    symbolic = lagrangian_system(study)
    within = ranges(study, symbolic)
    minutes = study.training.minutes
    if study.data is None:
        assert study.integrator.steps is not None
        drawn = population(study, symbolic, within, study.integrator.steps)
        training = Training(study, symbolic, drawn)
        return Reported(training, TrainingReport(training), minutes)
    assert observations is not None  # the columns of [data]
    fitting = _fitting(study, symbolic, within, observations)
    if study.network.kind == "none":
        rivals = {}
        for name, rival in rival_studies(study, partial(validate, kind=KINDS["family"])).items():
            law = lagrangian_system(rival)
            rivals[name] = _fitting(rival, law, ranges(rival, law), observations)
        asked = study.refine.posterior
        draws = None if asked is None else (asked.draws, asked.chains)
        return Reported(fitting, FitReport(fitting, rivals, study.test.folds, draws))
    drawn = measured_population(study, symbolic, within, fitting.observed)
    training = Training(study, symbolic, drawn)
    return Reported(training, FitWithNetwork(training, fitting), minutes)


def _fitting(
    study: Family, symbolic: LagrangianSystem, within: Ranges,
    observations: Mapping[str, np.ndarray],
) -> Fitting:  # fmt: skip
    observed = observed_motions(study, symbolic, observations)
    ggl = integrator(study, symbolic)
    settings = fit_settings(study, symbolic, observed)
    formulas = measured_expressions(study, symbolic)
    fitting = Fitting(settings, symbolic, within, observed, ggl, formulas)
    driving = observed.driving
    require_fit_surface(
        study, symbolic, ggl, within, fitting.first_positions(), settings.start,
        None if driving is None else driving.at(observed.t[:1])[:, 0, 0],
    )  # fmt: skip
    return fitting
