"""Batched nonlinear least squares: Levenberg-Marquardt for many small networks at once.

Marquardt's scaling by the diagonal of J^T J (SIAM J. Appl. Math. 11, 431, 1963). A lane is one
genome from one start on one set of row weights. Lanes never see each other and every program has
one shape, so what a lane gives is the same, to the last bit, whatever else is in the batch. Lanes
that have converged leave it between calls, and others take their places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.linalg import solve
from actionrun.compiler.numerics.optimizers.damping import DampingSchedule
from jaxtyping import Array, Bool, Float, Int

from .network import ForceFunction, GenomeNetwork, no_force

ROUND = 6  # iterations of one call
TRIED = 12  # iterations after which a cost above `abandon_cost` ends a lane
SLOTS = (4, 8)  # trainable weights for which bent nets have a program of its own
TURN = 500  # rows of a turn, where there are many
LANE_ROWS = 8192  # rows times lanes of one call: what stays in a core's cache
DAMPING = DampingSchedule(start=1e-2, floor=1e-12, failed=1e-6)
GOING, CONVERGED, ABANDONED, FAILED = range(4)  # how a lane stands


class FitData(eqx.Module):
    """Rows to fit, all broadcast over the width (components of a vector); residuals are multiplied
    by the scales and by `roots`, the square roots of the row weights, of which there are sets."""

    inputs: Float[Array, "inputs rows width"]
    targets: Float[Array, "outputs rows width"]
    scales: Float[Array, " outputs"]
    roots: Float[Array, "sets rows"]


class FitProblem(eqx.Module):
    """What every network of a batch is fitted to; `force` None: none acts."""

    net: GenomeNetwork
    force: ForceFunction | None
    data: FitData


@dataclass(frozen=True)
class NetworkBatch:
    """n networks to fit, each from one start: activation codes, fixed weights (NaN where
    trainable), and first values of the trainable ones. `linear`: whether all of its units are;
    `sets`: which set of row weights counts, the first where left out."""

    codes: Int[np.ndarray, "n units"]
    fixed: Float[np.ndarray, "n weights"]
    starts: Float[np.ndarray, "n weights"]
    linear: Bool[np.ndarray, " n"]
    sets: Int[np.ndarray, " n"] | int = 0

    @property
    def first(self) -> Float[np.ndarray, "n weights"]:
        """All weights before the fit."""
        return np.where(np.isnan(self.fixed), self.starts, self.fixed)

    def lanes(self, indices: Int[np.ndarray, " lanes"], size: int) -> Lane:
        """Some of the networks for a program of `size` trainable weights."""
        codes, fixed = self.codes[indices], self.fixed[indices]
        free = np.isnan(fixed)
        slot = np.where(free, np.cumsum(free, axis=1) - 1, -1)
        of = np.full((len(indices), size), -1)
        lane, weight = np.nonzero(free)
        of[lane, slot[lane, weight]] = weight
        rows = np.broadcast_to(self.sets, len(self.fixed))[indices]
        return Lane(
            codes.astype(np.int32), fixed != 0, np.where(free, 0, fixed), slot.astype(np.int32),
            of.astype(np.int32), rows.astype(np.int32),
        )  # fmt: skip


@dataclass(frozen=True)
class FitOptions:
    """When a fit ends: after so many iterations, where a further step promises to take off no more
    than `tolerance` of the cost, or where the cost is above `abandon_cost` after 12 iterations. At
    most `batch_size` lanes are iterated at once."""

    iterations: int
    tolerance: float = 1e-7
    abandon_cost: float = float("inf")
    batch_size: int = 256


class Lane(NamedTuple):
    """One network: activation codes, which weights are not fixed zeros, the fixed values, the slot
    of theta that each weight takes (-1: none), the weight of each slot (-1: unused), and which set
    of row weights it is fitted to. In a batch their first axis is the lane."""

    codes: Any
    present: Any
    fixed: Any
    slot: Any
    of: Any
    rows: Any


class LMState(NamedTuple):
    """Where a lane stands: the best theta (k,), its cost, normal matrix and gradient, the next
    trial, its damping, iterations done, and whether it has ended."""

    theta: Any
    cost: Any
    normal: Any
    gradient: Any
    trial: Any
    damping: Any
    count: Any
    ended: Any


class BatchedFit(NamedTuple):
    """Fitted weights, the weighted sums of squares, and whether each fit has converged. A fit that
    comes upon a number that is not finite has failed: its sum of squares is infinite."""

    weights: Float[np.ndarray, "n weights"]
    cost: Float[np.ndarray, " n"]
    converged: Bool[np.ndarray, " n"]


class NetworkFitter(eqx.Module):
    """Fits networks. Where `linear`, all units are, and the normal matrix is formed from the sums
    over rows of the few functions that a linear net is made of."""

    problem: FitProblem
    linear: bool = eqx.field(static=True)
    tolerance: Float[Array, ""]
    abandon_cost: Float[Array, ""]

    def normal_equations(
        self, lane: Lane, theta: Float[Array, " k"]
    ) -> tuple[Float[Array, ""], Float[Array, "k k"], Float[Array, " k"]]:
        """Cost at theta, J^T J and J^T r."""
        used = lane.of >= 0
        weights = jnp.where(lane.slot >= 0, theta[lane.slot], lane.fixed)
        place = jnp.where(used, lane.of, 0)
        root = self.problem.data.roots[lane.rows][:, None]
        cost, normal, gradient = (self._summed if self.linear else self._rowed)(
            lane, weights, place, root
        )
        both = used[:, None] & used[None]
        return cost, jnp.where(both, normal, 0), jnp.where(used, gradient, 0)

    def _rowed(self, lane: Lane, weights: jax.Array, place: jax.Array, root: jax.Array):
        """By reverse mode, each row with weights of its own; many rows in turns, which stay in the
        cache."""
        net, force, data = self.problem.net, self.problem.force, self.problem.data
        scales = data.scales[:, None, None]
        count = data.inputs.shape[1]

        def of_rows(inputs, targets, root):
            size = inputs.shape[1]
            rows = jnp.broadcast_to(weights[:, None, None], (*weights.shape, size, 1))

            def outputs(rows):
                values = net.values(lane.codes, lane.present, rows, list(inputs), force)
                return jnp.stack(values)

            given, pull = jax.vjp(outputs, rows)
            residual = (given - targets) * (scales * root)
            ones = jnp.broadcast_to(scales * root, given.shape)
            normal, gradient = 0.0, 0.0
            for o in range(given.shape[0]):
                for c in range(given.shape[2]):
                    (slope,) = pull(jnp.zeros_like(given).at[o, :, c].set(ones[o, :, c]))
                    J = slope[:, :, 0][place]
                    normal = normal + J @ J.T
                    gradient = gradient + J @ residual[o, :, c]
            return jnp.sum(residual * residual), normal, gradient

        if count <= TURN:
            return of_rows(data.inputs, data.targets, root)
        turns = -(-count // TURN)
        short = ((0, 0), (0, turns * TURN - count), (0, 0))

        def turned(rows, mode):
            rows = jnp.pad(rows, short[-rows.ndim :], mode)
            return jnp.moveaxis(rows.reshape(rows.shape[0], turns, TURN, -1), 1, 0)

        parts = (turned(data.inputs, "edge"), turned(data.targets, "edge"))
        weights_of_rows = jnp.pad(root, short[1:], "constant").reshape(turns, TURN, 1)

        def added(total, part):
            return jax.tree.map(jnp.add, total, of_rows(*part)), None

        k = len(place)
        nothing = (jnp.zeros(()), jnp.zeros((k, k)), jnp.zeros(k))
        return jax.lax.scan(added, nothing, (*parts, weights_of_rows))[0]

    def _summed(self, lane: Lane, weights: jax.Array, place: jax.Array, root: jax.Array):
        """A linear net is A u + B F(P u) for its inputs u: the rows enter by (A, B, P) alone."""
        net, data = self.problem.net, self.problem.data
        force = self.problem.force or no_force
        (A, B, P), push = jax.linearize(lambda w: linear_map(net, lane.present, w), weights)
        u = data.inputs * root
        pushed, slopes = [], None
        if len(P):
            sums = [jnp.tensordot(row, data.inputs, 1) for row in P]
            pushed, tangent = jax.linearize(lambda *x: list(force(x)), *sums)
            slopes = jnp.stack(
                [
                    jnp.stack(
                        tangent(*[u[i] if k == j else jnp.zeros_like(u[i]) for k in range(len(P))])
                    )
                    for j in range(len(P))
                    for i in range(net.inputs)
                ]
            )
        kicks = jnp.stack([*pushed]) if pushed else jnp.zeros((0, *data.inputs.shape[1:]))
        given = jnp.tensordot(A, data.inputs, 1) + jnp.tensordot(B, kicks, 1)
        residual = (given - data.targets) * root * data.scales[:, None, None]
        basis = jax.vmap(push)(jnp.eye(len(weights), dtype=weights.dtype)[place])
        normal, gradient = 0.0, 0.0
        for o in range(len(A)):
            columns = [*u, *(kicks * root)]
            if slopes is not None:
                columns += [*jnp.tensordot(slopes, B[o], ((1,), (0,)))]
            columns = jnp.stack(columns).reshape(len(columns), -1) * data.scales[o]
            chain = jnp.concatenate(
                [basis[0][:, o], basis[1][:, o], basis[2].reshape(len(place), -1)], axis=1
            )
            normal = normal + chain @ _gram(columns) @ chain.T
            gradient = gradient + chain @ jnp.sum(columns * residual[o].reshape(-1), axis=1)
        return jnp.sum(residual * residual), normal, gradient

    def _with_trial(self, state: LMState) -> LMState:
        """The next trial; ended where it promises nothing."""
        scale = jnp.sqrt(jnp.maximum(jnp.diagonal(state.normal), 1e-300))
        scaled = state.normal / (scale[:, None] * scale[None])
        scaled = scaled + jnp.diag(jnp.where(jnp.diagonal(scaled) > 0, state.damping, 1.0))
        step = -solve(scaled, (state.gradient / scale)[:, None])[:, 0] / scale
        promise = -2 * state.gradient @ step - step @ state.normal @ step
        calm = (promise <= self.tolerance * state.cost) & (state.damping <= 1e-2)
        stuck = (state.damping > 1e9) | (state.cost == 0)
        sound = jnp.all(jnp.isfinite(step))
        sound = sound & jnp.isfinite(state.cost)  # else the start itself is no number
        over = jnp.where(sound, jnp.where(calm | stuck, CONVERGED, GOING), FAILED)
        ended = jnp.where(state.ended > 0, state.ended, over)
        return state._replace(trial=state.theta + step, ended=ended)

    def iteration(self, lane: Lane, state: LMState) -> LMState:
        """One iteration; a lane that has ended stays as it is."""
        cost, normal, gradient = self.normal_equations(lane, state.trial)
        better = cost < state.cost
        new = LMState(
            jnp.where(better, state.trial, state.theta),
            jnp.where(better, cost, state.cost),
            jnp.where(better, normal, state.normal),
            jnp.where(better, gradient, state.gradient),
            state.trial,
            DAMPING.next(state.damping, better),
            state.count + 1,
            state.ended,
        )
        new = self._with_trial(new)
        hopeless = (new.count >= TRIED) & (new.cost > self.abandon_cost) & (new.ended == GOING)
        new = new._replace(ended=jnp.where(hopeless, ABANDONED, new.ended))
        return jax.tree.map(lambda a, b: jnp.where(state.ended > 0, a, b), state, new)


def linear_map(
    net: GenomeNetwork, present: Bool[Array, " weights"], weights: Float[Array, " weights"]
) -> tuple[
    Float[Array, "outputs inputs"], Float[Array, "outputs forces"], Float[Array, "forces inputs"]
]:
    """(A, B, P) of a linear net, A u + B F(P u). Without a force B and P are empty."""
    basis = jnp.eye(net.inputs, dtype=weights.dtype)
    count = net.force_components
    wide = jnp.concatenate([basis, jnp.zeros((net.inputs, count), weights.dtype)], axis=1)
    positions: list[jax.Array] = []

    def force(arguments):
        positions.extend(arguments)
        return list(jnp.eye(net.inputs + count, dtype=weights.dtype)[net.inputs :])

    out = jnp.stack(net.values(None, present, weights, list(wide), force))
    P = jnp.stack(positions)[:, : net.inputs] if positions else jnp.zeros((0, net.inputs))
    return out[:, : net.inputs], out[:, net.inputs :], P


def _gram(columns: Float[Array, "k rows"]) -> Float[Array, "k k"]:
    """columns columns^T, as sums: a small product of matrices is slower."""
    k = columns.shape[0]
    upper = {(i, j): jnp.sum(columns[i] * columns[j]) for i in range(k) for j in range(i, k)}
    return jnp.stack([jnp.stack([upper[min(i, j), max(i, j)] for j in range(k)]) for i in range(k)])


@eqx.filter_jit
def _advance(fitter: NetworkFitter, lanes: Lane, states: LMState) -> LMState:
    step = jax.vmap(fitter.iteration)
    return jax.lax.fori_loop(0, ROUND, lambda _, s: step(lanes, s), states)


def fit_batch(problem: FitProblem, batch: NetworkBatch, options: FitOptions) -> BatchedFit:
    """The best weights of n lanes within so many iterations of Levenberg-Marquardt.

    A batch is always full, and where the last lanes take long, a small one is made of fewer idle
    ones.
    """
    count = np.isnan(batch.fixed).sum(axis=1)
    result = BatchedFit(batch.first, np.full(len(count), np.inf), np.zeros(len(count), bool))
    limits = map(jnp.asarray, (options.tolerance, options.abandon_cost))  # no program of their own
    tolerance, abandon_cost = limits
    for linear in (True, False):
        fitter = NetworkFitter(problem, linear, tolerance, abandon_cost)
        low = -1
        for size in program_sizes(problem.net, linear):
            indices = np.flatnonzero((count > low) & (count <= size) & (batch.linear == linear))
            if len(indices):
                _fit_lanes(fitter, batch.lanes(indices, size), result, indices, options)
            low = size
    return result


def program_sizes(net: GenomeNetwork, linear: bool) -> list[int]:
    """Trainable weights for which there is a program. A linear net hardly gets faster by fewer, and
    a program takes seconds to compile."""
    return sorted({min(k, net.weights) for k in (*(() if linear else SLOTS), net.weights)})


def _fit_lanes(
    fitter: NetworkFitter, lanes: Lane, result: BatchedFit, indices: np.ndarray, options: FitOptions
) -> None:
    """Iterate the lanes to their ends, a full batch at a time, and write them into `result`."""
    n, size = lanes.of.shape
    _, rows, width = fitter.problem.data.inputs.shape
    batch = min(2 ** int(np.clip(np.log2(LANE_ROWS / (rows * width)), 0, 8)), options.batch_size)
    theta = np.take_along_axis(result.weights[indices], np.maximum(lanes.of, 0), axis=1)
    states = LMState(
        theta, np.full(n, np.inf), np.zeros((n, size, size)), np.zeros((n, size)), theta.copy(),
        np.full(n, DAMPING.start), np.zeros(n, np.int64), np.zeros(n, np.int64),
    )  # fmt: skip
    waiting = list(range(n - 1, -1, -1))
    active: list[int] = []
    while waiting or active:
        while waiting and len(active) < batch:
            active.append(waiting.pop())
        padded = active + [active[0]] * (batch - len(active))
        gathered = [Lane(*(x[padded] for x in lanes)), LMState(*(x[padded] for x in states))]
        advanced = _advance(fitter, *gathered)
        for array, new in zip(states, advanced, strict=True):
            array[active] = np.asarray(new)[: len(active)]
        active = [k for k in active if not states.ended[k] and states.count[k] < options.iterations]
    lane, slot = np.nonzero(lanes.of >= 0)
    result.weights[indices[lane], lanes.of[lane, slot]] = states.theta[lane, slot]
    result.cost[indices] = np.where(states.ended == FAILED, np.inf, states.cost)
    result.converged[indices] = states.ended == CONVERGED
