"""Periodic orbits and boundary values, by Newton's method on the end of the discrete motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Array, Check, Findings
from actionrun.compiler.ggl.integration import Integration
from actionrun.compiler.ggl.series import Series
from actionrun.compiler.ggl.settings import (
    AnalysisSettings,
    Differential,
    PeriodicSettings,
    ReachSettings,
)
from actionrun.compiler.numerics.integrators.time_marching import CONVERGED, Trajectory
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.numerics.integrators.variations.tangent_march import (
    Directions,
    tangent_march,
    tangent_start,
)
from actionrun.compiler.program import Tell
from actionrun.compiler.symbolic.lowering import lowered

from .tangents import multiplier_table

ITERATIONS, HALVINGS = 40, 12
APART = 1.5  # times: a period farther from the time of the return is not that of this orbit
CLOSED = 1e-9  # of the size of positions and momenta: a rest above it is no solution
WORSE = 0.5  # a rest that does not even halve any more is left, where it is small


class End(NamedTuple):
    """The end of a motion: z = (q, p) and (q, v) (2n,), the derivatives (2n, 2n + 1) of both by
    the first state and by the length of steps, and the first state itself."""

    z: np.ndarray
    state: np.ndarray
    dz: np.ndarray
    dstate: np.ndarray
    start: np.ndarray
    lift: np.ndarray  # (2n, 2n): the first z by the first (q, speed)


@eqx.filter_jit
def _end(integrator: GGL, q, speed, h, theta, stop, newton: bool, moving: bool):
    flat, n = integrator.mechanics.flattened, len(q)

    def lifted(state):
        q, v = state[:n], state[n:]
        p = flat.momentum(q, v, jnp.zeros(()), theta) if moving else v
        return jnp.concatenate([q, p])

    first = jnp.concatenate([q, speed])
    z, lift = lifted(first), jax.jacfwd(lifted)(first)
    unit = jnp.concatenate([jnp.eye(2 * n), jnp.zeros((2 * n, 1))], axis=1)
    of = Directions(unit, jnp.zeros((len(theta), 2 * n + 1)), jnp.zeros(2 * n + 1).at[-1].set(1.0))
    x = tangent_start(integrator, z[:n], z[n:], theta, unit)
    x = tangent_march(integrator, x, h, theta, of, stop, newton, False)

    def state(z, h):
        return jnp.concatenate([z[:n], flat.velocity(z[:n], z[n:], h * x.step, theta)])

    end = jnp.concatenate([x.q, x.p])
    by_z, by_h = jax.jacfwd(state, argnums=(0, 1))(end, h)
    dstate = (by_z @ x.z).at[:, -1].add(by_h)
    return (end, state(end, h), x.z, dstate, z, lift), x.change


class Shooting:
    """Motions from a start of which some entries are free."""

    def __init__(self, run: Integration, newton: bool, free: Sequence[Differential]):
        integrator = run.integrator
        if not isinstance(integrator, GGL):
            raise TypeError("shooting by a plain integrator only")  # as `supported` has seen to
        self.run, self.integrator, self.newton = run, integrator, newton or integrator.linear
        start = run.settings.start
        self.moving = start.given == "velocity"
        self.first = np.concatenate([start.q, start.speed])
        self.free = np.stack([np.concatenate([one.q, one.speed]) for one in free], axis=1)

    def end(self, change: np.ndarray, h: float, steps: int) -> End | None:
        """Of the motion whose free entries have changed; None where it has none."""
        first, n = self.first + self.free @ change, self.run.system.n
        q, v, length = jax.device_put((first[:n], first[n:], np.float64(h)))
        stop, theta = jax.device_put(np.int64(steps)), self.run.theta
        done, change_ = _end(self.integrator, q, v, length, theta, stop, self.newton, self.moving)
        end = End._make(map(np.asarray, done))
        sound = all(np.isfinite(x).all() for x in end) and float(change_) <= CONVERGED["float64"]
        return end if sound else None

    def solved(
        self, u: np.ndarray, rest: Callable[[np.ndarray], tuple | None], tell: Tell, stage: str
    ) -> tuple[np.ndarray, float]:
        """Unknowns u at which a rest is smallest, by Newton with halved steps, and that rest;
        `rest` gives it with its derivative by u, None where there is no motion."""
        here, size = rest(u), np.inf
        for k in range(ITERATIONS):
            if here is None:
                return u, np.inf
            tell(stage, k, ITERATIONS, {})
            value, slope = here
            size = float(np.max(np.abs(value)))
            step = np.linalg.lstsq(slope, -value, rcond=1e-12)[0]
            norm, better = float(np.linalg.norm(value)), None
            for part in range(HALVINGS):
                there = rest(u + step / 2**part)
                if there is not None and np.linalg.norm(there[0]) < norm:
                    better = u + step / 2**part, there
                    break
            if better is None:
                return u, size
            u, here = better
            if size <= CLOSED and np.linalg.norm(here[0]) > WORSE * norm:
                return u, float(np.max(np.abs(here[0])))
        return u, size


def with_shooting(
    run: Integration, of: AnalysisSettings, state: Trajectory, series: Series, findings: Findings,
    tell: Tell,
) -> Findings:  # fmt: skip
    """The findings with the periodic orbit and the start that are asked for. Raises Faults where
    there are none."""
    if of.periodic is not None:
        findings = _with_orbit(run, of.periodic, bool(state.newton), series, findings, tell)
    if of.reach is not None:
        findings = _with_reach(run, of.reach, bool(state.newton), findings, tell)
    return findings


def _period(run: Integration, of: PeriodicSettings, series: Series) -> float:
    """A guess of the period: the time of the return to the section, between kept rows. Raises
    Faults where there is none."""
    words = run.system.words
    section = lowered(
        [words.scalar(of.section)], [*words.q, *words.v, words.t, *run.system.constants]
    )
    (g,) = section(*series.q.T, *series.v.T, series.t, *np.asarray(run.theta))
    g = np.broadcast_to(np.asarray(g, float), series.t.shape)
    size = np.max(np.abs(g))
    above = g > 0
    on = abs(g[0]) <= 1e-9 * size
    up = bool(g[1] > 0) if on else None
    crossed = np.flatnonzero(above[1:] != above[:-1])
    crossed = crossed[crossed > 0] if on else crossed
    if up is None and len(crossed):
        up = bool(above[crossed[0] + 1])
    same = crossed[above[crossed + 1] == up]
    k = of.returns - (1 if on else 0)
    if len(same) <= k:
        raise study_error(
            words, of.section, "analysis.periodic",
            f"the motion comes back to the section {max(len(same) - (not on), 0)} times in one "
            f"direction, and {of.returns} are asked for",
            "let the run be longer: integrator.steps; or keep more of its steps: save_every",
        )  # fmt: skip
    times = series.t[same] + np.diff(series.t)[same] * (g[same] / (g[same] - g[same + 1]))
    return float(times[k] - (0.0 if on else times[0]))


def _with_orbit(
    run: Integration, of: PeriodicSettings, newton: bool, series: Series, findings: Findings,
    tell: Tell,
) -> Findings:  # fmt: skip
    words, n = run.system.words, run.system.n
    shooting = Shooting(run, newton, of.free)
    guess = _period(run, of, series)
    steps = max(round(guess / float(run.h)), 1)
    scale = np.repeat([np.max(np.abs(series.q)) or 1.0, np.max(np.abs(series.p)) or 1.0], n)

    def rest(u: np.ndarray) -> tuple | None:
        h = u[-1] / steps
        if not guess / APART < u[-1] < guess * APART:
            return None  # every motion closes over no time
        end = shooting.end(u[:-1], h, steps)
        if end is None:
            return None
        moved = end.lift @ shooting.free
        slope = np.column_stack([end.dz[:, :-1] @ moved - moved, end.dz[:, -1] / steps])
        return (end.z - end.start) / scale, slope / scale[:, None]

    u, size = shooting.solved(np.append(np.zeros(len(of.free)), guess), rest, tell, "periodic")
    if not size <= CLOSED:
        raise study_error(
            words, ("analysis", "periodic"), "analysis.periodic",
            f"no periodic orbit was found near this motion: the nearest end is off its start by "
            f"{size:.2g} of the size of the motion",
            "free other entries of the start, or start nearer to it",
        )  # fmt: skip
    end = shooting.end(u[:-1], u[-1] / steps, steps)
    assert isinstance(end, End)  # as of the last iteration
    values = np.linalg.eigvals(end.dz[:, :-1])
    metrics = {**findings.metrics, "periodic.period": float(u[-1]), "periodic.closure": size}
    metrics["periodic.steps"] = steps
    summary = [*findings.summary]
    unit = words.unit.behind("t")
    summary.append(("periodic orbit", f"period {u[-1]:.15g}{unit}, closes to {size:.1e}"))
    for one, change in zip(of.free, u, strict=False):
        metrics[f"periodic.{one.name}"] = one.size + float(change)
        summary.append((one.name, f"{one.size + change:.15g} {one.unit}".rstrip()))
    table = multiplier_table("floquet", "Floquet multipliers of the periodic orbit.", values)
    M = Array(end.dz[:, :-1], ("state", "start_state"), "", "monodromy of the periodic orbit")
    checks = [*findings.checks, Check("periodic orbit", True, f"it closes to {size:.1e}")]
    if run.system.conservative:
        log = np.sort(np.log(np.abs(values)))
        pairs = float(np.max(np.abs(log + log[::-1])))
        metrics["periodic.pairs"] = pairs
        checks.append(Check("multipliers", pairs < 1e-6, "multipliers come in pairs m and 1/m, to "
                            f"{pairs:.1e}"))  # fmt: skip
    return replace(findings, metrics=metrics, summary=tuple(summary), checks=tuple(checks),
                   tables=(*findings.tables, table),
                   arrays={**findings.arrays, "periodic_monodromy": M})  # fmt: skip


def _with_reach(
    run: Integration, of: ReachSettings, newton: bool, findings: Findings, tell: Tell
) -> Findings:
    shooting, steps, h = Shooting(run, newton, of.by), run.settings.steps, float(run.h)
    at, wanted = np.array([*of.targets]), np.array([*of.targets.values()])
    first = shooting.end(np.zeros(len(of.by)), h, steps)
    far = np.abs(wanted) if first is None else np.abs(wanted - first.state[at])
    scale = np.maximum(np.abs(wanted), far)
    scale = np.where(scale > 0, scale, 1.0)

    def rest(u: np.ndarray) -> tuple | None:
        end = shooting.end(u, h, steps)
        if end is None:
            return None
        slope = end.dstate[at, :-1] @ (end.lift @ shooting.free)
        return (end.state[at] - wanted) / scale, slope / scale[:, None]

    u, size = shooting.solved(np.zeros(len(of.by)), rest, tell, "reach")
    if not size <= CLOSED:
        raise study_error(
            run.system.words, ("analysis", "reach"), "analysis.reach",
            f"the run does not reach this: the nearest end is off by {size:.2g} of what is asked",
            "it may be out of reach in this time; free other entries, or start nearer to it",
        )  # fmt: skip
    metrics, summary = {**findings.metrics, "reach.rest": size}, [*findings.summary]
    for one, change in zip(of.by, u, strict=True):
        metrics[f"reach.{one.name}"] = one.size + float(change)
        summary.append((f"reached by {one.name}", f"{one.size + change:.15g} {one.unit}".rstrip()))
    check = Check("reach", True, f"the run from there ends where it is to, within {size:.1e}")
    return replace(findings, metrics=metrics, summary=tuple(summary),
                   checks=(*findings.checks, check))  # fmt: skip
