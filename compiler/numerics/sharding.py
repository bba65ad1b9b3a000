"""Data parallelism: batches sharded over all devices of this process, where it has several.

With one device, arrays and programs are what they are without this. On several, sums over a batch
are added in another order, so that last bits differ: a checkpoint knows how many there were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

NAME = "systems"


def shard_batch(x: Float[Array, "... batch"]) -> Float[Array, "... batch"]:
    """x (..., batch) with an equal share of the batch on each device, where it divides."""
    devices = jax.devices()
    if len(devices) == 1 or x.shape[-1] % len(devices):
        return x
    places = PartitionSpec(*[None] * (x.ndim - 1), NAME)
    return jax.lax.with_sharding_constraint(x, NamedSharding(_mesh(devices), places))


def replicate(tree: Any) -> Any:
    """The arrays of a tree, whole on each device."""
    devices = jax.devices()
    if len(devices) == 1:
        return jax.tree.map(jnp.asarray, tree)
    return jax.device_put(tree, NamedSharding(_mesh(devices), PartitionSpec()))


def _mesh(devices: Sequence[Any]) -> Mesh:
    return Mesh(np.array(devices), (NAME,))
