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
    if observations is None:
        raise study_error(
            problem.study, ("ends",), "ends.missing", "the structures of [ends] were not read"
        )
    problem, start, end = given_structures(problem, observations)
    solver = ClusterTransformation(problem, endpoints(problem, start, end))
    return Reported(solver, TransformationReport(solver), sharing=solver.sharing)
