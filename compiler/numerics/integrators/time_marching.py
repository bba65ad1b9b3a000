"""Many steps of the GGL integrator in one compiled loop: constant memory, stops at trouble.

A march ends early at the first step that does not converge or leaves the finite world, with the
state as it was before that step, so that the caller can change the solver or report. What it does
depends on the state and the step's number alone, never on how a run was cut into marches.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.integrators.many_body.mechanics import AtAll, Bodies, BodyLedger
from actionrun.compiler.numerics.linalg import apply

from .charge_balance import Balance, Ledger, flux_of
from .constrained import Constrained
from .linear_map import Map
from .linear_powers import LEAP, ahead
from .time_transformed import Transformed
from .variational import GGL

# a last relative change above this is a step that did not converge
CONVERGED = {"float64": 1e-9, "float32": 1e-3}
NEWTON_ITERATIONS = 8

Single = GGL | Constrained | Transformed  # of one body, or of coordinates that are all named
Stepper = Single | Bodies


class Monitor(NamedTuple):
    """Running extremes over all steps, and counts."""

    energy_start: jax.Array
    energy_low: jax.Array
    energy_high: jax.Array
    kinetic_high: jax.Array
    exact_error: jax.Array
    passes: jax.Array
    passes_most: jax.Array
    violation: jax.Array  # (2, m): |phi| and its scale of each holonomic constraint


class Trajectory(NamedTuple):
    """A point of a run: state with the parts that rounding would lose, guess, step number."""

    q: jax.Array  # (n,)
    p: jax.Array  # (n,)
    q_low: jax.Array
    p_low: jax.Array
    seed: jax.Array  # (n, r + 2) of the last step, see `ggl.Step`
    step: jax.Array  # int64
    monitor: Monitor
    newton: jax.Array  # whether the fixed point has failed on the way
    trouble: jax.Array  # 0 none, 1 not converged, 2 not finite
    balance: Balance | None = None  # of the ledger, where one is kept
    V: jax.Array | None = None  # (n, r + 2) nodal velocities of the last step, where rows hold them


class Tools(NamedTuple):
    """What the steps of a march share: the preconditioner, the map of a quadratic problem, and the
    parameters in double precision."""

    minv: jax.Array
    prepared: Map | None
    theta: jax.Array | tuple


def energy_error(x: Trajectory) -> float:
    """Largest |E - E0| so far over max(|E0|, 1e-3 of the largest kinetic energy)."""
    m = x.monitor
    start = float(m.energy_start)
    worst = max(float(m.energy_high) - start, start - float(m.energy_low))
    scale = max(abs(start), 1e-3 * float(m.kinetic_high))
    return worst / scale if scale else worst


def constraint_error(x: Trajectory) -> float:
    """Largest |phi| so far over the largest scale of phi, the worst of all constraints.

    The scale of a constraint is the sum of the sizes of its terms (l^2 + x^2 + y^2 for the rod of a
    pendulum); for a constraint of one term, x = 0, it is 1.
    """
    error, scale = x.monitor.violation
    return float(max(e / s if s else e for e, s in zip(error, scale, strict=True)))


def compensated(x, low, dx):
    """x + dx and the rounding error to carry (Kahan)."""
    y = dx + low
    total = x + y
    return total, y - (total - x)


class March(eqx.Module):
    """Steps of one trajectory. `exact` (optional) gives the true positions at a time, `ledger`
    (optional) the charges whose balance is kept."""

    ggl: Stepper
    solver: str = eqx.field(static=True)  # "linear", "fixed point", "newton"
    exact: ArrayFunction | AtAll | None
    ledger: Ledger | BodyLedger | None = None
    dense: bool = eqx.field(static=True, default=False)  # whether rows hold nodal velocities too

    def start(self, q, p, t, theta) -> Trajectory:
        minv = self.ggl.preconditioner(q, p, t, theta)
        energy, kinetic = self.ggl.energies(q, p, t, theta, minv)
        zero, none = jnp.zeros((), q.dtype), jnp.asarray(0)
        violation = self.ggl.violation(q, t, theta)
        monitor = Monitor(energy, energy, energy, kinetic, zero, none, none, violation)
        seed = self.ggl.guess(q, p, t, theta)
        none = jnp.zeros_like(q)
        no, zero = jnp.asarray(False), jnp.asarray(0)
        x = Trajectory(q, p, none, none, seed, zero, monitor, no, zero)
        x = x._replace(V=jnp.zeros_like(seed) if self.dense else None)
        if self.ledger is None:
            return x
        balance = self.ledger.start(q, p, self.ggl.time(q, t), theta, energy)
        return x._replace(balance=balance)

    def advance(
        self, x: Trajectory, t0, h, theta, stop, every, capacity: int, prepared: Map | None = None
    ):
        """March to step `stop`, or to the first trouble, or until `capacity` rows are full.

        Steps are taken in the precision of x; t0, h and theta are float64 all the same.
        `stop` and `every` are dynamic. A row (t, q, p) is kept after each step whose number is a
        multiple of `every`, and after the last, with the flux of the ledger behind it where there
        is one, and then the nodal velocities where `dense`. Returns the state, the rows and their
        count. `prepared` is the map of a step (`quadratic.map_of`) where the solver is "linear".
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
            rows = (*rows, jnp.zeros((capacity, *x.seed.shape), x.q.dtype))
        double = theta  # maps and true positions are worked out in it, whatever the states are in
        theta = jax.tree.map(lambda a: a.astype(x.q.dtype), theta)
        minv = self.ggl.preconditioner(x.q, x.p, t0.astype(x.q.dtype), theta)
        assert (prepared is not None) == (self.solver == "linear")
        tools = Tools(minv, prepared, double)

        def row(s):
            k, x, rows = s
            until = jnp.minimum(stop, (x.step // every + 1) * every)
            if prepared is not None and prepared.powers is not None:
                x = self._leaps(x, t0, h, theta, tools, until)
            x = jax.lax.while_loop(
                lambda x: (x.trouble == 0) & (x.step < until),
                lambda x: self._step(x, t0, h, theta, tools),
                x,
            )
            values = (t0 + h * x.step, x.q, x.p)
            if x.balance is not None and x.balance.flux is not None:
                values = (*values, x.balance.flux)
            if self.dense:
                values = (*values, x.V)
            rows = tuple(part.at[k].set(v) for part, v in zip(rows, values, strict=True))
            return k + (x.trouble == 0), x, rows

        count, x, rows = jax.lax.while_loop(
            lambda s: (s[1].step < stop) & (s[1].trouble == 0) & (s[0] < capacity),
            row,
            (jnp.asarray(0), x, rows),
        )
        return x, rows, count

    def _leaps(self, x: Trajectory, t0, h, theta, tools: Tools, until) -> Trajectory:
        """Leaps of a linear map as far as step `until`; one that leaves the finite numbers is not
        taken."""
        assert tools.prepared is not None

        def leap(s):
            x, _ = s
            new = self._leapt(x, t0, h, theta, tools)
            sound = jnp.all(jnp.isfinite(new.q) & jnp.isfinite(new.p))
            return jax.tree.map(lambda a, b: jax.lax.select(sound, a, b), new, x), sound

        def more(s):
            return s[1] & (s[0].step + LEAP <= until)

        return jax.lax.while_loop(more, leap, (x, x.trouble == 0))[0]

    def _leapt(self, x: Trajectory, t0, h, theta, tools: Tools) -> Trajectory:
        """The state after LEAP steps of a linear map, every one of them watched."""
        assert tools.prepared is not None and tools.prepared.powers is not None
        n, of, form = len(x.q), tools.prepared.powers, tools.prepared.form
        z, low = jnp.concatenate([x.q, x.p]), jnp.concatenate([x.q_low, x.p_low])
        dz = ahead(of, z, low)
        Z = z[:, None] + dz
        last = Z[:, -1]
        low = dz[:, -1] - (last - z)
        ends = t0 + h * (x.step + jnp.arange(1, LEAP + 1))
        minv = tools.minv[..., None]
        tools = tools._replace(minv=minv)
        monitor = self._watched(x.monitor, Z[:n], Z[n:], ends, theta, tools, None, LEAP)
        balance = None
        if self.ledger is not None and x.balance is not None:
            assert not isinstance(self.ledger, BodyLedger)
            energy, _ = self.ggl.energies(Z[:n], Z[n:], ends, theta, minv)
            starts = jnp.concatenate([z[:, None], Z[:, :-1]], axis=1)
            flux = None if form is None else jax.vmap(lambda z: flux_of(form, z), 1, 1)(starts)
            state = Z[:n], Z[n:], ends
            balance = self.ledger.leapt(x.balance, flux, *state, theta, energy)
        return x._replace(q=last[:n], p=last[n:], q_low=low[:n], p_low=low[n:], monitor=monitor,
                          step=x.step + LEAP, balance=balance)  # fmt: skip

    def _step(self, x: Trajectory, t0, h, theta, tools: Tools) -> Trajectory:
        """One step; where it is in trouble the state stays, and says so."""
        new, change = self._moved(x, t0, h, theta, tools)
        finite = jnp.all(jnp.isfinite(new.q) & jnp.isfinite(new.p))
        # a fixed point that ran away is no fault of the motion: Newton has its turn
        lost = 1 if self.solver == "fixed point" else 2
        trouble = jnp.where(finite, jnp.where(change <= CONVERGED[x.q.dtype.name], 0, 1), lost)
        kept, new = x._replace(trouble=trouble), new._replace(trouble=trouble)
        sound = trouble == 0
        return jax.tree.map(lambda a, b: jax.lax.select(sound, a, b), new, kept)

    def _moved(self, x: Trajectory, t0, h, theta, tools: Tools) -> tuple[Trajectory, jax.Array]:
        """The state after a step, whatever became of it, and the last change of its iteration."""
        t = t0 + h * x.step
        end = t + h
        t, h = t.astype(x.q.dtype), h.astype(x.q.dtype)
        g, minv, done, form = self.ggl, tools.minv, None, None
        fine: tuple = (0.0, 0.0)
        if self.solver == "linear":
            assert tools.prepared is not None
            D, d, form, low, _ = tools.prepared
            z = jnp.concatenate([x.q, x.p])
            dz = apply(D, z) + d
            if low is not None:
                z_low = jnp.concatenate([x.q_low, x.p_low])
                rest = apply(low[0], z) + (low[1] + apply(D, z_low))
                fine = rest[: len(x.q)], rest[len(x.q) :]
            dq, dp = dz[: len(x.q)], dz[len(x.q) :]
            V, seed, passes, change = None, x.seed, jnp.asarray(1), jnp.zeros((), x.q.dtype)
        else:
            guess = g.extrapolated(x.seed, far=self.solver == "newton")
            if self.solver == "newton":
                done = g.newton(x.q, x.p, t, h, theta, guess, NEWTON_ITERATIONS)
            else:
                assert not isinstance(g, Constrained)
                low = (x.q_low, x.p_low)
                done = g.fixed_point(x.q, x.p, t, h, theta, minv, guess, low)
            dq, dp, seed, passes, change = done.dq, done.dp, done.seed, done.passes, done.change
            V = None  # of forces, velocities are worked out where they are wanted
            if self.dense or self.ledger is not None or not g.mechanics.bare:
                V = g.velocities(x.p, t, h, theta, seed)
        if done is not None and done.fine is not None:
            fine = done.fine
        q, q_low = compensated(x.q, x.q_low + fine[0], dq)
        p, p_low = compensated(x.p, x.p_low + fine[1], dp)
        monitor = self._watched(x.monitor, q, p, end, theta, tools, V, passes)
        balance = None
        if self.ledger is not None and x.balance is not None:
            balance = self._balanced(x, q, p, V, t, h, theta, minv, form)
        step, trouble = x.step + 1, x.trouble
        kept = V if self.dense else None
        new = Trajectory(q, p, q_low, p_low, seed, step, monitor, x.newton, trouble, balance, kept)
        return new, change

    def _balanced(self, x: Trajectory, q, p, V, t, h, theta, minv, form) -> Balance:
        assert self.ledger is not None and x.balance is not None
        if form is None:
            flux = self.ledger.flux(x.q, V, t, h, theta)
        else:
            flux = flux_of(form, jnp.concatenate([x.q, x.p]))
        energy, _ = self.ggl.energies(q, p, t + h, theta, minv, V)
        at = self.ggl.time(q, t + h)
        return self.ledger.entered(x.balance, flux, q, p, at, theta, energy)

    def _watched(self, m: Monitor, q, p, end, theta, tools: Tools, V, passes) -> Monitor:
        """The monitor after a step that ended at q, p (n,), or after several, (n, steps)."""
        t = end.astype(q.dtype)
        energy, kinetic = self.ggl.energies(q, p, t, theta, tools.minv, V)
        m = m._replace(
            energy_low=jnp.minimum(m.energy_low, jnp.min(energy)),
            energy_high=jnp.maximum(m.energy_high, jnp.max(energy)),
            kinetic_high=jnp.maximum(m.kinetic_high, jnp.max(kinetic)),
            violation=jnp.maximum(m.violation, self.ggl.violation(q, t, theta)),
        )
        if self.exact is not None:
            true = self.exact(self.ggl.time(q, end), *tools.theta)
            if not isinstance(true, jax.Array):
                error = jnp.max(jnp.abs(jnp.stack([q[k] - true[k] for k in range(len(true))])))
            else:
                error = jnp.max(jnp.abs(q[: len(true)] - true))
            m = m._replace(exact_error=jnp.maximum(m.exact_error, error.astype(q.dtype)))
        most = passes if q.ndim == 1 else 1  # of a map, one a step
        return m._replace(passes=m.passes + passes, passes_most=jnp.maximum(m.passes_most, most))
