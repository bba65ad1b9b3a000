"""What Python and notebooks call: the commands, with values in place of words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from actionrun import spec
from actionrun.spec.kinds.registry import Study
from actionrun.spec.text.source import Fault

from . import infer as inference
from . import runner
from .data.observations import every_file_fault
from .display import display
from .environment import is_output_allowed
from .environment.jax_setup import set_switches_unless_imported
from .events import Listener, broadcast
from .execution.job import Job, Run
from .explanation import explanation
from .report.latex import explained_text
from .storage.findings_file import read
from .storage.json_shapes import json_object
from .storage.run_folder import Folder, finished_run


def run(
    study: Study | Job,
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: bool = False,
    on_event: Listener = lambda event: None,
    workers: int = 0,
    cluster: str | None = None,
    allow_output: Callable[[int], bool] = is_output_allowed,
) -> Run:
    """Run a study in its folder, go on with it, or read it where it is finished.

    `out`: the run folder, by default runs/NAME/COUNT-HASH; `fresh`: a new run beside older ones;
    `progress`: say how it goes, a live bar on a terminal; `workers`, `cluster`: processes that
    share the work. Raises Faults for what is wrong with the study, RunError for a run that ends
    early; each of its kinds knows the exit code of the command line.
    """
    listener = broadcast(on_event, display()) if progress else on_event
    return runner.run(
        study, out=out, fresh=fresh, on_event=listener, workers=workers, cluster=cluster,
        allow_output=allow_output,
    )  # fmt: skip


def open_run(folder: Path | str) -> Run:
    """The finished run in a folder, as `run` gave it, or the latest one below it. Raises Refused
    where there is none, or where it is damaged."""
    place = finished_run(Path(folder))
    return Run(place.path, place.results(), read(place))


def check(study: Study | Path | str) -> list[Fault]:
    """Every fault and note of a study, of a file or as a value, and of the files that it names."""
    if isinstance(study, str | Path):
        read_study, faults = spec.checked_study(study)
        if read_study is None or any(fault.severity == "error" for fault in faults):
            return faults
    else:
        read_study, faults = study, []
    return [*faults, *every_file_fault(read_study)]


def explain(study: Study) -> str:
    """What a study means: every default, equations, symmetries, how its files are written and what
    its sweep tries, as text. Raises Faults."""
    set_switches_unless_imported(doubles=True)
    return explained_text(explanation(study), spec.resolved_toml(study))


def infer(
    run: Run | Path | str, data: Path | str, *, out: Path | str | None = None, workers: int = 0
) -> list[dict[str, Any]]:
    """What the trained network of a run says of the motions in a CSV file: a dict a motion, with
    `coefficients` (value, std, unit), `network` and `residual`. Raises Faults, RunError."""
    folder = Folder(run.folder if isinstance(run, Run) else Path(run))
    place = None if out is None else Path(out)
    _, where = inference.infer(folder, Path(data), place, workers)
    whole = json_object((where / "inference.json").read_bytes())
    return [] if whole is None else whole["motions"]
