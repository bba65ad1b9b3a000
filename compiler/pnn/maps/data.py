"""Data for maps: states, and the states one step later, by energy or out of the user's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.velocity_verlet import VelocityVerlet
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowering import Lowered, lowered
from actionrun.spec import Expression, Faults


@dataclass(frozen=True)
class StatePairs:
    """Rows: states and what became of them one dt later, each (rows, n)."""

    q: np.ndarray
    v: np.ndarray
    next_q: np.ndarray
    next_v: np.ndarray

    def __len__(self) -> int:
        return len(self.q)

    def __getitem__(self, rows) -> StatePairs:
        return StatePairs(self.q[rows], self.v[rows], self.next_q[rows], self.next_v[rows])


def joined(parts: tuple[StatePairs, ...]) -> StatePairs:
    fields = ("q", "v", "next_q", "next_v")
    return StatePairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


@dataclass(frozen=True)
class MotionPairs:
    """Pairs by motion. `energies` name the motions that were computed, in units of energy_unit;
    of measured ones it is empty. Rows to select on are `validation`, of no motion of `test`."""

    train: tuple[StatePairs, ...]
    validation: tuple[StatePairs, ...]
    test: tuple[StatePairs, ...]
    energies: dict[str, tuple[float, ...]]


class ForceField(eqx.Module):
    """F(q) for lists of coordinates: one array (..., width) each, to the same; times `scale`.

    `driven`: the last component of each is its time, at which its force is; on that none acts.
    """

    force: Lowered
    width: int = eqx.field(static=True)
    scale: jax.Array
    driven: bool = eqx.field(static=True, default=False)

    def __call__(self, arguments):
        n = self.width - self.driven
        parts = [argument[..., c] for argument in arguments for c in range(n)]
        shape = jnp.broadcast_shapes(*(part.shape for part in parts))
        if not self.driven:
            return self._stacked(self.force(*parts), range(len(arguments)), shape)
        several = []
        for k, argument in enumerate(arguments):
            time = argument[..., n]
            whole = self.force(*parts, time)
            (force,) = self._stacked(whole, [k], jnp.broadcast_shapes(shape, time.shape))
            several.append(jnp.concatenate([force, jnp.zeros_like(force[..., :1])], axis=-1))
        return several

    def _stacked(self, whole, coordinates, shape) -> list[jax.Array]:
        n = self.width - self.driven
        forces = [jnp.broadcast_to(jnp.asarray(f), shape) for f in whole]
        return [self.scale * jnp.stack(forces[k * n : (k + 1) * n], axis=-1) for k in coordinates]


@dataclass(frozen=True)
class MovingSystem:
    """What moves, and the time `dt` of a step: a problem with the numbers of its parameters put in.

    `linear_force`, `linear_drag`: the matrices (n, n) of forces that are linear in positions and in
    velocities, where they are so and each coordinate has one component.

    `law`: the formula of its Lagrangian or potential; `names` of the coordinates, the units of a
    length, the time and the energy as the study says them; `width`: components of each coordinate;
    `count`: coordinates; `mass` (n, n), `force` the F(q) of the Lagrangian and of drives, `damped`:
    whether forces depend on velocities, `reference` the motion under all forces.

    Where forces depend on time each coordinate has it as its last component, which moves with
    velocity 1 and has the mass of the first: the extended phase space, in which a driven motion is
    one that is not driven (Struckmeier, J. Phys. A 38, 1257, 2005).
    """

    problem: LagrangianSystem
    law: Expression
    names: tuple[str, ...]
    length_unit: str
    time_unit: str
    energy_unit: str
    dt: float
    width: int
    count: int
    mass: np.ndarray
    forces: tuple[sp.Expr, ...]
    force: ForceField
    potential: sp.Expr
    reference: VelocityVerlet
    linear_force: np.ndarray | None
    linear_drag: np.ndarray | None
    damped: bool
    driven: bool

    @property
    def n(self) -> int:
        return self.count * self.width

    @property
    def components(self) -> int:
        """Components of each coordinate without its time."""
        return self.width - self.driven

    @property
    def real(self) -> np.ndarray:
        """Which of the n components are no times."""
        return np.arange(self.n).reshape(self.count, self.width)[:, : self.components].ravel()

    def extended(self, x: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Components (rows, n) out of those without times, and what stands for each time."""
        if not self.driven:
            return x
        parts = x.reshape(len(x), self.count, self.components)
        times = np.broadcast_to(last[:, None, None], (len(x), self.count, 1))
        return np.concatenate([parts, times], axis=2).reshape(len(x), self.n)


