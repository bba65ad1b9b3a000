"""Neural network from time to positions as a path (Wang et al., J. Chem. Inf. Model. 62, 3346,
2022)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Structure
from actionrun.compiler.numerics.networks.activations import ACTIVATIONS
from actionrun.compiler.numerics.networks.mlp import Layers
from jaxtyping import Array, Float

from .basis import Kinematics

FIRST = 1000  # of the random numbers of the first layer
STEEP = 8.0  # slopes of the first layer over the duration


def initial_layers(key: jax.Array, hidden: tuple[int, ...], middle: Structure, dtype) -> Layers:
    """Layers from one number, time, to dim N positions: weights of Glorot's variance, the last
    bias at `middle` (dim, N), so that training starts among the bodies.

    The first layer's slopes are steep and its units turn at places all over [0, 1]: Glorot's, with
    one input, would all be the same straight line there.
    """
    sizes = (1, *hidden, middle.size)
    layers = []
    for k, (n, m) in enumerate(pairwise(sizes)):
        draw = jax.random.normal(jax.random.fold_in(key, k), (n, m), dtype)
        layers.append([draw * float(np.sqrt(2 / (n + m))), jnp.zeros(m, dtype)])
    w = jax.random.normal(jax.random.fold_in(key, FIRST), (1, sizes[1]), dtype) * STEEP
    place = jax.random.uniform(jax.random.fold_in(key, FIRST + 1), (sizes[1],), dtype)
    layers[0] = [w, -w[0] * place]
    layers[-1][1] = jnp.asarray(middle.reshape(-1), dtype)
    return tuple((w, b) for w, b in layers)


class NetworkPath(eqx.Module):
    """The path of a network of time over the nodes: x are its layers.

    `lift` (3, dim, N, times) and `envelope` (3, times) hold the ends; without them the network is
    the path, and its ends are as good as its training.
    """

    t: jax.Array  # (times,) over the duration
    duration: jax.Array
    lift: jax.Array | None
    envelope: jax.Array | None
    given: jax.Array  # (dim, N, E)
    activation: str = eqx.field(static=True)

    def motion(self, x: Layers) -> Kinematics:
        f = self._derivatives(x, self.t)
        if self.lift is None or self.envelope is None:
            return Kinematics(*f)
        (e, e1, e2), (p, p1, p2), (g, g1, g2) = self.envelope, self.lift, f
        return Kinematics(p + e * g, p1 + e1 * g + e * g1, p2 + e2 * g + 2 * e1 * g1 + e * g2)

    def ends(self, x: Layers) -> Float[Array, "dim n e"]:
        if self.lift is not None:
            return self.given
        q, v, _ = self._derivatives(x, jnp.asarray([0.0, 1.0], self.t.dtype))
        both = self.given.shape[2] == 4
        return jnp.concatenate([q, v], axis=2) if both else q

    def _derivatives(self, x: Layers, t: jax.Array) -> tuple[jax.Array, ...]:
        """The network and two derivatives by time (dim, N, times), layer by layer."""
        f, f1, f2 = t[:, None], jnp.ones((len(t), 1), t.dtype), jnp.zeros((len(t), 1), t.dtype)
        sigma = ACTIVATIONS[self.activation]

        def slope(z):
            return jax.jvp(sigma, (z,), (jnp.ones_like(z),))

        for k, (w, b) in enumerate(x):
            f, f1, f2 = f @ w + b, f1 @ w, f2 @ w
            if k + 1 < len(x):
                (f, s1), (_, s2) = jax.jvp(slope, (f,), (jnp.ones_like(f),))
                f1, f2 = s1 * f1, s2 * f1**2 + s1 * f2
        shape = (*self.given.shape[:2], len(t))
        T = self.duration
        return tuple(y.T.reshape(shape) for y in (f, f1 / T, f2 / T**2))


def parameter_count(x: Any) -> int:
    """How many numbers a pytree holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(x))
