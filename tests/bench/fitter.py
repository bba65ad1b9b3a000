"""Fits of many data sets of one study by one program, compiled once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from actionrun.compiler.family.bounds import ranges
from actionrun.compiler.family.build import fit_settings, settings
from actionrun.compiler.family.constraints import integrator
from actionrun.compiler.family.fit import Fitting
from actionrun.compiler.family.fit_findings import fit_findings
from actionrun.compiler.family.measured.expressions import measured_expressions
from actionrun.compiler.family.observations import observed_motions
from actionrun.compiler.findings import Findings
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.spec import loads
from actionrun.spec.kinds.family import Family


class Fitter:
    """A study of the columns of motion.csv, whose samples are given instead."""

    def __init__(self, text: str, columns: list[str]):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "motion.csv").write_text(",".join(columns) + "\n")
            study = loads(text, folder=Path(folder))
        assert isinstance(study, Family)
        self.study, self.symbolic = study, lagrangian_system(study)
        self.settings = settings(study, self.symbolic)
        self.within = ranges(self.settings, self.symbolic)
        self.ggl = integrator(self.symbolic, self.settings.r)
        self.formulas = measured_expressions(self.settings.columns.formulas, self.symbolic)

    def findings(self, data: Mapping[str, np.ndarray]) -> Findings:
        observed = observed_motions(self.settings.columns, self.symbolic.words, data)
        how = fit_settings(self.study, self.settings, self.symbolic, observed)
        fitting = Fitting(how, self.symbolic, self.within, observed, self.ggl, self.formulas)
        return fit_findings(fitting.fit(lambda *_: None))
