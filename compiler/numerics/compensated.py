"""Error-free transformations: sums and products with what their rounding lost.

Knuth's sum and Dekker's product (Numer. Math. 18, 224, 1971), and sums of products of constants,
whose leading parts are cut so that nothing of them is lost (Rump, Ogita and Oishi, SIAM J. Sci.
Comput. 31, 189, 2008). In float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SPLITTER = 2.0**27 + 1  # Veltkamp's: halves of 26 bits
ALIGNED = 2.0**27  # of the largest: what is cut there has 26 bits or fewer
WEIGHT_BITS = 22  # of the leading part of a weight of at most 1: with 26 and a sum, 53


class Pair(NamedTuple):
    """A number, and what lies below its last digit."""

    high: jax.Array
    low: jax.Array


def two_sum(a: Float[Array, "..."], b: Float[Array, "..."]) -> Pair:
    total = a + b
    there = total - a
    return Pair(total, (a - (total - there)) + (b - there))


def two_product(a: Float[Array, "..."], b: Float[Array, "..."]) -> Pair:
    """The high part is within two roundings of a b. It is written as a sum: of a product that goes
    on into a sum, compilers make one operation without the rounding that the low part is of."""
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    product = (a1 * b1 + (a1 * b2 + a2 * b1)) + a2 * b2
    return Pair(product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2)


def _halves(a: jax.Array) -> tuple[jax.Array, jax.Array]:
    far = SPLITTER * a
    high = far - (far - a)
    return high, a - high


def weighted_sums(
    weights: Sequence[tuple[np.ndarray, np.ndarray]], x: Float[Array, "s *batch"]
) -> list[Pair]:
    """sum_i w_i x_i for weights (s,) given as float64 and the rest, |w| <= 1, sum |w| <= 1."""
    cut = ALIGNED * jnp.max(jnp.abs(x), axis=0)
    leading = (cut + x) - cut
    rest = x - leading
    ones = (1,) * (x.ndim - 1)
    sums = []
    for w, w_low in weights:
        front = np.round(w * 2.0**WEIGHT_BITS) / 2.0**WEIGHT_BITS
        behind = (w - front) + w_low
        first, second, whole = (a.reshape((-1, *ones)) for a in (front, behind, w))
        sums.append(Pair(jnp.sum(first * leading, axis=0),
                         jnp.sum(second * leading + whole * rest, axis=0)))  # fmt: skip
    return sums
