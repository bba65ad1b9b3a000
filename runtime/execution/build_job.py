"""From a study to the job that runs it."""

from __future__ import annotations

from collections.abc import Sequence

from actionrun import compiler, spec
from actionrun.compiler.findings import Section
from actionrun.compiler.program import Program, Search
from actionrun.runtime.data.observations import observations, require
from actionrun.runtime.data.study_files import with_files_beside
from actionrun.runtime.sweep.points import part_at, parts
from actionrun.spec.kinds.registry import Study
from actionrun.spec.sweep.sweep import guide_of

from .job import Job


def build_job(study: Study) -> Job:
    """The job of a study. Raises Faults where its data file is not there, and for a point of its
    sweep that is no study."""

    def program() -> Program:
        compiled = compiler.compile(study, observations(study))
        if not isinstance(compiled, Search):
            return compiled
        from actionrun.runtime.evolution import Evolved  # at start-up: DEAP, for searches alone

        return Evolved(compiled)

    def explained() -> Sequence[Section]:
        return compiler.explain(study)

    require(study)
    guided = guide_of(study)
    path = study.source.path
    there = path is not None and path.is_file()
    moved, files = with_files_beside(study)
    return Job(
        name=path.stem if path is not None else "study",
        kind=study.study,
        title=study.title,
        seed=study.seed,
        text=path.read_bytes() if path is not None and there else study.source.text.encode(),
        resolved=spec.resolved_toml(moved),
        program=program,
        explained=explained,
        files=files,
        entries=spec.swept(study),
        parts=lambda: () if guided else parts(study),
        guide=guided,
        part=lambda index, values: part_at(study, index, values),
    )
