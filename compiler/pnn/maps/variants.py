"""The papers' variants of a map that was found: trained as a chain of steps, and with the force
learned together with it.

The papers' force sub-net is a small network trained on the force beforehand, then frozen. The chain
is that of arXiv 2005.11144 (its outputs are the next link's inputs, all links share their
weights), the learned force is what Sci. Rep. 11, 12761 (2021) proposes on its p. 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.genomes.map_network import FittedGenome, MapNetwork
from actionrun.compiler.numerics.networks.mlp import (
    Feedforward,
    Layers,
    Scaling,
    fit_layers,
    glorot_layers,
)
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares

from .data import MotionPairs, MovingSystem, StatePairs, joined
from .evaluation import MapStep, StepFunction
from .model import MapModel, thinned

LINKS = 10
WINDOWS = 1000  # starts of chains
ROWS = 300  # to learn a force from
MOST = 100  # evaluations of one fit
FORCE_LAYERS = (10, 10)  # of tanh units
FORCE_STEPS = 6000
FORCE_RATE = 5e-3


class ForceNetwork(eqx.Module):
    """A network in place of F(q), for lists of coordinates (..., width)."""

    network: Feedforward
    width: int = eqx.field(static=True)

    def __call__(self, arguments):
        out = self.network(jnp.concatenate(jnp.broadcast_arrays(*arguments), axis=-1))
        w = self.width
        return [out[..., k * w : (k + 1) * w] for k in range(len(arguments))]


def trained_force(moving: MovingSystem, data: MotionPairs, seed: int) -> tuple[ForceNetwork, str]:
    """The sub-net, 10 and 10 tanh units, and a note on how far it is from the force."""
    rows = joined(data.train)
    q = jnp.asarray(rows.q[:: max(1, len(rows) // 8000)])
    width = moving.width
    parts = [q[:, k : k + width] for k in range(0, moving.n, width)]
    wanted = jnp.concatenate(moving.force(parts), axis=-1)
    key = jax.random.fold_in(jax.random.key(seed), 200)
    layers, ins, outs = fit_layers(
        key,
        q,
        wanted,
        FORCE_LAYERS,
        FORCE_STEPS,
        rate=FORCE_RATE,
        active=jnp.tanh,
        dtype=jnp.float64,
    )
    field = ForceNetwork(Feedforward(layers, ins, outs, jnp.tanh), width)
    wrong = jnp.concatenate(field(parts), axis=-1) - wanted
    relative = float(np.sqrt(np.mean(np.asarray(wrong) ** 2)) / np.std(np.asarray(wanted)))
    note = (
        f"the force is a network of {FORCE_LAYERS[0]} and {FORCE_LAYERS[1]} tanh units, off by "
        f"{relative:.1e} of the force's spread on its own data"
    )
    return field, note


class CentralForceNetwork(eqx.Module):
    """A network in place of a force along one vector (..., width), of its length."""

    network: Feedforward

    def __call__(self, arguments):
        (q,) = arguments
        length = jnp.sqrt(jnp.sum(q * q, axis=-1, keepdims=True))
        return [self.network(length) * q / length]


@dataclass(frozen=True)
class LearnedForce:
    """A map whose force was learned with it. Only factor times force can be known, so `scale` is
    what brings the learned force nearest to the true one, and `off` is what is then left of it, by
    the spread of the true one. `field` is the network, `weights` the genome's."""

    step: StepFunction
    field: ForceNetwork | CentralForceNetwork
    weights: np.ndarray
    scale: float
    off: float


