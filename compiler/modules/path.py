"""Paths q(t) between two states as linear combinations of functions of time.

    q(t) = lift(t) + sum_k phi_k(t) c_k

The lift is the Hermite polynomial of the given ends, each phi_k vanishes there (with its rate where
velocities are given), so the ends are exact whatever the coefficients. The phi_k are orthonormal in
their second derivative at the Gauss nodes: with it the Onsager-Machlup action of a free motion is
the sum of squares of the coefficients, which is the preconditioner of its minimisation.

Tables are built in float64 by NumPy; arrays are `(3, times, functions)`: value, rate, curvature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

Kind = Literal["legendre", "sine", "features"]
LOST = 1e-10  # singular values below this share of the largest are dropped: rounding, not functions
STEEPEST = 0.25  # of the number of nodes: slopes of the random features on [-1, 1]


class Motion(NamedTuple):
    """Positions, velocities and accelerations (dim, N, times)."""

    q: jax.Array
    v: jax.Array
    a: jax.Array


def gauss(count: int, duration: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes (count,) on [0, duration] and weights of sum `duration`."""
    x, w = np.polynomial.legendre.leggauss(count)
    return (x + 1) * duration / 2, w * duration / 2


def legendre(x: np.ndarray, degree: int) -> np.ndarray:
    """Legendre polynomials P_0..P_degree at x, shape (len(x), degree + 1)."""
    values = np.ones((degree + 1, len(x)))
    if degree > 0:
        values[1] = x
    for k in range(1, degree):
        values[k + 1] = ((2 * k + 1) * x * values[k] - k * values[k - 1]) / (k + 1)
    return values.T


@dataclass(frozen=True)
class Basis:
    """Functions of time on [0, duration] for `points` Gauss nodes.

    `velocities`: whether the velocities at both ends are given, which costs each function two
    conditions more. There are never more functions than the nodes can tell apart: polynomials of
    more than `points - 2` functions with four conditions at the ends are nought at all nodes.
    """

    kind: Kind
    duration: float
    points: int
    velocities: bool
    seed: int = 0

    @cached_property
    def nodes(self) -> np.ndarray:
        """Gauss nodes (points,)."""
        return gauss(self.points, self.duration)[0]

    @cached_property
    def weights(self) -> np.ndarray:
        """Gauss weights (points,)."""
        return gauss(self.points, self.duration)[1]

    @property
    def count(self) -> int:
        """Number of functions K."""
        return self._transform.shape[1]

    @property
    def square(self) -> bool:
        """Whether there are as many coefficients as nodes: collocation."""
        return self.count == self.points

    def functions(self, t: np.ndarray) -> np.ndarray:
        """The phi_k at times t: value, rate and curvature (3, len(t), K)."""
        return self._raw(np.asarray(t, dtype=float)) @ self._transform

    def lift(self, t: np.ndarray) -> np.ndarray:
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
        if self.kind == "legendre":
            return np.eye(self.wanted)
        bent = np.sqrt(self.weights)[:, None] * self._raw(self.nodes)[2]
        size = np.linalg.norm(bent, axis=0)
        _, s, right = np.linalg.svd(bent / size, full_matrices=False)
        kept = s > LOST * s[0]
        return right[kept].T / s[kept] / size[:, None]

    def _raw(self, t: np.ndarray) -> np.ndarray:
        match self.kind:
            case "legendre":
                return self._integrals(2 * t / self.duration - 1)
            case "sine":
                return self._sines(t)
            case "features":
                return self._features(t)

    def _integrals(self, x: np.ndarray) -> np.ndarray:
        """Double integrals of Legendre polynomials, normalised: phi'' is P_n with n >= 2 where four
        conditions hold at the ends, since these say that phi'' is orthogonal to 1 and t."""
        first, half = 2 * self.velocities, self.duration / 2
        degrees = np.arange(first, first + self.wanted)
        P = legendre(x, self.wanted + first + 2)

        def at(n: np.ndarray) -> np.ndarray:
            """P_n, 0 for n < 0: of these few the columns are put right below."""
            return np.where(n < 0, 0.0, P[:, np.maximum(n, 0)])

        n = degrees
        rate = (at(n + 1) - at(n - 1)) / (2 * n + 1)
        up, down = 2 * n + 3, 2 * n - 1
        value = ((at(n + 2) - at(n)) / up - (at(n) - at(n - 2)) / down) / (2 * n + 1)
        for k in np.flatnonzero(n < 2):  # without velocities: x^2 / 2 and x^3 / 6 less their chords
            value[:, k] = ((x**2 - 1) / 2, (x**3 - x) / 6)[n[k]]
            rate[:, k] = (x, (3 * x**2 - 1) / 6)[n[k]]
        norm = np.sqrt((2 * n + 1) / self.duration)
        return np.stack([half**2 * value, half * rate, at(n)]) * norm

    def _sines(self, t: np.ndarray) -> np.ndarray:
        """sin(n pi t / T) (Passerone and Parrinello, Phys. Rev. Lett. 87, 108302, 2001), times an
        envelope where velocities are given."""
        w = np.pi * np.arange(1, self.wanted + 1) / self.duration
        s, c = np.sin(np.outer(t, w)), np.cos(np.outer(t, w))
        waves = np.stack([s, w * c, -(w**2) * s])
        return _product(self.envelope(t, 1), waves) if self.velocities else waves

    def _features(self, t: np.ndarray) -> np.ndarray:
        """tanh of random slopes and places, fixed, times an envelope."""
        draw = np.random.default_rng(self.seed)
        scale = 2 / self.duration
        slope = scale * draw.uniform(1.0, 1.0 + STEEPEST * self.points, self.wanted)
        place = draw.uniform(0.0, self.duration, self.wanted)
        y = np.tanh(slope * (t[:, None] - place))
        bell = 1 - y**2
        waves = np.stack([y, slope * bell, -2 * slope**2 * y * bell])
        return _product(self.envelope(t, 1 + self.velocities), waves)

    def envelope(self, t: np.ndarray, power: int) -> np.ndarray:
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


class Table(eqx.Module):
    """A basis at fixed times: `motion` maps coefficients (..., K) to the path there.

    `lift` (3, E, times), `functions` (3, K, times).
    """

    lift: jax.Array
    functions: jax.Array

    def motion(self, ends: jax.Array, c: jax.Array) -> Motion:
        """The path of coefficients c (dim, N, K) between `ends` (dim, N, E)."""
        return Motion(
            *(
                ends @ of_ends + c @ phi
                for of_ends, phi in zip(self.lift, self.functions, strict=True)
            )
        )


def table(basis: Basis, t: np.ndarray) -> Table:
    """The basis at times t."""
    lift, functions = (x.transpose(0, 2, 1) for x in (basis.lift(t), basis.functions(t)))
    return Table(jnp.asarray(lift), jnp.asarray(functions))
