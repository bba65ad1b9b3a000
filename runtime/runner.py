"""One run, from a study to a finished folder."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actionrun.runtime.storage.atomic_write import json_text, write
from actionrun.runtime.storage.progress_log import Log
from actionrun.runtime.storage.provenance import now, provenance, stamp
from actionrun.runtime.storage.run_folder import Folder, check_owner, folder_for

from .errors import RunError
from .events import Failed, Finished, Listener, Noted, Opened, broadcast

if TYPE_CHECKING:
    from actionrun.compiler.findings import Equation, Findings, Section
    from actionrun.compiler.program import Program, Search
    from actionrun.runtime.execution.march import Stop
    from actionrun.runtime.sweep.points import Part
    from actionrun.runtime.workers.pool import Crew
    from actionrun.spec import Study, Swept
    from actionrun.spec.sweep.guided import Guide


@dataclass(frozen=True)
class Job:
    """All that the runtime knows of a study. `files` are its data, by their path in the study."""

    name: str
    kind: str
    title: str
    seed: int
    text: bytes
    resolved: str
    program: Callable[[], Program]
    explained: Callable[[], Sequence[Section]]
    files: Mapping[str, Path] = field(default_factory=dict)
    entries: Sequence[Swept] = ()
    parts: Callable[[], Iterable[Part]] = tuple  # the points of a sweep
    guide: Guide | None = None  # of a sweep whose points are chosen on the way, made by `part`
    part: Callable[[int, Mapping[str, Any]], Part] | None = None

    @property
    def is_sweep(self) -> bool:
        return bool(self.entries)

    @property
    def hash(self) -> str:
        """Of the resolved study and its data: equal hashes mean equal results."""
        digest = hashlib.sha256(self.resolved.encode())
        for name, path in sorted(self.files.items()):
            content = path.read_bytes() if path.is_file() else b""
            digest.update(f"\0{name}\0{hashlib.sha256(content).hexdigest()}".encode())
        return digest.hexdigest()


def job(study: Study) -> Job:
    """The job of a study. Raises Faults where its data file is not there, and for a point of its
    sweep that is no study."""
    from actionrun.compiler import require_built
    from actionrun.runtime.data.observations import observations, require
    from actionrun.runtime.sweep.points import part_at, parts
    from actionrun.spec import resolved_toml, swept
    from actionrun.spec.sweep.sweep import guide_of

    require_built(study)

    def program() -> Program:
        from actionrun.compiler import compile

        found = compile(study, observations(study))
        if not hasattr(found, "choices"):
            return cast("Program", found)
        from .evolution import Evolved

        return Evolved(cast("Search", found))

    def explained() -> Sequence[Section]:
        from actionrun.compiler import explain

        return explain(study)

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
        resolved=resolved_toml(moved),
        program=program,
        explained=explained,
        files=files,
        entries=swept(study),
        parts=lambda: () if guided else parts(study),
        guide=guided,
        part=lambda index, values: part_at(study, index, values),
    )


def _name_beside(file: str) -> str:
    """Where a data file is kept below the run folder: --data may name one from anywhere."""
    path = Path(file)
    return f"data/{path.name}" if path.is_absolute() or ".." in path.parts else file


def with_files_beside(study: Study) -> tuple[Study, dict[str, Path]]:
    """The study as it is in the run folder, so that the same files in another place are the same
    study; and where the files that it names are now, by their place below the run folder."""
    data, ends = getattr(study, "data", None), getattr(study, "ends", None)
    files: dict[str, Path] = {}
    if data is not None and data.file is not None:
        name = _name_beside(data.file)
        files[name] = data.path
        if name != data.file:
            study = study.model_copy(update={"data": data.model_copy(update={"file": name})})
    if ends is not None:
        named = [end for end in (ends.start, ends.end) if isinstance(end, str)]
        files |= {end: ends.path(end) for end in named}
    return study, files


@dataclass(frozen=True)
class Run:
    """A finished run. In a notebook it shows its equations."""

    folder: Path
    result: Mapping[str, Any]
    findings: Findings

    @property
    def equations(self) -> tuple[Equation, ...]:
        return self.findings.equations

    @property
    def metrics(self) -> Mapping[str, Any]:
        return self.result["metrics"]

    def _repr_latex_(self) -> str:
        return "\n".join(f"$$\\displaystyle {equation.latex}$$" for equation in self.equations)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {self.result['title']}, {self.result['status']})"


def run(
    study: Study | Job,
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    tell: Listener = lambda event: None,
    stop: Stop = lambda: None,
    command: Sequence[str] = (),
    workers: int = 0,
    cluster: str | None = None,
) -> Run:
    """Run a study in its folder, go on with it, or read it where it is finished.

    `workers` processes of this machine, or those of the Dask scheduler at the address `cluster`,
    share the points of a sweep, the generations of a search or the saddle searches of a cluster;
    the result is the same. A long search for saddles takes the cores of this machine unasked.

    Raises `actionrun.spec.Faults` for faults that only the compiler or the data show, and a
    RunError (Busy, Stopped, Diverged, CannotWrite, Refused), which knows its exit code.
    """
    task = study if isinstance(study, Job) else job(study)
    where = Path(out) if out is not None else None
    try:
        folder = folder_for(task.name, task.hash, out=where, fresh=fresh)
        with folder.lock():
            check_owner(folder, task.hash, task.resolved)
            tell(Opened(task.title, task.kind, folder.path))
            if folder.finished:
                from actionrun.runtime.storage.findings_file import read

                result = folder.read_json(folder.result)
                tell(Finished(folder.path, result.get("seconds") or 0.0, again=True))
                return Run(folder.path, result, read(folder))
            from actionrun.runtime.workers.pool import crew_of

            with crew_of(workers, cluster, tell) as crew:
                return _executed(task, folder, tell, stop, tuple(command), crew)
    except BaseException as error:
        tell(Failed(str(error), error.code if isinstance(error, RunError) else 1))
        raise


def _executed(
    task: Job,
    folder: Folder,
    tell: Listener,
    stop: Stop,
    command: tuple[str, ...],
    crew: Crew | None,
) -> Run:
    from actionrun.runtime.execution.results import write_results

    if crew is None or not task.is_sweep:
        _readied()
    if task.is_sweep:
        from actionrun.runtime.sweep.sweep import by, one_by_one, swept

        tasks = by(crew) if crew else one_by_one
        points = list(task.parts())  # their faults are told before the folder is a run's
        story = _opened(task, folder, command)
        return swept(task, points, folder, story, tell, stop, tasks)
    import jax
    from actionrun.runtime.execution.march import March
    from actionrun.runtime.storage.checkpoint import Checkpoints
    from actionrun.runtime.storage.provenance import device
    from actionrun.runtime.workers.pool import Processes

    # Doubles for this run, whatever the process that called us has chosen for itself.
    with jax.enable_x64(True), ExitStack() as stack:
        program = task.program()
        story = _opened(task, folder, command)
        if crew is None and (processes := _own_processes(program)) > 1:
            crew = stack.enter_context(Processes(processes))
        if crew:
            _shared(program, crew, folder, tell)
        listener = broadcast(tell, Log(folder.metrics))
        keep = Checkpoints(folder.checkpoint, stamp(task.hash) | {"device": device()}, listener)
        march = March(program, keep, listener, stop)
        found = march.findings()
        sections = task.explained()
    result = write_results(
        task, folder, story, found, sections, program.stage, march.timing, tell, device()
    )
    tell(Finished(folder.path, march.timing.seconds))
    return Run(folder.path, result, found)


def _readied() -> None:
    """Set the switches, unless this process has jax already and they are its owner's."""
    if "jax" not in sys.modules:
        from .cli import set_switches

        set_switches(doubles=False)


