"""Fits of many small networks at once: Levenberg-Marquardt over lanes.

A lane is one genome from one start on one set of row weights. Lanes never see each other and every
program has one shape, so what a lane gives is the same, to the last bit, whatever else is in the
batch. Lanes that have converged leave it between calls, and others take their places.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.linalg import solve

from .network import ForceFunction, GenomeNetwork

ROUND = 6  # iterations of one call
TRIED = 12  # iterations after which a cost above `hopeless` ends a lane
SLOTS = (4, 8)  # trainable weights for which bent nets have a program of its own
TURN = 500  # rows of a turn, where there are many
LANE_ROWS = 8192  # rows times lanes of one call: what stays in a core's cache


class FitData(eqx.Module):
    """Rows to fit: inputs (inputs, rows, width), targets (outputs, rows, width), all broadcast over
    the width (components of a vector); residuals are multiplied by scales (outputs,) and roots
    (sets, rows), the square roots of the row weights."""

    inputs: jax.Array
    targets: jax.Array
    scales: jax.Array
    roots: jax.Array


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
    """weights (n, weights), cost (n,), the weighted sum of squares; whether each converged."""

    weights: np.ndarray
    cost: np.ndarray
    converged: np.ndarray


class NetworkFitter(eqx.Module):
    """Fits networks to `data`. Where `linear`, all units are, and the normal matrix is formed from
    the sums over rows of the few functions that a linear net is made of."""

    net: GenomeNetwork
    force: ForceFunction | None
    data: FitData
    linear: bool = eqx.field(static=True)
    tolerance: jax.Array
    hopeless: jax.Array

    def measured(self, lane: Lane, theta: jax.Array):
        """Cost at theta (k,), J^T J (k, k) and J^T r (k,)."""
        used = lane.of >= 0
        weights = jnp.where(lane.slot >= 0, theta[lane.slot], lane.fixed)
        place = jnp.where(used, lane.of, 0)
        root = self.data.roots[lane.rows][:, None]
        cost, normal, gradient = (self._summed if self.linear else self._rowed)(
            lane, weights, place, root
        )
        both = used[:, None] & used[None]
        return cost, jnp.where(both, normal, 0), jnp.where(used, gradient, 0)

    def _rowed(self, lane: Lane, weights: jax.Array, place: jax.Array, root: jax.Array):
        """By reverse mode, each row with weights of its own; many rows in turns, which stay in the
        cache."""
        data, scales = self.data, self.data.scales[:, None, None]
        count = data.inputs.shape[1]

        def measured(inputs, targets, root):
            size = inputs.shape[1]
            rows = jnp.broadcast_to(weights[:, None, None], (*weights.shape, size, 1))

            def outputs(rows):
                values = self.net.values(lane.codes, lane.present, rows, list(inputs), self.force)
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
            return measured(data.inputs, data.targets, root)
        turns = -(-count // TURN)
        short = ((0, 0), (0, turns * TURN - count), (0, 0))

        def turned(rows, mode):
            rows = jnp.pad(rows, short[-rows.ndim :], mode)
            return jnp.moveaxis(rows.reshape(rows.shape[0], turns, TURN, -1), 1, 0)

        parts = (turned(data.inputs, "edge"), turned(data.targets, "edge"))
        weighed = jnp.pad(root, short[1:], "constant").reshape(turns, TURN, 1)

        def added(total, part):
            return jax.tree.map(jnp.add, total, measured(*part)), None

        k = len(place)
        nothing = (jnp.zeros(()), jnp.zeros((k, k)), jnp.zeros(k))
        return jax.lax.scan(added, nothing, (*parts, weighed))[0]

    def _summed(self, lane: Lane, weights: jax.Array, place: jax.Array, root: jax.Array):
        """A linear net is A u + B F(P u) for its inputs u: the rows enter by (A, B, P) alone."""
        data, net = self.data, self.net
        (A, B, P), push = jax.linearize(lambda w: linear_map(net, lane.present, w), weights)
        u = data.inputs * root
        pushed, slopes = [], None
        if self.force is not None:
            sums = [jnp.tensordot(row, data.inputs, 1) for row in P]
            pushed, tangent = jax.linearize(lambda *x: list(self.force(x)), *sums)  # type: ignore
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

    def _aimed(self, walk: LMState) -> LMState:
        """The next trial; ended where it promises nothing."""
        scale = jnp.sqrt(jnp.maximum(jnp.diagonal(walk.normal), 1e-300))
        scaled = walk.normal / (scale[:, None] * scale[None])
        scaled = scaled + jnp.diag(jnp.where(jnp.diagonal(scaled) > 0, walk.damping, 1.0))
        step = -solve(scaled, (walk.gradient / scale)[:, None])[:, 0] / scale
        promise = -2 * walk.gradient @ step - step @ walk.normal @ step
        calm = (promise <= self.tolerance * walk.cost) & (walk.damping <= 1e-2)
        stuck = (walk.damping > 1e9) | (walk.cost == 0)
        sound = jnp.all(jnp.isfinite(step))
        ended = jnp.where(walk.ended > 0, walk.ended, jnp.where(calm | stuck | ~sound, 1, 0))
        return walk._replace(trial=walk.theta + step, ended=ended)

    def stepped(self, lane: Lane, walk: LMState) -> LMState:
        """One iteration; a lane that has ended stays as it is."""
        cost, normal, gradient = self.measured(lane, walk.trial)
        better = cost < walk.cost
        eased = jnp.where(
            better, jnp.maximum(walk.damping * 0.1, 1e-12), jnp.maximum(walk.damping * 8, 1e-6)
        )
        new = LMState(
            jnp.where(better, walk.trial, walk.theta),
            jnp.where(better, cost, walk.cost),
            jnp.where(better, normal, walk.normal),
            jnp.where(better, gradient, walk.gradient),
            walk.trial,
            eased,
            walk.count + 1,
            walk.ended,
        )
        new = self._aimed(new)
        lost = (new.count >= TRIED) & (new.cost > self.hopeless)
        new = new._replace(ended=jnp.where(lost & (new.ended == 0), 2, new.ended))
        return jax.tree.map(lambda a, b: jnp.where(walk.ended > 0, a, b), walk, new)


def linear_map(net: GenomeNetwork, present: jax.Array, weights: jax.Array):
    """(A, B, P) of a linear net, A u + B F(P u): A (outputs, inputs), B (outputs, pushes), P
    (pushes, inputs). Without a force B and P are empty."""
    basis = jnp.eye(net.inputs, dtype=weights.dtype)
    count = net.force_components
    wide = jnp.concatenate([basis, jnp.zeros((net.inputs, count), weights.dtype)], axis=1)
    heard: list[jax.Array] = []

    def force(arguments):
        heard.extend(arguments)
        return list(jnp.eye(net.inputs + count, dtype=weights.dtype)[net.inputs :])

    out = jnp.stack(net.values(None, present, weights, list(wide), force))
    P = jnp.stack(heard)[:, : net.inputs] if heard else jnp.zeros((0, net.inputs))
    return out[:, : net.inputs], out[:, net.inputs :], P


def _gram(columns: jax.Array) -> jax.Array:
    """columns columns^T, (k, rows) to (k, k), as sums: a small product of matrices is slower."""
    k = columns.shape[0]
    upper = {(i, j): jnp.sum(columns[i] * columns[j]) for i in range(k) for j in range(i, k)}
    return jnp.stack([jnp.stack([upper[min(i, j), max(i, j)] for j in range(k)]) for i in range(k)])


@eqx.filter_jit
def _advance(fitter: NetworkFitter, lanes: Lane, walks: LMState) -> LMState:
    step = jax.vmap(fitter.stepped)
    return jax.lax.fori_loop(0, ROUND, lambda _, w: step(lanes, w), walks)


def fit_batch(
    net: GenomeNetwork,
    force: ForceFunction | None,
    data: FitData,
    genomes: tuple[np.ndarray, np.ndarray, np.ndarray],
    starts: np.ndarray,
    rows: np.ndarray,
    iterations: int,
    tolerance: float = 1e-7,
    hopeless: float = float("inf"),
    together: int = 256,
) -> BatchedFit:
    """The best weights of n lanes within `iterations` of Levenberg-Marquardt; a lane whose cost is
    above `hopeless` after 12 of them is given up. At most `together` lanes march at once: a batch
    is always full, and where the last lanes take long, a small one is made of fewer idle ones.

    `genomes`: activation codes (n, units), fixed weights (n, weights), NaN where trainable, and
    whether all units are linear (n,). `starts` (n, weights) holds the first values of trainable
    weights, `rows` (n,) says which set of row weights counts.
    """
    codes, fixed, linear = genomes
    free = np.isnan(fixed)
    count = free.sum(axis=1)
    result = BatchedFit(
        np.where(free, starts, fixed), np.full(len(fixed), np.inf), np.zeros(len(fixed), bool)
    )
    low = 0
    limits = jnp.asarray(tolerance), jnp.asarray(hopeless)  # arrays: no program of their own
    for straight in (True, False):
        low = -1
        for size in program_sizes(net, straight):
            indices = np.flatnonzero((count > low) & (count <= size) & (linear == straight))
            if len(indices):
                fitter = NetworkFitter(net, force, data, straight, *limits)
                lanes = _lanes(codes, fixed, rows, size, indices)
                _run(fitter, lanes, result, indices, size, iterations, together)
            low = size
    return result


def program_sizes(net: GenomeNetwork, linear: bool) -> list[int]:
    """Trainable weights for which there is a program. A linear net hardly gets faster by fewer, and
    a program takes seconds to compile."""
    return sorted({min(k, net.weights) for k in (*(() if linear else SLOTS), net.weights)})


def _lanes(codes, fixed, rows, size: int, indices: np.ndarray) -> Lane:
    codes, fixed, rows = codes[indices], fixed[indices], rows[indices]
    free = np.isnan(fixed)
    slot = np.where(free, np.cumsum(free, axis=1) - 1, -1)
    of = np.full((len(indices), size), -1)
    lane, weight = np.nonzero(free)
    of[lane, slot[lane, weight]] = weight
    return Lane(
        codes.astype(np.int32), fixed != 0, np.where(free, 0, fixed), slot.astype(np.int32),
        of.astype(np.int32), rows.astype(np.int32),
    )  # fmt: skip


def _run(
    fitter: NetworkFitter, lanes: Lane, result: BatchedFit, indices: np.ndarray, size: int,
    iterations: int, together: int,
) -> None:  # fmt: skip
    """March the lanes to their ends, a full batch at a time, and write them into `found`."""
    n, rows = len(indices), fitter.data.inputs.shape[1] * fitter.data.inputs.shape[2]
    batch = min(2 ** int(np.clip(np.log2(LANE_ROWS / rows), 0, 8)), together)
    theta = np.take_along_axis(result.weights[indices], np.maximum(lanes.of, 0), axis=1)
    walks = LMState(
        theta, np.full(n, np.inf), np.zeros((n, size, size)), np.zeros((n, size)), theta.copy(),
        np.full(n, 1e-2), np.zeros(n, np.int64), np.zeros(n, np.int64),
    )  # fmt: skip
    waiting = list(range(n - 1, -1, -1))
    active: list[int] = []
    while waiting or active:
        while waiting and len(active) < batch:
            active.append(waiting.pop())
        padded = active + [active[0]] * (batch - len(active))
        gathered = [Lane(*(x[padded] for x in lanes)), LMState(*(x[padded] for x in walks))]
        marched = _advance(fitter, *gathered)
        for array, new in zip(walks, marched, strict=True):
            array[active] = np.asarray(new)[: len(active)]
        active = [k for k in active if not walks.ended[k] and walks.count[k] < iterations]
    used = lanes.of >= 0
    lane, slot = np.nonzero(used)
    result.weights[indices[lane], lanes.of[lane, slot]] = walks.theta[lane, slot]
    result.cost[indices] = walks.cost
    result.converged[indices] = (walks.ended == 1) & np.isfinite(walks.cost)
