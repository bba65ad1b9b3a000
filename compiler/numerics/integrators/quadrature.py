"""Legendre-Gauss-Lobatto rules and the coefficients that the GGL integrator is made of.

Everything is computed in extended precision and handed out as a float64 part and a remainder, since
the drift of very long runs comes from rounded coefficients (Hairer, McLachlan and Razakarivony,
BIT 48, 231, 2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

Extended = np.longdouble
EXTRAPOLATION_DEGREE = 10  # beyond it the step's polynomial amplifies noise when continued


def legendre(
    x: Float[np.ndarray, " points"], degree: int, dtype: type[np.floating] = Extended
) -> Float[np.ndarray, "k points"]:
    """Legendre polynomials P_0..P_degree at x, shape (degree + 1, len(x)), by their recurrence."""
    values = np.ones((degree + 1, len(x)), dtype=dtype)
    if degree > 0:
        values[1] = x
    for k in range(1, degree):
        values[k + 1] = ((2 * k + 1) * x * values[k] - k * values[k - 1]) / (k + 1)
    return values


def lobatto(
    count: int,
) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, " count"]]:
    """Nodes on [-1, 1] and weights of the Lobatto rule with `count` >= 2 points.

    Newton on (1 - x^2) P'_{n}(x) from the Chebyshev-Lobatto points; symmetrised. Weights are
    2 / (n (n + 1) P_n(x)^2) with n = count - 1 (Abramowitz and Stegun 25.4.32).
    """
    n = count - 1
    x = -np.cos(np.pi * np.arange(count, dtype=Extended) / n)
    for _ in range(100):
        p = legendre(x, n)
        # (1 - x^2) P'_n = n (P_{n-1} - x P_n), whose derivative is -n (n + 1) P_n
        change = (p[n - 1] - x * p[n]) / ((n + 1) * p[n])
        x = x + change
        if np.max(np.abs(change)) < 4 * np.finfo(Extended).eps:
            break
    x = (x - x[::-1]) / 2
    x[0], x[-1] = -1, 1
    p = legendre(x, n)
    return x, 2 / (n * (n + 1) * p[n] ** 2)


@dataclass(frozen=True)
class Rule:
    """Coefficients of one GGL step on the unit interval, s = r + 2 nodes; all arrays float64.

    The velocity of a step is a polynomial of degree r. `integrate` maps its nodal values to
    positions, `impulse` nodal forces to momenta: the Lobatto IIIA and IIIB coefficients, both
    restricted to degree r (Hairer, Lubich and Wanner, Geometric Numerical Integration, II.1.4).
    """

    r: int
    nodes: np.ndarray  # (s,) on [0, 1]
    weights: np.ndarray  # (s,), sum 1
    integrate: np.ndarray  # (s, s): q_i = q_0 + h sum_j integrate_ij v_j
    impulse: np.ndarray  # (s, s): p_i = p_0 + h sum_j impulse_ij F_j
    twice: np.ndarray  # (s, s): integrate @ impulse, for forces that see positions only
    project: np.ndarray  # (s, s): nodal values -> nodal values of their part of degree <= r
    modes: np.ndarray  # (s, r + 1): Legendre coefficients -> nodal values
    coefficients: np.ndarray  # (r + 1, s): nodal values -> Legendre coefficients
    extrapolate: np.ndarray  # (s, s): nodal velocities -> a guess for the next step's
    extrapolate_forces: np.ndarray  # (s, s): nodal forces -> a guess for the next step's
    position_weights: np.ndarray  # (s,): q' = q + h v + h^2 sum_j w_j F_j for forces on a unit mass
    weights_low: np.ndarray  # what float64 lost of `weights`
    position_weights_low: np.ndarray  # what float64 lost of `position_weights`
    nodes_low: np.ndarray  # what float64 lost of `nodes`

    @property
    def order(self) -> int:
        """Order of convergence of positions and momenta at the ends of the step."""
        return 2 * self.r + 2


@lru_cache(maxsize=64)
def rule(r: int) -> Rule:
    """The GGL rule with r interior points (r >= 0)."""
    if r < 0:
        raise ValueError(f"r must be 0 or more, not {r}")
    x, w = lobatto(r + 2)
    p = legendre(x, r + 2)
    degree = np.arange(r + 1)
    norm = (2 * degree + 1)[:, None].astype(Extended) / 2
    coefficients = norm * p[: r + 1] * w  # discrete inner products, exact up to degree r
    below = np.concatenate([-np.ones((1, r + 2), dtype=Extended), p[:r]]) if r else -p[:1]
    integrals = (p[1 : r + 2] - below) / (2 * degree + 1)[:, None] / 2  # from the left end, unit h
    integrate = integrals.T @ coefficients
    integrate[0] = 0
    b = w / 2
    integrate[-1] = b
    impulse = b[None, :] - integrate.T * b[None, :] / b[:, None]
    impulse[:, 0], impulse[:, -1] = b[0], 0
    modes = p[: r + 1].T
    capped = min(r, EXTRAPOLATION_DEGREE) + 1
    ahead = legendre(x + 2, r + 1).T
    # the rule takes P_{r+1}^2 for more than its integral: 2 / (r + 1)
    highest = (np.asarray(r + 1, dtype=Extended) / 2) * p[r + 1] * w
    every = np.concatenate([coefficients, highest[None]])
    most = min(r + 1, EXTRAPOLATION_DEGREE) + 1
    weights = b.astype(np.float64)
    far, nodes = b * (1 - x) / 2, (x + 1) / 2
    return Rule(
        r=r,
        nodes=nodes.astype(np.float64),
        nodes_low=(nodes - nodes.astype(np.float64)).astype(np.float64),
        weights=weights,
        weights_low=(b - weights).astype(np.float64),
        position_weights=far.astype(np.float64),
        position_weights_low=(far - far.astype(np.float64)).astype(np.float64),
        integrate=integrate.astype(np.float64),
        impulse=impulse.astype(np.float64),
        twice=(integrate @ impulse).astype(np.float64),
        project=(modes @ coefficients).astype(np.float64),
        modes=modes.astype(np.float64),
        coefficients=coefficients.astype(np.float64),
        extrapolate=(ahead[:, :capped] @ coefficients[:capped]).astype(np.float64),
        extrapolate_forces=(ahead[:, :most] @ every[:most]).astype(np.float64),
    )
