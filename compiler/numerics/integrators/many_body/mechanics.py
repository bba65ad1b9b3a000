"""Forces, momenta and energies of many bodies, each a sum whose program does not grow with them.

Arrays are (components, ..., bodies): the bodies come last, as a batch does in `ggl`, so that a
step of the integrator is the same code. Neighbours are slices, pairs a square of bodies by bodies
of which one row is a force; nothing of (components x bodies)^2 is ever made.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.integrators.charge_balance import Balance, entered
from actionrun.compiler.numerics.integrators.mechanics import Clock
from actionrun.compiler.numerics.integrators.nodal import nodal
from actionrun.compiler.numerics.integrators.quadrature import Rule
from actionrun.compiler.numerics.integrators.variational import GGL, Step


class Place(NamedTuple):
    """What an argument of a summand is: `what` "q", "v" (then `of` is a component), "list" (then
    `of` counts the lists) or "number"; of body i + number, j, or of a body by its number."""

    what: str
    of: int
    letter: str
    number: int


class Term(eqx.Module):
    """Functions of one summand's arguments, and the components and bodies that each belongs to.

    A sum over bodies runs from number `first` to `last` (from 0, the last one not included).
    """

    kind: str = eqx.field(static=True)  # "bodies", "pairs", "single"
    symmetric: bool = eqx.field(static=True)
    first: int = eqx.field(static=True)
    last: int = eqx.field(static=True)
    places: tuple[Place, ...] = eqx.field(static=True)
    values: ArrayFunction
    targets: tuple[Place, ...] = eqx.field(static=True)

    def evaluated(self, q, v, t, theta, lists) -> list[jax.Array]:
        """Each function over the range of the sum: (..., range), (..., N, N) or (...)."""
        count, shape, dtype = q[0].shape[-1], q[0].shape[:-1], q[0].dtype
        numbers = jnp.arange(1, count + 1, dtype=dtype)
        sources = {"q": q, "v": v, "list": lists}
        arguments, same = [], None
        if self.kind == "pairs":
            same = jnp.expand_dims(numbers, 1) == numbers
        for what, of, letter, number in self.places:
            x = numbers if what == "number" else sources[what][of]
            arguments.append(self._chosen(x, letter, number, same))
        if jnp.ndim(t):
            t = {"bodies": t, "pairs": t[..., None], "single": t[..., 0]}[self.kind]
        values = self.values(*arguments, t, *theta)
        shape += {"bodies": (self.last - self.first,), "pairs": (count, count), "single": ()}[
            self.kind
        ]
        return [jnp.broadcast_to(jnp.asarray(x, dtype), shape) for x in values]

    def _chosen(self, x, letter: str, number: int, same):
        """The numbers of one body of the summand, from those x (..., N) of all; `same` (N, N)
        where both bodies of a pair are one."""
        if self.kind == "single":
            return x[..., number - 1]
        if self.kind == "bodies":
            if not letter:
                return x[..., number - 1 : number]
            return x[..., self.first + number : self.last + number]
        if not letter:
            return x[..., number - 1 : number, None]
        if letter == "i":
            return x[..., :, None]
        # a body has no distance from itself: there its next one stands in, and is left out
        return jnp.where(same, jnp.roll(x, -1, axis=-1)[..., :, None], x[..., None, :])

    def _wanted(self, count: int):
        """Which pairs count: i<j, or all where a pair may be exchanged."""
        i, j = jnp.arange(count)[:, None], jnp.arange(count)[None]
        return i != j if self.symmetric else i < j

    def total(self, q, v, t, theta, lists) -> jax.Array:
        """The sum (...) of the one function."""
        (values,) = self.evaluated(q, v, t, theta, lists)
        if self.kind == "pairs":
            values = jnp.where(self._wanted(q[0].shape[-1]), values, 0)
            total = jnp.sum(values, axis=(-2, -1))
            return total / 2 if self.symmetric else total
        return jnp.sum(values, axis=-1) if self.kind == "bodies" else values

    def shares(self, q, v, t, theta, lists) -> list[tuple[int, jax.Array]]:
        """Component and share (..., N) of every body, for each function."""
        count, found = q[0].shape[-1], []
        wanted = self._wanted(count) if self.kind == "pairs" else None
        for target, x in zip(self.targets, self.evaluated(q, v, t, theta, lists), strict=True):
            if wanted is not None:
                x = jnp.where(wanted, x, 0)
                x = jnp.sum(x, axis=-2 if target.letter == "j" else -1)
                first = 0
                if not target.letter:
                    x, first = jnp.sum(x, axis=-1, keepdims=True), target.number - 1
            elif target.letter:
                first = self.first + target.number
            else:
                x = x[..., None] if self.kind == "single" else jnp.sum(x, axis=-1, keepdims=True)
                first = target.number - 1
            behind = count - first - x.shape[-1]
            if first or behind:
                x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(first, behind)])
            found.append((target.of, x))
        return found


class Summed(eqx.Module):
    """The mechanics of bodies, as `ggl.Mechanics`; theta holds numbers, then lists (N,).

    `n` components each; their masses are constant and diagonal. `pushes` is the part of K in the
    forces, apart.
    """

    n: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)  # numbers in theta before the lists
    positional: bool = eqx.field(static=True)
    bare: bool = eqx.field(static=True)  # P = M v
    forces: tuple[Term, ...]
    pushes: tuple[Term, ...]
    momenta: tuple[Term, ...]
    masses: tuple[Term, ...]
    energies: tuple[Term, ...]

    linear: ClassVar[bool] = False
    constant_mass: ClassVar[bool] = True
    affine_momentum: ClassVar[bool] = True
    bodies: ClassVar[bool] = True

    def _gathered(self, terms: tuple[Term, ...], q, v, t, theta) -> tuple[jax.Array, ...]:
        rows: list[jax.Array | None] = [None] * self.n
        for term in terms:
            for of, share in term.shares(q, v, t, *self._parted(theta)):
                before = rows[of]
                rows[of] = share if before is None else before + share
        none = jnp.zeros(q[0].shape, q[0].dtype)
        return tuple(none if row is None else row for row in rows)

    def _parted(self, theta):
        return theta[: self.scalars], theta[self.scalars :]

    def force_rows(self, q, v, t, theta) -> tuple[jax.Array, ...]:
        """The forces (..., bodies) on every component, of q and v as tuples of components."""
        return self._gathered(self.forces, q, v, t, theta)

    def force(self, q, v, t, theta):
        return jnp.stack(self.force_rows(q, v, t, theta))

    def push(self, q, v, t, theta):
        """The part of the force that comes from K."""
        return jnp.stack(self._gathered(self.pushes, q, v, t, theta))

    def momentum(self, q, v, t, theta):
        return jnp.stack(self._gathered(self.momenta, q, v, t, theta))

    def mass(self, q, v, t, theta):
        """The diagonal of dP/dv, of the shape of q."""
        return jnp.stack(self._gathered(self.masses, q, v, t, theta))

    def inverse_mass(self, q, v, t, theta):
        """Its diagonal, of the shape of q."""
        return 1 / self.mass(q, v, t, theta)

    def lifted(self, q, v, t, theta, lack):
        """The x with dP/dv x = lack, of the shape of q."""
        return lack / self.mass(q, v, t, theta)

    def energy(self, q, v, t, theta):
        total = jnp.zeros(q.shape[1:-1], q.dtype)
        for term in self.energies:
            total = total + term.total(q, v, t, *self._parted(theta))
        return total

    def velocity(self, q, p, t, theta, minv=None, near=None):
        rest = jnp.zeros_like(q)
        lack = p if self.bare else p - self.momentum(q, rest, t, theta)
        return lack / self.mass(q, rest, t, theta) if minv is None else lack * minv


class Bodies(eqx.Module):
    """The integrator of many bodies, whose states q, p are flat (n,): component by component."""

    inner: GGL
    count: int = eqx.field(static=True)

    @property
    def mechanics(self) -> Summed:
        assert isinstance(self.inner.mechanics, Summed)
        return self.inner.mechanics

    @property
    def r(self) -> int:
        return self.inner.r

    @property
    def rule(self) -> Rule:
        return self.inner.rule

    @property
    def explicit(self) -> bool:
        return self.inner.explicit

    def folded(self, x: jax.Array) -> jax.Array:
        """(..., n) as (..., components, bodies)."""
        return x.reshape((*x.shape[:-1], self.mechanics.n, self.count))

    def time(self, q, t):
        return t

    def energies(self, q, p, t, theta, minv=None, V=None):
        return self.inner.energies(self.folded(q), self.folded(p), t, theta, minv)

    def violation(self, q, t, theta) -> jax.Array:
        return jnp.zeros((2, 0), q.dtype)

    def guess(self, q, p, t, theta) -> jax.Array:
        """A seed (components, r + 2, bodies)."""
        return self.inner.guess(self.folded(q), self.folded(p), t, theta)

    def extrapolated(self, seed, far: bool = False) -> jax.Array:
        return self.inner.extrapolated(seed, far)

    def velocities(self, p, t, h, theta, seed) -> jax.Array:
        return self.inner.velocities(self.folded(p), t, h, theta, seed)

    def preconditioner(self, q, p, t, theta) -> jax.Array:
        return self.inner.preconditioner(self.folded(q), self.folded(p), t, theta)

    def fixed_point(self, q, p, t, h, theta, minv, seed, low=None) -> Step:
        low = None if low is None else tuple(self.folded(x) for x in low)
        at = self.folded(q), self.folded(p), t, h, theta
        return self._flat(self.inner.fixed_point(*at, minv, seed, low))

    def newton(self, q, p, t, h, theta, seed, iterations: int) -> Step:
        """A step by Newton without a matrix, until it is at rest."""
        at = self.folded(q), self.folded(p), t, h, theta
        return self._flat(self.inner.newton(*at, seed, iterations))

    def _flat(self, done: Step) -> Step:
        flat = {name: getattr(done, name).ravel() for name in ("q", "p", "dq", "dp")}
        fine = None if done.fine is None else tuple(x.ravel() for x in done.fine)
        return done._replace(fine=fine, **flat)


def rows_of(stepper: Bodies, q, p, t, theta) -> tuple[jax.Array, jax.Array]:
    """Velocities (rows, n) and energies (rows,) of q, p (rows, n), a row at a time: of pairs each
    is a square of bodies."""

    def of(row):
        q, p, t = row
        q, p = stepper.folded(q), stepper.folded(p)
        v = stepper.mechanics.velocity(q, p, t, theta)
        return v.ravel(), stepper.mechanics.energy(q, v, t, theta)

    return jax.lax.map(of, (q, p, t))


class AtAll(eqx.Module):
    """True positions (n,) of all bodies, component by component, as a function of t and theta."""

    count: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)
    places: tuple[Place, ...] = eqx.field(static=True)
    values: ArrayFunction

    def __call__(self, t, *theta) -> jax.Array:
        numbers = jnp.arange(1, self.count + 1, dtype=jnp.asarray(t).dtype)
        lists = theta[self.scalars :]
        arguments = []
        for what, of, letter, number in self.places:
            x = numbers if what == "number" else lists[of]
            arguments.append(x if letter else x[number - 1])
        values = self.values(*arguments, t, *theta[: self.scalars])
        return jnp.concatenate([jnp.broadcast_to(x, (self.count,)) for x in values])


class BodyLedger(eqx.Module):
    """Charges of many bodies and their balance, as `ledger.Ledger`.

    `charges` are ("energy",), ("shift", a): the total momentum of component a, or ("turn", a, b):
    the total of q_a p_b - q_b p_a, over all pairs of components that it names.
    """

    stepper: Bodies
    charges: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)
    flows: bool = eqx.field(static=True)  # whether K changes charges
    clock: Clock | None = None  # of flat positions, where steps are of a transformed time

    def start(self, q, p, t, theta, energy) -> Balance:
        start, zero = self.values(q, p, t, theta, energy), jnp.zeros((len(self.charges),), q.dtype)
        none = zero if self.flows else None
        spatial = [k for k, (kind, _) in enumerate(self.charges) if kind != "energy"]
        return Balance(start, none, none, zero, self._sizes(q, p)[jnp.asarray(spatial, int)])

    @property
    def energy(self) -> bool:
        return self.charges[0][0] == "energy"

    def _terms(self, kind: str, of: tuple[int, ...], q, p) -> jax.Array:
        """What each body adds to a charge, (..., bodies), of folded q, p."""
        if kind == "shift":
            return p[..., of[0], :]
        pairs = zip(of[::2], of[1::2], strict=True)
        return jnp.stack([q[..., a, :] * p[..., b, :] - q[..., b, :] * p[..., a, :]
                          for a, b in pairs]).sum(axis=0)  # fmt: skip

    def values(self, q, p, t, theta, energy) -> jax.Array:
        """Charges (..., m) of states (..., n) with that energy."""
        q, p = self._folded(q), self._folded(p)
        rows = [
            energy if kind == "energy" else jnp.sum(self._terms(kind, of, q, p), axis=-1)
            for kind, of in self.charges
        ]
        return jnp.stack([jnp.asarray(x, q.dtype) for x in rows], axis=-1)

    def _folded(self, x) -> jax.Array:
        """Without the time, or the energy, that stands behind a transformed state."""
        n = self.stepper.mechanics.n * self.stepper.count
        return self.stepper.folded(x[..., :n])

    def _sizes(self, q, p) -> jax.Array:
        q, p = self._folded(q), self._folded(p)
        rows = []
        for kind, of in self.charges:
            if kind == "energy":
                rows.append(jnp.zeros((), q.dtype))
            elif kind == "shift":
                rows.append(jnp.sum(jnp.abs(p[of[0]])))
            else:
                pairs = zip(of[::2], of[1::2], strict=True)
                rows.append(sum(jnp.sum(jnp.abs(q[a] * p[b]) + jnp.abs(q[b] * p[a]))
                                for a, b in pairs))  # fmt: skip
        return jnp.stack(rows)

    def flux(self, q, V, t, h, theta) -> jax.Array:
        """What a step from q with nodal velocities V adds to each charge through K, (m,)."""
        if not self.flows:
            return jnp.zeros((len(self.charges),), q.dtype)
        rule, m = self.stepper.rule, self.stepper.mechanics
        n, weights = m.n * self.stepper.count, jnp.asarray(rule.weights, q.dtype)
        T, pace = t + h * jnp.asarray(rule.nodes, q.dtype), None
        if self.clock is not None:  # steps are of s: rates and velocities by physical time
            pace = self.clock.rate(q[:n, None] + h * nodal(rule.integrate, V[:n]), theta)
            T = q[n] + h * nodal(rule.integrate, pace)[0]
            weights = weights * pace[0]
        if V.ndim == 2:  # flat, and multipliers behind
            V = V[:n].reshape((m.n, -1, V.shape[1])).swapaxes(1, 2)
        Q = self.stepper.folded(q[:n])[:, None] + h * nodal(rule.integrate, V)
        V = V if pace is None else V / pace[0][:, None]
        F = m.push(Q, V, T[:, None], theta)  # (n, s, bodies)
        rates = []
        for kind, of in self.charges:
            if kind == "energy":
                rate = jnp.sum(V * F, axis=(0, 2))
            else:
                rate = self._terms(kind, of, Q.swapaxes(0, 1), F.swapaxes(0, 1)).sum(axis=-1)
            rates.append(jnp.sum(weights * rate))
        return h * jnp.stack(rates)

    def entered(self, old: Balance, flux, q, p, t, theta, energy) -> Balance:
        """The balance after a step that ended at q, p, t with an energy and a flux (m,)."""
        spatial = [k for k, (kind, _) in enumerate(self.charges) if kind != "energy"]
        sizes = self._sizes(q, p)[jnp.asarray(spatial, int)]
        return entered(old, self.values(q, p, t, theta, energy), flux, sizes)
