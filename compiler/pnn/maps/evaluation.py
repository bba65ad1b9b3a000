"""Judgement of maps: forward and back, long runs, and the peers that they stand beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.genomes.map_network import Genes, MapNet
from actionrun.compiler.numerics.genomes.network import Force
from actionrun.compiler.numerics.integrators.velocity_verlet import Reference
from actionrun.compiler.numerics.networks.mlp import Feedforward, trained
from actionrun.compiler.symbolic.lowering import lowered

from .data import System, joined
from .model import Model

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


def peers(model: Model) -> dict[str, Callable[[], Step]]:
    """What makes each of the peers: position Verlet, Euler, and two feed-forward networks, to be
    trained on the same rows."""
    assert model.study.data.dt is not None
    dt = jnp.asarray(model.study.number(model.study.data.dt))
    reference, force = model.system.reference, model.map.force
    makers: dict[str, Callable[[], Step]] = {
        "Verlet": lambda: Scheme(reference, dt, "verlet"),
        "Euler": lambda: Scheme(reference, dt, "euler"),
        "net": lambda: plain(model, None, 100),
    }
    if force is not None:
        makers["net + F"] = lambda: plain(model, force, 101)
    return makers


def plain(model: Model, force: Force | None, draw: int) -> Plain:
    """A feed-forward network trained on the rows of a model."""
    rows, width = model.train, model.system.width
    heard = features(force, width, jnp.asarray(rows.q), jnp.asarray(rows.v))
    after = jnp.asarray(np.concatenate([rows.next_q, rows.next_v], axis=1))
    key = jax.random.fold_in(jax.random.key(model.study.seed), draw)
    layers, ins, outs = trained(key, heard, after, HIDDEN, STEPS)
    return Plain(Feedforward(layers, ins, outs), force, width)


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


def judged(model: Model, name: str, step: Step) -> Judged:
    """All marks of one map."""
    sets = {"train": model.train, "validation": model.validation, "test": model.test}
    q, v = (jnp.asarray(x) for x in starts(model))
    there = _marched(step, q, v, BACK)  # one program for all that is marched
    back = _marched(step, there[0][-1], -there[1][-1], BACK)
    path = np.concatenate([np.asarray(there[0]), np.asarray(back[0])[1:]])
    far = np.abs(path[-1] - path[0]).max()
    parts = [there]
    while len(parts) < LONG // BACK:
        parts.append(_marched(step, parts[-1][0][-1], parts[-1][1][-1], BACK))
    long = [np.concatenate([part[k][:-1] for part in parts] + [parts[-1][k][-1:]]) for k in (0, 1)]
    whole = joined((*sets.values(),))
    next_q, next_v = eqx.filter_jit(step)(jnp.asarray(whole.q), jnp.asarray(whole.v))
    missed = [np.asarray(next_q) - whole.next_q, np.asarray(next_v) - whole.next_v]
    ends = np.cumsum([len(rows) for rows in sets.values()])[:-1]
    errors = {
        label: (float(np.sqrt(np.mean(x**2))), float(np.sqrt(np.mean(y**2))))
        for label, x, y in zip(sets, *(np.split(one, ends) for one in missed), strict=True)
    }
    energies = energy_of(model.system)(*long)
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
