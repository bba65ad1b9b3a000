"""The trained network of a finished run, read from its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from actionrun import spec
from actionrun.compiler.findings import Inference
from actionrun.compiler.kinds import KINDS

from .environment.jax_setup import double_precision
from .execution.build_job import build_job
from .storage.checkpoint import Checkpoints
from .storage.provenance import stamp
from .storage.run_folder import Folder


class TrainedNetwork:
    """A network that names motions it has not seen. Raises Faults, Refused."""

    def __init__(self, path: Path) -> None:
        folder = Folder(path)
        study = spec.load(folder.regular("resolved.toml"))
        self._kind = KINDS[study.study]
        with double_precision():
            job = build_job(study)
            self.program = job.program()
            # As it was written: a later version may spell the same study with more keys.
            resolved = folder.text("resolved.toml")
            mark = stamp(replace(job, resolved=resolved).study_hash)
            checkpoints = Checkpoints(folder.checkpoint, mark, lambda event: None)
            self.state = checkpoints.last_state(self.program.start())

    def infer(self, motions: Mapping[str, np.ndarray]) -> Inference:
        """What it says of some motions."""
        with double_precision():
            return self._kind.infer(self.program, self.state, motions)
