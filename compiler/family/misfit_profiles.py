"""Misfit profiles around the truth: along each coefficient and along the gauge.

The gauge multiplies all coefficients at once, which changes no equation of motion: what the misfit
says along it comes from the momenta alone (the paper's Fig. 8, and why its training failed).
"""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.inference.encoder import sizes
from actionrun.compiler.numerics.inference.observables import OBSERVABLES
from actionrun.compiler.numerics.inference.population import Population

REACH, POINTS = 4.0, 81  # factors from 1/REACH to REACH


def misfit_profile(population: Population, names: list[str], case: int, c, q, p) -> Figure:
    """The figure for one system: coefficients (k,), starting q and p (n,)."""
    factors = np.geomspace(1 / REACH, REACH, POINTS)
    ways = [k for k in range(len(names)) if float(c[k]) != 0]
    moved = np.ones((len(ways) + 1, len(names), POINTS))
    for row, k in enumerate(ways):
        moved[row, k] = factors
    moved[-1] = factors
    trial = np.asarray(c)[None, :, None] * moved
    trial = np.moveaxis(trial, 1, 0).reshape(len(names), -1)
    misfit = np.asarray(_misfits(population, jnp.asarray(c), jnp.asarray(trial), q, p))
    misfit = misfit.reshape(len(population.variables), len(ways) + 1, POINTS)
    labels = [names[k] for k in ways] + ["all together (the gauge)"]
    styles: list[Literal["line", "dashed"]] = ["line" for _ in ways]
    styles.append("dashed")
    panels = tuple(
        Panel(
            Axis("coefficient / its true value", log=True),
            Axis(f"misfit of {OBSERVABLES[variable].plural}"),
            tuple(
                Curve(factors, misfit[v, w], label, style)
                for w, (label, style) in enumerate(zip(labels, styles, strict=True))
            ),
        )
        for v, variable in enumerate(population.variables)
    )
    caption = (
        f"Case {case + 1}: relative RMS misfit of the motion when one coefficient, or all of them, "
        "are off by a factor. Where a line stays low, the motion does not tell that direction."
    )
    return Figure(f"landscape_{case + 1}", caption, panels)


@eqx.filter_jit
def _misfits(population: Population, c, trial, q, p):
    """RMS over the samples of each variable, relative to the true motion, (variables, batch)."""
    n, count = len(q), trial.shape[1]
    whole = jnp.concatenate([c[:, None], trial], axis=1)
    starts = (jnp.broadcast_to(x[:, None], (n, count + 1)) for x in (q, p))
    series, _ = population.series(whole, *starts)
    truth = series[..., :1]
    error = ((series[..., 1:] - truth) / sizes(truth)) ** 2
    mean = jnp.mean(error, axis=0).reshape(len(population.variables), n, count)
    return jnp.sqrt(jnp.mean(mean, axis=1))
