"""Permutation-invariant fingerprints of a configuration, blind to rotation and inversion."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from .periodic_cell import Cell, minimum_image

APART = 0.37  # by which the weights of species differ; any number that is no simple fraction
AT_ONCE = 32  # configurations of a cell: their images take room


def fingerprints(
    q: Float[np.ndarray, "dim n b"], kinds: Int[np.ndarray, " n"], cell: Cell = None
) -> Float[np.ndarray, "b 2"]:
    """Two fingerprints (B, 2) of q (dim, N, B), as lengths: sums over the distances of pairs, in a
    cell those of nearest images, weighted by the kinds (N,) of their bodies."""
    if cell is not None and q.shape[2] > AT_ONCE:
        parts = [q[..., k : k + AT_ONCE] for k in range(0, q.shape[2], AT_ONCE)]
        return np.concatenate([fingerprints(part, kinds, cell) for part in parts])
    weight = 1 + APART * kinds
    d = np.linalg.norm(minimum_image(q[:, :, None] - q[:, None, :], cell), axis=0)
    each = np.einsum("ijb,j->ib", d, weight)
    first = np.einsum("ib,i->b", each, weight)
    second = np.sqrt(np.einsum("ib,i->b", each**2, weight))
    return np.stack([first, second], axis=1)