def chain_windows(
    model: MapModel, links: int, most: int = WINDOWS
) -> tuple[StatePairs, np.ndarray, np.ndarray]:
    """Rows from which the motion is known for so many steps, and the states (links, rows, n) of
    positions and of velocities that follow."""
    rows = joined((*model.motions.train, *model.motions.validation))
    before = np.concatenate([rows.q, rows.v], axis=1)
    after = np.concatenate([rows.next_q, rows.next_v], axis=1)
    place = {state.tobytes(): k for k, state in enumerate(before)}
    start = np.concatenate([model.train.q, model.train.v], axis=1)
    chains, n = [], model.system.n
    for state in start[:: max(1, len(start) // most)]:
        chain = [state]
        while len(chain) <= links and (k := place.get(chain[-1].tobytes())) is not None:
            chain.append(after[k])
        if len(chain) > links:
            chains.append(np.stack(chain))
    states = np.stack(chains) if chains else np.zeros((0, links + 1, 2 * n))
    first, rest = states[:, 0], np.moveaxis(states[:, 1:], 0, 1)
    first_pairs = StatePairs(first[:, :n], first[:, n:], rest[0][:, :n], rest[0][:, n:])
    return first_pairs, rest[..., :n], rest[..., n:]


class _Fit(eqx.Module):
    """Residuals of a map over a chain of steps, in spreads of the increments."""

    map: MapNetwork
    codes: jax.Array
    present: jax.Array
    fixed: jax.Array
    free: tuple[int, ...] = eqx.field(static=True)
    start: tuple[jax.Array, jax.Array]
    wanted: tuple[jax.Array, jax.Array]
    spread: jax.Array

    def weights(self, theta: jax.Array) -> jax.Array:
        return self.fixed.at[jnp.asarray(self.free, dtype=int)].set(theta)

    def residuals(self, theta: jax.Array, field=None) -> jax.Array:
        whole = self.map if field is None else replace(self.map, force=field)
        genes = FittedGenome(self.codes, self.present, self.weights(theta))

        def link(state, _):
            state = whole.step(genes, *state)
            return state, state

        links = len(self.wanted[0])
        _, motion = jax.lax.scan(link, self.start, length=links)
        parts = [(f - w) / s for f, w, s in zip(motion, self.wanted, self.spread, strict=True)]
        return jnp.stack(parts).ravel() / np.sqrt(parts[0].size)


def _fit(
    model: MapModel, row: np.ndarray, weights: np.ndarray, links: int, most: int = WINDOWS
) -> _Fit:
    first_pairs, qs, vs = chain_windows(model, links, most)
    fixed = model.layout.fixed(row)
    return _Fit(
        model.map, jnp.asarray(row[: model.layout.units], dtype=jnp.int32),
        jnp.asarray(fixed != 0), jnp.asarray(weights),
        tuple(int(k) for k in np.flatnonzero(np.isnan(fixed))),
        (jnp.asarray(first_pairs.q), jnp.asarray(first_pairs.v)),
        (jnp.asarray(qs), jnp.asarray(vs)),
        jnp.asarray(model.spread),
    )  # fmt: skip


def chain_fit(model: MapModel, row: np.ndarray, weights: np.ndarray, links: int = LINKS):
    """The weights of a genome fitted over chains of steps, (weights,); None where there is nothing
    to fit, or no motion is that long."""
    fit = _fit(model, row, weights, links)
    if not fit.free or not len(fit.start[0]):
        return None
    value = jax.jit(lambda x: fit.residuals(x))
    slope = jax.jit(lambda x: jax.jacfwd(fit.residuals)(x))
    first = weights[list(fit.free)]
    result = least_squares(
        lambda x: np.asarray(value(jnp.asarray(x))), first, lambda x: np.asarray(slope(x)),
        method="lm", x_scale=np.maximum(np.abs(first), 1e-12), xtol=1e-14, ftol=1e-14, gtol=1e-14,
        max_nfev=MOST,
    )  # fmt: skip
    return np.asarray(fit.weights(jnp.asarray(result.x)))


def learned_force_fit(model: MapModel, row: np.ndarray, weights: np.ndarray) -> LearnedForce | None:
    """The fixed weights of a genome kept, its trainable ones and a force sub-net of the papers'
    size learned together from the pairs of states alone, none of it trained beforehand. None where
    the genome does not feel a force.

    For a vector there are two sub-nets, of its components, and of its length for a force along it;
    the one that fits the pairs better is kept.
    """
    if model.map.force is None or not _depends_on_force(model, row):
        return None
    fit = _fit(model, row, weights, 1, ROWS)
    fits = [_joint_fit(model, fit, weights, *begun) for begun in _force_networks(model, fit)]
    _, learned, own = min(fits, key=lambda one: one[0])
    n, width = model.system.n, model.system.width
    rows = jnp.asarray(thinned(model.train, WINDOWS).q)
    parts = [rows[:, k : k + width] for k in range(0, n, width)]
    there, wanted = (np.concatenate(f(parts), axis=-1) for f in (learned, model.system.force))
    size = float(np.vdot(there, there))  # 0 where nothing was ever pushed
    scale = float(np.vdot(there, wanted)) / size if size else 0.0
    off = float(np.sqrt(np.mean((scale * there - wanted) ** 2)) / wanted.std())
    genes = FittedGenome(fit.codes, fit.present, jnp.asarray(own))
    return LearnedForce(MapStep(replace(model.map, force=learned), genes), learned, own, scale, off)


def _force_networks(
    model: MapModel, fit: _Fit
) -> list[tuple[ForceNetwork | CentralForceNetwork, Layers]]:
    """Force sub-nets before they have learned, and the layers to start them from."""
    q, n = fit.start[0], model.system.n
    dt = model.system.dt
    pace = np.asarray(fit.wanted[1][0] - fit.start[1]) / dt * np.diag(model.system.mass)
    key = jax.random.fold_in(jax.random.key(model.settings.seed), 300)

    def network(inputs: jax.Array, spread: np.ndarray) -> Feedforward:
        layers = glorot_layers(key, (inputs.shape[1], *FORCE_LAYERS, len(spread)), jnp.float64)
        ins = Scaling(jnp.mean(inputs, axis=0), jnp.std(inputs, axis=0))
        outs = Scaling(jnp.zeros(len(spread)), jnp.asarray(spread))
        return Feedforward(layers, ins, outs, jnp.tanh)

    fields: list[ForceNetwork | CentralForceNetwork]
    fields = [ForceNetwork(network(q, pace.std(axis=0)), model.system.width)]
    if model.system.width == n > 1 and not model.system.driven:
        length = jnp.linalg.norm(q, axis=1, keepdims=True)
        fields.append(CentralForceNetwork(network(length, pace.std(keepdims=True)[0])))
    return [(field, field.network.layers) for field in fields]


def _joint_fit(
    model: MapModel,
    fit: _Fit,
    weights: np.ndarray,
    initial: ForceNetwork | CentralForceNetwork,
    layers: Layers,
) -> tuple[float, ForceNetwork | CentralForceNetwork, np.ndarray]:
    """Residual, field and weights of one sub-net learned with the map."""
    flat, shaped = ravel_pytree((jnp.asarray(weights[list(fit.free)]), layers))
    unit = np.maximum(np.abs(np.asarray(flat)), 0.1)
    unit[: len(fit.free)] = np.maximum(np.abs(weights[list(fit.free)]), 1e-12)

    def field(layers):
        return eqx.tree_at(lambda f: f.network.layers, initial, layers)

    def residuals(x):
        theta, layers = shaped(x * unit)
        return fit.residuals(theta, field(layers))

    value, slope = jax.jit(residuals), jax.jit(jax.jacfwd(residuals))
    result = least_squares(
        lambda x: np.asarray(value(x)), np.asarray(flat) / unit, lambda x: np.asarray(slope(x)),
        method="lm", xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=MOST,
    )  # fmt: skip
    theta, layers = shaped(jnp.asarray(result.x * unit))
    return float(result.cost), field(layers), np.asarray(fit.weights(theta))


def _depends_on_force(model: MapModel, row: np.ndarray) -> bool:
    """Whether the force changes what a genome says."""
    places, push = model.canonical_form.push
    canonical = model.canonical_form.canonicalize(row[None])[0]
    weights = [w for argument in push for w in argument.weights if w >= 0]
    return bool(places) and bool(np.any(model.layout.fixed(canonical)[weights] != 0))
