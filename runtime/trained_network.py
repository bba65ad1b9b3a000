"""The trained network of a finished run, read from its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from actionrun import spec
from actionrun.compiler.findings import Inference
from actionrun.compiler.kinds import KINDS

from .environment.jax_setup import double_precision
from .errors import Refused
from .execution.build_job import build_job
from .storage.checkpoint import Checkpoints
from .storage.provenance import stamp
from .storage.run_folder import Folder


class TrainedNetwork:
    """A network that names motions it has not seen. Raises Faults, Refused."""

    def __init__(self, path: Path) -> None:
        folder = Folder(path)
        study = spec.load(folder / "resolved.toml")
        self._kind = KINDS[study.study]
        with double_precision():
            job = build_job(study)
            self.program = job.program()
            checkpoints = Checkpoints(
                folder.checkpoint, stamp(job.hash), lambda event: None, free=("device",)
            )
            point = checkpoints.latest(self.program.start())
        if point is None:
            raise Refused(f"{folder.checkpoint} holds no network. Run the study again with --fresh")
        self.state = point.state

    def infer(self, motions: Mapping[str, np.ndarray]) -> Inference:
        """What it says of some motions."""
        with double_precision():
            return self._kind.infer(self.program, self.state, motions)
