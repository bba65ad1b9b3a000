"""[events] that act: a run is stopped, or its state set, where an event crosses zero.

The step is cut there. Its first part ends on the event, at the order of the method; after the
action a part of its own goes on to the end of the step, unless an event acts in it, too. So the
steps of a run lie where they would lie without events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.mechanics import CoordinateFunctions
from actionrun.compiler.numerics.integrators.runge_kutta import EquationsOfMotion
from actionrun.compiler.numerics.integrators.time_marching import (
    EventHistory,
    TimeMarcher,
    Trajectory,
)
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowering import lowered

from .dense_output import DenseOutput
from .settings import Settings

STEPS = 512  # that are looked at together, as what lies behind an action is looked at in vain
NOTHING = 1e-13  # of a step: a part so short is none
SAME = 1e-12  # of a step: crossings so near in time are one
ROUNDED = 8 * np.finfo(float).eps  # of the time: the same
AGAIN = 1e-9  # of a step: an event that acts twice within it accumulates
ON = 1e-9  # of what it changes by in a step at its slope before: an event so small is on zero
STILL = 1e-9  # of its slope before: an event so slow after an action does not leave zero
UNSURE = 1e-12  # of the same: a side of zero so near to it is not known
STOPPED, ACCUMULATED, RESTING = 1, 2, 3  # why an event has ended a run

Between = dict[str, np.ndarray]


class Jump(NamedTuple):
    """An action: the state after it, the state's q, v (n,), what it added to the energy and to
    charges, and by how much events (m,) are off zero and how fast they change, before and after."""

    x: Trajectory
    q: jax.Array
    v: jax.Array
    energy: jax.Array
    charges: jax.Array
    slope_before: jax.Array
    value: jax.Array
    slope: jax.Array


@eqx.filter_jit
def _part(march: TimeMarcher, x: Trajectory, t, h, theta) -> Trajectory:
    return march.part(x, t, h, theta)


@eqx.filter_jit
def _jump(march: TimeMarcher, events, actions, x: Trajectory, t, theta, which) -> Jump:
    flat, n = march.integrator.mechanics.flattened, len(x.q)
    motion = EquationsOfMotion(flat, None, None)
    t = jnp.asarray(t, x.q.dtype)

    def slopes(q, v):
        a = motion.acceleration(q, v, t, theta)
        one = jnp.ones_like(t)
        return jax.jvp(lambda *z: events(*z, theta), (q, v, t), (v, a, one))

    before = flat.velocity(x.q, x.p, t, theta)
    new = actions(x.q, before, t, theta).reshape((-1, 2 * n))[which]
    q, v = new[:n], new[n:]
    moved, energy, charges = march.jumped(x, q, flat.momentum(q, v, t, theta), t, theta)
    value, slope = slopes(q, v)
    return Jump(moved, q, v, energy, charges, slopes(x.q, before)[1], value, slope)


@eqx.filter_jit
def _values(march: TimeMarcher, events, q, p, t, theta) -> jax.Array:
    v = march.integrator.mechanics.flattened.velocity(q, p, t, theta)
    return events(q, v, t, theta)


@dataclass(frozen=True, eq=False)
class ActingEvents:
    """What the m events of a run do. `actions` gives q and v after each, (m 2n,); `most` (m,): how
    often one acts, or which crossing stops."""

    settings: Settings
    output: DenseOutput
    actions: CoordinateFunctions
    stops: np.ndarray
    sets: np.ndarray
    most: np.ndarray

    def start(self, x: Trajectory) -> Trajectory:
        m = len(self.stops)
        none = jnp.asarray(0)
        zero = jnp.zeros(m)
        early = jnp.full(m, -jnp.inf)
        history = EventHistory(jnp.zeros(m, int), early, zero, zero, none, none)
        return x._replace(events=history)

    def none(self, x: Trajectory) -> Between:
        """Samples of no action."""
        n, charges = len(x.q), 0 if x.balance is None else len(x.balance.start)
        return {"act": np.zeros(0, int), "act_t": np.zeros(0), "act_q": np.zeros((0, n)),
                "act_v": np.zeros((0, n)), "act_energy": np.zeros(0),
                "act_charges": np.zeros((0, charges))}  # fmt: skip

    def interrupted(
        self, march: TimeMarcher, reach: Callable[[int], Trajectory], before: Trajectory,
        x: Trajectory, rows: list[np.ndarray], between: Between, theta: Any,
    ) -> tuple[Trajectory, list[np.ndarray], Between]:  # fmt: skip
        """The steps from `before` to x, given what was found between their rows, up to the end of
        the first one in which an event acts; `reach` gives the state at a step on the way."""
        h, history = self.output.h, history_of(before)
        between = self._genuine(between, history, h)
        if np.max(history.last) > h * (int(before.step) - 1):  # an event acted in the step before
            q, p, end = rows[1][0], rows[2][0], h * (int(before.step) + 1)
            if (lost := self._unseen(march, between, q, p, end, theta, history)) is not None:
                over = _with(history, ended=ACCUMULATED, ended_by=lost)
                none = {key: part[:0] for key, part in between.items()}
                return before._replace(events=over), [part[:0] for part in rows], none
        between = counted(self.settings, between)
        first, count = self._first(between, history)
        if first is None:
            return x._replace(events=_with(history_of(x), counts=count)), rows, between
        t = float(between["event_t"][first])
        begin = int(before.step)
        k = min(max(int(t / h), begin), begin + len(rows[0]) - 1)
        k = max(k - (h * k > t), begin)
        x = reach(k) if k > begin else before
        kept = [part[: k - begin] for part in rows]
        x, row, parts = self._cut(march, x, t, between, theta, count)
        if row is not None:
            kept = [
                np.concatenate([a, np.asarray(b)[None]]) for a, b in zip(kept, row, strict=True)
            ]
        return x, kept, parts

    def _cut(self, march, x: Trajectory, t: float, between: Between, theta, count):
        """The rest of the step of x, in which events act first at t."""
        h, k = self.output.h, int(x.step)
        begin, end, parts = h * k, h * (k + 1), []
        newton = march.solver == "newton" or bool(x.newton)
        whole = min(STEPS, self.output.capacity)
        while True:
            parts.append(_until(between, t + self._same(t)))
            x = self._moved(march, x, begin, t - begin, theta)
            x, done = self._acted(march, x, t, parts[-1], theta, count)
            parts.append(done)
            begin = t
            if int(x.status) or ended(x):
                break
            y = self._moved(march, x, begin, end - begin, theta)
            if int(y.status) or end - begin <= NOTHING * h:
                x, t = y._replace(step=jnp.asarray(k + 1)), end
                break
            times, at = self.output.times, self.output.at
            mine = (at == k) & (times > begin)
            rest = replace(self.output, h=end - begin, origin=begin, base=k, times=times[mine],
                           at=at[mine])  # fmt: skip
            q, p = (np.stack([np.asarray(a), np.asarray(b)]) for a, b in ((x.q, y.q), (x.p, y.p)))
            V = np.asarray(y.V)[None]
            found = rest.block(k, q, p, V, theta, whole, newton)
            history = history_of(x)
            between = self._genuine(found, history, h)
            lost = self._unseen(march, between, q[1], p[1], end, theta, history)
            if lost is not None:
                x = x._replace(events=_with(history, ended=ACCUMULATED, ended_by=lost))
                break
            between = counted(self.settings, between)
            first, count = self._first(between, history)
            if first is None:
                parts.append(between)
                x, t = (
                    y._replace(step=jnp.asarray(k + 1), events=_with(history_of(x), counts=count)),
                    end,
                )
                break
            t = float(between["event_t"][first])
        if int(x.status):
            return x, None, _joined(parts)
        flux = () if x.balance is None or x.balance.flux is None else (x.balance.flux,)
        return x, (np.float64(t), x.q, x.p, *flux, x.V), _joined(parts)

    def _moved(self, march, x: Trajectory, t: float, length: float, theta) -> Trajectory:
        if length <= NOTHING * self.output.h:
            return x
        # as arrays: Python numbers would be compiled in
        t_, length_ = jax.device_put((np.float64(t), np.float64(length)))
        y = _part(march, x, t_, length_, theta)
        if int(y.status) and march.solver == "fixed point":
            march, x = replace(march, solver="newton"), x._replace(status=jnp.asarray(0))
            return _part(march, x, t_, length_, theta)
        return y

    def _acted(self, march, x: Trajectory, t: float, between: Between, theta, count):
        """The state after all that acts at t, and samples of it."""
        history, h = history_of(x), self.output.h
        at = np.abs(between["event_t"] - t) <= self._same(t)
        here = sorted({int(i) for i in between["event"][at]})
        last, leaving, fast = (np.array(x) for x in history[1:4])
        why, by, rows = 0, 0, []
        for i in here:
            acting = self._acts(i, count[i])
            if not acting:
                continue
            if self.sets[i]:
                at_t, which = jax.device_put((np.float64(t), np.int64(i)))
                jump = _jump(march, self.output.paths.events, self.actions, x, at_t, theta, which)
                slope, before = (float(s[i]) for s in (jump.slope, jump.slope_before))
                on = abs(float(jump.value[i])) <= ON * abs(before) * h
                if on and abs(slope) <= STILL * abs(before):
                    why, by = RESTING, i
                elif t - history.last[i] <= AGAIN * h:
                    why, by = ACCUMULATED, i
                x = jump.x
                rows.append((i, t, jump.q, jump.v, jump.energy, jump.charges))
                for j in here:
                    leaving[j] = np.sign(float(jump.slope[j])) * on
                    fast[j] = abs(float(jump.slope_before[j]))
            last[here] = t
            if self.stops[i] and count[i] >= self.most[i]:
                why, by = STOPPED, i
        history = EventHistory(*map(jnp.asarray, (count, last, leaving, fast, why, by)))
        samples: Between = {}
        if rows:
            which, times, *states = zip(*rows, strict=True)
            q, v, energy, charges = (np.stack([np.asarray(x) for x in part]) for part in states)
            samples = {"act": np.array(which), "act_t": np.array(times), "act_q": q, "act_v": v,
                       "act_energy": energy, "act_charges": charges}  # fmt: skip
        return x._replace(events=history), samples

    def _acts(self, i: int, count: int) -> bool:
        if self.stops[i]:
            return bool(self.sets[i]) or count >= self.most[i]
        return bool(self.sets[i]) and count <= self.most[i]

    def _same(self, t: float) -> float:
        return max(SAME * self.output.h, ROUNDED * abs(t))

    def _genuine(self, between: Between, history: EventHistory, h: float) -> Between:
        """Without the zero that an event is left with by rounding where it has just acted: from
        there it can only come back."""
        if "event" not in between:
            return between
        which, up = between["event"], 2 * between["event_rising"] - 1
        near = between["event_t"] - history.last[which] <= AGAIN * h
        keep = ~(near & (up == history.leaving[which]))
        return {k: x[keep] if k.startswith("event") else x for k, x in between.items()}

    def _unseen(
        self, march, between: Between, q, p, t: float, theta, history: EventHistory
    ) -> int | None:
        """An event that has just acted and lies on the wrong side of zero at q, p (n,) and t, for
        all the crossings that were seen since: it came back sooner than numbers tell."""
        jumps = between["mark"][np.isnan(between["mark_value"])]
        values = None
        for i in np.flatnonzero((history.last == np.max(history.last)) & (history.leaving != 0)):
            if i in jumps:
                continue
            if values is None:
                at_q, at_p, at_t = jax.device_put((q, p, np.float64(t)))
                events = self.output.paths.events
                values = np.asarray(_values(march, events, at_q, at_p, at_t, theta))
            seen = (between["event"] == i) & (between["event_t"] <= t)
            side = history.leaving[i] * (-1) ** int(np.sum(seen))
            if values[i] * side < 0 and abs(values[i]) > UNSURE * history.fast[i] * self.output.h:
                return int(i)
        return None

    def _first(self, between: Between, history: EventHistory) -> tuple[int | None, np.ndarray]:
        """The first crossing that acts, and how many crossings have counted up to it, or to the
        end; with those at the same time."""
        count, first = np.array(history.counts), None
        for k in np.argsort(between["event_t"], kind="stable"):
            t, i = float(between["event_t"][k]), int(between["event"][k])
            if first is not None and t > float(between["event_t"][first]) + self._same(t):
                break
            count[i] += 1
            if first is None and self._acts(i, count[i]):
                first = int(k)
        return first, count


def ended(x: Trajectory) -> int:
    """Why an event has ended the run of a state: one of STOPPED, ...; 0 where none has."""
    return 0 if x.events is None else int(x.events.ended)


def counted(settings: Settings, between: Between) -> Between:
    """The crossings and marks that count: of the direction that is asked for, after the time."""
    rules = list(settings.events.values())
    if not rules or "event" not in between:
        return between
    direction, after = np.array([e.direction for e in rules]), np.array([e.after for e in rules])
    which = between["event"]
    wanted = direction[which]
    keep = ((wanted == 0) | (wanted == 2 * between["event_rising"] - 1)) & (
        between["event_t"] > after[which])  # fmt: skip
    marked = between["mark_t"] > after[between["mark"]]
    chosen = {"event": keep, "mark": marked}
    return {key: x[chosen[key.split("_")[0]]] if key.split("_")[0] in chosen else x
            for key, x in between.items()}  # fmt: skip


def acting_events(
    settings: Settings, system: LagrangianSystem, output: DenseOutput | None
) -> ActingEvents | None:
    """What the events of a study do; None where they do nothing."""
    rules = list(settings.events.values())
    if output is None or not any(rule.acts for rule in rules):
        return None
    words, states = system.words, []
    for rule in rules:
        own = [*words.q, *words.v]
        for entry, formula in rule.set.items():
            own[entry] = words.scalar(formula)
        states += own
    arguments = [*words.q, *words.v, words.t, *system.constants]
    stops = np.array([rule.stop for rule in rules])
    most = [rule.count or (1 if rule.stop else np.inf) for rule in rules]
    return ActingEvents(
        settings=settings,
        output=output,
        actions=CoordinateFunctions(lowered(states, arguments)),
        stops=stops,
        sets=np.array([bool(rule.set) for rule in rules]),
        most=np.array(most),
    )


def _until(between: Between, t: float) -> Between:
    """What was found up to a time."""
    kept = {}
    for key, x in between.items():
        name = key.split("_")[0]
        kept[key] = x[between[f"{name}_t"] <= t]
    return kept


def _joined(parts: list[Between]) -> Between:
    names = {name for part in parts for name in part}
    return {name: np.concatenate([p[name] for p in parts if name in p]) for name in names}


def history_of(x: Trajectory) -> EventHistory:
    """Of a state; of no events where none act."""
    none = np.zeros(0)
    empty = (none, none, none, none, np.zeros((), int), np.zeros((), int))
    return EventHistory._make(empty if x.events is None else map(np.asarray, x.events))


def _with(history: EventHistory, **changes: Any) -> EventHistory:
    return EventHistory._make(map(jnp.asarray, history._replace(**changes)))
