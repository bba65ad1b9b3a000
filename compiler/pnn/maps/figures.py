"""What is shown of a map beside itself: the family of all prices of complexity, the papers'
variants, and errors by set of rows as in their figures."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel, Table

from .evaluation import MapEvaluation
from .model import MapModel
from .printing import map_equations
from .result import FrontEntry, Variants
from .structure_proof import map_matrices
from .variants import LINKS, CentralForceNetwork

CURVE = 200  # points of a force
POOR = 0.05  # a learned force that is farther off is none


def family(entries: tuple[FrontEntry, ...]) -> list[tuple[float, float, FrontEntry]]:
    """From which price of complexity to which a network has the lowest objective, error on the
    validation rows + price * complexity: the lower hull of the front, the cheapest price first."""
    points = sorted(entries, key=lambda e: (e.selected, e.complexity))
    hull = [points[0]]
    prices: list[float] = []
    while True:
        here = hull[-1]
        simpler = [e for e in points if e.complexity < here.complexity]
        if not simpler:
            break

        def price(e: FrontEntry, here: FrontEntry = here) -> float:
            return (e.selected - here.selected) / (here.complexity - e.complexity)

        following = min(simpler, key=lambda e: (price(e), e.complexity))
        prices.append(price(following))
        hull.append(following)
    return list(zip([0.0, *prices], [*prices, np.inf], hull, strict=True))


def family_table(entries: tuple[FrontEntry, ...]) -> Table:
    rows = [
        (
            f"{low:.3g}", f"{high:.3g}" if np.isfinite(high) else "any", e.complexity,
            round(e.error, 2), e.known, "; ".join(q.text for q in e.equations),
        )
        for low, high, e in family(entries)
    ]  # fmt: skip
    return Table(
        "family", "The network of the lowest objective, whatever its structure, for every price p "
        "of a unit of complexity (objective = error + p * complexity).",
        ("p from", "p to", "complexity", "error / dB", "known as", "map"), tuple(rows),
    )  # fmt: skip


def variants_table(model: MapModel, best: FrontEntry, variants: Variants) -> tuple[Table, ...]:
    rows: list[tuple[str, str]] = [("this map", "; ".join(q.text for q in best.equations))]
    forms = map_matrices(model, best.genome)
    if variants.chain is not None:
        chain = map_equations(model, best.genome, variants.chain, forms)
        rows.append(("in a chain", "; ".join(q.text for q in chain)))
    if variants.force is not None:
        text = f"its force is off by {variants.force.off:.2g} of the true one's spread"
        if isinstance(variants.force.field, CentralForceNetwork):
            text += "; it is along the vector, a network of its length"
        if variants.force.off > POOR:
            text += ": these pairs of states do not tell it, or its fit has not ended"
        rows.append(("own force", text))
    if len(rows) == 1:
        return ()
    return (
        Table(
            "variants", f"The recommended map, the same trained over chains of {LINKS} steps, and "
            "the same with a force sub-net of 10 and 10 tanh units learned together with its "
            "trainable weights, from the pairs of states alone. How good they are is told in the "
            "next table.", ("variant", "map"), tuple(rows),
        ),
    )  # fmt: skip


def force_figure(model: MapModel, variants: Variants) -> tuple[Figure, ...]:
    """The learned force beside the true one, where there is one coordinate."""
    if variants.force is None or model.system.n != 1:
        return ()
    q = np.linspace(model.train.q.min(), model.train.q.max(), CURVE)
    rows = [jnp.asarray(q[:, None])]
    true = np.asarray(model.system.force(rows)[0])[:, 0]
    learned = variants.force.scale * np.asarray(variants.force.field(rows)[0])[:, 0]
    curves = [Curve(q, true, "of the Lagrangian"), Curve(q, learned, "learned with it", "dashed")]
    if model.learned_force and model.map.force is not None:
        frozen = np.asarray(model.map.force(rows)[0])[:, 0]
        curves.append(Curve(q, frozen, "trained before", "dashed"))
    name = model.system.names[0]
    return (
        Figure(
            "force", "The force learned together with the map, from pairs of states alone, and "
            "that of the Lagrangian. The data tell the force over the mass, so the learned one is "
            "brought to the same size.",
            (
                Panel(
                    Axis(name, model.system.length_unit), Axis("force"),
                    tuple(curves),
                ),
            ),
        ),
    )  # fmt: skip


def errors_figure(model: MapModel, several: list[MapEvaluation], caption: str) -> Figure:
    """Root mean squared errors of one step by set of rows."""
    length, speed, _ = model.units
    unit = model.length_unit
    labels = [*several[0].errors]
    ticks = np.arange(1.0, len(labels) + 1)
    panels = []
    for place, kind, factor in ((0, "position", length), (1, "velocity", speed)):
        curves = tuple(
            Curve(ticks, np.array([one.errors[k][place] * factor for k in labels]), one.name,
                  "marked")
            for one in several
        )  # fmt: skip
        of = unit if place == 0 else ("pm/fs" if unit == "pm" else "")
        panels.append(
            Panel(Axis(", ".join(f"{int(t)} {k}" for t, k in zip(ticks, labels, strict=True))),
                  Axis(f"error of {kind}", of, log=True), curves)
        )  # fmt: skip
    return Figure(
        "errors", f"Root mean squared errors of one step by set of rows. {caption}", tuple(panels)
    )
