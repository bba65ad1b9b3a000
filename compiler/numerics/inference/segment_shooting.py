"""Multiple shooting by laws that are linear in their coefficients, without a compiler.

Candidates of a search differ in their equations, each of which would have to be compiled anew; here
a law is a pair of NumPy functions. Classical Runge-Kutta steps carry the motion and, beside it, its
derivatives by the start of its segment and by the coefficients (variational equations), all
segments at once; Levenberg-Marquardt takes the starts out segment by segment (Schur complement).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

DAMPING = 1e-3  # of a first step
MOST_DAMPING = 1e8
ENOUGH = 1e-7  # relative decrease of the cost


Coefficients = Float[np.ndarray, " terms"]
Starts = Float[np.ndarray, "states segments"]


class LinearLaw(NamedTuple):
    """A law (c_0 = 1, c_1, ... of `terms`) of n coordinates as array functions: `motion` of
    (c, q, v) is the mass matrix and, as its last row, the rest of the equations, (n + 1, n, ...);
    `slopes` of (c, q, v, a) are their derivatives by q and v, n rows of 2 n, and then the
    equations of each term, (2 n + 1 + terms, n, ...) as flat numbers."""

    n: int
    terms: int
    motion: Callable[..., np.ndarray]
    slopes: Callable[..., np.ndarray]


@dataclass(frozen=True)
class Segments:
    """Samples by segment: times (samples, segments), values (samples, channels, segments), weights
    like values, zero where there is none; `channels`: the entries of (q, v) that they show; steps
    between two samples; sizes (2 n,) of q and v."""

    t: Float[np.ndarray, "samples segments"]
    values: Float[np.ndarray, "samples channels segments"]
    weight: Float[np.ndarray, "samples channels segments"]
    channels: tuple[int, ...]
    steps: int
    scales: Float[np.ndarray, " states"]


@dataclass(frozen=True)
class SegmentFit:
    """Coefficients c (terms,), starts (2 n, segments), and the weighted sum of squares."""

    c: Coefficients
    starts: Starts
    cost: float


def accelerations(
    law: LinearLaw, c: Coefficients, z: Float[np.ndarray, "states segments"]
) -> Float[np.ndarray, "n segments"]:
    """a (n, segments) of states z (2 n, segments)."""
    parts = law.motion(1.0, *c, *z)
    return -_solved(parts[: law.n], parts[law.n][:, None])[:, 0]


def _solved(mass: np.ndarray, right: np.ndarray) -> np.ndarray:
    """M^-1 (n, n, segments) of right-hand sides (n, sides, segments)."""
    if len(mass) == 1:
        return right / mass[0, 0]
    if len(mass) == 2:
        (a, b), (c, d) = mass
        det = a * d - b * c
        return np.stack([(d * right[0] - b * right[1]) / det, (a * right[1] - c * right[0]) / det])
    m = np.moveaxis(mass, -1, 0)
    fine = np.flatnonzero(np.isfinite(m).all(axis=(1, 2)))
    fine = fine[np.abs(np.linalg.det(m[fine])) > 0]
    result = np.full(np.moveaxis(right, -1, 0).shape, np.nan)
    result[fine] = np.linalg.solve(m[fine], np.moveaxis(right, -1, 0)[fine])
    return np.moveaxis(result, 0, -1)


def _rates(
    law: LinearLaw, c: np.ndarray, z: np.ndarray, more: Callable[..., np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dz/dt, its Jacobian (n, 2 n, ...) of a by z, and of a by the terms (n, terms, ...); `more`:
    the equations (terms, n, ...) of others instead of the law's own, of (q, v, a)."""
    n = law.n
    parts = law.motion(1.0, *c, *z)
    mass = parts[:n]
    a = -_solved(mass, parts[n][:, None])[:, 0]
    flat = law.slopes(1.0, *c, *z, *a).reshape(-1, *z.shape[1:])
    by_state = flat[: 2 * n * n].reshape(n, 2 * n, *z.shape[1:])
    if more is None:
        each = flat[2 * n * n :].reshape(1 + law.terms, n, *z.shape[1:])[1:]
    else:
        each = more(*z, *a)
    right = np.concatenate([by_state, np.moveaxis(each, 0, 1)], axis=1)
    slopes = -_solved(mass, right)
    return np.concatenate([z[n:], a]), slopes[:, : 2 * n], slopes[:, 2 * n :]


