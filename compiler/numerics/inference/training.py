"""Training an encoder on fresh systems every step.

The motions that the network reads, and those that its answer makes, are the integrator's.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from actionrun.compiler.numerics.networks.architectures import Network
from actionrun.compiler.numerics.sharding import shard_batch

from .encoder import Encoder, motion_features
from .losses import TrainingLoss
from .population import Population
from .posterior import posterior_mean

Dtype = jnp.float32


class Progress(NamedTuple):
    """All that training changes: the network's arrays, the optimiser's, and the last loss."""

    network: Network
    optimizer: optax.OptState
    loss: jax.Array


class Trainer(eqx.Module):
    """One step of training is `step(progress, n)`: its randomness comes from the seed and n."""

    population: Population
    encoder: Encoder
    batch: int = eqx.field(static=True)
    optimizer: optax.GradientTransformation = eqx.field(static=True)
    training_loss: TrainingLoss

    def start(self) -> Progress:
        network = self.encoder.network
        state = self.optimizer.init(eqx.filter(network, eqx.is_array))
        return Progress(network, state, jnp.zeros((), Dtype))

    def with_network(self, network: Network) -> Encoder:
        return eqx.tree_at(lambda e: e.network, self.encoder, network)

    def loss(self, network: Network, key: jax.Array) -> jax.Array:
        population, encoder = self.population, self.with_network(network)
        c, q, rate = (shard_batch(x.astype(Dtype)) for x in population.draw(key, self.batch))
        p = population.momenta(c, q, rate)
        clean, finite = population.observed(c, q, p)
        series = population.add_noise(clean, jax.random.fold_in(key, 1))
        features, logs = motion_features(encoder.gauge, series)
        units, code = encoder.gauge.units(logs), encoder.code
        given = encoder.codes(features, jax.random.fold_in(key, 2) if network.dropout else None)
        if self.training_loss.of_codes and population.noise and population.sampled is None:
            best, spread = posterior_mean(population, c, q, rate, clean, series)
            best = jnp.where(finite, best / units, 1.0)
            spread = jnp.where(finite, spread / units * code.steepness(best), 1.0)
            wrong = self.training_loss.noise_scaled_loss(given, code.encoded(best), spread)
        elif self.training_loss.of_codes:
            wrong = self.training_loss.coefficient_loss(
                given, code.encoded(jnp.where(finite, c / units, 1.0))
            )
        else:
            named = code.decoded(given) * units
            wrong = self.training_loss.trajectory_loss(population, named, c, q, p, series)
        return jnp.sum(jnp.where(finite, wrong, 0.0)) / self.batch

    def step(self, progress: Progress, key: jax.Array, n: jax.Array) -> Progress:
        arrays, rest = eqx.partition(progress.network, eqx.is_array)

        def loss(arrays):
            return self.loss(eqx.combine(arrays, rest), jax.random.fold_in(key, n))

        value, slope = jax.value_and_grad(loss)(arrays)
        updates, optimizer = self.optimizer.update(slope, progress.optimizer, arrays)
        return Progress(eqx.apply_updates(progress.network, updates), optimizer, value)
