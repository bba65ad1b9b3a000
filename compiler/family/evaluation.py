"""Evaluation of a trained network on systems: read, refined through the integrator, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.inference.encoder import Encoder, sizes
from actionrun.compiler.numerics.inference.initial_guess import (
    lower_residual_start,
    observed_start,
    weak_form_estimate,
)
from actionrun.compiler.numerics.inference.population import Population
from actionrun.compiler.numerics.inference.posterior import fisher_scoring
from actionrun.compiler.numerics.inference.training import Dtype
from actionrun.compiler.numerics.optimizers.inequality_constraints import value_and_jacobian
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import (
    Fit,
    levenberg_marquardt,
)
from actionrun.compiler.symbolic.identifiability import (
    Identifiability,
    identifiability,
    term_exponents,
)
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem

from .settings import Settings


class EvaluationBatch(NamedTuple):
    """Systems and what was made of them: coefficients (k, batch), starts (n, batch), series
    (samples, channels, batch) as seen, estimates of the network and after refinement. Motions of
    the network's answer start as the true ones did."""

    c: jax.Array
    q: jax.Array
    p: jax.Array
    series: jax.Array
    network: jax.Array
    fit: Fit
    refined_series: jax.Array
    network_series: jax.Array
    truth: Fit | None  # no fit: the information at the true coefficients, where there is noise
    by_weak_form: jax.Array  # (batch,) of bool: the refinement started from the weak form's answer
    bare: jax.Array | None  # the network's estimates before its scoring layers, if it has any


def select_systems(batch: EvaluationBatch, systems: slice) -> EvaluationBatch:
    """Some systems of a batch."""
    return jax.tree.map(lambda x: x[..., systems] if jnp.ndim(x) else x, batch)


def named_cases(of: Settings, symbolic: LagrangianSystem, population: Population):
    """Coefficients, positions and momenta of the named cases; starts in the middle of ranges."""
    middle = np.asarray((population.low + population.high) / 2)
    rows = []
    for case in of.cases:
        rows.append(
            [
                case[c.name] if c.name in case else middle[k]
                for k, c in enumerate(symbolic.coefficients)
            ]
        )
    c = jnp.asarray(np.array(rows, dtype=float).T)
    ones = jnp.ones((1, c.shape[1]))
    q = ((population.q_low + population.q_high) / 2)[:, None] * ones
    rate = ((population.rate_low + population.rate_high) / 2)[:, None] * ones
    return c, q, population.momenta(c, q, rate)


@dataclass(frozen=True)
class Refinement:
    """How systems are read and refined: at most `iterations` to `tolerance` from the network's
    answer, or `weakly` from the weak form's where that leaves less; `times` of the samples; how
    many scoring layers end the network."""

    known_start: bool
    iterations: int
    tolerance: float
    times: tuple[float, ...]
    weakly: bool
    layers: int


