"""Studies of kind `om`: which path of least action joins these two states?

The path is written in functions of time that hold both ends (`numerics.paths.basis`), its action is
a nonlinear least squares problem (`numerics.paths.action`), which is minimised step by step
(`minimization`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.alignment import matching_order
from actionrun.compiler.numerics.molecular.periodic_cell import minimum_image
from actionrun.compiler.program import Program, Reported
from actionrun.spec.kinds.om import Om

from .cluster.build import build as build_transformation
from .findings import PathReport
from .minimization import PathMinimization
from .path_problem import PathProblem, is_transformation, path_problem
from .structures import GivenStructure, given_ends, held_bodies


def build(study: Om, observations: Mapping[str, np.ndarray] | None = None) -> Program:
    """The program of an om study; `observations` are the structures of [ends], where it names
    files. Raises Faults."""
    order = None if observations is None else observations.get("start_species")
    problem = path_problem(study, None if order is None else tuple(map(str, order)))
    if study.ends.origin == "md":
        return _reported(PathMinimization(problem, None))
    if study.system.particles is None:
        start, end = _by_coordinate(problem)
    elif observations is None:
        raise study_error(
            study, ("ends",), "ends.missing", "the structures of [ends] were not read"
        )
    else:
        start, end = given_ends(study, problem.system, observations)
        end = end.ordered(matching_order(start.species, end.species))
        system, start, end = held_bodies(study, problem.system, start, end)
        problem = replace(problem, system=system)
    if is_transformation(study):
        return build_transformation(problem, start, end)
    # The body goes to the nearest image of its end: files may hold wrapped coordinates.
    q = np.stack([start.q, start.q + minimum_image(end.q - start.q, problem.system.cell)], axis=2)
    if problem.velocities and start.v is not None and end.v is not None:
        q = np.concatenate([q, np.stack([start.v, end.v], axis=2)], axis=2)
    names = None if observations is None else tuple(map(str, observations["start_species"]))
    return _reported(PathMinimization(problem, q, names))


def _reported(solver: PathMinimization) -> Program:
    return Reported(solver, PathReport(solver))


def _by_coordinate(problem: PathProblem) -> tuple[GivenStructure, GivenStructure]:
    """The positions of [ends] start and end, as one body's."""
    study, ends = problem.study, []
    for table in (study.ends.start, study.ends.end):
        assert isinstance(table, dict)
        parts: list[float] = []
        for name in study.system.coordinates:
            value = table[name]
            parts += [study.number(x) for x in (value if isinstance(value, tuple) else (value,))]
        ends.append(GivenStructure(np.array(parts, dtype=float)[:, None], None, ("",)))
    return ends[0], ends[1]
