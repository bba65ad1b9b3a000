"""Multilayer perceptrons: their layers, and a baseline fitted by Adam on the mean squared error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from .activations import ACTIVATIONS

RELU = ACTIVATIONS["relu"].apply

Layers = Sequence[tuple[jax.Array, jax.Array]]  # weights (in, out) and biases (out,)


class Scaling(NamedTuple):
    """Means and spreads by which inputs and outputs are brought to size 1."""

    mean: jax.Array
    spread: jax.Array


def scaling(rows: Float[Array, "rows columns"]) -> Scaling:
    spread = jnp.std(rows, axis=0)
    return Scaling(jnp.mean(rows, axis=0), jnp.where(spread > 0, spread, 1.0))


class Feedforward(eqx.Module):
    """A trained network; `inputs` and `outputs` scale what goes in and comes out."""

    layers: Layers
    inputs: Scaling
    outputs: Scaling
    active: Callable = eqx.field(static=True, default=RELU)

    def __call__(self, rows: jax.Array) -> jax.Array:
        """(..., inputs) to (..., outputs)."""
        scaled = (rows - self.inputs.mean) / self.inputs.spread
        return self.outputs.mean + self.outputs.spread * forward(self.layers, scaled, self.active)


def forward(
    layers: Layers, x: Float[Array, "... inputs"], active: Callable[[jax.Array], jax.Array]
) -> Float[Array, "... outputs"]:
    """The network on rows: activations between the layers, the last one linear."""
    for weights, bias in layers[:-1]:
        x = active(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


@eqx.filter_jit
def glorot_layers(key: Key[Array, ""], sizes: tuple[int, ...], dtype=jnp.float32) -> Layers:
    """Glorot's initialisation (AISTATS 2010): uniform weights, no biases."""
    keys = jax.random.split(key, len(sizes) - 1)
    glorot = jax.nn.initializers.glorot_uniform()
    return [
        (glorot(k, (a, b), dtype), jnp.zeros(b, dtype))
        for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def fit_layers(
    key: jax.Array,
    x: Float[Array, "rows inputs"],
    y: Float[Array, "rows outputs"],
    hidden: tuple[int, ...],
    steps: int,
    batch: int = 256,
    rate: float = 1e-3,
    active=RELU,
    dtype=jnp.float32,
) -> tuple[Layers, Scaling, Scaling]:
    """Layers fitted to rows x (n, inputs) -> y (n, outputs) by `steps` of Adam, the rate falling
    to zero as a cosine, each step on `batch` random rows; and both scalings."""
    ins, outs = scaling(x), scaling(y)
    data = tuple(((rows - s.mean) / s.spread).astype(dtype) for rows, s in ((x, ins), (y, outs)))
    layers = glorot_layers(key, (x.shape[1], *hidden, y.shape[1]), dtype)
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))
    return _descended(optimizer, active, data, layers, key, steps, batch), ins, outs


@eqx.filter_jit
def _descended(optimizer, active, data, layers: Layers, key, steps: int, batch: int) -> Layers:
    def loss(layers, rows):
        return jnp.mean((forward(layers, data[0][rows], active) - data[1][rows]) ** 2)

    def step(n, state):
        layers, memory = state
        rows = jax.random.randint(jax.random.fold_in(key, n), (batch,), 0, len(data[0]))
        slope = jax.grad(loss)(layers, rows)
        updates, memory = optimizer.update(slope, memory, layers)
        return optax.apply_updates(layers, updates), memory

    layers, _ = jax.lax.fori_loop(0, steps, step, (layers, optimizer.init(layers)))
    return layers
