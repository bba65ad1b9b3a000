"""The step of a quadratic Lagrangian as an affine map, and its powers, worked out before the march.

Forces and momenta are affine in positions and velocities, so that a step is one linear system. As a
compiled program it would take a hundred times as long to compile as it takes here by NumPy.

With z' = z + D z + d, the k-th next state is z + D_k z + d_k, where D_{k+1} = D_k + D + D D_k and
d_{k+1} = d_k + D d_k + d. So many steps are taken at once: the states between are watched side by
side, none is passed over, and one rounding takes the place of k.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import ArrayFunction
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from .charge_balance import CoordinateCharges, Form
from .mechanics import Mechanics
from .quadrature import Extended, rule

LEAP = 16  # steps of a leap
LARGEST = 8  # degrees of freedom: beyond it the powers of the map leave the cache
REFINED = 3  # times that the solution is mended by what it lacks in extended precision


class Powers(NamedTuple):
    """D_k (LEAP, 2n, 2n) and d_k (LEAP, 2n) of k = 1 .. LEAP steps."""

    D: jax.Array
    d: jax.Array


class Map(NamedTuple):
    """A step of a quadratic problem, z' = z + D z + d, the form of its flux, and what D and d lost
    where they were rounded to single precision; the powers of the map, for leaps."""

    D: jax.Array
    d: jax.Array
    form: Form | None
    low: tuple | None = None
    powers: Powers | None = None


def step_map(
    mechanics: Mechanics,
    r: int,
    h: float,
    theta: Float[Array | np.ndarray, " k"],
    charges: CoordinateCharges | None = None,
    dtype: DTypeLike = np.float64,
) -> Map:
    """The map of a step of h, for states of that dtype."""
    theta = np.asarray(theta, np.float64)
    with np.errstate(all="ignore"):  # what is not finite is told by the march
        rest, Q, V = _responses(mechanics, r, h, theta)
        D, d = (rest[:, 1:] - rest[:, :1]).astype(float), rest[:, 0].astype(float)
        form = None
        if charges is not None and charges.rates is not None:
            form = _form(charges, mechanics, h, theta, np.concatenate([Q, V]))
    parts, low, several = [x.astype(dtype) for x in (D, d)], None, None
    if dtype != np.float64:  # a rounded map is another oscillator, as the steps add up
        low = tuple(x - part for x, part in zip((D, d), parts, strict=True))
    elif mechanics.n <= LARGEST:
        several = powers(D, d)
    whole = Map(jnp.asarray(parts[0]), jnp.asarray(parts[1]), form, low, several)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), whole)


def powers(D: Float[np.ndarray, "2n 2n"], d: Float[np.ndarray, " 2n"]) -> Powers:
    """The first LEAP powers of a map z' = z + D z + d."""
    steps = [(D, d)]
    for _ in range(LEAP - 1):
        last, shift = steps[-1]
        steps.append((last + D + D @ last, shift + D @ shift + d))
    return Powers(jnp.asarray([D for D, _ in steps]), jnp.asarray([d for _, d in steps]))


def increments(
    of: Powers, z: Float[Array, " 2n"], low: Float[Array, " 2n"]
) -> Float[Array, "2n leap"]:
    """What z (2n,), with the part `low` of it that rounding keeps apart, changes by in 1 .. LEAP
    steps, (2n, LEAP)."""
    total = of.d.T + of.D[:, :, 0].T * z[0]
    for j in range(1, len(z)):
        total = total + of.D[:, :, j].T * z[j]
    return total + low[:, None]


class _Affine:
    """A function of (q, v) (n, ...) that is affine: value + by_q q + by_v v."""

    def __init__(self, function: ArrayFunction, n: int, theta: np.ndarray):
        points = np.concatenate([np.zeros((2 * n, 1)), np.eye(2 * n)], axis=1)
        rows = _rows(function(*points, 0.0, *theta), 2 * n + 1)
        self.value, slopes = rows[:, 0], rows[:, 1:] - rows[:, :1]
        self.by_q, self.by_v = slopes[:, :n], slopes[:, n:]

    def __call__(self, q, v):
        return (self.value[:, None, None] + np.einsum("ab,bsm->asm", self.by_q, q)
                + np.einsum("ab,bsm->asm", self.by_v, v))  # fmt: skip


