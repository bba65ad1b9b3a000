"""Types of arrays and of functions of arrays that the numerics share."""

from __future__ import annotations

from typing import Protocol, TypeVar

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

AnyArray = TypeVar("AnyArray", np.ndarray, jax.Array)

# Of systems of a family, side by side: coefficients, positions or momenta, observed channels.
Coefficients = Float[Array, "k batch"]
States = Float[Array, "n batch"]
Series = Float[Array, "samples channels batch"]

# Of N bodies in `dim` dimensions: T images side by side (times of a path, members of a batch), an
# energy for each; one configuration, and configurations at K times, of NumPy.
Positions = Float[Array, "dim n t"]
Energies = Float[Array, " t"]
Structure = Float[np.ndarray, "dim n"]
Motion = Float[np.ndarray, "dim n k"]


class ArrayFunction(Protocol):
    """A function of arrays: one per argument, which broadcast together.

    Returns a sequence with one array per result, each of the broadcast shape of what it depends on
    (a constant may stay a Python float). An Equinox module of this shape is what a symbolic
    compiler makes of expressions.
    """

    @property
    def arity(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    def __call__(self, *values: ArrayLike) -> list[jax.Array | float]: ...
