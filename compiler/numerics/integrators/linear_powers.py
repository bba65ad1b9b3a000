"""Many steps of a linear map at once: states between are watched side by side, none is passed over.

With z' = z + D z + d, the k-th next state is z + D_k z + d_k, where D_{k+1} = D_k + D + D D_k and
d_{k+1} = d_k + D d_k + d. One rounding takes the place of k, and what is watched of the states is
worked out for all of them in one go.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

LEAP = 16  # steps of a leap
LARGEST = 8  # degrees of freedom: beyond it the powers of the map leave the cache


class Powers(NamedTuple):
    """D_k (LEAP, 2n, 2n) and d_k (LEAP, 2n) of k = 1 .. LEAP steps."""

    D: jax.Array | np.ndarray
    d: jax.Array | np.ndarray


def powers(D: np.ndarray, d: np.ndarray) -> Powers:
    """The first LEAP powers of a map z' = z + D z + d."""
    found = [(D, d)]
    for _ in range(LEAP - 1):
        last, shift = found[-1]
        found.append((last + D + D @ last, shift + D @ shift + d))
    return Powers(np.stack([D for D, _ in found]), np.stack([d for _, d in found]))


def ahead(of: Powers, z: jax.Array, low: jax.Array) -> jax.Array:
    """What z (2n,), with the part `low` of it that rounding keeps apart, changes by in 1 .. LEAP
    steps, (2n, LEAP)."""
    total = jnp.asarray(of.d).T + of.D[:, :, 0].T * z[0]
    for j in range(1, len(z)):
        total = total + of.D[:, :, j].T * z[j]
    return total + low[:, None]
