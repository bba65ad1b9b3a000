"""Builds transformations of clusters: the path of least action between two structures, and the
lowest barrier on the way from one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.om.path_problem import PathProblem
from actionrun.compiler.program import Reported

from .endpoints import endpoints, given_structures
from .findings import TransformationReport
from .transformation import ClusterTransformation


def build(problem: PathProblem, observations: Mapping[str, np.ndarray] | None) -> Reported:
    """The program of such a study. Raises Faults."""
    _require_cluster(problem)
    if observations is None:
        raise study_error(
            problem.study, ("ends",), "ends.missing", "the structures of [ends] were not read"
        )
    problem, start, end = given_structures(problem, observations)
    solver = ClusterTransformation(problem, endpoints(problem, start, end))
    return Reported(solver, TransformationReport(solver), sharing=solver.sharing)


def _require_cluster(problem: PathProblem) -> None:
    study = problem.study
    if study.system.particles is None or not isinstance(study.ends.start, str):
        raise study_error(
            study, ("refine", "barrier"), "not-built",
            "a barrier is looked for between two structures of atoms, from files, in this version",
            'write start = "a.xyz" and end = "b.xyz" in [ends], or delete [refine]',
        )  # fmt: skip
    if problem.system.edge is not None:
        where = ("refine", "barrier") if study.refine.barrier else ("ends", "align")
        raise study_error(
            study, where, "not-built",
            "alignments and barriers are built for clusters in this version, without a box",
            "delete box in [system]",
        )  # fmt: skip
    if study.refine.barrier and not problem.system.potential.moves_freely:
        raise study_error(
            study, study.system.external, "not-built",
            "a barrier in an external field is not built yet in this version",
            "leave out external, or delete [refine]",
        )  # fmt: skip
    if problem.velocities:
        where = ("refine", "barrier") if study.refine.barrier else ("ends", "align")
        raise study_error(
            study, where, "ends.given", "velocities at the ends, where these are turned or relaxed",
            'write given = ["positions"] in [ends]',
        )  # fmt: skip
