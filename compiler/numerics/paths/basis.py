"""Path bases: q(t) between two states as a linear combination of functions of time.

    q(t) = lift(t) + sum_k phi_k(t) c_k

The lift is the Hermite polynomial of the given ends, each phi_k vanishes there (with its rate where
velocities are given), so the ends are exact whatever the coefficients. The phi_k are orthonormal in
their second derivative at the Gauss nodes: with it the Onsager-Machlup action of a free motion is
the sum of squares of the coefficients, which is the preconditioner of its minimisation.

Nodes and polynomials live in a stretched time x, t = T (1 + arcsin(alpha x)/arcsin(alpha))/2: Gauss
nodes crowd at the ends, where nothing needs them, and lie pi/2 times further apart in the middle
than equal ones. The stretching brings them closer together there (Kosloff and Tal-Ezer, J. Comput.
Phys. 104, 457, 1993), which makes the error of a liquid's path 2 to 5 times smaller.

Tables are built in float64 by NumPy; arrays are `(3, times, functions)`: value, rate, curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.quadrature import legendre
from jaxtyping import Array, Float

LOST = 1e-10  # singular values below this share of the largest are dropped: rounding, not functions
STRETCH = 2.5  # times sqrt(points): -log of the accuracy that the stretching leaves
STEEPEST = 0.25  # of the number of nodes: slopes of the random features on [-1, 1]


class Kinematics(NamedTuple):
    """Positions, velocities and accelerations (dim, N, times)."""

    q: jax.Array
    v: jax.Array
    a: jax.Array


def gauss_legendre(
    count: int, duration: float
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Gauss-Legendre nodes (count,) on [0, duration] and weights of sum `duration`."""
    x, w = np.polynomial.legendre.leggauss(count)
    return (x + 1) * duration / 2, w * duration / 2


def legendre_derivatives(
    x: Float[np.ndarray, " times"], degree: int
) -> Float[np.ndarray, "3 times k"]:
    """Legendre polynomials P_0..P_degree at x, and two derivatives: (3, len(x), degree + 1)."""
    P = np.zeros((3, degree + 1, len(x)))
    P[0] = legendre(x, degree, np.float64)
    P[1, 1:2] = 1
    for k in range(1, degree):
        P[1:, k + 1] = P[1:, k - 1] + (2 * k + 1) * P[:2, k]
    return P.transpose(0, 2, 1)


@dataclass(frozen=True)
class PathBasis:
    """Functions of time on [0, duration] for `points` Gauss nodes.

    `velocities`: whether the velocities at both ends are given, which costs each function two
    conditions more. There are never more functions than the nodes can tell apart: polynomials of
    more than `points - 2` functions with four conditions at the ends are nought at all nodes.
    """

    kind: str  # of BASES
    duration: float
    points: int
    velocities: bool
    seed: int = 0

    @cached_property
    def nodes(self) -> Float[np.ndarray, " nodes"]:
        """Gauss nodes of the stretched time, as times (points,)."""
        x, _ = np.polynomial.legendre.leggauss(self.points)
        return self.duration / 2 * (1 + np.arcsin(self.alpha * x) / np.arcsin(self.alpha))

    @cached_property
    def weights(self) -> Float[np.ndarray, " nodes"]:
        """Weights (points,) of the integral over time."""
        x, w = np.polynomial.legendre.leggauss(self.points)
        slope = self.alpha / np.arcsin(self.alpha) / np.sqrt(1 - (self.alpha * x) ** 2)
        return self.duration / 2 * w * slope

    @property
    def alpha(self) -> float:
        """How far time is stretched: more, the more points; the accuracy still grows with them."""
        return float(1 / np.cosh(STRETCH / np.sqrt(self.points)))

    @property
    def count(self) -> int:
        """Number of functions K."""
        return self._transform.shape[1]

    @property
    def square(self) -> bool:
        """Whether there are as many coefficients as nodes: collocation."""
        return self.count == self.points

    def functions(self, t: Float[np.ndarray, " times"]) -> Float[np.ndarray, "3 times k"]:
        """The phi_k at times t: value, rate and curvature (3, len(t), K)."""
        return self._raw(np.asarray(t, dtype=float)) @ self._transform

    def lift(self, t: Float[np.ndarray, " times"]) -> Float[np.ndarray, "3 times e"]:
        """Hermite functions of the ends (3, len(t), 4 or 2): of q(0), q(T), then v(0), v(T)."""
        T, s = self.duration, np.asarray(t, dtype=float) / self.duration
        one, no = np.ones_like(s), np.zeros_like(s)
        if not self.velocities:
            rows = [[1 - s, s], [-one / T, one / T], [no, no]]
        else:
            rest, slope = 1 - s, 6 * s * (1 - s) / T
            rows = [
                [(1 + 2 * s) * rest**2, s**2 * (3 - 2 * s), T * s * rest**2, -T * s**2 * rest],
                [-slope, slope, rest * (1 - 3 * s), s * (3 * s - 2)],
                [(12 * s - 6) / T**2, (6 - 12 * s) / T**2, (6 * s - 4) / T, (6 * s - 2) / T],
            ]
        return np.stack([np.stack(row, axis=-1) for row in rows])

    @property
    def wanted(self) -> int:
        return self.points - 2 * self.velocities

    @cached_property
    def _transform(self) -> np.ndarray:
        """Raw functions to orthonormal ones, (raw, K)."""
        bent = np.sqrt(self.weights)[:, None] * self._raw(self.nodes)[2]
        size = np.linalg.norm(bent, axis=0)
        _, s, right = np.linalg.svd(bent / size, full_matrices=False)
        kept = s > LOST * s[0]
        return right[kept].T / s[kept] / size[:, None]

    def _raw(self, t: np.ndarray) -> np.ndarray:
        return BASES[self.kind].functions(self, t)

    def envelope(self, t: Float[np.ndarray, " times"], power: int) -> Float[np.ndarray, "3 times"]:
        """(s (1 - s))^power with s = t / T: value, rate, curvature (3, len(t))."""
        T, s = self.duration, t / self.duration
        e, d, c = s * (1 - s), (1 - 2 * s) / T, np.full_like(s, -2 / T**2)
        return np.stack([e, d, c] if power == 1 else [e**2, 2 * e * d, 2 * d * d + 2 * e * c])


