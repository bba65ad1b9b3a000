"""The report of an integration: its findings, with all that was asked for beside the motion."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.ggl.comparison.error_curves import with_comparison
from actionrun.compiler.ggl.comparison.setup import Comparison
from actionrun.compiler.numerics.integrators.time_marching import energy_scale
from actionrun.compiler.program import Samples, State, Tell

from .analysis.shooting import with_shooting
from .analysis.tangents import with_tangents
from .charge_balance import SymmetryCharges, with_charges
from .dense_output_findings import with_dense_output
from .findings import integration_findings
from .integration import Integration
from .series import series
from .stability_check import with_step_check


@dataclass(frozen=True, eq=False)
class IntegrationReport:
    """What is said of a finished run."""

    run: Integration
    charges: SymmetryCharges
    comparison: Comparison | None

    def __call__(self, state: State, samples: Samples, tell: Tell) -> Findings:
        run, rows = self.run, series(self.run, samples)
        state = jax.tree.map(np.asarray, state)
        findings = integration_findings(run, state, rows)
        findings = with_charges(run, self.charges, state, rows, samples, findings)
        if run.output is not None:
            findings = with_dense_output(run, run.output, state, samples, findings)
        findings = with_step_check(run, rows, findings)
        if run.settings.analysis is not None:
            findings = with_tangents(run, run.settings.analysis, state, findings, tell)
            findings = with_shooting(run, run.settings.analysis, state, rows, findings, tell)
        if self.comparison is None:
            return findings
        return with_comparison(self.comparison, energy_scale(state.monitor), findings, tell)
