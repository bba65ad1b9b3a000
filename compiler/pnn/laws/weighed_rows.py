"""Laws that are solved for, with the rows weighed by the noise that the first of them tells of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from actionrun.compiler.pnn.genome import Layout

from .noise import NoiseModel, likeliest_kind
from .solved import SolvableLaw, fitted_output, solved_laws
from .table import Groups, TableRows, read_back
from .table_formula import EXACT


def weighed_laws(
    rows: TableRows, groups: Groups, layout: Layout
) -> tuple[TableRows, tuple[SolvableLaw, ...]]:
    """The laws of a table, and its rows with the kind of noise that they were solved with. Terms
    are chosen by residuals, so that rows which are worth little mislead: laws are solved for again
    where the residuals of the likeliest one are clearly another kind of noise than the output's."""
    laws = solved_laws(rows, layout)
    if rows.slope is None or rows.noise.kind != "output" or not laws:
        return rows, laws
    best = laws[-1]

    def fit(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weighed = replace(rows, noise=replace(rows.noise, spread=spread))
        given = fitted_output(best, weighed)
        return given - rows.output, read_back(groups, rows.values, given)

    missed = fit(rows.noise.spread)[0][rows.learn]
    if not np.all(np.isfinite(missed)) or np.sqrt(np.mean(missed**2)) <= EXACT * rows.size:
        return rows, laws
    kind, spread = likeliest_kind(rows.inputs, rows.output, rows.slope, rows.learn, fit)
    if kind == "output":
        return rows, laws
    weighed = replace(rows, noise=NoiseModel(kind, spread))
    return weighed, solved_laws(weighed, layout)
