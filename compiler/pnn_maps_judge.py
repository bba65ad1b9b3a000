"""Judgement of maps: forward and back, long runs, and the peers that they stand beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .lower import lowered
from .modules.feedforward import Feedforward, trained
from .modules.genome import Force
from .modules.genome_map import Genes, MapNet
from .modules.reference import Reference
from .pnn_maps_data import Pairs, System
from .pnn_maps_model import Model

BACK = 1000  # steps forward, then as many back
LONG = 20_000
HIDDEN = (20, 100, 20)  # the papers' feed-forward network
STEPS = 2000

Step = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


@dataclass(frozen=True)
class Judged:
    """A map's marks: root mean squared errors of one step (positions, velocities) by set of rows;
    the largest distance from the start after going there and back; energies (LONG + 1, motions) of
    a long run, relative times in `every` steps; positions (2 BACK + 1, motions, n) there and back.
    """

    name: str
    errors: dict[str, tuple[float, float]]
    back: float
    energy: np.ndarray
    path: np.ndarray

    @property
    def shift(self) -> float:
        """How far the mean energy has moved: the last tenth of the run from the first."""
        tenth = len(self.energy) // 10
        moved = self.energy[-tenth:].mean(0) - self.energy[:tenth].mean(0)
        return float(np.max(np.abs(moved))) if np.isfinite(moved).all() else np.inf


@eqx.filter_jit
def _marched(step: Step, q: jax.Array, v: jax.Array, steps: int):
    def moved(state, _):
        state = step(*state)
        return state, state

    _, (qs, vs) = jax.lax.scan(moved, (q, v), length=steps)
    return jnp.concatenate([q[None], qs]), jnp.concatenate([v[None], vs])


class Net(eqx.Module):
    """A fitted genome as a step."""

    map: MapNet
    genes: Genes

    def __call__(self, q, v):
        return self.map.step(self.genes, q, v)


class Scheme(eqx.Module):
    """A textbook scheme: "verlet" is position Verlet, with friction from the old velocity."""

    system: Reference
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


class Plain(eqx.Module):
    """A feed-forward network as a step, with or without the force among its inputs."""

    network: Feedforward
    force: Force | None
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


def peers(model: Model) -> dict[str, Step]:
    """Position Verlet, Euler, and two feed-forward networks trained on the same rows."""
    assert model.study.data.dt is not None
    dt = jnp.asarray(model.study.number(model.study.data.dt))
    reference = model.system.reference
    found: dict[str, Step] = {
        "Verlet": Scheme(reference, dt, "verlet"),
        "Euler": Scheme(reference, dt, "euler"),
    }
    rows = model.train
    after = jnp.asarray(np.concatenate([rows.next_q, rows.next_v], axis=1))
    for number, (name, force) in enumerate((("net", None), ("net + F", model.map.force))):
        if number and force is None:
            continue
        heard = features(force, model.system.width, jnp.asarray(rows.q), jnp.asarray(rows.v))
        key = jax.random.fold_in(jax.random.key(model.study.seed), 100 + number)
        layers, ins, outs = trained(key, heard, after, HIDDEN, STEPS)
        found[name] = Plain(Feedforward(layers, ins, outs), force, model.system.width)
    return found


def energy_of(system: System) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """E(q, v) for arrays (..., n)."""
    words = system.problem.words
    expression = system.problem.energy.subs(system.problem.values)
    value = lowered([expression], [*words.q, *words.v])

    @jax.jit
    def energy(q, v):
        parts = [*jnp.moveaxis(q, -1, 0), *jnp.moveaxis(v, -1, 0)]
        return jnp.broadcast_to(jnp.asarray(value(*parts)[0]), q.shape[:-1])

    return lambda q, v: np.asarray(energy(jnp.asarray(q), jnp.asarray(v)))


def starts(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """First states of all motions, those of the test last, (motions, n) each."""
    parts = (*model.motions.train, *model.motions.test)
    return np.stack([p.q[0] for p in parts]), np.stack([p.v[0] for p in parts])


def judged(model: Model, name: str, step: Step, energy, sets: dict[str, Pairs]) -> Judged:
    """All marks of one map."""
    q, v = (jnp.asarray(x) for x in starts(model))
    there = _marched(step, q, v, BACK)
    back = _marched(step, there[0][-1], -there[1][-1], BACK)
    path = np.concatenate([np.asarray(there[0]), np.asarray(back[0])[1:]])
    far = np.abs(path[-1] - path[0]).max()
    long = _marched(step, q, v, LONG)
    once = eqx.filter_jit(step)
    errors = {}
    for label, rows in sets.items():
        next_q, next_v = once(jnp.asarray(rows.q), jnp.asarray(rows.v))
        errors[label] = (
            float(np.sqrt(np.mean((np.asarray(next_q) - rows.next_q) ** 2))),
            float(np.sqrt(np.mean((np.asarray(next_v) - rows.next_v) ** 2))),
        )
    energies = energy(np.asarray(long[0]), np.asarray(long[1]))
    return Judged(name, errors, float(far) if np.isfinite(far) else np.inf, energies, path)


def as_step(model: Model, row: np.ndarray, weights: np.ndarray) -> Step:
    """A fitted genome as a step of states (..., n)."""
    codes = jnp.asarray(row[: model.layout.units], dtype=jnp.int32)
    present = jnp.asarray(model.layout.fixed(row) != 0)
    return Net(model.map, Genes(codes, present, jnp.asarray(weights)))


def extrapolated(levels: list[np.ndarray], even: bool) -> np.ndarray:
    """The limit dt -> 0 of numbers found at dt, dt/2, dt/4, ..., by Richardson: errors in powers of
    dt^2 where the map is reversible, of dt else."""
    sizes = np.array([0.5**k for k in range(len(levels))]) ** (2 if even else 1)
    powers = np.vander(sizes, increasing=True)
    return np.tensordot(np.linalg.inv(powers)[0], np.array(levels), 1)
