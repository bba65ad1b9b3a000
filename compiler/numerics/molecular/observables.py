"""Observables of a fluid's motion: radial distribution, velocity autocorrelation, displacements.

Shapes: q, v (dim, N, K) of N bodies at K times, unwrapped coordinates. NumPy: they are asked once.
"""

from __future__ import annotations

from math import gamma, pi

import numpy as np
from actionrun.compiler.numerics.array_types import Motion
from jaxtyping import Float

NEAR = 0.8  # of the height of a peak: what is fitted
ENOUGH = 6  # bins for a cubic


def radial_distribution(
    q: Motion, edge: float, bins: int = 100, reach: float | None = None
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """Middles r (bins,) of the bins up to `reach` (at most half the edge) and g(r) (bins,), the
    mean over all times (Allen & Tildesley, Computer Simulation of Liquids, 2nd ed., eq. 2.94).

    g is 1 where there is no order: pairs of bodies over those of an ideal gas of N - 1.
    """
    dim, n, times = q.shape
    most = min(reach or edge / 2, edge / 2)
    edges = np.linspace(0, most, bins + 1)
    counts = np.zeros(bins)
    first, second = np.triu_indices(n, 1)
    for k in range(times):
        d = q[:, first, k] - q[:, second, k]
        d -= edge * np.round(d / edge)
        counts += np.histogram(np.sqrt(np.sum(d * d, axis=0)), edges)[0]
    ball = pi ** (dim / 2) / gamma(dim / 2 + 1)
    shells = ball * np.diff(edges**dim)
    ideal = times * (n * (n - 1) / 2) * shells / edge**dim
    return (edges[1:] + edges[:-1]) / 2, counts / ideal


def velocity_autocorrelation(v: Motion, origins: int | None = None) -> Float[np.ndarray, " lags"]:
    """<v(s) . v(s + t)> / <v(s) . v(s)> at the K - origins + 1 times t from 0, at even times.

    The mean is over bodies and over the first `origins` times s (default: a third of them), each
    with its own size of v(s).
    """
    times = v.shape[2]
    count = max(1, times // 3) if origins is None else origins
    length = times - count + 1
    result = np.zeros(length)
    for s in range(count):
        together = np.einsum("dn,dnk->k", v[:, :, s], v[:, :, s : s + length])
        result += together / together[0]
    return result / count


def first_zero(t: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"]) -> float | None:
    """Where y first falls below 0, by a straight line between two points; None if it does not."""
    below = np.nonzero((y[1:] < 0) & (y[:-1] >= 0))[0]
    if not len(below):
        return None
    k = below[0]
    return float(t[k] + (t[k + 1] - t[k]) * y[k] / (y[k] - y[k + 1]))


def first_peak(
    r: Float[np.ndarray, " bins"], g: Float[np.ndarray, " bins"]
) -> tuple[float, float] | None:
    """Place and height of the highest point of g(r): that of a cubic fitted to all bins around it
    that are higher than NEAR of it, so that the noise of one bin moves it little; with few bins, of
    the parabola through three. None where there is no such point inside."""
    k = int(np.argmax(g))
    if not 0 < k < len(g) - 1:
        return None
    lower = np.nonzero(g < NEAR * g[k])[0]
    first = max(lower[lower < k], default=-1) + 1
    stop = min(lower[lower > k], default=len(g))
    if stop - first >= ENOUGH:
        around = slice(first, stop)
        curve = np.polynomial.Polynomial.fit(r[around], g[around], 3)
        tops = [x.real for x in curve.deriv().roots() if curve.deriv(2)(x.real) < 0 == x.imag]
        tops = [x for x in tops if r[first] <= x <= r[stop - 1]]
        if tops:
            return float(tops[0]), float(curve(tops[0]))
    low, top, high = g[k - 1 : k + 2]
    bend = low - 2 * top + high
    shift = 0.5 * (low - high) / bend if bend else 0.0
    return float(r[k] + shift * (r[1] - r[0])), float(top - 0.25 * (low - high) * shift)


def rmsd(a: Motion, b: Motion) -> Float[np.ndarray, " k"]:
    """Root mean square over bodies of the distance between two motions, at each time (K,)."""
    return np.sqrt(np.mean(np.sum((a - b) ** 2, axis=0), axis=0))
