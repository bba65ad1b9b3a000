"""The weak form of the equations of motion on sampled motion: coefficients without integration.

For a test function f that vanishes with its slope at the ends of its window,

    int (P(q, q', t; c) f' + F(q, q', t; c) f) dt = 0

for the true coefficients c (Messenger and Bortz, J. Comput. Phys. 443, 110525, 2021). Positions are
joined by a cubic spline, so that no noisy derivative is ever taken alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
MOST_POINTS = 3000
WINDOWS = 160  # per width
FEW = 16  # per width, where thousands of motions go through at once


class WeakForm(NamedTuple):
    """Quadrature points of all motions and the test functions on them, motion by motion.

    q, v (n, motions * points, batch), t (motions * points,); f, slope (motions, windows, points)
    with quadrature weights folded in; `known`: q, v (n, rows, batch), t (rows,), momenta (n, rows,
    batch) where they were seen; `precision`, `known_precision` (n,): of the rows of each
    coordinate; `driven`, `known_driven`: constants (m, points), (m, rows) of the law behind those
    of theta. The batch is 1 where all lanes share one motion.
    """

    q: jax.Array
    v: jax.Array
    t: jax.Array
    f: jax.Array
    slope: jax.Array
    known: tuple[jax.Array, jax.Array, jax.Array, jax.Array]
    precision: jax.Array
    known_precision: jax.Array
    driven: jax.Array | None = None
    known_driven: jax.Array | None = None

    def theta(self, theta: jax.Array) -> jax.Array:
        """Constants (constants, points or 1, batch) at the points, of theta (k, batch)."""
        return _with_driven(theta, self.driven)

    def known_theta(self, theta: jax.Array) -> jax.Array:
        """Those where momenta were seen."""
        return _with_driven(theta, self.known_driven)


def _with_driven(theta: jax.Array, driven: jax.Array | None) -> jax.Array:
    if driven is None:
        return theta[:, None]
    shape, batch = driven.shape[1], theta.shape[1:]
    wide = jnp.broadcast_to(theta[:, None], (len(theta), shape, *batch))
    driven = driven[(..., *(None,) * len(batch))]
    return jnp.concatenate([wide, jnp.broadcast_to(driven, (len(driven), shape, *batch))])


class SampledMotion(NamedTuple):
    """A motion as it was seen: curves of its coordinates, each a function of times with its
    derivatives (as SciPy's splines are), at times between which points are put; momenta (rows, n)
    at their times, if any; driven constants (m, times) of the law as a function of times; its
    typical angular frequency, 0 where that is not known."""

    curves: tuple[Callable[..., np.ndarray], ...]
    times: np.ndarray
    momenta: tuple[np.ndarray, np.ndarray] | None = None
    driven: Callable[[np.ndarray], np.ndarray] | None = None
    rate: float = 0.0


class SplinedMotion(NamedTuple):
    """A sampled motion joined up: q, v (n, points) at t (points,), and at the samples."""

    spline: CubicSpline
    t: np.ndarray
    samples: np.ndarray


def spline_motion(
    t: Float[np.ndarray, " samples"], q: Float[np.ndarray, "samples n"]
) -> SplinedMotion:
    """Samples t (N,), q (N, n) as a spline with quadrature points between them."""
    spline = CubicSpline(t, q, axis=0)
    per = max(1, min(PER_INTERVAL, MOST_POINTS // max(len(t) - 1, 1)))
    inner = (np.arange(per) + 0.5) / per
    points = (t[:-1, None] + np.diff(t)[:, None] * inner).ravel()
    return SplinedMotion(spline, points, t)


def test_functions(
    t: Float[np.ndarray, " points"],
    weight: Float[np.ndarray, " points"],
    low: float,
    high: float,
    spacing: float,
    windows: int = WINDOWS,
    rate: float = 0.0,
) -> tuple[Float[np.ndarray, "tests points"], Float[np.ndarray, "tests points"]]:
    """Test functions (1 - u^2)^4 and their slopes on points t, at widths in powers of two.

    White noise of the positions enters the equation of a motion of some `rate` (angular frequency)
    by f'' + rate^2 f, and by rate f' where it is damped: each is divided by the norm of these, so
    that all have the same weight. Without the rate, wide windows, in which a fast motion is
    averaged away and its noise is not, would count most.
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
        noise = ddf**2 + 2 * rate**2 * df**2 + rate**4 * f**2 if rate else ddf**2
        norm = np.sqrt((noise * weight).sum(axis=1, keepdims=True)) + 1e-300
        enough = inside.sum(axis=1) >= 8
        functions.append((f * weight / norm)[enough])
        slopes.append((df * weight / norm)[enough])
        if 2 * half >= high - low:
            return np.concatenate(functions), np.concatenate(slopes)
        width *= 2


def weak_form(
    motions: Sequence[SampledMotion],
    precision: Float[np.ndarray, " n"],
    known_precision: Float[np.ndarray, " n"],
) -> WeakForm:
    """The weak form of motions; memory and time are linear in them."""
    per = max(1, min(PER_INTERVAL, MOST_POINTS // max(sum(len(m.times) - 1 for m in motions), 1)))
    windows = max(FEW, WINDOWS // len(motions))
    q, v, t, rows, slopes = [], [], [], [], []
    known: list[tuple[np.ndarray, ...]] = []
    driven: list[np.ndarray] = []
    known_driven: list[np.ndarray] = []
    for motion in motions:
        times = motion.times
        inner = (np.arange(per) + 0.5) / per
        points = (times[:-1, None] + np.diff(times)[:, None] * inner).ravel()
        spacing = float(np.median(np.diff(times)))
        f, df = test_functions(points, _lengths(times, len(points)), times[0], times[-1], spacing,
                               windows, motion.rate)  # fmt: skip
        q.append(np.stack([curve(points) for curve in motion.curves]))
        v.append(np.stack([curve(points, 1) for curve in motion.curves]))
        t.append(points)
        rows.append(f)
        slopes.append(df)
        if motion.driven is not None:
            driven.append(motion.driven(points))
        if motion.momenta is not None:
            at, momenta = motion.momenta
            if motion.driven is not None:
                known_driven.append(motion.driven(at))
            known.append((
                np.stack([curve(at) for curve in motion.curves]),
                np.stack([curve(at, 1) for curve in motion.curves]), at, momenta.T,
            ))  # fmt: skip
    most, widest = max(len(x) for x in t), max(len(f) for f in rows)

    def filled(parts: list[np.ndarray]) -> np.ndarray:
        """Points of shorter motions repeat their last, where no test function reaches."""
        return np.concatenate(
            [
                np.concatenate([p, np.repeat(p[..., -1:], most - p.shape[-1], -1)], -1)
                for p in parts
            ],
            axis=-1,
        )

    def tests(parts: list[np.ndarray]) -> jax.Array:
        out = np.zeros((len(parts), widest, most))
        for k, part in enumerate(parts):
            out[k, : len(part), : part.shape[1]] = part
        return jnp.asarray(out)

    none = (np.zeros((q[0].shape[0], 0)),) * 2 + (np.zeros(0), np.zeros((q[0].shape[0], 0)))
    kq, kv, kt, kp = [np.concatenate(p, axis=-1) for p in zip(*known, strict=True)] or none
    return WeakForm(
        jnp.asarray(filled(q))[..., None], jnp.asarray(filled(v))[..., None],
        jnp.asarray(filled(t)), tests(rows), tests(slopes),
        (jnp.asarray(kq)[..., None], jnp.asarray(kv)[..., None], jnp.asarray(kt),
         jnp.asarray(kp)[..., None]),
        jnp.asarray(precision), jnp.asarray(known_precision),
        jnp.asarray(filled(driven)) if driven else None,
        jnp.asarray(np.concatenate(known_driven, axis=-1)) if known_driven else None,
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
    return WeakForm(at(joined.t, 0), at(joined.t, 1), jnp.asarray(joined.t), jnp.asarray(f)[None],
                jnp.asarray(slope)[None], known, jnp.ones(len(q)), jnp.ones(len(q)))  # fmt: skip


def weak_terms(
    ggl: BatchIntegrator, weak: WeakForm, theta: Coefficients
) -> tuple[Float[Array, "n windows batch"], Float[Array, "n windows batch"]]:
    """int F f dt and int P f' dt of every window for constants theta (k, batch)."""
    q, v, t = weak.q, weak.v, weak.t[:, None]
    motions, batch = weak.f.shape[0], theta.shape[1:]
    shape = (*q.shape[:-1], *batch)
    F, P = (jnp.broadcast_to(x, shape) for x in ggl.balance(q, v, t, weak.theta(theta)))
    F, P = (x.reshape((len(q), motions, -1, *batch)) for x in (F, P))
    weight = weak.precision[:, None, None]
    pull, push = (
        jnp.einsum("mwg,nmg...->nmw...", f, x).reshape((len(q), -1, *batch)) * weight
        for f, x in ((weak.f, F), (weak.slope, P))
    )
    return pull, push


def weak_residuals(
    ggl: BatchIntegrator, weak: WeakForm, theta: Coefficients
) -> Float[Array, "rows batch"]:
    """Weak residuals (rows, batch) for constants theta (k, batch), relative to their own terms; and
    how far the positions lie off the constraints, whose forces are projected out.

    Relative, since a family that is homogeneous in its coefficients is solved by zero otherwise.
    """
    q, t, batch = weak.q, weak.t[:, None], theta.shape[1:]
    pull, push = weak_terms(ggl, weak, theta)
    tiny = jnp.finfo(pull.dtype).tiny
    # divided by the largest first: squares of very small motions are zero
    most = jnp.maximum(jnp.max(jnp.abs(pull), axis=(0, 1)), jnp.max(jnp.abs(push), axis=(0, 1)))
    pull, push = pull / (most + tiny), push / (most + tiny)
    size = jnp.sqrt(jnp.mean(pull**2 + push**2, axis=(0, 1))) + tiny
    rows = ((pull + push) / size).reshape((-1, *batch))
    off = ggl.constraint_residual(q, t, weak.theta(theta))
    off = jnp.broadcast_to(off, (*off.shape[:2], *batch)).reshape((-1, *batch))
    rows = jnp.concatenate([rows, off])
    kq, kv, kt, kp = weak.known
    if not kp.shape[1]:
        return rows
    P = ggl.mechanics.momentum(kq, kv, kt[:, None], weak.known_theta(theta))
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