def motion(
    law: LinearLaw, c: Coefficients, starts: Starts, of: Segments
) -> Float[np.ndarray, "samples states segments"]:
    """States (samples, 2 n, segments) of motions from starts (2 n, segments)."""
    z, n, out = starts, law.n, [starts]
    with np.errstate(all="ignore"):
        for h in np.diff(of.t, axis=0) / of.steps:
            for _ in range(of.steps):
                ks: list[np.ndarray] = []
                for share in (0.0, 0.5, 0.5, 1.0):
                    at = z + share * h * ks[-1] if ks else z
                    ks.append(np.concatenate([at[n:], accelerations(law, c, at)]))
                z = z + h / 6 * (ks[0] + 2 * ks[1] + 2 * ks[2] + ks[3])
            out.append(z)
    return np.stack(out)


def motion_with_slopes(
    law: LinearLaw, c: Coefficients, starts: Starts, of: Segments,
    more: Callable[..., np.ndarray] | None = None, count: int = 0,
) -> tuple[
    Float[np.ndarray, "samples states segments"], Float[np.ndarray, "samples states all segments"]
]:  # fmt: skip
    """As `motion`, and the derivatives (samples, 2 n, 2 n + terms, segments) by starts and terms;
    of `count` other terms where `more` gives their equations."""
    n, segments = law.n, starts.shape[1]
    terms = law.terms if more is None else count
    z = starts
    s = np.zeros((2 * n, 2 * n + terms, segments))
    s[np.arange(2 * n), np.arange(2 * n)] = 1.0
    out, slopes = [z], [s]
    with np.errstate(all="ignore"):
        for h in np.diff(of.t, axis=0) / of.steps:
            for _ in range(of.steps):
                kz: list[np.ndarray] = []
                ks: list[np.ndarray] = []
                for share in (0.0, 0.5, 0.5, 1.0):
                    at = z + share * h * kz[-1] if kz else z
                    along = s + share * h * ks[-1] if ks else s
                    rate, by_state, by_terms = _rates(law, c, at, more)
                    lower = np.einsum("ijs,jks->iks", by_state, along)
                    lower[:, 2 * n :] += by_terms
                    kz.append(rate)
                    ks.append(np.concatenate([along[n:], lower]))
                z = z + h / 6 * (kz[0] + 2 * kz[1] + 2 * kz[2] + kz[3])
                s = s + h / 6 * (ks[0] + 2 * ks[1] + 2 * ks[2] + ks[3])
            out.append(z)
            slopes.append(s)
    return np.stack(out), np.stack(slopes)


def cost_of(law: LinearLaw, c: Coefficients, starts: Starts, of: Segments) -> float:
    """The weighted sum of squares; infinite for a motion that leaves."""
    z = motion(law, c, starts, of)[:, list(of.channels)]
    return _cost(np.where(of.weight > 0, (z - of.values) * of.weight, 0.0))


def _cost(rows: np.ndarray) -> float:
    if not np.isfinite(rows).all() or np.max(np.abs(rows), initial=0.0) > 1 / np.finfo(float).eps:
        return np.inf
    return float(np.sum(rows**2))