def _rows(values, count: int) -> np.ndarray:
    return np.stack([np.broadcast_to(np.asarray(x, float), (count,)) for x in values])


def _responses(m: Mechanics, r: int, h: float, theta) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the motions from rest at the origin and from each unit of z = (q, p): increments of z in a
    step (2n, 1 + 2n), and Q, V (n, s, 1 + 2n) at its nodes."""
    size, of = r + 1, rule(r)
    n, (force, momentum) = m.n, (_Affine(f, m.n, theta) for f in (m.forces, m.momenta))
    start = np.concatenate([np.zeros((2 * n, 1)), np.eye(2 * n)], axis=1).astype(Extended)
    q, p, h_ = start[:n, None], start[n:, None], Extended(h)
    integrate, impulse, modes, coefficients, b = (
        x.astype(Extended)
        for x in (of.integrate, of.impulse, of.modes, of.coefficients, of.weights)
    )
    b = b + of.weights_low

    def nodes(w):
        V = np.einsum("sk,nkm->nsm", modes, w)
        return q + h_ * np.einsum("st,ntm->nsm", integrate, V), V

    def residual(w):
        Q, V = nodes(w)
        pushed = p + h_ * np.einsum("st,ntm->nsm", impulse, force(Q, V))
        value = np.einsum("ks,nsm->nkm", coefficients, momentum(Q, V) - pushed)
        return value.reshape((n * size, -1)).astype(float)

    C, A, B, E = of.coefficients, of.integrate, of.impulse, of.modes
    matrix = (
        np.kron(momentum.by_v, C @ E) + h * np.kron(momentum.by_q, C @ A @ E)
        - h * (np.kron(force.by_v, C @ B @ E) + h * np.kron(force.by_q, C @ B @ A @ E))
    )  # fmt: skip
    w = np.zeros((n, size, 2 * n + 1), Extended)
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        inverse = np.full_like(matrix, np.nan)
    for _ in range(REFINED):
        w = w - (inverse @ residual(w)).reshape(w.shape)
    Q, V = nodes(w)
    ends = [h_ * np.einsum("s,nsm->nm", b, x) for x in (V, force(Q, V))]
    return np.concatenate(ends), Q.astype(float), V.astype(float)


def _form(
    charges: CoordinateCharges, mechanics: Mechanics, h: float, theta, there: np.ndarray
) -> Form:
    """The flux of a step, whose nodes `there` (2n, s, 1 + 2n) are an affine map of (q, p).

    The rates are quadratic in y = (q, v): their coefficients follow from their values.
    """
    size = len(there)
    a, b = np.triu_indices(size)
    eye, none = np.eye(size), np.zeros((size, 1))
    points = np.concatenate([none, eye, -eye, eye[:, a] + eye[:, b]], axis=1)
    values = _rates(charges, mechanics, points, theta)
    rest, plus, minus, both = np.split(values, [1, 1 + size, 1 + 2 * size], axis=1)
    slope, rest = (plus - minus) / 2, rest[:, 0]
    bent = both - plus[:, a] - plus[:, b] + rest[:, None]
    curve = np.zeros((len(values), size, size))
    curve[:, a, b] = curve[:, b, a] = bent
    weights = h * charges.rule.weights
    first, columns = there[..., 0], there[..., 1:] - there[..., :1]
    pushed = np.einsum("mab,bs->mas", curve, first)
    parts = (
        weights.sum() * rest
        + np.einsum("s,mas,as->m", weights, slope[..., None] + pushed / 2, first),
        np.einsum("s,mas,asz->mz", weights, slope[..., None] + pushed, columns),
        np.einsum("s,asy,mab,bsz->myz", weights, columns, curve, columns, optimize=True),
    )
    return Form(*map(jnp.asarray, parts))


def _rates(charges: CoordinateCharges, m: Mechanics, y: np.ndarray, theta) -> np.ndarray:
    """The rates of all charges (m, points) at points y (2n, points)."""
    n, count = m.n, y.shape[1]
    a = np.zeros((n, count))
    if charges.pulls is not None:
        mass = _rows(m.masses(*np.zeros((2 * n, 1)), 0.0, *theta), 1).reshape((n, n))
        a = np.linalg.solve(mass, _rows(charges.pulls(*y, 0.0, *theta), count))
    rates = () if charges.rates is None else charges.rates(*y, *a, 0.0, *theta)
    return _rows(rates, count)
