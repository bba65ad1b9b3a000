"""Studies of kind `om`: which path of least action joins these two states?

The path is written in functions of time that hold both ends (`numerics.paths.basis`), its action is
a nonlinear least squares problem (`numerics.paths.action`), which is minimised step by step
(`minimization`).
"""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.neighbor_list import minimum_image
from actionrun.compiler.program import Program, Reported
from actionrun.spec.kinds.om import Om

from .cluster.build import build as build_transformation
from .findings import PathReport
from .minimization import PathMinimization
from .path_problem import PathProblem, is_transformation, path_problem
from .structures import given_ends


def build(study: Om, observations: Mapping[str, np.ndarray] | None = None) -> Program:
    """The program of an om study; `observations` are the structures of [ends], where it names
    files. Raises Faults."""
    order = None if observations is None else observations.get("start_species")
    problem = path_problem(study, None if order is None else tuple(map(str, order)))
    if is_transformation(study):
        return build_transformation(problem, observations)
    if study.ends.origin == "md":
        return _reported(PathMinimization(problem, None))
    if study.system.particles is None:
        return _reported(PathMinimization(problem, _by_coordinate(problem)))
    if observations is None:
        raise study_error(
            study, ("ends",), "ends.missing", "the structures of [ends] were not read"
        )
    start, end = given_ends(study, problem.system, observations)
    q = np.stack([start.q, end.q], axis=2)
    # The body goes to the nearest image of its end: files may hold wrapped coordinates.
    way = jnp.asarray(q[..., 1] - q[..., 0])
    q[..., 1] = q[..., 0] + np.asarray(minimum_image(way, problem.system.edge))
    if problem.velocities and start.v is not None and end.v is not None:
        q = np.concatenate([q, np.stack([start.v, end.v], axis=2)], axis=2)
    return _reported(PathMinimization(problem, q, start.species))


def _reported(solver: PathMinimization) -> Program:
    return Reported(solver, PathReport(solver))


def _by_coordinate(problem: PathProblem) -> np.ndarray:
    """The positions of [ends] start and end (dim, 1, 2)."""
    study, ends = problem.study, []
    for table in (study.ends.start, study.ends.end):
        assert isinstance(table, dict)
        parts: list[float] = []
        for name in study.system.coordinates:
            value = table[name]
            parts += [study.number(x) for x in (value if isinstance(value, tuple) else (value,))]
        ends.append(parts)
    return np.array(ends, dtype=float).T[:, None, :]
