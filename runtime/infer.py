"""`actionrun infer RUN --data FILE.csv`: a trained network on new motions."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, cast

from actionrun import spec
from actionrun.compiler.findings import Inference

from .data.motions import Observing, motion_blocks, motions_in
from .environment.jax_setup import set_switches_unless_imported
from .errors import Refused
from .events import Listener, Noted
from .report.rounding import brief, with_error
from .storage.atomic_write import json_text, plain_data, write
from .storage.provenance import other_version
from .storage.run_folder import Folder
from .workers.open_pool import open_pool
from .workers.pool import in_order


def infer(
    folder: Folder, data: Path, place: Path | None, workers: int = 0, cluster: str | None = None,
    on_event: Listener = lambda event: None,
) -> tuple[str, Path]:  # fmt: skip
    """What the network of a finished run says of the motions in a CSV file: a table as text, and
    the folder with inference.json and coefficients.csv. Raises Faults, Refused, CannotWrite.

    Motions go through the integrator some at a time, in this process or by the workers that were
    asked for: the result is the same.
    """
    study = spec.load(folder / "resolved.toml")
    if not study.trains_network:
        raise Refused(f"{folder.path} has no trained network: infer reads runs of a family "
                      "study that trains one")  # fmt: skip
    if note := other_version(folder.read_json(folder.provenance)):
        on_event(Noted(note))
    blocks = list(motion_blocks(motions_in(cast("Observing", study), data)))
    with open_pool(workers, cluster, on_event) as pool:
        if pool is None:
            set_switches_unless_imported(doubles=True)
            from .trained_network import TrainedNetwork  # at start-up: jax, after its switches

            network = TrainedNetwork(folder.path)
            parts = [network.infer(block) for block in blocks]
        else:
            where = str(folder.path.resolve())
            parts = in_order(pool, "infer", [(where, block) for block in blocks])
    motions = [row for part in parts for row in part.motions]
    inference = Inference(parts[0].names, parts[0].units, motions)
    place = place or folder / "inferred" / data.stem
    content = {"format": 1, "data": data.name, "motions": motions}
    write(place / "inference.json", json_text(plain_data(content, lost=[])))
    write(place / "coefficients.csv", _csv(inference))
    return _table(inference), place


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
