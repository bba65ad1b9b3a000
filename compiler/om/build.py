"""Studies of kind `om`: which path of least action joins these two states?

The path is written in functions of time that hold both ends (`numerics.paths.basis`), its action is
a nonlinear least squares problem (`numerics.paths.action`), which is minimised step by step
(`minimization`). This is the door: what a study says becomes settings here, and these travel on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.alignment import matching_order
from actionrun.compiler.numerics.molecular.periodic_cell import minimum_image
from actionrun.compiler.program import Program, Reported
from actionrun.compiler.symbolic.vocabulary import vocabulary
from actionrun.spec import Value
from actionrun.spec.kinds.om import Om
from actionrun.spec.tables.species import pair_of
from actionrun.spec.validation.om_rules import box_edge, box_vectors

from .cluster.build import build as build_transformation
from .findings import PathReport
from .interactions import Number
from .minimization import PathMinimization
from .path_problem import PathProblem, path_problem
from .settings import ReferenceSettings, Settings, SystemSettings, ThermalSettings
from .structures import GivenStructure, given_ends, held_bodies
from .thermal.channels import channels
from .thermal.findings import LangevinReport
from .thermal.minimization import LangevinPaths
from .thermal.minimum_action import MinimumActionPaths, minimum_action_channels
from .thermal.problem import LangevinProblem, langevin_problem

SWITCH = 0.9  # of the cut-off: where the smooth cut-off begins, if the study does not say


def build(study: Om, observations: Mapping[str, np.ndarray] | None = None) -> Program:
    """The program of an om study; `observations` are the structures of [ends], where it names
    files. Raises Faults."""
    if study.path.dynamics != "newton":
        thermal = langevin_problem_of(study)
        if thermal.free:
            made = LangevinReport(thermal, minimum_action_channels)
            return Reported(MinimumActionPaths(thermal), made)
        return Reported(LangevinPaths(thermal), LangevinReport(thermal, channels))
    order = None if observations is None else observations.get("start_species")
    problem = path_problem_of(study, None if order is None else tuple(map(str, order)))
    settings = problem.settings
    if settings.reference is not None:
        return _reported(PathMinimization(problem, None))
    if not settings.many:
        start, end = _ends_by_coordinate(study)
    elif observations is None:
        raise study_error(
            study, ("ends",), "ends.missing", "the structures of [ends] were not read"
        )
    else:
        start, end = given_ends(problem.system, observations)
        end = end.ordered(matching_order(start.species, end.species))
        system, start, end = held_bodies(settings.frozen, problem.system, start, end)
        problem = replace(problem, system=system)
    if settings.transforms:
        return build_transformation(problem, start, end)
    # The body goes to the nearest image of its end: files may hold wrapped coordinates.
    q = np.stack([start.q, start.q + minimum_image(end.q - start.q, problem.system.cell)], axis=2)
    if problem.velocities and start.v is not None and end.v is not None:
        q = np.concatenate([q, np.stack([start.v, end.v], axis=2)], axis=2)
    names = None if observations is None else tuple(map(str, observations["start_species"]))
    return _reported(PathMinimization(problem, q, names))


def path_problem_of(study: Om, order: Sequence[str] | None = None) -> PathProblem:
    """The problem of a study; `order` are the species of the bodies of its files, by default as
    the study lists them. Raises Faults for what the mathematics forbids."""
    return path_problem(settings(study, order))


def langevin_problem_of(study: Om) -> LangevinProblem:
    """The problem of a study of Langevin dynamics. Raises Faults for what mathematics forbids."""
    ends = study.ends
    given = [ends.start, ends.end]
    if ends.start_velocity is not None:
        given += [ends.start_velocity, ends.end_velocity]
    rows = [_by_coordinate(study, table) for table in given]
    return langevin_problem(settings(study), np.stack(rows, axis=1))


def settings(study: Om, order: Sequence[str] | None = None) -> Settings:
    """The settings of a study. Raises Faults for numbers that have no value."""
    ends, reference = study.ends, None
    if ends.md is not None and ends.temperature is not None:
        dt, length = study.number(ends.md.dt), study.number(ends.md.equilibration)
        reference = ReferenceSettings(dt, length, study.number(ends.temperature))
    heat, duration = study.refine.temperature, study.path.duration
    return Settings(
        moving=system_settings(study, order),
        seed=study.seed,
        path=study.path,
        duration=np.inf if isinstance(duration, str) else study.number(duration),
        given=ends.given,
        align=ends.align,
        reference=reference if ends.origin == "md" else None,
        thermal=_thermal_settings(study),
        loss=study.loss,
        network=study.network,
        training=study.training,
        refine=study.refine,
        temperature=None if heat is None else study.number(heat),
        units=study.units,
        energy_unit=study.energy_unit,
        per_mole=_per_mole(study),
    )


def _per_mole(study: Om) -> bool:
    dimension = study.dimension("lagrangian")
    return dimension is not None and dimension[5] == -1


def _thermal_settings(study: Om) -> ThermalSettings | None:
    """Heat and friction of Langevin dynamics; None for Newton's."""
    path = study.path
    if path.dynamics == "newton" or path.temperature is None or path.friction is None:
        return None
    boltzmann = 1.0 if study.units.reduced else study.units.constant("k_B")
    amount = study.units.constant("N_A") if _per_mole(study) else 1.0
    heat = boltzmann * amount * study.number(path.temperature)
    return ThermalSettings(path.dynamics, heat, study.number(path.friction))


