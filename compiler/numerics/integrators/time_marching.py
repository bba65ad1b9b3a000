"""Many steps of the GGL integrator in one compiled loop: constant memory, stops at trouble.

A march ends early at the first step that does not converge or leaves the finite world, with the
state as it was before that step, so that the caller can change the solver or report. What it does
depends on the state and the step's number alone, never on how a run was cut into marches.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.compensated import Pair, two_sum
from actionrun.compiler.numerics.linalg import apply
from jaxtyping import Array, Float

from .charge_balance import Balance, ChargeBalance, flux_of
from .constrained import Constraints
from .linear_map import LEAP, Map, Powers, increments
from .mechanics import DiscreteMechanics, ExactSolution, Parameters, TimeTransform
from .quadrature import Rule
from .steps import Step, StepInput

# a last relative change above this is a step that did not converge
CONVERGED = {"float64": 1e-9, "float32": 1e-3}


class Integrator(Protocol):
    """What a march asks of a method of steps: see `variational.GGL`, the plain one.

    States q, p (n,) hold time and -energy behind positions and momenta where there is a `clock`.
    """

    @property
    def mechanics(self) -> DiscreteMechanics:
        """Of physical positions and velocities."""
        ...

    @property
    def r(self) -> int: ...

    @property
    def rule(self) -> Rule: ...

    @property
    def clock(self) -> TimeTransform | None: ...

    @property
    def surface(self) -> Constraints | None: ...

    @property
    def explicit(self) -> bool: ...

    @property
    def linear(self) -> bool: ...

    def with_r(self, r: int) -> Integrator: ...

    def time(self, q, t) -> jax.Array: ...

    def energies(self, q, p, t, theta: Parameters, minv=None, V=None) -> tuple: ...

    def violation(self, q, t, theta: Parameters) -> jax.Array: ...

    def guess(self, q, p, t, theta: Parameters) -> jax.Array: ...

    def extrapolated(self, seed, far: bool = False) -> jax.Array: ...

    def velocities(self, p, t, h, theta: Parameters, seed) -> jax.Array: ...

    def preconditioner(self, q, p, t, theta: Parameters) -> jax.Array: ...

    def step(self, at: StepInput, newton: bool) -> Step: ...


class Monitor(NamedTuple):
    """Running extremes over all steps, and counts."""

    energy_start: jax.Array
    kinetic_start: jax.Array
    energy_low: jax.Array
    energy_high: jax.Array
    kinetic_high: jax.Array
    exact_error: jax.Array
    iterations: jax.Array
    iterations_most: jax.Array
    violation: jax.Array  # (2, m): |phi| and its scale of each holonomic constraint
    energy_jump: jax.Array  # what events have added; it is in `energy_start`, `_low` and `_high`


class EventHistory(NamedTuple):
    """Of each of m events: crossings that counted (m,), the time of the last action there (m,), the
    sign by which the event left zero after it (m,) and its slope before (m,); and why and by which
    event the run ended: 0 while it goes on."""

    counts: jax.Array
    last: jax.Array
    leaving: jax.Array
    fast: jax.Array
    ended: jax.Array  # 0, or one of the reasons of `acting_events`
    ended_by: jax.Array


class Trajectory(NamedTuple):
    """A point of a run: state with the parts that rounding would lose, guess, step number."""

    q: jax.Array  # (n,)
    p: jax.Array  # (n,)
    q_low: jax.Array
    p_low: jax.Array
    seed: jax.Array  # (n, r + 2) of the last step, see `variational.Step`
    step: jax.Array  # int64
    monitor: Monitor
    newton: jax.Array  # whether the fixed point has failed on the way
    status: jax.Array  # 0 sound, 1 not converged, 2 not finite
    balance: Balance | None = None  # of charges, where one is kept
    V: jax.Array | None = None  # (n, r + 2) nodal velocities of the last step, where rows hold them
    events: EventHistory | None = None  # where some act


class Tools(NamedTuple):
    """What the steps of a march share: the preconditioner, the map of a quadratic problem, and the
    parameters in double precision."""

    minv: jax.Array
    prepared: Map | None
    theta: Parameters


def energy_scale(m: Monitor) -> float:
    """What errors of the energy are relative to: what was there at the start, max(|E0|, 1e-3 T0,
    1e-3 |E0 - T0|); only from a start without any, 1e-3 of the largest kinetic energy."""
    energy, kinetic = float(m.energy_start - m.energy_jump), float(m.kinetic_start)
    scale = max(abs(energy), 1e-3 * kinetic, 1e-3 * abs(energy - kinetic))
    return scale or 1e-3 * float(m.kinetic_high)


def energy_error(x: Trajectory) -> float:
    """Largest |E - E0| so far over `energy_scale`."""
    m, scale = x.monitor, energy_scale(x.monitor)
    start = float(m.energy_start)
    worst = max(float(m.energy_high) - start, start - float(m.energy_low))
    return worst / scale if scale else worst


def constraint_error(x: Trajectory) -> float:
    """Largest |phi| so far over the largest scale of phi, the worst of all constraints.

    The scale of a constraint is the sum of the sizes of its terms (l^2 + x^2 + y^2 for the rod of a
    pendulum); for a constraint of one term, x = 0, it is 1.
    """
    error, scale = x.monitor.violation
    return float(max(e / s if s else e for e, s in zip(error, scale, strict=True)))


def compensated(x: Float[Array, "..."], low: Float[Array, "..."], dx: Float[Array, "..."]) -> Pair:
    """x + dx and the rounding error to carry: of the increment, too, nothing is lost."""
    total = two_sum(x, dx)
    return two_sum(total.high, total.low + low)


class TimeMarcher(eqx.Module):
    """Steps of one trajectory. `exact` (optional) gives the true positions at a time, `charges`
    (optional) those whose balance is kept."""

    integrator: Integrator
    solver: str = eqx.field(static=True)  # "linear", "fixed point", "newton"
    exact: ExactSolution | None
    charges: ChargeBalance | None = None
    dense: bool = eqx.field(static=True, default=False)  # whether rows hold nodal velocities too

    def start(self, q, p, t, theta) -> Trajectory:
        minv = self.integrator.preconditioner(q, p, t, theta)
        energy, kinetic = self.integrator.energies(q, p, t, theta, minv)
        zero, none = jnp.zeros((), q.dtype), jnp.asarray(0)
        violation = self.integrator.violation(q, t, theta)
        monitor = Monitor(energy, kinetic, energy, energy, kinetic, zero, none, none, violation,
                          jnp.zeros_like(energy))  # fmt: skip
        seed = self.integrator.guess(q, p, t, theta)
        none = jnp.zeros_like(q)
        no, zero = jnp.asarray(False), jnp.asarray(0)
        x = Trajectory(q, p, none, none, seed, zero, monitor, no, zero)
        V = jnp.zeros_like(self._nodal(seed)) if self.dense else None
        x = x._replace(V=V)
        if self.charges is None:
            return x
        balance = self.charges.start(q, p, self.integrator.time(q, t), theta, energy)
        return x._replace(balance=balance)

    def _nodal(self, V) -> jax.Array:
        """Nodal velocities (n, r + 2) of the whole system, as rows hold them."""
        return self.integrator.mechanics.flat(V)

    def advance(
        self, x: Trajectory, t0, h, theta, stop, every, capacity: int, prepared: Map | None = None
    ):
        """March to step `stop`, or to the first trouble, or until `capacity` rows are full.

        Steps are taken in the precision of x; t0, h and theta are float64 all the same.
        `stop` and `every` are dynamic. A row (t, q, p) is kept after each step whose number is a
        multiple of `every`, and after the last, with the flux of the charges behind it where
        there is one, and then the nodal velocities where `dense`. Returns the state, the rows and
        their count. `prepared` is the map of a step (`linear_map.step_map`) where the solver is
        "linear".
        """
        n, t0, h = len(x.q), jnp.asarray(t0, float), jnp.asarray(h, float)
        rows = (
            jnp.zeros((capacity,), h.dtype),
            jnp.zeros((capacity, n), x.q.dtype),
            jnp.zeros((capacity, n), x.q.dtype),
        )
        if x.balance is not None and x.balance.flux is not None:
            rows = (*rows, jnp.zeros((capacity, len(x.balance.flux)), x.q.dtype))
        if self.dense:
            rows = (*rows, jnp.zeros((capacity, *self._nodal(x.seed).shape), x.q.dtype))
        double = theta  # maps and true positions are worked out in it, whatever the states are in
        theta = jax.tree.map(lambda a: a.astype(x.q.dtype), theta)
        minv = self.integrator.preconditioner(x.q, x.p, t0.astype(x.q.dtype), theta)
        tools = Tools(minv, prepared, double)

        def row(s):
            k, x, rows = s
            until = jnp.minimum(stop, (x.step // every + 1) * every)
            if prepared is not None and prepared.powers is not None:
                x = self._leaps(x, t0, h, theta, tools, prepared.powers, until)
            x = jax.lax.while_loop(
                lambda x: (x.status == 0) & (x.step < until),
                lambda x: self._step(x, t0 + h * x.step, h, theta, tools),
                x,
            )
            values = (t0 + h * x.step, x.q, x.p)
            if x.balance is not None and x.balance.flux is not None:
                values = (*values, x.balance.flux)
            if self.dense:
                values = (*values, x.V)
            rows = tuple(part.at[k].set(v) for part, v in zip(rows, values, strict=True))
            return k + (x.status == 0), x, rows

        count, x, rows = jax.lax.while_loop(
            lambda s: (s[1].step < stop) & (s[1].status == 0) & (s[0] < capacity),
            row,
            (jnp.asarray(0), x, rows),
        )
        return x, rows, count

    def _leaps(
        self, x: Trajectory, t0, h, theta, tools: Tools, powers: Powers, until
    ) -> Trajectory:
        """Leaps of a linear map as far as step `until`; one that leaves the finite numbers is not
        taken."""

        def leap(s):
            x, _ = s
            new = self._leapt(x, t0, h, theta, tools, powers)
            sound = jnp.all(jnp.isfinite(new.q) & jnp.isfinite(new.p))
            return jax.tree.map(lambda a, b: jax.lax.select(sound, a, b), new, x), sound

        def more(s):
            return s[1] & (s[0].step + LEAP <= until)

        return jax.lax.while_loop(more, leap, (x, x.status == 0))[0]

    def _leapt(self, x: Trajectory, t0, h, theta, tools: Tools, powers: Powers) -> Trajectory:
        """The state after LEAP steps of a linear map, every one of them watched."""
        n, form = len(x.q), None if tools.prepared is None else tools.prepared.form
        z, low = jnp.concatenate([x.q, x.p]), jnp.concatenate([x.q_low, x.p_low])
        dz = increments(powers, z, low)
        Z = z[:, None] + dz
        last = Z[:, -1]
        low = dz[:, -1] - (last - z)
        ends = t0 + h * (x.step + jnp.arange(1, LEAP + 1))
        minv = tools.minv[..., None]
        tools = tools._replace(minv=minv)
        monitor = self._watched(x.monitor, Z[:n], Z[n:], ends, theta, tools, None, LEAP)
        balance = None
        if self.charges is not None and x.balance is not None:
            energy, _ = self.integrator.energies(Z[:n], Z[n:], ends, theta, minv)
            starts = jnp.concatenate([z[:, None], Z[:, :-1]], axis=1)
            flux = None if form is None else jax.vmap(lambda z: flux_of(form, z), 1, 1)(starts)
            state = Z[:n], Z[n:], ends
            balance = self.charges.accumulate_steps(x.balance, flux, *state, theta, energy)
        return x._replace(q=last[:n], p=last[n:], q_low=low[:n], p_low=low[n:], monitor=monitor,
                          step=x.step + LEAP, balance=balance)  # fmt: skip

    def part(self, x: Trajectory, t, h, theta) -> Trajectory:
        """The state after a step of another length h from time t, from a guess of its own; the
        number of the step stays, and the next one starts afresh as well."""
        t, h, double = jnp.asarray(t, float), jnp.asarray(h, float), theta
        theta = jax.tree.map(lambda a: a.astype(x.q.dtype), theta)
        minv = self.integrator.preconditioner(x.q, x.p, t.astype(x.q.dtype), theta)
        fresh = x._replace(seed=self.integrator.guess(x.q, x.p, t.astype(x.q.dtype), theta))
        new = self._step(fresh, t, h, theta, Tools(minv, None, double))
        seed = self.integrator.guess(new.q, new.p, (t + h).astype(x.q.dtype), theta)
        return new._replace(step=x.step, seed=seed)

    def jumped(self, x: Trajectory, q, p, t, theta) -> tuple[Trajectory, jax.Array, jax.Array]:
        """The state moved to q, p (n,) at one time t, what that adds to the energy, and to each
        charge (m,): neither counts as an error of the steps."""
        g = self.integrator
        before, _ = g.energies(x.q, x.p, t, theta)
        after, kinetic = g.energies(q, p, t, theta)
        m, added = x.monitor, after - before
        m = m._replace(
            energy_start=m.energy_start + added, energy_low=m.energy_low + added,
            energy_high=m.energy_high + added, energy_jump=m.energy_jump + added,
            kinetic_high=jnp.maximum(m.kinetic_high, kinetic),
        )  # fmt: skip
        balance, jump = x.balance, jnp.zeros((0,), q.dtype)
        if self.charges is not None and balance is not None:
            old = self.charges.values(x.q, x.p, t, theta, before)
            jump = self.charges.values(q, p, t, theta, after) - old
            size = jnp.maximum(balance.size, self.charges.sizes(q, p, t, theta))
            balance = balance._replace(start=balance.start + jump, size=size)
        none = jnp.zeros_like(q)
        seed = g.guess(q, p, t, theta)
        new = x._replace(q=q, p=p, q_low=none, p_low=none, seed=seed, monitor=m, balance=balance)
        return new, added, jump

    def _step(self, x: Trajectory, t, h, theta, tools: Tools) -> Trajectory:
        """One step from time t; where it is in trouble the state stays, and says so."""
        new, change = self._moved(x, t, h, theta, tools)
        finite = jnp.all(jnp.isfinite(new.q) & jnp.isfinite(new.p))
        # a fixed point that ran away is no fault of the motion: Newton has its turn
        lost = 1 if self.solver == "fixed point" else 2
        status = jnp.where(finite, jnp.where(change <= CONVERGED[x.q.dtype.name], 0, 1), lost)
        kept, new = x._replace(status=status), new._replace(status=status)
        sound = status == 0
        return jax.tree.map(lambda a, b: jax.lax.select(sound, a, b), new, kept)

    def _moved(self, x: Trajectory, t, h, theta, tools: Tools) -> tuple[Trajectory, jax.Array]:
        """The state after a step, whatever became of it, and the last change of its iteration."""
        end = t + h
        t, h = t.astype(x.q.dtype), h.astype(x.q.dtype)
        g, minv, form = self.integrator, tools.minv, None
        below: tuple = (0.0, 0.0)
        if tools.prepared is not None:
            D, d, form, low, _ = tools.prepared
            z = jnp.concatenate([x.q, x.p])
            dz = apply(D, z) + d
            if low is not None:
                z_low = jnp.concatenate([x.q_low, x.p_low])
                rest = apply(low[0], z) + (low[1] + apply(D, z_low))
                below = rest[: len(x.q)], rest[len(x.q) :]
            dq, dp = dz[: len(x.q)], dz[len(x.q) :]
            V, seed, iterations, change = None, x.seed, jnp.asarray(1), jnp.zeros((), x.q.dtype)
        else:
            newton = self.solver == "newton"
            guess, low = g.extrapolated(x.seed, far=newton), (x.q_low, x.p_low)
            done = g.step(StepInput(x.q, x.p, t, h, theta, minv, guess, low), newton)
            dq, dp, seed, change = done.dq, done.dp, done.seed, done.change
            iterations = done.iterations
            if done.low is not None:
                below = done.low
            V = None  # of forces, velocities are worked out where they are wanted
            wanted = self.dense or self.charges is not None
            if wanted or not g.mechanics.momentum_is_mass_times_velocity:
                V = g.velocities(x.p, t, h, theta, seed)
        q, q_low = compensated(x.q, x.q_low + below[0], dq)
        p, p_low = compensated(x.p, x.p_low + below[1], dp)
        monitor = self._watched(x.monitor, q, p, end, theta, tools, V, iterations)
        balance = None
        if self.charges is not None and x.balance is not None:
            if form is None:
                flux = self.charges.flux(x.q, V, t, h, theta)
            else:
                flux = flux_of(form, jnp.concatenate([x.q, x.p]))
            energy, _ = g.energies(q, p, t + h, theta, minv, V)
            at = g.time(q, t + h)
            balance = self.charges.accumulate(x.balance, flux, q, p, at, theta, energy)
        step, status = x.step + 1, x.status
        kept = self._nodal(V) if self.dense and V is not None else None
        new = Trajectory(q, p, q_low, p_low, seed, step, monitor, x.newton, status, balance, kept,
                         x.events)  # fmt: skip
        return new, change

    def _watched(self, m: Monitor, q, p, end, theta, tools: Tools, V, iterations) -> Monitor:
        """The monitor after a step that ended at q, p (n,), or after several, (n, steps)."""
        t = end.astype(q.dtype)
        energy, kinetic = self.integrator.energies(q, p, t, theta, tools.minv, V)
        m = m._replace(
            energy_low=jnp.minimum(m.energy_low, jnp.min(energy)),
            energy_high=jnp.maximum(m.energy_high, jnp.max(energy)),
            kinetic_high=jnp.maximum(m.kinetic_high, jnp.max(kinetic)),
            violation=jnp.maximum(m.violation, self.integrator.violation(q, t, theta)),
        )
        if self.exact is not None:
            true = self.exact(self.integrator.time(q, end), *tools.theta)
            error = jnp.max(jnp.abs(q[: len(true)] - true))
            m = m._replace(exact_error=jnp.maximum(m.exact_error, error.astype(q.dtype)))
        most = iterations if q.ndim == 1 else 1  # of a map, one a step
        return m._replace(
            iterations=m.iterations + iterations,
            iterations_most=jnp.maximum(m.iterations_most, most),
        )