def _own_processes(program: Program) -> int:
    """Processes of this machine for a program that has parts to share, where nobody asked for
    workers: as many as there are cores. A worker starts none of its own."""
    from .workers import worker

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    sharing = program.sharing
    return 1 if worker.READY or sharing is None else min(cores or 1, sharing.shares)


def _shared(program: Program, crew: Crew, folder: Folder, tell: Listener) -> None:
    """Let the workers score the generations of a search, or do the parts of a program's steps."""
    from actionrun.runtime.workers.pool import scorer, sharer

    from .evolution import Evolved

    if isinstance(program, Evolved):
        program.evaluate = scorer(crew, folder)
    elif program.sharing is not None:
        program.sharing.shared(sharer(crew, folder))
    else:
        tell(Noted("one run of this kind has nothing to share: the workers stay idle"))


def _opened(task: Job, folder: Folder, command: tuple[str, ...]) -> dict[str, Any]:
    """Write what is known before the run, the mark of a run folder last; its provenance."""
    story = folder.read_json(folder.provenance)
    if folder.is_run and story:
        return story | {"sessions": [*story.get("sessions", []), now()]}
    story = provenance(task.hash, task.kind, task.title, task.seed, command)
    write(folder / "study.toml", task.text)
    for name, path in task.files.items():
        _copied(folder, name, path)
    write(folder.provenance, json_text(story))
    write(folder / "resolved.toml", task.resolved)
    return story


def _copied(folder: Folder, name: str, path: Path) -> None:
    """Keep a data file with the run, where resolved.toml finds it again."""
    place = folder.path / name
    inside = place.resolve().is_relative_to(folder.path.resolve())
    if inside and path.is_file() and not place.exists():
        write(place, path.read_bytes())