def refinement(of: Settings, population: Population) -> Refinement:
    """The refinement of unseen systems."""
    steps = np.arange(population.steps // population.every + 1)
    times = of.h * population.every * steps
    return Refinement(
        population.known_start and not population.by_velocity,
        of.iterations, of.refine.tolerance, tuple(times.tolist()), of.refine.start == "better",
        of.scoring,
    )  # fmt: skip


@eqx.filter_jit
def evaluate(
    population: Population, encoder: Encoder, refinement: Refinement, c, q, p, key: jax.Array
) -> EvaluationBatch:
    """Systems with coefficients c (k, batch) and starts q, p (n, batch), read and refined."""
    known_start, iterations = refinement.known_start, refinement.iterations
    times, layers = refinement.times, refinement.layers
    low, high, k = population.low[:, None], population.high[:, None], len(c)
    series, _ = population.series(c, q, p)
    series = population.add_noise(series, key)
    size = sizes(series)
    bare, named = read(population, encoder, series, times, layers)

    def parts(x):
        return (x, q, p) if known_start else (x[:k], x[k : k + len(q)], x[k + len(q) :])

    def residual(x):
        again, _ = population.series(*parts(x))
        rows = ((again - series) / size).reshape((-1, series.shape[-1]))
        # what is fitted of a start is off the surface too: these rows hold it there
        return (
            rows
            if known_start
            else jnp.concatenate([rows, population.initial_constraint_residual(*parts(x))])
        )

    when = np.array(times)

    def joined(x):
        return (
            x if known_start else jnp.concatenate([x, *observed_start(population, when, series, x)])
        )

    start, by_weak_form = joined(named), jnp.zeros(c.shape[-1], bool)
    if iterations and refinement.weakly:
        weak = weak_form_estimate(population, when, series, named)
        start, by_weak_form = lower_residual_start(residual, joined, named, weak)
    ends = low, high
    if not known_start:
        free = jnp.full_like(jnp.concatenate([q, p]), jnp.inf)
        ends = jnp.concatenate([low + 0 * c, -free]), jnp.concatenate([high + 0 * c, free])
    fit = levenberg_marquardt(
        residual, start, *ends, iterations, refinement.tolerance, population.inequalities
    )
    refined, _ = population.series(*parts(fit.x))
    by_network, _ = population.series(named, q, p)
    truth = None
    if population.noise:
        at = c if known_start else jnp.concatenate([c, q, p])
        J = value_and_jacobian(residual, at)[1]
        normal = jnp.einsum("mi...,mj...->ij...", J, J)
        truth = fit._replace(
            x=at, normal=normal, at_bound=jnp.zeros(at.shape, bool), active_normals=None
        )
    return EvaluationBatch(
        c, q, p, series, named, fit, refined, by_network, truth, by_weak_form,
        bare if layers else None,
    )  # fmt: skip


def read(
    population: Population, encoder: Encoder, series, times: tuple[float, ...], layers: int
) -> tuple[jax.Array, jax.Array]:
    """Coefficients (k, batch) named by a network for series (samples, channels, batch) at times
    (samples,): before and after its scoring layers."""
    low, high = population.low[:, None], population.high[:, None]
    named = encoder.estimates(series.astype(Dtype)).astype(jnp.float64)
    bare = jnp.clip(jnp.where(jnp.isfinite(named), named, (low + high) / 2), low, high)
    if not layers:
        return bare, bare
    q, p = observed_start(population, np.array(times), series, bare)
    rate = p
    if population.by_velocity:
        theta = population.theta(bare)
        rate = population.ggl.mechanics.velocity(q, p, jnp.zeros((), q.dtype), theta)
    q = jnp.clip(q, population.q_low[:, None], population.q_high[:, None])
    rate = jnp.clip(rate, population.rate_low[:, None], population.rate_high[:, None])
    return bare, fisher_scoring(population, bare, q, rate, series, layers)


def population_identifiability(
    symbolic: LagrangianSystem, population: Population, names: list[str], key
) -> Identifiability:
    """Rank over a few members of the family drawn at random; the best of them counts."""

    @eqx.filter_jit
    def jacobians(population, key):
        c, q, rate = population.draw(key, 8)
        c = jnp.where(c == 0, (population.low + population.high)[:, None] / 2, c)

        def series(logs):
            x = c * jnp.exp(logs)
            seen, _ = population.series(x, q, population.momenta(x, q, rate))
            return (
                seen / sizes(population.series(c, q, population.momenta(c, q, rate))[0])
            ).reshape((-1, 8))

        return value_and_jacobian(series, jnp.zeros_like(c))[1]

    result = np.asarray(jacobians(population, key))
    finite = [result[..., i] for i in range(result.shape[-1]) if np.isfinite(result[..., i]).all()]
    parts = (symbolic.lagrangian, symbolic.nonconservative)
    terms = term_exponents([p for p in parts if p is not None], names)
    return max((identifiability(j, names, terms) for j in finite), key=lambda x: x.rank)
