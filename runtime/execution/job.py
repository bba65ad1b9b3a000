"""A run as data: the job that goes in, the clock beside it, the finished run that comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from actionrun.compiler.findings import Findings, Section
from actionrun.compiler.program import Program
from actionrun.runtime.environment.jax_setup import foreign_setup
from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.atomic_write import encoded
from actionrun.runtime.storage.run_folder import Folder
from actionrun.runtime.sweep.points import Part
from actionrun.spec import Swept
from actionrun.spec.study import load
from actionrun.spec.sweep.guided import Guide
from actionrun.spec.text.files import is_file
from actionrun.spec.text.source import Faults

from .run_equation import RunEquation, run_equation


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
        """Of the study, and of how XLA is set up where that is not ours to say: equal hashes mean
        equal results."""
        foreign = foreign_setup()
        both = f"{self.study_hash} {foreign}".encode()
        return hashlib.sha256(both).hexdigest() if foreign else self.study_hash

    @cached_property
    def study_hash(self) -> str:
        """Of the resolved study and its data, which may be long: they are read once."""
        digest = hashlib.sha256(encoded(self.resolved))
        for name, path in sorted(self.files.items()):
            content = path.read_bytes() if is_file(path) else b""
            digest.update(f"\0{name}\0{hashlib.sha256(content).hexdigest()}".encode())
        return digest.hexdigest()


@dataclass
class Timing:
    """Wall and CPU seconds of all sessions of a run; steps and seconds marched in this one.

    The first chunk of a session compiles; its CPU time counts as compilation but for what its steps
    take by the rate of the later ones.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    marched: float = 0.0  # of `seconds`, those until the last step
    first: tuple[int, float] = (0, 0.0)  # steps, and CPU seconds
    later: tuple[int, float] = (0, 0.0)  # steps, and wall seconds

    def enter(self, count: int, spent: float, cpu: float) -> None:
        if not self.first[0]:
            self.first = (count, cpu)
        else:
            self.later = (self.later[0] + count, self.later[1] + spent)

    @property
    def seconds_a_step(self) -> float | None:
        steps, seconds = self.later
        return seconds / steps if steps else None

    @property
    def compile_seconds(self) -> float | None:
        steps, seconds = self.first
        if not steps:
            return None
        return max(0.0, seconds - steps * (self.seconds_a_step or 0.0))


@dataclass(frozen=True)
class Run:
    """A finished run. In a notebook it shows its equations."""

    folder: Path
    result: Mapping[str, Any]
    findings: Findings

    @cached_property
    def equations(self) -> tuple[RunEquation, ...]:
        """The equations of the report, each with `name`, `text`, `latex`, `values`, `sympy()` and
        `function()`."""
        return tuple(run_equation(one, self._moving) for one in self.findings.equations)

    def sympy(self) -> dict[str, Any]:
        """The equations as SymPy by their names; those that are no formula are left out, and
        `equations[k].sympy()` says why."""
        values: dict[str, Any] = {}
        for equation in self.equations:
            with suppress(Refused):
                values[equation.name] = equation.sympy()
        return values

    @cached_property
    def _moving(self) -> tuple[str, ...]:
        """Coordinates and inputs of the study, as its folder has it."""
        try:
            study = load(Folder(self.folder).regular("resolved.toml"))
        except (Faults, Refused):
            return ()
        return (*study.system.coordinates, *study.driven[0])

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The numbers of result.json by their names."""
        return self.result["metrics"]

    @property
    def data(self) -> Any:
        """The arrays as an xarray.Dataset: dimensions named, units in attributes. Raises Refused
        where xarray is not installed; `arrays` needs nothing."""
        try:
            xarray = import_module("xarray")
        except ImportError:
            raise Refused("Run.data needs xarray: pip install 'actionrun[xarray]'") from None
        return xarray.Dataset(
            {
                name: (one.dims, one.data, {"units": one.unit or "1", "long_name": one.long_name})
                for name, one in self.findings.arrays.items()
            }
        )

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """The arrays of data.nc by their names."""
        return {name: np.asarray(one.data) for name, one in self.findings.arrays.items()}

    @property
    def coefficients(self) -> Mapping[str, tuple[float | None, float | None]]:
        """Learned symbols with their values and standard deviations, None where these are not
        determined, in the study's units."""
        return {name: pair for one in self.equations for name, pair in one.values.items()}

    @property
    def report(self) -> Path:
        """The page that tells of the run."""
        return self.folder / "report.html"

    @property
    def covariance(self) -> Mapping[str, Any] | None:
        """The covariance of the coefficients as result.json has it; None where a run has none."""
        return self.result.get("covariance")

    def figure(self, name: str) -> Any:
        """A figure of the report as Matplotlib's, by its name. Raises Refused, with the names."""
        # at start-up: Matplotlib, for those who draw
        from actionrun.runtime.report.figures import matplotlib_figure

        figures = {one.name: one for one in self.findings.figures}
        if name not in figures:
            raise Refused(f"there is no figure {name}: this run has {', '.join(figures) or 'none'}")
        return matplotlib_figure(figures[name])

    def _repr_html_(self) -> str:
        # at start-up: the converter of equations, for notebooks
        from actionrun.runtime.report.notebook import run_html

        return run_html(self.result, self.equations, str(self.report))

    def _repr_latex_(self) -> str:
        return "\n".join(f"$$\\displaystyle {equation.latex}$$" for equation in self.equations)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {self.result['title']}, {self.result['status']})"
