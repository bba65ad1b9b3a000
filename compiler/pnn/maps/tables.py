"""Tables of a search of maps: its front, and the recommended map beside its peers."""

from __future__ import annotations

import numpy as np
from actionrun.compiler.findings import Table

from .evaluation import BACK, LONG, MapEvaluation
from .model import MapModel
from .result import FrontEntry, MapChoice, energy_unit

PEERS = (
    "Verlet is position Verlet with the true masses; net is a feed-forward network of 20, 100 and "
    "20 relu units on the same rows, net + F one that is given the force too; in a chain and own "
    "force are this map trained as a chain of steps, and together with a force of its own."
)


def front_table(entries: tuple[FrontEntry, ...], choice: MapChoice, damped: bool) -> Table:
    rows = []
    for e in entries:
        words = ["recommended"] if e is choice.best else []
        as_good = e is not choice.best and any(e is tie for tie in choice.ties)
        words += ["as good"] if as_good else []
        words += [f"misses the {one}" for one in e.misses]
        words += [e.known or ("" if e.proof is not None else "not linear")]
        if e.proof is not None:
            words += ["reversible"] if e.proof.reversible else []
            words += ["symplectic"] if e.proof.symplectic else []
            if damped and e.proof.holds(True) and not e.proof.symplectic:
                words.append("areas shrink at a constant rate")
        rows.append(
            (
                e.complexity,
                round(e.error, 2),
                round(e.objective, 2),
                round(e.criterion, 2),
                ", ".join(filter(None, words)),
                "; ".join(q.text for q in e.equations),
            )
        )
    return Table(
        "front", "Networks that no other one beats in complexity, error and structure, of those "
        "that predict better than no change. What is reversible or symplectic is so by proof. The "
        "objective is of the test rows, the criterion, by which the map is chosen, the same of the "
        "validation rows.",
        ("complexity", "error / dB", "objective", "criterion", "known as", "map"), tuple(rows),
    )  # fmt: skip


def peer_table(model: MapModel, several: list[MapEvaluation]) -> Table:
    length, speed, _ = model.units
    to_energy, energy = energy_unit(model)
    unit = model.length_unit
    sets = {"seen": "validation", "unseen": "test"}
    header = ["map", *(f"{kind}, {name}" for name in sets for kind in ("position", "velocity"))]
    header += [f"return error {unit}".rstrip(), f"energy shift {energy}".rstrip()]
    rows = []
    for one in several:
        row: list[str | float | int | None] = [one.name]
        for label in sets.values():
            x, v = one.errors[label]
            row += [float(f"{x * length:.3g}"), float(f"{v * speed:.3g}")]
        for value in (one.return_error * length, one.energy_shift * to_energy):
            row.append(float(f"{value:.3g}") if np.isfinite(value) else "diverged")
        rows.append(tuple(row))
    units = f" (positions in {unit})" if unit else ""
    return Table(
        "peers", f"Root mean squared errors of one step{units} at energies of the training "
        "and of the test, the distance from the start after "
        f"{BACK} steps and back, and how far the mean energy moves in {LONG} steps. {PEERS}",
        tuple(header), tuple(rows),
    )  # fmt: skip
