"""Adam (Kingma & Ba, arXiv 1412.6980) for many small networks, each on all rows at once.

So the papers fitted theirs: until as many epochs have brought nothing (early stopping).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from .batched_least_squares import BatchedFit, FitProblem, NetworkBatch

LANES = 32
PATIENCE = 100  # epochs without a better one, as in the paper


class _AdamState(eqx.Module):
    weights: jax.Array
    best: jax.Array
    cost: jax.Array
    moments: optax.OptState
    waited: jax.Array
    epoch: jax.Array


class AdamFitter(eqx.Module):
    """Adam on the trainable weights of one network."""

    problem: FitProblem
    rate: Float[Array, ""]

    def cost(self, weights, codes, present):
        net, data = self.problem.net, self.problem.data
        given = jnp.stack(
            net.values(codes, present, weights, list(data.inputs), self.problem.force)
        )
        scales = data.scales[:, None, None] * data.roots[0][:, None]
        return jnp.sum(((given - data.targets) * scales) ** 2)

    def fit(self, codes, present, free, start, epochs):
        optimizer = optax.adam(self.rate)

        def going(state: _AdamState):
            return (state.epoch < epochs) & (state.waited < PATIENCE)

        def epoch(state: _AdamState) -> _AdamState:
            cost, slope = jax.value_and_grad(self.cost)(state.weights, codes, present)
            better = cost < state.cost
            updates, moments = optimizer.update(jnp.where(free, slope, 0), state.moments)
            return _AdamState(
                optax.apply_updates(state.weights, jnp.where(free, updates, 0)),
                jnp.where(better, state.weights, state.best),
                jnp.where(better, cost, state.cost),
                moments,
                jnp.where(better, 0, state.waited + 1),
                state.epoch + 1,
            )

        first = _AdamState(
            start, start, jnp.asarray(jnp.inf), optimizer.init(start), jnp.asarray(0),
            jnp.asarray(0),
        )  # fmt: skip
        last = jax.lax.while_loop(going, epoch, first)
        return last.best, last.cost, last.waited >= PATIENCE


@eqx.filter_jit
def _batch(fitter: AdamFitter, codes, present, free, starts, epochs):
    return jax.vmap(fitter.fit, in_axes=(0, 0, 0, 0, None))(codes, present, free, starts, epochs)


def fit_batch_by_adam(
    problem: FitProblem, batch: NetworkBatch, epochs: int, rate: float
) -> BatchedFit:
    """The best weights of n networks within so many epochs, at one learning rate."""
    fitter = AdamFitter(problem, jnp.asarray(rate))
    fixed, first_weights, count = batch.fixed, batch.first, len(batch.fixed)
    batches: list[list[np.ndarray]] = []
    for first in range(0, count, LANES):
        block = np.arange(first, first + LANES)
        block = np.where(block < count, block, first)
        parts = (batch.codes[block], fixed[block] != 0, np.isnan(fixed[block]))
        fits = _batch(fitter, *parts, first_weights[block], jnp.asarray(epochs))
        batches.append([np.asarray(x)[: count - first] for x in fits])
    weights, cost, converged = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return BatchedFit(weights, cost, converged & np.isfinite(cost))
