"""How near a run's step was to the limit of stability: of a linear system by its step's own map, of
any other by the rates of its motion linearised at some of its states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Check, Findings
from actionrun.compiler.numerics.integrators.mechanics import DiscreteMechanics
from actionrun.compiler.symbolic.linear_stability import (
    Linear,
    fastest,
    limit,
    linear,
    rates,
    step_map,
)

from .integration import Integration
from .series import Series

NEAR = 0.9  # share of the limit from which on a step is told
STATES = 32  # of a motion that are looked at
LARGEST = 24  # degrees of freedom
POWERS = 40  # of the power iteration, which finds a few per cent less
TOLERANCE = 1e-6  # of a spectral radius: the rounding of a double eigenvalue


def with_step_check(run: Integration, rows: Series, findings: Findings) -> Findings:
    """The findings with a check of the step, and a note where it is near its limit or beyond."""
    system = run.system
    if system.holonomic or run.settings.time_transform is not None:
        return findings
    if system.body_count:
        at = _of_bodies(run, rows)
    elif system.n > LARGEST:
        return findings
    else:
        linear_one = run.integrator.linear
        at = _of_map(run, linear(system)) if linear_one else _of_states(run, findings.arrays)
    return findings if at is None else _with(run, findings, *at)


def _of_states(run: Integration, arrays: Mapping[str, Array]) -> tuple[float, bool, str] | None:
    """dt*omega at the worst of some states, whether that is stable, and when; None where no number
    is finite."""
    problem = run.system
    rows = np.unique(np.linspace(0, len(arrays["t"].data) - 1, STATES).astype(int))
    at = {**problem.values, problem.words.t: arrays["t"].data[rows]}
    for prefix, symbols in (("", problem.words.q), ("v_", problem.words.v)):
        for name, part in problem.words.slices.items():
            data = np.asarray(arrays[prefix + name].data)[rows].reshape(len(rows), -1).T
            at |= dict(zip(symbols[part], data, strict=True))
    fast = fastest(problem, at, len(rows))
    if not np.isfinite(fast).any():
        return None
    worst = int(np.nanargmax(fast))
    when = f" at t = {arrays['t'].data[rows[worst]]:.4g}{problem.words.unit.behind('t')}"
    x = float(run.h) * float(fast[worst])
    return x, x <= limit(run.integrator.r), when


def _of_map(run: Integration, system: Linear) -> tuple[float, bool, str]:
    """dt*omega of the fastest mode, whether the step's map is stable, and no time."""
    x = float(run.h) * float(np.max(rates(system.mass, system.tilt - system.drag, -system.pull)))
    return x, _stable(system, float(run.h), run.integrator.r), ""


def _stable(system: Linear, h: float, r: int) -> bool:
    """Whether a step grows no faster than the true motion does."""
    radius = np.max(np.abs(np.linalg.eigvals(step_map(system, h, r))))
    return bool(radius <= (1 + TOLERANCE) * max(1.0, np.exp(h * system.growth)))


@eqx.filter_jit
def _fastest_body(m: DiscreteMechanics, q, p, t, theta):
    """The largest rate of many bodies linearised at a state (n,), by power iteration: the root of
    the largest eigenvalue of M^-1 dF/dq, or the largest of M^-1 dF/dv where that is faster."""
    q, p = m.fold(q), m.fold(p)
    v = m.velocity(q, p, t, theta)
    inverse = m.inverse_mass(q, v, t, theta)

    def largest(force, at):
        def pushed(_, carry):
            u = carry[0] / jnp.sqrt(jnp.sum(carry[0] ** 2 / jnp.abs(inverse)))
            w = jax.jvp(force, (at,), (u,))[1] * inverse
            return w, jnp.sqrt(jnp.sum(w**2 / jnp.abs(inverse)))

        start = jax.random.normal(jax.random.key(0), q.shape, q.dtype)
        return jax.lax.fori_loop(0, POWERS, pushed, (start, jnp.zeros((), q.dtype)))[1]

    by_place = jnp.sqrt(largest(lambda q: m.force(q, v, t, theta), q))
    return jnp.maximum(by_place, largest(lambda v: m.force(q, v, t, theta), v))


def _of_bodies(run: Integration, rows: Series) -> tuple[float, bool, str] | None:
    """The same of many bodies, at the start and the end of their motion."""
    fast = []
    for k in (0, -1):
        q, p, t = (jnp.asarray(x[k]) for x in (rows.q, rows.p, rows.t))
        fast.append(float(_fastest_body(run.integrator.mechanics, q, p, t, run.theta)))
    if not np.isfinite(fast).any():
        return None
    x = float(run.h) * float(np.nanmax(fast))
    when = " at the end" if np.nanargmax(fast) else " at the start"
    return x, x <= limit(run.integrator.r), when


def _with(run: Integration, findings: Findings, x: float, stable: bool, when: str) -> Findings:
    r, h, unit = run.integrator.r, float(run.h), run.system.words.unit.behind("t")
    most = limit(r)
    words = f"dt*omega is {x:.3g}{when}, and r = {r} is stable up to {most:.3g}"
    metrics = {**findings.metrics, "step_over_limit": x / most}
    notes = findings.notes
    if x > NEAR * most or not stable:
        what = "near its limit" if x <= most else "beyond its limit"
        if x > most and stable:
            what = "beyond its first limit, in a band that happens to be stable"
        better = 0.5 * h * most / x if x > 0 else h
        notes = (*notes, f"the step dt = {h:.4g}{unit} is {what}: {words}; take dt = {better:.2g}"
                 f"{unit}, or a larger r")  # fmt: skip
    checks = (*findings.checks, Check("step size", stable, words))
    return replace(findings, metrics=metrics, checks=checks, notes=notes)
