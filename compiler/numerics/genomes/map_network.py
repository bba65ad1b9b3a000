"""A network as a map of states, and what its structure is by numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .network import ForceFunction, GenomeNetwork

State = Float[Array, "*rows n"]  # positions, or velocities
InputFunction = Callable[[State, State], list[Float[Array, "*rows width"]]]
Rows = tuple[
    Float[Array, "rows n"], Float[Array, "rows n"], Float[Array, "rows n"], Float[Array, "rows n"],
    Float[Array, "rows 1"],
]  # fmt: skip
Sample = tuple[Float[Array, "few n"], Float[Array, "few n"]]


class FittedGenome(NamedTuple):
    """A fitted network: activation codes (units,), which weights are not fixed zeros, and weights,
    (weights,) each. In a batch their first axis is the network."""

    codes: Any
    present: Any
    weights: Any


class MapMetrics(NamedTuple):
    """Mean squared errors of positions and of velocities (their shares, of a part of the rows); the
    reversal defect in spreads of the increments; |det J - 1|, or for damped motion how far det J
    strays from its mean."""

    position: Any
    velocity: Any
    reversal: Any
    volume: Any


class MapNetwork(eqx.Module):
    """States to states. `reader` gives the inputs (..., width) of positions and velocities
    (..., n); output o of the net is part `places[o]` of positions and velocities in a row."""

    net: GenomeNetwork
    force: ForceFunction | None
    reader: InputFunction
    places: tuple[int, ...] = eqx.field(static=True)
    damped: bool = eqx.field(static=True)

    def step(self, genes: FittedGenome, q: State, v: State) -> tuple[State, State]:
        """One application, (..., n) each."""
        inputs = self.reader(q, v)
        out = self.net.values(genes.codes, genes.present, genes.weights, inputs, self.force)
        parts = [out[self.places.index(k)] for k in range(len(out))]
        parts = [jnp.broadcast_to(part, inputs[0].shape) for part in parts]
        half = len(parts) // 2
        return jnp.concatenate(parts[:half], -1), jnp.concatenate(parts[half:], -1)

    def metrics(
        self, genes: FittedGenome, rows: Rows, sample: Sample, spread: Float[Array, " 2"]
    ) -> MapMetrics:
        """`rows`: q, v, next q, next v, (rows, n), and what each row counts, (rows, 1); `sample`:
        q, v, (few, n); `spread`: of the increments of positions and velocities, two numbers."""
        q, v = self.step(genes, rows[0], rows[1])
        n = sample[0].shape[-1]
        position = jnp.sum(rows[4] * (q - rows[2]) ** 2) / n
        velocity = jnp.sum(rows[4] * (v - rows[3]) ** 2) / n

        def moved(z):
            return jnp.concatenate(self.step(genes, z[:n], z[n:]))

        z = jnp.concatenate(sample, axis=-1)
        mirror = jnp.concatenate([jnp.ones(n), -jnp.ones(n)])
        unit = jnp.concatenate([jnp.full(n, spread[0]), jnp.full(n, spread[1])])

        def back(z):
            return (mirror * moved(mirror * moved(z)) - z) / unit

        volumes = jnp.abs(jax.vmap(lambda z: jnp.linalg.det(jax.jacfwd(moved)(z)))(z))
        wanted = jnp.mean(volumes) if self.damped else 1.0
        volume = jnp.max(jnp.abs(volumes / wanted - 1))
        reversal = jnp.sqrt(jnp.mean(jax.vmap(back)(z) ** 2))
        return MapMetrics(position, velocity, reversal, volume)

    @eqx.filter_jit
    def batch_metrics(
        self, genes: FittedGenome, rows: Rows, sample: Sample, spread: Float[Array, " 2"]
    ) -> MapMetrics:
        """Marks of a batch of networks."""
        return jax.vmap(lambda g: self.metrics(g, rows, sample, spread))(genes)