def linearized(
    law: LinearLaw, fit: SegmentFit, of: Segments, more: Callable[..., np.ndarray], count: int
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, "rows terms"]]:
    """Residuals (rows,) and their derivatives (rows, terms) by other terms, both less what the
    starts can take up: what a change of coefficients leaves."""
    z, s = motion_with_slopes(law, fit.c, fit.starts, of, more, count)
    there, n2 = of.weight > 0, 2 * law.n
    places = list(of.channels)
    miss = np.where(there, (z[:, places] - of.values) * of.weight, 0.0)
    rows = np.where(there[:, :, None], s[:, places] * of.weight[:, :, None], 0.0)
    parts, misses = [], []
    for k in range(miss.shape[-1]):  # by segment: its starts are no other's
        seen = there[..., k].ravel()
        block = rows[..., k].reshape(-1, rows.shape[2])[seen]
        q = np.linalg.qr(block[:, :n2] * of.scales)[0]
        m = miss[..., k].ravel()[seen]
        side = block[:, n2:]
        parts.append(side - q @ (q.T @ side))
        misses.append(m - q @ (q.T @ m))
    return np.concatenate(misses), np.concatenate(parts)


def segment_fit(
    law: LinearLaw, first: SegmentFit, of: Segments, iterations: int, held: bool = False
) -> SegmentFit:
    """Least squares from coefficients and starts; `held`: of the starts alone. A step that leaves
    the finite world is none; the cost is infinite where the first motion has left already."""
    fit = replace(first, cost=cost_of(law, first.c, first.starts, of))
    damping, n2, k = DAMPING, 2 * law.n, 0 if held else law.terms
    there, places = of.weight > 0, list(of.channels)
    for _ in range(iterations):
        if not np.isfinite(fit.cost) or fit.cost == 0:
            break
        z, s = motion_with_slopes(law, fit.c, fit.starts, of)
        miss = np.where(there, (z[:, places] - of.values) * of.weight, 0.0)
        rows = np.where(there[:, :, None], s[:, places, : n2 + k] * of.weight[:, :, None], 0.0)
        rows[:, :, :n2] *= of.scales[:, None]
        if not np.isfinite(rows).all():
            break
        rows = rows.reshape(-1, n2 + k, rows.shape[-1]).transpose(2, 0, 1)
        m = miss.reshape(-1, miss.shape[-1]).T[..., None]
        normal = rows.transpose(0, 2, 1) @ rows
        right = (rows.transpose(0, 2, 1) @ m)[..., 0]
        before = fit.cost
        while damping < MOST_DAMPING:
            step = _step(normal, right, n2, damping)
            if step is not None:
                local, shared = step
                starts = fit.starts - local.T * of.scales[:, None]
                c = fit.c - shared if k else fit.c
                cost = cost_of(law, c, starts, of)
                if cost < fit.cost:
                    fit = SegmentFit(c, starts, cost)
                    damping = max(damping / 10, 1e-12)
                    break
            damping *= 10
        if not before - fit.cost > ENOUGH * before:
            break
    return fit


def _step(
    normal: np.ndarray, right: np.ndarray, n2: int, damping: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Starts (segments, n2) and coefficients (k,) of a damped Gauss-Newton step."""
    diagonal = np.einsum("sii->si", normal)
    of_starts = normal[:, :n2, :n2].copy()
    least = 1e-12 * diagonal[:, :n2].max(axis=1, keepdims=True) + 1e-300
    of_starts[:, np.arange(n2), np.arange(n2)] += damping * diagonal[:, :n2] + least
    try:
        both = np.concatenate([normal[:, :n2, n2:], right[:, :n2, None]], axis=2)
        inner = np.linalg.solve(of_starts, both)
        outer = normal[:, n2:, :n2]
        shared = np.zeros(normal.shape[1] - n2)
        if len(shared):
            whole = np.sum(normal[:, n2:, n2:] - outer @ inner[..., :-1], axis=0)
            aim = np.sum(right[:, n2:] - (outer @ inner[..., -1:])[..., 0], axis=0)
            size = np.sqrt(np.maximum(np.diag(np.sum(normal[:, n2:, n2:], axis=0)), 1e-300))
            whole = whole / np.outer(size, size)
            whole[np.arange(len(size)), np.arange(len(size))] += damping + 1e-14
            shared = np.linalg.solve(whole, aim / size) / size
    except np.linalg.LinAlgError:
        return None
    local = inner[..., -1] - inner[..., :-1] @ shared
    if not (np.isfinite(local).all() and np.isfinite(shared).all()):
        return None
    return local, shared
