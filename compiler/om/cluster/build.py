"""Builds transformations of clusters: the path of least action between two structures, and the
lowest barrier on the way from one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.om.path_problem import Setting
from actionrun.compiler.program import Reported

from .endpoints import ends, of_files
from .findings import TransformationReport
from .transformation import Clusters


def build(setting: Setting, observations: Mapping[str, np.ndarray] | None) -> Reported:
    """The program of such a study. Raises Faults."""
    _require_cluster(setting)
    if observations is None:
        raise study_error(
            setting.study, ("ends",), "ends.missing", "the structures of [ends] were not read"
        )
    setting, start, end = of_files(setting, observations)
    solver = Clusters(setting, ends(setting, start, end))
    return Reported(solver, TransformationReport(solver), sharing=solver.sharing)


def _require_cluster(setting: Setting) -> None:
    study = setting.study
    if study.system.particles is None or not isinstance(study.ends.start, str):
        raise study_error(
            study, ("refine", "barrier"), "not-built",
            "a barrier is looked for between two structures of atoms, from files, in this version",
            'write start = "a.xyz" and end = "b.xyz" in [ends], or delete [refine]',
        )  # fmt: skip
    if setting.bodies.edge is not None:
        where = ("refine", "barrier") if study.refine.barrier else ("ends", "align")
        raise study_error(
            study, where, "not-built",
            "alignments and barriers are built for clusters in this version, without a box",
            "delete box in [system]",
        )  # fmt: skip
    if study.refine.barrier and setting.bodies.external is not None:
        raise study_error(
            study, study.system.external, "not-built",
            "a barrier in an external field is not built yet in this version",
            "leave out external, or delete [refine]",
        )  # fmt: skip
    if setting.velocities:
        where = ("refine", "barrier") if study.refine.barrier else ("ends", "align")
        raise study_error(
            study, where, "ends.given", "velocities at the ends, where these are turned or relaxed",
            'write given = ["positions"] in [ends]',
        )  # fmt: skip
