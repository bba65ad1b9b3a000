"""Multiple shooting: a motion in segments, each with a start of its own, which have to meet.

Bock (Springer Series in Chemical Physics 18, 102, 1981). The segments' starts come from the
smoothed data, so that no sensitivity grows beyond a segment; the misfit where one ends and the next
begins is weighed more and more.
"""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.family.observations import ObservedMotions
from actionrun.compiler.numerics.inference.trajectory_residual import TrajectoryResidual
from actionrun.compiler.numerics.optimizers.block_least_squares import (
    BlockFit,
    BlockResiduals,
    Prior,
    Unknowns,
    block_least_squares,
)
from actionrun.compiler.numerics.optimizers.inequality_constraints import value_and_jacobian

from .starts import SmoothMotion

# of the joints, by standard deviations of the samples; small steps, since a stiff joint bends
STIFFNESS = tuple(0.1 * 10 ** (i / 2) for i in range(11))
ITERATIONS = 15  # at each
MOST_SEGMENTS = 64
LEAST_SAMPLES = 6  # of a segment


class ScaledShooting(eqx.Module):
    """A trajectory's residuals in local unknowns over their scales (m,); with `states` (4 n, 1,
    lanes or 1), the states at the ends and starts of segments too, over those scales."""

    trajectory: TrajectoryResidual
    local: jax.Array
    states: jax.Array | None = None

    def unscaled(self, x):
        k = self.trajectory.k
        return jnp.concatenate([x[:k], x[k:] * self.local[(..., *(None,) * (x.ndim - 1))]])

    def __call__(self, x):
        x = self.unscaled(x)
        if self.states is None:
            return self.trajectory.residual(x)
        out = self.trajectory.rows_with_states(x)
        rows = out.shape[0] - self.states.shape[0]
        return jnp.concatenate([out[:rows], out[rows:] * self.states])


@eqx.filter_jit
def shooting_fit(
    shooting: ScaledShooting, x: Unknowns, low, high, iterations, tolerance, prior: Prior | None
) -> BlockFit:
    """The fit of whole trials, each shot once."""
    return block_least_squares(
        BlockResiduals(shooting), x, low, high, iterations, tolerance, prior,
        shooting.trajectory.inequalities,
    )  # fmt: skip


@eqx.filter_jit
def segmented_fit(
    shooting: ScaledShooting, linked, stiffness, x: Unknowns, low, high, iterations
) -> BlockFit:
    """The fit of segments whose joints are held with some stiffness."""
    state = 0 if shooting.states is None else shooting.states.shape[0] // 2
    return block_least_squares(
        BlockResiduals(shooting, state, linked, stiffness), x, low, high, iterations, 1e-6, None,
        shooting.trajectory.inequalities,
    )  # fmt: skip


@eqx.filter_jit
def linearized(shooting: ScaledShooting, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Residuals at x (k + m, blocks, lanes), their Jacobian (rows, k + m, blocks, lanes), and the
    modelled channels."""
    rows, jacobian = value_and_jacobian(shooting, x)
    return rows, jacobian, shooting.trajectory.motion(shooting.unscaled(x))[0]


@eqx.filter_jit
def rows_at(shooting: ScaledShooting, x: jax.Array) -> jax.Array:
    """The residuals at x (k + m, blocks, lanes)."""
    return shooting(x)


@eqx.filter_jit
def first_momenta(shooting: ScaledShooting, x: jax.Array) -> jax.Array:
    """The momenta (n, blocks, lanes) that blocks begin with."""
    return shooting.trajectory.initial_momenta(shooting.unscaled(x))


def segment_count(o: ObservedMotions, motions: Mapping[int, SmoothMotion]) -> int:
    """So many segments that none is longer than about half a swing, by how often the smoothed
    velocities cross their means: angles that go round have no mean of their own."""
    crossings = 0
    for motion in motions.values():
        for curve in motion.smooth:
            v = curve(motion.times, 1)
            v = v - v.mean()
            crossings = max(crossings, int(np.sum(v[1:] * v[:-1] < 0)))
    longest = int(np.max(np.sum(o.there.any(axis=1), axis=0)))
    return int(np.clip(crossings + 1, 4, max(min(longest // LEAST_SAMPLES, MOST_SEGMENTS), 1)))


def segmented(o: ObservedMotions, weight: np.ndarray, segments: int):
    """Times, values, weights of segments (samples, [channels,] segments * trials), the last row the
    time at which the next begins, without weight; and which are linked (segments - 1, trials)."""
    trials = o.t.shape[1]
    pieces = []
    linked = np.zeros((max(segments - 1, 0), trials))
    for trial in range(trials):
        rows = np.flatnonzero(o.there[..., trial].any(axis=1))
        parts = int(np.clip(len(rows) // LEAST_SAMPLES, 1, segments))
        linked[: parts - 1, trial] = 1
        cuts = [rows[(len(rows) * i) // parts] for i in range(parts)]
        cuts[0] = 0
        for i in range(segments):
            if i >= parts:
                pieces.append((i, trial, np.zeros(0, int), int(rows[-1])))
                continue
            end = cuts[i + 1] if i + 1 < parts else int(rows[-1]) + 1
            stop = cuts[i + 1] if i + 1 < parts else int(rows[-1])
            pieces.append((i, trial, np.arange(cuts[i], end), stop))
    most = max(len(rows) for _, _, rows, _ in pieces) + 1
    t = np.zeros((most, segments, trials))
    values = np.zeros((most, o.values.shape[1], segments, trials))
    weights = np.zeros_like(values)
    for i, trial, rows, stop in pieces:
        t[:, i, trial] = o.t[stop, trial]
        t[: len(rows), i, trial] = o.t[rows, trial]
        values[: len(rows), :, i, trial] = o.values[rows, :, trial]
        weights[: len(rows), :, i, trial] = weight[rows, :, trial]
    blocks = segments * trials
    return (t.reshape(most, blocks), values.reshape(most, -1, blocks),
            weights.reshape(most, -1, blocks), linked)  # fmt: skip
