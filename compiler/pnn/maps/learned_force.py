"""The papers' force sub-net: a small network trained on the force beforehand, then frozen."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.networks.mlp import Feedforward, fit_layers

from .data import MotionPairs, MovingSystem, joined

HIDDEN = (10, 10)
STEPS = 6000
RATE = 5e-3


class ForceNetwork(eqx.Module):
    """A network in place of F(q), for lists of coordinates (..., width)."""

    network: Feedforward
    width: int = eqx.field(static=True)

    def __call__(self, arguments):
        out = self.network(jnp.concatenate(jnp.broadcast_arrays(*arguments), axis=-1))
        w = self.width
        return [out[..., k * w : (k + 1) * w] for k in range(len(arguments))]


def trained_force(moving: MovingSystem, data: MotionPairs, seed: int) -> tuple[ForceNetwork, str]:
    """The sub-net, 10 and 10 tanh units, and a note on how far it is from the force."""
    rows = joined(data.train)
    q = jnp.asarray(rows.q[:: max(1, len(rows) // 8000)])
    width = moving.width
    parts = [q[:, k : k + width] for k in range(0, moving.n, width)]
    wanted = jnp.concatenate(moving.force(parts), axis=-1)
    key = jax.random.fold_in(jax.random.key(seed), 200)
    layers, ins, outs = fit_layers(
        key, q, wanted, HIDDEN, STEPS, rate=RATE, active=jnp.tanh, dtype=jnp.float64
    )
    field = ForceNetwork(Feedforward(layers, ins, outs, jnp.tanh), width)
    wrong = jnp.concatenate(field(parts), axis=-1) - wanted
    relative = float(np.sqrt(np.mean(np.asarray(wrong) ** 2)) / np.std(np.asarray(wanted)))
    note = (
        f"the force is a network of {HIDDEN[0]} and {HIDDEN[1]} tanh units, off by {relative:.1e} "
        "of the force's spread on its own data"
    )
    return field, note
