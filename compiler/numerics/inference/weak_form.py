"""The weak form of the equations of motion on sampled motion: coefficients without integration.

For a test function f that vanishes with its slope at the ends of its window,

    int (P(q, q', t; c) f' + F(q, q', t; c) f) dt = 0

for the true coefficients c (Messenger and Bortz, J. Comput. Phys. 443, 110525, 2021). Positions are
joined by a cubic spline, so that no noisy derivative is ever taken alone.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Coefficients
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import Fit, levenberg_marquardt
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

PER_INTERVAL = 6  # quadrature points per sample interval, before thinning
MOST_POINTS = 6000
WINDOWS = 160  # per width
FEW = 16  # per width, where thousands of motions go through at once


class WeakForm(NamedTuple):
    """Quadrature points of all motions and the test functions on them.

    q, v (n, points, batch), t (points,); f, slope (windows, points) with quadrature weights folded
    in; `known`: q, v (n, rows, batch), t (rows,), momenta (n, rows, batch) where they were seen.
    The batch is 1 where all lanes share one motion.
    """

    q: jax.Array
    v: jax.Array
    t: jax.Array
    f: jax.Array
    slope: jax.Array
    known: tuple[jax.Array, jax.Array, jax.Array, jax.Array]


class SplinedMotion(NamedTuple):
    """A sampled motion joined up: q, v (n, points) at t (points,), and at the samples."""

    spline: CubicSpline
    t: np.ndarray
    samples: np.ndarray


def spline_motion(t: np.ndarray, q: np.ndarray) -> SplinedMotion:
    """Samples t (N,), q (N, n) as a spline with quadrature points between them."""
    spline = CubicSpline(t, q, axis=0)
    per = max(1, min(PER_INTERVAL, MOST_POINTS // max(len(t) - 1, 1)))
    inner = (np.arange(per) + 0.5) / per
    points = (t[:-1, None] + np.diff(t)[:, None] * inner).ravel()
    return SplinedMotion(spline, points, t)


def test_functions(
    t: np.ndarray, weight: np.ndarray, low: float, high: float, spacing: float,
    windows: int = WINDOWS,
):  # fmt: skip
    """Test functions (1 - u^2)^4 and their slopes on points t, at widths in powers of two.

    Each is divided by the norm of its second derivative, which is how white noise of the positions
    enters its equation, so that all have the same weight.
    """
    functions, slopes = [], []
    width = 3 * spacing
    while True:
        half = min(width, (high - low) / 2)
        centres = np.linspace(low + half, high - half, windows if 2 * half < high - low else 1)
        u = (t[None] - centres[:, None]) / half
        inside = np.abs(u) < 1
        base = np.where(inside, 1 - u**2, 0)
        f, df = base**4, -8 * u * base**3 / half
        ddf = (-8 * base**3 + 48 * u**2 * base**2) / half**2
        norm = np.sqrt((ddf**2 * weight).sum(axis=1, keepdims=True)) + 1e-300
        enough = inside.sum(axis=1) >= 8
        functions.append((f * weight / norm)[enough])
        slopes.append((df * weight / norm)[enough])
        if 2 * half >= high - low:
            return np.concatenate(functions), np.concatenate(slopes)
        width *= 2


def weak_form(
    motions: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]],
) -> WeakForm:
    """The weak form of motions, each (t (N,), q (N, n), momenta (N, n) or None)."""
    q, v, t, rows, slopes, known = [], [], [], [], [], []
    for times, positions, momenta in motions:
        joined = spline_motion(times, positions)
        weight = _lengths(times, len(joined.t))
        spacing = float(np.median(np.diff(times)))
        f, df = test_functions(joined.t, weight, times[0], times[-1], spacing)
        q.append(joined.spline(joined.t).T)
        v.append(joined.spline(joined.t, 1).T)
        t.append(joined.t)
        rows.append(f)
        slopes.append(df)
        if momenta is not None:
            known.append((positions.T, joined.spline(times, 1).T, times, momenta.T))
    total = sum(len(x) for x in t)

    def blocks(parts):
        out, at = [], 0
        for part in parts:
            wide = np.zeros((len(part), total))
            wide[:, at : at + part.shape[1]] = part
            at += part.shape[1]
            out.append(wide)
        return jnp.asarray(np.concatenate(out))

    none = (np.zeros((q[0].shape[0], 0)),) * 2 + (np.zeros(0), np.zeros((q[0].shape[0], 0)))
    joined_known = [np.concatenate(p, axis=-1) for p in zip(*known, strict=True)] or none
    kq, kv, kt, kp = joined_known
    return WeakForm(
        jnp.asarray(np.concatenate(q, axis=1))[..., None],
        jnp.asarray(np.concatenate(v, axis=1))[..., None],
        jnp.asarray(np.concatenate(t)),
        blocks(rows),
        blocks(slopes),
        (jnp.asarray(kq)[..., None], jnp.asarray(kv)[..., None], jnp.asarray(kt),
         jnp.asarray(kp)[..., None]),
    )  # fmt: skip


def _lengths(times: np.ndarray, points: int) -> np.ndarray:
    """Quadrature weights of points that divide the intervals between times evenly."""
    per = points // (len(times) - 1)
    return np.repeat(np.diff(times), per) / per


def weak_form_of_many(
    times: np.ndarray,
    q: Float[Array, "n samples batch"],
    momenta: Float[Array, "n samples batch"] | None,
) -> WeakForm:
    """The weak form of many motions at the same times (samples,): q, momenta (n, samples, batch),
    a motion a lane."""
    joined = spline_motion(times, np.eye(len(times)))
    f, slope = test_functions(joined.t, _lengths(times, len(joined.t)), times[0], times[-1],
                     float(times[1] - times[0]), FEW)  # fmt: skip

    def at(points: np.ndarray, order: int) -> jax.Array:
        return jnp.einsum("gs,nsb->ngb", jnp.asarray(joined.spline(points, order)), q)

    if momenta is None:
        nothing = q[:, :0]
        known = nothing, nothing, jnp.zeros(0), nothing
    else:
        known = q, at(times, 1), jnp.asarray(times), momenta
    return WeakForm(at(joined.t, 0), at(joined.t, 1), jnp.asarray(joined.t), jnp.asarray(f),
                jnp.asarray(slope), known)  # fmt: skip


def weak_residuals(
    ggl: BatchIntegrator, weak: WeakForm, theta: Coefficients
) -> Float[Array, "rows batch"]:
    """Weak residuals (rows, batch) for constants theta (k, batch), relative to their own terms; and
    how far the positions lie off the constraints, whose forces are projected out.

    Relative, since a family that is homogeneous in its coefficients is solved by zero otherwise.
    """
    q, v, t = weak.q, weak.v, weak.t[:, None]
    batch = theta.shape[1:]
    shape = (*q.shape[:-1], *batch)
    F, P = (jnp.broadcast_to(x, shape) for x in ggl.balance(q, v, t, theta[:, None]))
    pull = jnp.einsum("wg,ng...->nw...", weak.f, F)
    push = jnp.einsum("wg,ng...->nw...", weak.slope, P)
    size = jnp.sqrt(jnp.mean(pull**2 + push**2, axis=(0, 1))) + jnp.finfo(F.dtype).tiny
    rows = ((pull + push) / size).reshape((-1, *batch))
    off = ggl.constraint_residual(q, t, theta[:, None])
    off = jnp.broadcast_to(off, (*off.shape[:2], *batch)).reshape((-1, *batch))
    rows = jnp.concatenate([rows, off])
    kq, kv, kt, kp = weak.known
    if not kp.shape[1]:
        return rows
    P = ggl.mechanics.momentum(kq, kv, kt[:, None], theta[:, None])
    scale = jnp.sqrt(jnp.mean(kp**2, axis=(0, 1))) + jnp.finfo(kp.dtype).tiny
    return jnp.concatenate([rows, ((P - kp) / scale).reshape((-1, *batch))])


@eqx.filter_jit
def weak_fit(
    ggl: BatchIntegrator,
    weak: WeakForm,
    fixed: Float[Array, " parameters"],
    start: Coefficients,
    low: Coefficients,
    high: Coefficients,
) -> Fit:
    """Coefficients from the weak form, started from each lane of `start` (k, batch)."""

    def residual(c):
        parameters = jnp.broadcast_to(fixed[:, None], (*fixed.shape, *c.shape[1:]))
        return weak_residuals(ggl, weak, jnp.concatenate([parameters, c]))

    return levenberg_marquardt(residual, start, low, high, 60, 1e-10)