def _product(e: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Value, rate and curvature of a product: e (3, times), g (3, times, functions)."""
    e = e[:, :, None]
    return np.stack(
        [e[0] * g[0], e[1] * g[0] + e[0] * g[1], e[2] * g[0] + 2 * e[1] * g[1] + e[0] * g[2]]
    )


def _legendre(basis: PathBasis, t: np.ndarray) -> np.ndarray:
    """Legendre polynomials of the stretched time, times an envelope."""
    angle = np.arcsin(basis.alpha)
    y, rate = (2 * t / basis.duration - 1) * angle, 2 * angle / basis.duration
    x, x1 = np.sin(y) / basis.alpha, np.cos(y) / basis.alpha * rate
    P, P1, P2 = legendre_derivatives(x, basis.wanted - 1)
    bent = (x1**2)[:, None] * P2 - (rate**2 * x)[:, None] * P1
    return _product(basis.envelope(t, 1 + basis.velocities), np.stack([P, x1[:, None] * P1, bent]))


def _sines(basis: PathBasis, t: np.ndarray) -> np.ndarray:
    """sin(n pi t / T) (Passerone and Parrinello, Phys. Rev. Lett. 87, 108302, 2001), times an
    envelope where velocities are given."""
    w = np.pi * np.arange(1, basis.wanted + 1) / basis.duration
    s, c = np.sin(np.outer(t, w)), np.cos(np.outer(t, w))
    waves = np.stack([s, w * c, -(w**2) * s])
    return _product(basis.envelope(t, 1), waves) if basis.velocities else waves


def _features(basis: PathBasis, t: np.ndarray) -> np.ndarray:
    """tanh of random slopes and places, fixed, times an envelope."""
    draw = np.random.default_rng(basis.seed)
    scale = 2 / basis.duration
    slope = scale * draw.uniform(1.0, 1.0 + STEEPEST * basis.points, basis.wanted)
    place = draw.uniform(0.0, basis.duration, basis.wanted)
    y = np.tanh(slope * (t[:, None] - place))
    bell = 1 - y**2
    waves = np.stack([y, slope * bell, -2 * slope**2 * y * bell])
    return _product(basis.envelope(t, 1 + basis.velocities), waves)


@dataclass(frozen=True)
class FunctionFamily:
    """A family of functions of time: `functions(basis, t)` are their values, rates and curvatures
    (3, len(t), basis.wanted), which vanish at the ends (with their rates where velocities are
    given); `words` say what they are."""

    functions: Callable[[PathBasis, np.ndarray], np.ndarray]
    words: str


BASES = {
    "legendre": FunctionFamily(
        _legendre, "Legendre polynomials of a stretched time (Kosloff and Tal-Ezer 1993)"
    ),
    "sine": FunctionFamily(_sines, "the sine series of Passerone and Parrinello (2001)"),
    "features": FunctionFamily(
        _features, "tanh features of random slopes and places, fixed by the seed"
    ),
}


class TabulatedBasis(eqx.Module):
    """A basis at fixed times: `motion` maps coefficients (..., K) to the path there.

    `lift` (3, E, times), `functions` (3, K, times).
    """

    lift: jax.Array
    functions: jax.Array

    def motion(self, ends: Float[Array, "dim n e"], c: Float[Array, "dim n k"]) -> Kinematics:
        """The path of coefficients c (dim, N, K) between `ends` (dim, N, E)."""
        return Kinematics(
            *(
                ends @ of_ends + c @ phi
                for of_ends, phi in zip(self.lift, self.functions, strict=True)
            )
        )


def tabulated(basis: PathBasis, t: Float[np.ndarray, " times"]) -> TabulatedBasis:
    """The basis at times t."""
    lift, functions = (x.transpose(0, 2, 1) for x in (basis.lift(t), basis.functions(t)))
    return TabulatedBasis(jnp.asarray(lift), jnp.asarray(functions))
