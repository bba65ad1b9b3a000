"""Builds transformations: the path of least action between two structures, and the lowest barrier
on the way from one to the other.
"""

from __future__ import annotations

from actionrun.compiler.om.path_problem import PathProblem
from actionrun.compiler.om.structures import GivenStructure
from actionrun.compiler.program import Reported

from .endpoints import endpoints
from .findings import TransformationReport
from .transformation import ClusterTransformation


def build(problem: PathProblem, start: GivenStructure, end: GivenStructure) -> Reported:
    """The program of such a study. Raises Faults."""
    solver = ClusterTransformation(problem, endpoints(problem, start, end))
    return Reported(solver, TransformationReport(solver), sharing=solver.sharing)
