"""Permutation-invariant fingerprints of a configuration, blind to rotation and inversion."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

APART = 0.37  # by which the weights of species differ; any number that is no simple fraction


def fingerprints(
    q: Float[np.ndarray, "dim n b"], kinds: Int[np.ndarray, " n"], free: bool = True
) -> Float[np.ndarray, "b 2"]:
    """Two fingerprints (B, 2) of q (dim, N, B), as lengths: sums over the distances of pairs,
    weighted by the kinds (N,) of their bodies. In an external field (`free` False) the place counts
    too."""
    weight = 1 + APART * kinds
    d = np.linalg.norm(q[:, :, None] - q[:, None, :], axis=0)
    each = np.einsum("ijb,j->ib", d, weight)
    first = np.einsum("ib,i->b", each, weight)
    second = np.sqrt(np.einsum("ib,i->b", each**2, weight))
    if not free:
        axes = 1 + APART * np.arange(len(q))
        places = np.einsum("kib,k->ib", q, axes)
        first = first + np.einsum("ib,i->b", places, weight)
        second = second + np.cbrt(np.einsum("ib,i->b", places**3, weight))
    return np.stack([first, second], axis=1)
