"""From a family study to its program: a training, or the fit of a measured motion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.program import Program, Reported
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.spec import Faults
from actionrun.spec.kinds.family import Family

from .bounds import ranges
from .fit import Fitting
from .fit_findings import FitReport
from .fit_with_network import FitWithNetwork, measured_population
from .train import Training, population
from .training_findings import TrainingReport


def build(study: Family, observations: Mapping[str, np.ndarray] | None) -> Program:
    """The program of a family study: a training, or the fit of a measured motion.

    Raises Faults for what is not built and for what the mathematics forbids.
    """
    require_built(study)
    symbolic = lagrangian_system(study)
    within = ranges(study, symbolic)
    minutes = study.training.minutes
    if study.data is None or observations is None:
        assert study.integrator.steps is not None
        drawn = population(study, symbolic, within, study.integrator.steps)
        training = Training(study, symbolic, drawn)
        return Reported(training, TrainingReport(training), minutes)
    fitting = Fitting(study, symbolic, within, observations)
    if study.network.kind == "none":
        return Reported(fitting, FitReport(fitting))
    drawn = measured_population(study, symbolic, within, fitting.observed)
    training = Training(study, symbolic, drawn)
    return Reported(training, FitWithNetwork(training, fitting), minutes)


def require_built(study: Family) -> None:
    """What the language knows and this version cannot do is an error that says so."""
    lacking = [
        (
            ("integrator", "time_transform"),
            "time_transform",
            study.integrator.time_transform is not None,
        ),
    ]
    faults = [
        study.fault(key, None, "not-built", f"{what} is not built yet in this version")
        for key, what, wanted in lacking
        if wanted
    ]
    if study.data is None and study.network.kind == "none":
        faults.append(
            study.fault(
                ("network", "kind"),
                None,
                "nothing-to-do",
                'network kind "none" fits one measured motion, but the study has no [data]',
                "add [data] with file and columns, or leave out network.kind",
            )
        )
    if study.training.epochs is not None and study.training.systems is None:
        faults.append(
            study.fault(
                ("training", "epochs"),
                None,
                "training.epochs",
                "an epoch is a pass over a fixed set of systems, but every step draws fresh ones",
                "add systems = 100000, the size of the set, or write steps instead of epochs",
            )
        )
    if study.start is None and (study.data is None or study.network.kind != "none"):
        hint = "add [start] with position and velocity or momentum; ranges are drawn from"
        if study.data is not None:
            hint += '. Or write kind = "none" in [network]: a fit without one needs none'
        text = "training systems need a [start]"
        faults.append(study.fault(("system",), None, "start-missing", text, hint))
    if faults:
        raise Faults(tuple(faults))
