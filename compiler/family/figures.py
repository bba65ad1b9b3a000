"""Figures of family studies, as data."""

from __future__ import annotations

import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.inference.observables import OBSERVABLES
from actionrun.compiler.symbolic.vocabulary import Vocabulary
from actionrun.spec.tables.observables import OBSERVABLES as NAMES


def channel_labels(words: Vocabulary, variables: tuple[str, ...]) -> list[tuple[str, str]]:
    """(label, unit) of each observed channel, in their order."""
    labels, alone = [], len(words.slices) == 1
    for key in variables:
        observable = OBSERVABLES[key]
        label = observable.alone if alone and observable.alone else observable.label
        for name, part in words.slices.items():
            unit = words.unit(NAMES[key].quantity.format(name))
            labels += [(label.format(component), unit) for component in words.names[part]]
    return labels


def case_figure(
    words: Vocabulary,
    number: int,
    t: np.ndarray,
    variables: tuple[str, ...],
    truth: np.ndarray,
    network: np.ndarray,
    refined: np.ndarray | None,
) -> Figure:
    """Motion, the network's answer and the refined one, where there is one; arrays are (samples,
    channels)."""
    time = Axis("time t", words.unit("t"))
    panels = tuple(
        Panel(
            time,
            Axis(label, unit),
            (
                Curve(t, truth[:, k], "observed", "points"),
                Curve(t, network[:, k], "network", "dashed"),
                *([] if refined is None else [Curve(t, refined[:, k], "refined")]),
            ),
        )
        for k, (label, unit) in enumerate(channel_labels(words, variables))
    )
    also = "" if refined is None else ", and of the one that the refinement found"
    caption = (
        f"Case {number + 1}: the observed motion, and the motion of the Lagrangian that the "
        f"network named{also}."
    )
    return Figure(f"case_{number + 1}", caption, panels)


def error_figure(
    names, truth: np.ndarray, network: np.ndarray, refined: np.ndarray | None,
    bare: np.ndarray | None = None,
) -> Figure:  # fmt: skip
    """Share of unseen systems below an error, for each coefficient; `bare` is what the network
    said before its scoring layers."""

    def share(estimate: np.ndarray, k: int, label: str, style) -> Curve:
        there = truth[k] != 0
        error = np.sort(np.abs(estimate[k, there] / truth[k, there] - 1))
        error = np.maximum(error, 1e-16)
        return Curve(error, 100 * np.arange(1, len(error) + 1) / len(error), label, style)

    panels = tuple(
        Panel(
            Axis(f"relative error of {name}", log=True),
            Axis("systems below", "%"),
            (
                share(network, k, "network", "line"),
                *([] if refined is None else [share(refined, k, "refined", "dashed")]),
                *([] if bare is None else [share(bare, k, "before its last layers", "line")]),
            ),
        )
        for k, name in enumerate(names)
    )
    caption = (
        "Share of the unseen systems whose coefficient is named within an error, by the network "
        "alone" + ("." if refined is None else " and after refinement; round-off is near 1e-16.")
    )
    return Figure("errors", caption, panels)