def system_settings(study: Om, order: Sequence[str] | None = None) -> SystemSettings:
    """What of them belongs to the bodies or coordinates. Raises Faults."""
    system, words = study.system, vocabulary(study)
    mass, cutoff = system.mass, None if system.cutoff is None else study.number(system.cutoff)
    begins = None if cutoff is None else SWITCH * cutoff
    if system.switch is not None:
        begins = study.number(system.switch)
    listed = [name for name, count in (system.species or {}).items() for _ in range(count)]
    species = tuple(order) if order is not None else tuple(listed) if listed else None
    return SystemSettings(
        system=system,
        words=words,
        theta={words.constants[name]: _number(study, x) for name, x in study.parameters.items()},
        mass={name: study.number(x) for name, x in mass.items()} if isinstance(mass, dict)
        else None if mass is None else study.number(mass),
        species=None if system.particles is None else species,
        cutoff=cutoff,
        switch=None if begins is None or begins == cutoff else begins,
        box=None if system.particles is None else box_vectors(study),
        edge=None if system.particles is None else box_edge(study),
        periods={name: study.number(x) for name, x in system.periods.items()},
        boltzmann=1.0 if study.units.reduced else study.units.constant("k_B"),
    )  # fmt: skip


def _number(study: Om, value: Value | Mapping[str, Value]) -> Number:
    """A parameter's number, or those (K, K) by pairs of species."""
    if isinstance(value, Value):
        return study.number(value)
    names = [*(study.system.species or {})]
    table = np.zeros((len(names), len(names)))
    for key, one in value.items():
        pair = pair_of(key, names)
        assert pair is not None
        i, j = map(names.index, pair)
        table[i, j] = table[j, i] = study.number(one)
    return table


def _reported(solver: PathMinimization) -> Program:
    return Reported(solver, PathReport(solver))


def _ends_by_coordinate(study: Om) -> tuple[GivenStructure, GivenStructure]:
    """The positions of [ends] start and end, as one body's."""
    start, end = (_by_coordinate(study, one) for one in (study.ends.start, study.ends.end))
    return GivenStructure(start[:, None], None, ("",)), GivenStructure(end[:, None], None, ("",))


def _by_coordinate(study: Om, table: object) -> np.ndarray:
    """The numbers of a table by coordinate, a component each."""
    assert isinstance(table, dict)
    parts: list[float] = []
    for name in study.system.coordinates:
        value = table[name]
        parts += [study.number(x) for x in (value if isinstance(value, tuple) else (value,))]
    return np.array(parts, dtype=float)