def moving_system(symbolic: LagrangianSystem, law: Expression, dt: float) -> MovingSystem:
    """A system in steps of dt. Raises Faults where its force is not a function of position."""
    words, values = symbolic.words, symbolic.values
    widths = {part.stop - part.start for part in words.slices.values()}
    forces = [sp.diff(symbolic.lagrangian, q) for q in words.q]
    mass = symbolic.mass
    simple = all(
        sp.expand(p - sp.Add(*(mass[i, j] * words.v[j] for j in range(symbolic.n)))) == 0
        for i, p in enumerate(symbolic.momentum)
    )
    fixed = mass.free_symbols & {*words.q, words.t}
    if any(f.free_symbols & {*words.v} for f in forces) or not simple or fixed:
        raise study_error(
            words, law, "map.force",
            "maps are found for L = T - V with constant masses and V a function of position",
            "leave velocities out of V, and positions and time out of T",
        )  # fmt: skip
    pushes = [sp.expand((f - g).subs(values)) for f, g in zip(symbolic.force, forces, strict=True)]
    still = [push.subs(dict.fromkeys(words.v, 0)) for push in pushes]
    if any(
        words.t in (push - drive).free_symbols for push, drive in zip(pushes, still, strict=True)
    ):
        raise study_error(
            words, law, "map.force", "maps are found for drag that does not depend on time",
            "leave the time out of what depends on velocities in nonconservative",
        )  # fmt: skip
    if not any(drive.free_symbols & {*words.q} for drive in still):  # a drive alone is a potential
        forces = [f + drive for f, drive in zip(forces, still, strict=True)]
    put = [f.subs(values) for f in forces]
    driven = any(words.t in f.free_symbols for f in put)
    damped = any(push != drive for push, drive in zip(pushes, still, strict=True))
    numbers = np.array(mass.subs(values).tolist(), dtype=float)
    inverse = np.linalg.inv(numbers)
    total = lowered([f.subs(values) for f in symbolic.force], [*words.q, *words.v, words.t])

    components, names = widths.pop(), tuple(words.slices)
    width = components + driven
    real = np.arange(symbolic.n // components * width).reshape(-1, width)[:, :components].ravel()

    def acceleration(q, v):
        time = q[components] if driven else jnp.zeros_like(q[0])
        forces = [f + 0 * q[0] for f in total(*(q[k] for k in real), *(v[k] for k in real), time)]
        pace = jnp.tensordot(jnp.asarray(inverse), jnp.stack(forces), 1)
        return jnp.zeros_like(q).at[real].set(pace)

    potential = -symbolic.lagrangian.subs(dict.fromkeys(words.v, 0)).subs(values)
    return MovingSystem(
        problem=symbolic,
        law=law,
        names=names,
        length_unit=words.unit(names[0]),
        time_unit=words.unit("t"),
        energy_unit=words.unit("lagrangian"),
        dt=dt,
        width=width,
        count=symbolic.n // components,
        mass=_with_times(numbers, components) if driven else numbers,
        forces=tuple(forces),
        force=ForceField(
            lowered(put, [*words.q, words.t] if driven else words.q), width, jnp.ones(()), driven
        ),
        potential=potential,
        reference=VelocityVerlet(acceleration, damped),
        linear_force=_matrix(put, words.q) if width == 1 else None,
        linear_drag=_matrix(pushes, words.v) if width == 1 else None,
        damped=damped,
        driven=driven,
    )


def _with_times(mass: np.ndarray, components: int) -> np.ndarray:
    """Masses (n, n) of coordinates that have their time as a last component."""
    count, width = len(mass) // components, components + 1
    whole = np.zeros((count, width, count, width))
    whole[:, :components, :, :components] = mass.reshape(count, components, count, components)
    whole[:, components, :, components] = mass[::components, ::components]
    return whole.reshape(count * width, count * width)


def _matrix(forces: Sequence[sp.Expr], of: Sequence[sp.Symbol]) -> np.ndarray | None:
    """M of forces M x, for symbols x; None where they are no such."""
    matrix = sp.Matrix(len(forces), len(of), lambda i, j: sp.diff(forces[i], of[j]))
    if any(entry.free_symbols for entry in matrix):
        return None
    left = sp.Matrix(forces) - matrix * sp.Matrix(of)
    if any(sp.expand(entry) != 0 for entry in left):
        return None
    return np.array(matrix.tolist(), dtype=float)


@dataclass(frozen=True)
class Sampling:
    """Motions to compute: their energies by part of the data, in units of `unit`; pairs of states
    of each, and steps of velocity Verlet in one dt."""

    energies: dict[str, tuple[float, ...]]
    unit: float
    points: int
    substeps: int


def computed_pairs(moving: MovingSystem, sampling: Sampling, shrink: int = 1) -> MotionPairs:
    """Pairs dt/shrink apart of motions by energy. Raises Faults."""
    energies, unit = sampling.energies, sampling.unit
    if moving.driven:
        raise study_error(
            moving.problem.words, ("data", "energies"), "map.force",
            "a driven motion has no energy of its own: it is not what energies name",
            "give measured motions in [data] file",
        )  # fmt: skip
    q, lowest = potential_minimum(moving)
    kinetic = np.array([e * unit - lowest for part in energies.values() for e in part])
    fault = moving.problem.words.fault
    keys = [("data", "energies", k, i) for k, part in energies.items() for i in range(len(part))]
    faults = [
        fault(key, None, "energy.low", "this energy is below the minimum of the potential, "
                    f"{lowest / unit:.6g}", "give a higher one")
        for key, one in zip(keys, kinetic, strict=True) if one < 0
    ]  # fmt: skip
    if faults:
        raise Faults(faults)
    v = np.stack([inward_velocity(moving, q, k, one) for k, one in enumerate(kinetic)], axis=1)
    start = jnp.broadcast_to(jnp.asarray(q)[:, None], v.shape)
    dt = moving.dt / shrink
    qs, vs = moving.reference.motion(
        start, jnp.asarray(v), jnp.asarray(dt), jnp.asarray(sampling.substeps), sampling.points
    )
    qs, vs = np.asarray(qs), np.asarray(vs)
    for k, key in enumerate(keys):
        if not np.isfinite(qs[..., k]).all():
            raise Faults([fault(key, None, "energy.diverged",
                                      "the motion of this energy left the finite numbers",
                                      "give a lower one, or more substeps")])  # fmt: skip
    pairs = [StatePairs(qs[:-1, :, k], vs[:-1, :, k], qs[1:, :, k], vs[1:, :, k])
             for k in range(len(keys))]  # fmt: skip
    first, second = len(energies["train"]), len(energies["train"]) + len(energies["validation"])
    train, validation = tuple(pairs[:first]), tuple(pairs[first:second])
    if not validation:
        train, validation = split(train)
    return MotionPairs(train, validation, tuple(pairs[second:]), energies)


def split(train: tuple[StatePairs, ...]) -> tuple[tuple[StatePairs, ...], tuple[StatePairs, ...]]:
    """Every fifth row to validate on, the others to fit, as the papers' 80:20."""
    fifth = [np.arange(len(part)) % 5 == 2 for part in train]
    return (
        tuple(part[~rows] for part, rows in zip(train, fifth, strict=True)),
        tuple(part[rows] for part, rows in zip(train, fifth, strict=True)),
    )


def inward_velocity(moving: MovingSystem, q: np.ndarray, number: int, kinetic: float) -> np.ndarray:
    """A velocity (n,) of that kinetic energy at the minimum q, pointing inward.

    In one dimension toward the origin. In more, the shares of the components differ from motion to
    motion, by the multiples of the golden ratio, so that they do not all move along one line.
    """
    way = np.where(q > 0, -1.0, np.where(q < 0, 1.0, -1.0))
    golden = (np.sqrt(5) - 1) / 2
    way = way * (0.25 + np.modf((number + 1) * (np.arange(moving.n) + 1) * golden)[0])
    return way * np.sqrt(2 * kinetic / (way @ moving.mass @ way))


def potential_minimum(moving: MovingSystem) -> tuple[np.ndarray, float]:
    """Where the potential is lowest, (n,), and its value: a scan over sizes, then Newton. Raises
    Faults where there is no minimum."""
    words = moving.problem.words
    value = lowered([moving.potential], words.q)

    def energy(q: jax.Array) -> jax.Array:
        return value(*q)[0] + 0.0 * q[0]

    sizes = np.logspace(-4, 4, 1601)
    ways = np.stack([np.eye(moving.n)[k] for k in range(moving.n)] + [np.ones(moving.n)])
    ways = np.concatenate([ways, -ways])
    # a little off the axes, where symmetric potentials have saddles
    ways = ways + 0.01 * np.modf(np.arange(1, ways.size + 1) * 0.754877666)[0].reshape(ways.shape)
    points = np.concatenate([np.zeros((1, moving.n)), *(sizes[:, None] * way for way in ways)])
    values = np.asarray(jax.vmap(energy)(jnp.asarray(points)))
    best, lowest = None, np.inf
    candidates = [0]
    for k in range(len(ways)):
        block = 1 + k * len(sizes) + np.arange(len(sizes))
        inner = values[block[1:-1]]
        lower = (inner <= values[block[:-2]]) & (inner <= values[block[2:]])
        candidates += [*block[1:-1][lower]]
    slope, bend = jax.jit(jax.grad(energy)), jax.jit(jax.hessian(energy))
    for start in sorted(candidates, key=lambda k: values[k])[:20]:
        q = points[start].astype(float)
        for _ in range(60):
            g, H = np.asarray(slope(q)), np.asarray(bend(q))
            if not (np.isfinite(g).all() and np.isfinite(H).all()):
                break
            low, ways_of = np.linalg.eigh(H)
            step = -ways_of @ ((ways_of.T @ g) / np.maximum(np.abs(low), 1e-12 * abs(low).max()))
            longest, size = max(np.abs(step).max(), 1e-300), max(np.abs(q).max(), 1e-3)
            q = q + step * min(1.0, 0.2 * size / longest)
        g, H, e = np.asarray(slope(q)), np.asarray(bend(q)), float(energy(jnp.asarray(q)))
        sound = np.isfinite(e) and np.isfinite(H).all()
        if sound and np.linalg.eigvalsh(H).min() > -1e-6 * np.abs(H).max() and e < lowest:
            best, lowest = q, e
    if best is None or not np.any(np.asarray(bend(best))):
        raise study_error(
            words, moving.law, "map.minimum",
            "the potential has no minimum that motions could start from",
            "give measured motions in [data] file",
        )  # fmt: skip
    return best, lowest
