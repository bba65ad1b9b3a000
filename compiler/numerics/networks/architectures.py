"""Networks from the features of one motion (width,) to codes (k,).

The features begin with the motion's shape, sample after sample with its channels (samples *
channels), and end with numbers that belong to it as a whole. All take a key for dropout; None, as
in an examination, drops nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .activations import ACTIVATIONS

KERNEL, STRIDE = 5, 2  # of a convolution


class Network(eqx.Module):
    """What all networks share: `(features, key) -> codes`, and the share of units dropped."""

    dropout: eqx.AbstractVar[float]

    @abstractmethod
    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array: ...


class Perceptron(Network):
    """A multi-layer perceptron with layers of the given widths and a linear output."""

    layers: list[eqx.nn.Linear]
    activation: str = eqx.field(static=True)
    dropout: float = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: str,
        dropout: float = 0.0,
        *,
        key: jax.Array,
    ):
        widths = [inputs, *hidden, outputs]
        keys = jax.random.split(key, len(widths) - 1)
        self.layers = [
            eqx.nn.Linear(a, b, key=k) for a, b, k in zip(widths, widths[1:], keys, strict=False)
        ]
        self.activation, self.dropout = activation, dropout

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        for n, layer in enumerate(self.layers[:-1]):
            x = dropped(ACTIVATIONS[self.activation](layer(x)), self.dropout, key, n)
        return self.layers[-1](x)


class Convolution(Network):
    """Convolutions over time, each halving it, then one dense layer and a linear output.

    `hidden`: channels of the convolutions, the last number the width of the dense layer.
    """

    convolutions: list[eqx.nn.Conv1d]
    head: Perceptron
    samples: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    dropout: float = eqx.field(static=True)

    def __init__(
        self,
        samples: int,
        channels: int,
        rest: int,
        hidden: Sequence[int],
        outputs: int,
        activation: str,
        dropout: float = 0.0,
        *,
        key: jax.Array,
    ):
        self.samples, self.channels = samples, channels
        self.activation, self.dropout = activation, dropout
        keys = jax.random.split(key, len(hidden))
        widths, self.convolutions, length = [channels, *hidden[:-1]], [], samples
        for a, b, k in zip(widths, widths[1:], keys, strict=False):
            self.convolutions.append(
                eqx.nn.Conv1d(a, b, KERNEL, stride=STRIDE, padding=KERNEL // 2, key=k)
            )
            length = (length + 2 * (KERNEL // 2) - KERNEL) // STRIDE + 1
        self.head = Perceptron(
            length * widths[-1] + rest, hidden[-1:], outputs, activation, dropout, key=keys[-1]
        )

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        shape, rest = split(x, self.samples, self.channels)
        y = shape.T
        for layer in self.convolutions:
            y = ACTIVATIONS[self.activation](layer(y))
        return self.head(jnp.concatenate([y.ravel(), rest]), key)


class Recurrent(Network):
    """Layers of long short-term memory, the last state to a linear output, as in the paper on
    families of Lagrangians (LSTM layers of 50, 40 and 20 units, its Section 3.2)."""

    cells: list[eqx.nn.LSTMCell]
    last: eqx.nn.Linear
    samples: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    dropout: float = eqx.field(static=True)

    def __init__(
        self,
        samples: int,
        channels: int,
        rest: int,
        hidden: Sequence[int],
        outputs: int,
        dropout: float = 0.0,
        *,
        key: jax.Array,
    ):
        self.samples, self.channels, self.dropout = samples, channels, dropout
        widths, keys = [channels, *hidden], jax.random.split(key, len(hidden) + 1)
        self.cells = [
            eqx.nn.LSTMCell(a, b, key=k) for a, b, k in zip(widths, widths[1:], keys, strict=False)
        ]
        self.last = eqx.nn.Linear(hidden[-1] + rest, outputs, key=keys[-1])

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        y, rest = split(x, self.samples, self.channels)
        for n, cell in enumerate(self.cells):

            def step(state, now, cell=cell):
                state = cell(now, state)
                return state, state[0]

            zero = jnp.zeros(cell.hidden_size, x.dtype)
            _, y = jax.lax.scan(step, (zero, zero), y)
            y = dropped(y, self.dropout, key, n)
        return self.last(jnp.concatenate([y[-1], rest]))


def split(
    x: Float[Array, " inputs"], samples: int, channels: int
) -> tuple[Float[Array, "samples channels"], Float[Array, " rest"]]:
    """The motion's shape (samples, channels), and what belongs to it as a whole."""
    return x[: samples * channels].reshape(samples, channels), x[samples * channels :]


def dropped(
    x: Float[Array, "..."], share: float, key: jax.Array | None, layer: int
) -> Float[Array, "..."]:
    """x with a share of its units dropped and the others raised."""
    if key is None or share == 0:
        return x
    kept = jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - share, x.shape)
    return jnp.where(kept, x / (1 - share), 0)
