"""Fits of networks as the papers ran them: Adam on all rows at once, lane by lane."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from .batched_least_squares import BatchedFit, FitData
from .network import ForceFunction, GenomeNetwork

LANES = 32
PATIENCE = 100  # epochs without a better one, as in the paper


class _AdamState(eqx.Module):
    weights: jax.Array
    best: jax.Array
    cost: jax.Array
    memory: optax.OptState
    waited: jax.Array
    epoch: jax.Array


class AdamFitter(eqx.Module):
    """Adam on the trainable weights of one network."""

    net: GenomeNetwork
    force: ForceFunction | None
    data: FitData
    rate: jax.Array

    def cost(self, weights, codes, present):
        data = self.data
        given = jnp.stack(self.net.values(codes, present, weights, list(data.inputs), self.force))
        scales = data.scales[:, None, None] * data.roots[0][:, None]
        return jnp.sum(((given - data.targets) * scales) ** 2)

    def fitted(self, codes, present, free, start, epochs):
        optimizer = optax.adam(self.rate)

        def going(walk: _AdamState):
            return (walk.epoch < epochs) & (walk.waited < PATIENCE)

        def epoch(walk: _AdamState) -> _AdamState:
            cost, slope = jax.value_and_grad(self.cost)(walk.weights, codes, present)
            better = cost < walk.cost
            updates, memory = optimizer.update(jnp.where(free, slope, 0), walk.memory)
            return _AdamState(
                walk.weights + jnp.where(free, updates, 0),  # type: ignore[operator]
                jnp.where(better, walk.weights, walk.best),
                jnp.where(better, cost, walk.cost),
                memory,
                jnp.where(better, 0, walk.waited + 1),
                walk.epoch + 1,
            )

        first = _AdamState(
            start, start, jnp.asarray(jnp.inf), optimizer.init(start), jnp.asarray(0),
            jnp.asarray(0),
        )  # fmt: skip
        last = jax.lax.while_loop(going, epoch, first)
        return last.best, last.cost, last.waited >= PATIENCE


@eqx.filter_jit
def _batch(descent: AdamFitter, codes, present, free, starts, epochs):
    return jax.vmap(descent.fitted, in_axes=(0, 0, 0, 0, None))(
        codes, present, free, starts, epochs
    )


def fit_batch_by_adam(
    net: GenomeNetwork, force: ForceFunction | None, data: FitData,
    genomes: tuple[np.ndarray, np.ndarray], starts: np.ndarray, how: tuple[int, float],
) -> BatchedFit:  # fmt: skip
    """The best weights of n lanes within `how` = (epochs, learning rate); arguments as those of
    `genome_fit.fitted`."""
    codes, fixed = genomes
    free = np.isnan(fixed)
    start = np.where(free, starts, fixed)
    descent = AdamFitter(net, force, data, jnp.asarray(how[1]))
    batches: list[list[np.ndarray]] = []
    for first in range(0, len(codes), LANES):
        block = np.arange(first, first + LANES)
        block = np.where(block < len(codes), block, first)
        parts = (codes[block], fixed[block] != 0, free[block], start[block])
        batch = _batch(descent, *parts, jnp.asarray(how[0]))
        batches.append([np.asarray(x)[: len(codes) - first] for x in batch])
    weights, cost, converged = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return BatchedFit(weights, cost, converged & np.isfinite(cost))
