"""`actionrun infer RUN --data FILE.csv`: a trained network on new motions."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from actionrun import spec
from actionrun.compiler.findings import Inference

from .data.motions import Observing, motion_blocks, motions_in
from .environment.jax_setup import set_switches_unless_imported
from .errors import Refused
from .events import Listener, Noted, ProgressThrottle
from .report.rounding import brief, with_error
from .storage.atomic_write import json_text, plain_data, write
from .storage.json_shapes import NUMBER, json_object, mismatch
from .storage.provenance import other_version, stamp
from .storage.regular_files import content, remove
from .storage.run_folder import Folder
from .workers.open_pool import open_pool
from .workers.pool import WorkerPool, as_ended

PART = {
    "mark": str, "names": [str], "units": [str],
    "motions": [{
        "trial": int, "network": {str: NUMBER}, "residual": NUMBER, "network_residual": NUMBER,
        "coefficients": {str: {"value": NUMBER, "std": NUMBER}},
        "strays": [{"variable": str, "t": float}],
    }],
}  # fmt: skip


def infer(
    folder: Folder, data: Path, place: Path | None, workers: int = 0, cluster: str | None = None,
    on_event: Listener = lambda event: None,
) -> tuple[str, Path]:  # fmt: skip
    """What the network of a finished run says of the motions in a CSV file: a table as text, and
    the folder with inference.json and coefficients.csv. Raises Faults, Refused, CannotWrite.

    Motions go through the integrator some at a time, in this process or by the workers that were
    asked for: the result is the same.
    """
    study = spec.load(folder.regular("resolved.toml"))
    if not study.trains_network:
        raise Refused(f"{folder.path} has no trained network: infer reads runs of a family "
                      "study that trains one")  # fmt: skip
    if note := other_version(folder.origin()):
        on_event(Noted(note))
    blocks = list(motion_blocks(motions_in(cast("Observing", study), data)))
    home = folder.path if place is None else place
    place = place or folder / "inferred" / data.stem
    parts = Parts(place / "parts", home, _mark(folder, data), len(blocks))
    left = [number for number in range(len(blocks)) if number not in parts.done]
    if len(left) < len(blocks):
        on_event(Noted(f"{len(blocks) - len(left)} of {len(blocks)} parts are there already"))
    progress = ProgressThrottle(on_event)
    progress.start("infer", len(blocks), len(parts.done), "parts")
    with open_pool(workers, cluster, on_event) as pool:
        for number, part in _inferred(folder, blocks, left, pool):
            parts.keep(number, part)
            progress("infer", len(parts.done), len(blocks), {})
    inference = parts.together()
    whole = {"format": 1, "data": data.name, "motions": inference.motions}
    write(place / "inference.json", json_text(whole), home=home)
    write(place / "coefficients.csv", _csv(inference), home=home)
    parts.clear()
    return _table(inference), place


def _inferred(
    folder: Folder, blocks: Sequence[Mapping[str, np.ndarray]], left: Sequence[int],
    pool: WorkerPool | None,
) -> Iterator[tuple[int, Inference]]:  # fmt: skip
    """What the network says of the blocks of these numbers, in any order."""
    if not left:
        return
    if pool is None:
        set_switches_unless_imported(doubles=True)
        from .trained_network import TrainedNetwork  # at start-up: jax, after its switches

        network = TrainedNetwork(folder.path)
        for number in left:
            yield number, network.infer(blocks[number])
        return
    where = str(folder.path.resolve())
    yield from as_ended(pool, "infer", {number: (where, blocks[number]) for number in left})


def _mark(folder: Folder, data: Path) -> str:
    """Of all that an answer depends on: the network, the motions and the code."""
    digest = hashlib.sha256(json_text(stamp("")).encode())
    for one in (folder.content("result.json"), folder.content("resolved.toml"), data.read_bytes()):
        digest.update(hashlib.sha256(one).digest())
    return digest.hexdigest()


class Parts:
    """What was inferred of each block of motions, kept in a folder until all are there, so that a
    process that is killed loses none."""

    def __init__(self, place: Path, home: Path, mark: str, count: int) -> None:
        self._place, self._home, self._mark = place, home, mark
        self.done: dict[int, dict[str, Any]] = {}
        for number in range(count):
            try:
                text = content(self._path(number), home=home)
            except OSError:
                continue
            part = json_object(text)
            if part is not None and part.get("mark") == mark and not mismatch(part, PART):
                self.done[number] = part

    def _path(self, number: int) -> Path:
        return self._place / f"{number:05d}.json"

    def keep(self, number: int, part: Inference) -> None:
        """Raises CannotWrite."""
        rows = plain_data(part.motions, lost=[])
        plain = {"mark": self._mark, "names": list(part.names), "units": list(part.units)}
        self.done[number] = plain | {"motions": rows}
        write(self._path(number), json_text(self.done[number], indent=None), home=self._home)

    def together(self) -> Inference:
        """All motions, in their order."""
        every = [self.done[number] for number in sorted(self.done)]
        motions = [row for part in every for row in part["motions"]]
        return Inference(tuple(every[0]["names"]), tuple(every[0]["units"]), motions)

    def clear(self) -> None:
        for number in self.done:
            with suppress(OSError):
                remove(self._place, self._path(number).name, home=self._home)
        with suppress(OSError):
            self._place.rmdir()


def _table(inference: Inference) -> str:
    """A line a motion."""
    head = ["motion", *(f"{n} [{u}]" if u else n for n, u in zip(inference.names, inference.units,
            strict=True)), "network", "residual"]  # fmt: skip
    rows = [head]
    for one in inference.motions:
        values = one["coefficients"]
        cells = [with_error(values[n]["value"], values[n]["std"]) for n in inference.names]
        said = ", ".join(brief(one["network"][n], 5) for n in inference.names)
        rows.append([str(one["trial"]), *cells, said, brief(one["residual"], 2)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*(line.rstrip() for line in lines), *_strays(inference)])


SHOWN = 5  # samples of a motion that are named


def _strays(inference: Inference) -> list[str]:
    """A line for each motion that has samples far from its fit."""
    lines = []
    for one in inference.motions:
        slips = [f"{slip['variable']} at t = {brief(slip['t'], 6)}" for slip in one["strays"]]
        if slips:
            more = f" and {len(slips) - SHOWN} more" if len(slips) > SHOWN else ""
            lines.append(f"motion {one['trial']}: far from the fit lie {', '.join(slips[:SHOWN])}"
                         f"{more}; if these are slips, empty their cells")  # fmt: skip
    return lines


def _csv(inference: Inference) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head: list[Any] = ["trial"]
    for name in inference.names:
        head += [f"{name}_network", name, f"{name}_std"]
    writer.writerow([*head, "network_residual", "residual"])
    for one in inference.motions:
        row: list[Any] = [one["trial"]]
        for name in inference.names:
            value = one["coefficients"][name]
            row += [one["network"][name], value["value"], value["std"]]
        writer.writerow([*row, one["network_residual"], one["residual"]])
    return out.getvalue()
