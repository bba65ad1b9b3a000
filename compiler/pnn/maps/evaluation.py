"""Judgement of maps: forward and back, long runs, and the peers that they stand beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.genomes.map_network import FittedGenome, MapNetwork
from actionrun.compiler.numerics.genomes.network import ForceFunction
from actionrun.compiler.numerics.integrators.velocity_verlet import VelocityVerlet
from actionrun.compiler.numerics.networks.mlp import Feedforward, fit_layers
from actionrun.compiler.symbolic.lowering import lowered

from .data import MovingSystem, joined
from .model import MapModel

BACK = 1000  # steps forward, then as many back
LONG = 20_000
HIDDEN = (20, 100, 20)  # the papers' feed-forward network
STEPS = 2000

StepFunction = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


@dataclass(frozen=True)
class MapEvaluation:
    """A map's marks: root mean squared errors of one step (positions, velocities) by set of rows;
    the largest distance from the start after going there and back; energies (LONG + 1, motions) of
    a long run, relative times in `every` steps; positions (2 BACK + 1, motions, n) there and back.
    """

    name: str
    errors: dict[str, tuple[float, float]]
    return_error: float
    energy: np.ndarray
    path: np.ndarray

    @property
    def energy_shift(self) -> float:
        """How far the mean energy has moved: the last tenth of the run from the first."""
        tenth = len(self.energy) // 10
        moved = self.energy[-tenth:].mean(0) - self.energy[:tenth].mean(0)
        return float(np.max(np.abs(moved))) if np.isfinite(moved).all() else np.inf


@eqx.filter_jit
def _motion(step: StepFunction, q: jax.Array, v: jax.Array, steps: int):
    def moved(state, _):
        state = step(*state)
        return state, state

    _, (qs, vs) = jax.lax.scan(moved, (q, v), length=steps)
    return jnp.concatenate([q[None], qs]), jnp.concatenate([v[None], vs])


class MapStep(eqx.Module):
    """A fitted genome as a step."""

    map: MapNetwork
    genes: FittedGenome

    def __call__(self, q, v):
        return self.map.step(self.genes, q, v)


class TextbookScheme(eqx.Module):
    """A textbook scheme: "verlet" is position Verlet, with friction from the old velocity."""

    system: VelocityVerlet
    dt: jax.Array
    name: str = eqx.field(static=True)

    def __call__(self, q, v):
        def a(q, v):
            return jnp.moveaxis(
                self.system.acceleration(jnp.moveaxis(q, -1, 0), jnp.moveaxis(v, -1, 0)), 0, -1
            )

        if self.name == "euler":
            return q + self.dt * v, v + self.dt * a(q, v)
        half = q + self.dt / 2 * v
        v = v + self.dt * a(half, v)
        return half + self.dt / 2 * v, v


class FeedforwardStep(eqx.Module):
    """A feed-forward network as a step, with or without the force among its inputs."""

    network: Feedforward
    force: ForceFunction | None
    width: int = eqx.field(static=True)

    def __call__(self, q, v):
        rows = features(self.force, self.width, q, v)
        out = self.network(rows)
        n = q.shape[-1]
        return out[..., :n], out[..., n:]


def features(force, width: int, q, v) -> jax.Array:
    """What a feed-forward network hears, (..., 2 n) or with the force (..., 3 n)."""
    if force is None:
        return jnp.concatenate([q, v], axis=-1)
    parts = [q[..., k : k + width] for k in range(0, q.shape[-1], width)]
    return jnp.concatenate([q, v, *force(parts)], axis=-1)


def baselines(model: MapModel) -> dict[str, Callable[[], StepFunction]]:
    """What makes each of the peers: position Verlet, Euler, and two feed-forward networks, to be
    trained on the same rows."""
    dt = jnp.asarray(model.system.dt)
    reference, force = model.system.reference, model.map.force
    makers: dict[str, Callable[[], StepFunction]] = {
        "Verlet": lambda: TextbookScheme(reference, dt, "verlet"),
        "Euler": lambda: TextbookScheme(reference, dt, "euler"),
        "net": lambda: feedforward_step(model, None, 100),
    }
    if force is not None:
        makers["net + F"] = lambda: feedforward_step(model, force, 101)
    return makers


def feedforward_step(model: MapModel, force: ForceFunction | None, draw: int) -> FeedforwardStep:
    """A feed-forward network trained on the rows of a model."""
    rows, width = model.train, model.system.width
    inputs = features(force, width, jnp.asarray(rows.q), jnp.asarray(rows.v))
    after = jnp.asarray(np.concatenate([rows.next_q, rows.next_v], axis=1))
    key = jax.random.fold_in(jax.random.key(model.settings.seed), draw)
    layers, ins, outs = fit_layers(key, inputs, after, HIDDEN, STEPS)
    return FeedforwardStep(Feedforward(layers, ins, outs), force, width)


def energy_function(
    system: MovingSystem,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """E(q, v) for arrays (..., n); of a driven motion at the time that is a component."""
    words = system.problem.words
    expression = system.problem.energy.subs(system.problem.values)
    value = lowered([expression], [*words.q, *words.v, words.t])

    @jax.jit
    def energy(q, v):
        time = q[..., system.components] if system.driven else jnp.zeros(q.shape[:-1])
        parts = [jnp.moveaxis(x[..., system.real], -1, 0) for x in (q, v)]
        parts = [*parts[0], *parts[1], time]
        return jnp.broadcast_to(jnp.asarray(value(*parts)[0]), q.shape[:-1])

    return lambda q, v: np.asarray(energy(jnp.asarray(q), jnp.asarray(v)))


def initial_states(model: MapModel) -> tuple[np.ndarray, np.ndarray]:
    """First states of all motions, those of the test last, (motions, n) each."""
    parts = (*model.motions.train, *model.motions.test)
    return np.stack([p.q[0] for p in parts]), np.stack([p.v[0] for p in parts])


def map_evaluation(model: MapModel, name: str, step: StepFunction) -> MapEvaluation:
    """All marks of one map."""
    sets = {"train": model.train, "validation": model.validation, "test": model.test}
    q, v = (jnp.asarray(x) for x in initial_states(model))
    there = _motion(step, q, v, BACK)  # one program for all that is marched
    back = _motion(step, there[0][-1], -there[1][-1], BACK)
    real = model.system.real
    path = np.concatenate([np.asarray(there[0]), np.asarray(back[0])[1:]])[..., real]
    far = np.abs(path[-1] - path[0]).max()
    parts = [there]
    while len(parts) < LONG // BACK:
        parts.append(_motion(step, parts[-1][0][-1], parts[-1][1][-1], BACK))
    long = [np.concatenate([part[k][:-1] for part in parts] + [parts[-1][k][-1:]]) for k in (0, 1)]
    whole = joined((*sets.values(),))
    next_q, next_v = eqx.filter_jit(step)(jnp.asarray(whole.q), jnp.asarray(whole.v))
    missed = [np.asarray(next_q) - whole.next_q, np.asarray(next_v) - whole.next_v]
    missed = [one[:, real] for one in missed]
    ends = np.cumsum([len(rows) for rows in sets.values()])[:-1]
    errors = {
        label: (float(np.sqrt(np.mean(x**2))), float(np.sqrt(np.mean(y**2))))
        for label, x, y in zip(sets, *(np.split(one, ends) for one in missed), strict=True)
    }
    energies = energy_function(model.system)(*long)
    return MapEvaluation(name, errors, float(far) if np.isfinite(far) else np.inf, energies, path)


def as_step(model: MapModel, row: np.ndarray, weights: np.ndarray) -> StepFunction:
    """A fitted genome as a step of states (..., n)."""
    codes = jnp.asarray(row[: model.layout.units], dtype=jnp.int32)
    present = jnp.asarray(model.layout.fixed(row) != 0)
    return MapStep(model.map, FittedGenome(codes, present, jnp.asarray(weights)))


def richardson_limit(levels: list[np.ndarray], even: bool) -> np.ndarray:
    """The limit dt -> 0 of numbers found at dt, dt/2, dt/4, ..., by Richardson: errors in powers of
    dt^2 where the map is reversible, of dt else."""
    sizes = np.array([0.5**k for k in range(len(levels))]) ** (2 if even else 1)
    powers = np.vander(sizes, increasing=True)
    return np.tensordot(np.linalg.inv(powers)[0], np.array(levels), 1)
