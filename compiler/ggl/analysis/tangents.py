"""Lyapunov exponents, MEGNO, sensitivities and the monodromy of a motion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Axis, Check, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.ggl.integration import Integration
from actionrun.compiler.ggl.settings import AnalysisSettings, Differential
from actionrun.compiler.numerics.integrators.time_marching import CONVERGED, Trajectory
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.numerics.integrators.variations.tangent_march import (
    Directions,
    TangentState,
    tangent_march,
    tangent_start,
)
from actionrun.compiler.program import Tell
from actionrun.compiler.symbolic.vocabulary import ALONE, ArgumentPlace

ROWS = 200  # of a convergence
BLOCKS = 20  # of a motion, whose exponents tell the error of their mean
APART = 1e-4  # of what a derivative is by: how far the motions of central differences are apart
AGREE = 1e-6  # of the largest: derivatives and central differences
SYMPLECTIC = 1e-8  # of the size of a monodromy


class Tangents:
    """Motions beside one, to first order; `newton`: how its steps are solved."""

    def __init__(self, run: Integration, newton: bool):
        integrator = run.integrator
        if not isinstance(integrator, GGL):
            raise TypeError("tangents of a plain integrator only")  # as `supported` has seen to
        self.run, self.integrator = run, integrator
        self.newton = newton or integrator.linear
        self.steps, self.h = run.settings.steps, float(run.h)
        self.n, self.constants = run.system.n, len(run.theta)

    def march(
        self, z: np.ndarray, theta: np.ndarray, scaled: bool, rows: int, tell: Tell, stage: str
    ) -> Iterator[TangentState]:
        """The motion with tangents that start as z (2n, k), along constants theta (constants, k),
        at about so many rows."""
        run = self.run
        z_, theta_ = jax.device_put((np.asarray(z, float), np.asarray(theta, float)))
        of = Directions(z_, theta_, jnp.zeros(z.shape[1]))
        x = _start(self.integrator, run.q, run.p, run.theta, z_)
        for stop in np.unique(np.linspace(0, self.steps, rows + 1).astype(np.int64))[1:]:
            x = tangent_march(self.integrator, x, run.h, run.theta, of, jax.device_put(stop),
                              self.newton, scaled)  # fmt: skip
            tell(stage, int(stop), self.steps, {})
            yield x

    def start(self, by: Differential) -> np.ndarray:
        """The state's derivative (2n,) at the start by a name."""
        if self.run.settings.start.given == "momentum":
            return np.concatenate([by.q, by.speed])
        arguments = (self.run.settings.start.q, self.run.settings.start.speed, self.run.theta)
        at = jax.device_put(tuple(np.asarray(x, float) for x in arguments))
        moved = jax.device_put((by.q, by.speed, by.theta))
        return np.concatenate([by.q, np.asarray(_momentum(self.integrator, at, moved))])


@eqx.filter_jit
def _start(integrator: GGL, q, p, theta, z) -> TangentState:
    return tangent_start(integrator, q, p, theta, z)


@eqx.filter_jit
def _momentum(integrator: GGL, at, moved) -> jax.Array:
    """How the momentum of a start moves."""
    flat = integrator.mechanics.flattened
    return jax.jvp(lambda q, v, theta: flat.momentum(q, v, jnp.zeros(()), theta), at, moved)[1]


@eqx.filter_jit
def _velocity(integrator: GGL, q, p, t, theta, z, dtheta) -> jax.Array:
    """How velocities (n, k) move with states z (2n, k) and constants (constants, k)."""
    flat, n = integrator.mechanics.flattened, len(q)

    def one(z, dtheta):
        f = lambda q, p, theta: flat.velocity(q, p, t, theta)  # noqa: E731
        return jax.jvp(f, (q, p, theta), (z[:n], z[n:], dtheta))[1]

    return jax.vmap(one, in_axes=1, out_axes=1)(z, dtheta)


def with_tangents(
    run: Integration, of: AnalysisSettings, state: Trajectory, findings: Findings, tell: Tell
) -> Findings:
    """The findings with the derivatives of the motion that are asked for."""
    tangents = Tangents(run, bool(state.newton))
    if of.lyapunov or of.megno:
        findings = _with_growth(tangents, of, findings, tell)
    if of.monodromy:
        findings = _with_monodromy(tangents, findings, tell)
    if of.sensitivity:
        findings = _with_sensitivity(tangents, of.sensitivity, findings, tell)
    return findings


def _sound(x: TangentState) -> bool:
    whole = all(bool(np.isfinite(np.asarray(part)).all()) for part in (x.q, x.p, x.z))
    return whole and float(x.change) <= CONVERGED["float64"]


def _with_growth(of: Tangents, asked: AnalysisSettings, findings: Findings, tell: Tell) -> Findings:
    """Exponents and MEGNO, their course, and what they may be off by."""
    k = max(asked.lyapunov, 1)
    first = np.random.default_rng(asked.seed).normal(size=(2 * of.n, k))
    still = np.zeros((of.constants, k))
    rows = [*of.march(np.linalg.qr(first)[0], still, True, ROWS, tell, "exponents")]
    t = of.h * np.array([int(x.step) for x in rows])
    growth = np.stack([np.asarray(x.growth) for x in rows])
    mean = np.array([float(x.total) / int(x.step) for x in rows])
    unit = of.run.system.words.unit("t")
    metrics, summary = dict(findings.metrics), [*findings.summary]
    checks, tables = [*findings.checks], [*findings.tables]
    panels, arrays = [], dict(findings.arrays)
    time, per = Axis("time t", unit), f"1/{unit}" if unit else ""
    if asked.lyapunov:
        exponents, errors = growth[-1] / t[-1], _errors(t, growth)
        for j, (value, error) in enumerate(zip(exponents, errors, strict=True), 1):
            metrics[f"lyapunov.{j}"] = float(value)
            metrics[f"lyapunov.{j}.error"] = float(error)
        line = ", ".join(f"{x:.4g} ± {e:.1g}" for x, e in zip(exponents[:4], errors, strict=False))
        summary.append(("Lyapunov exponents", f"{line} {per}".rstrip()))
        header = (
            "exponent",
            *((f"value [{per}]", f"error [{per}]") if per else ("value", "error")),
        )
        numbered = enumerate(zip(exponents, errors, strict=True), 1)
        lines = tuple((j, float(x), float(e)) for j, (x, e) in numbered)
        tables.append(Table("lyapunov", "Lyapunov exponents of the discrete motion; the error is "
                            "the larger of what blocks of time scatter by and the change over the "
                            "second half.", header, lines))  # fmt: skip
        arrays["lyapunov"] = Array(growth / t[:, None], ("analysis_t", "exponent"), per,
                                   "Lyapunov exponents up to a time")  # fmt: skip
        curves = tuple(Curve(t, growth[:, j] / t, str(j + 1)) for j in range(min(k, 6)))
        panels.append(Panel(time, Axis("Lyapunov exponents so far", per), curves))
        if k == 2 * of.n and of.run.system.conservative:
            rest = float(abs(np.sum(exponents)))
            size = float(np.max(np.abs(exponents))) or 1.0
            text = f"all exponents add up to {rest:.1e}, where volume is kept"
            checks.append(Check("sum of exponents", rest <= 1e-6 * max(size, 1 / t[-1]), text))
    if asked.megno:
        metrics["megno"] = float(mean[-1])
        metrics["megno.error"] = error = float(abs(mean[-1] - mean[len(mean) // 2]))
        what = "2 where the motion is regular, growing with time where it is chaotic"
        summary.append(("MEGNO", f"{mean[-1]:.5g} ± {error:.1g}; {what}"))
        arrays["megno"] = Array(mean, ("analysis_t",), "", "mean MEGNO up to a time")
        panels.append(Panel(time, Axis("MEGNO"), (Curve(t, mean),)))
    arrays["analysis_t"] = Array(t, ("analysis_t",), unit, "times of the analysis")
    if not _sound(rows[-1]):
        checks.append(Check("tangents", False, "the motion beside its tangents did not converge"))
    figure = Figure("growth", "How nearby motions leave this one, up to each time.", tuple(panels))
    return replace(findings, metrics=metrics, summary=tuple(summary),
                   arrays=arrays, tables=tuple(tables), checks=tuple(checks),
                   figures=(*findings.figures, figure))  # fmt: skip


def _errors(t: np.ndarray, growth: np.ndarray) -> np.ndarray:
    """Of exponents: the larger of the error of the mean of blocks of time, and of what the second
    half of the time changed."""
    at = np.unique(np.linspace(0, len(t), BLOCKS + 1).astype(int))[1:] - 1
    steps, times = np.diff(growth[at], axis=0, prepend=0), np.diff(t[at], prepend=0)
    rates = steps / times[:, None]
    spread = np.std(rates, axis=0, ddof=1) / np.sqrt(len(at)) if len(at) > 1 else np.inf
    half = len(t) // 2
    return np.maximum(spread, np.abs(growth[-1] / t[-1] - growth[half] / t[half]))


def _with_monodromy(of: Tangents, findings: Findings, tell: Tell) -> Findings:
    size = 2 * of.n
    (x,) = of.march(np.eye(size), np.zeros((of.constants, size)), False, 1, tell, "monodromy")
    M = np.asarray(x.z)
    names = of.run.system.words.names
    axes = ", ".join([*names, *(f"pi_{name}" for name in names)])[:400]
    array = Array(M, ("state", "start_state"), "", f"last {axes} by first")
    values = np.linalg.eigvals(M) if np.isfinite(M).all() else np.full(size, np.nan)
    table = multiplier_table("multipliers", "Eigenvalues of the monodromy.", values)
    checks, metrics = [*findings.checks], dict(findings.metrics)
    metrics["monodromy.largest"] = float(np.max(np.abs(values)))
    if of.run.system.conservative:
        J = np.kron(np.array([[0, 1], [-1, 0]]), np.eye(of.n))
        defect = float(np.max(np.abs(M.T @ J @ M - J)) / np.max(np.abs(M)) ** 2)
        metrics["monodromy.symplectic_defect"] = defect
        text = f"the monodromy is symplectic to {defect:.1e} of its size squared"
        checks.append(Check("symplectic", defect < SYMPLECTIC, text))
    if not _sound(x):
        checks.append(Check("tangents", False, "the monodromy has left the finite numbers, or the "
                            "steps beside it did not converge"))  # fmt: skip
    return replace(findings, arrays={**findings.arrays, "monodromy": array}, metrics=metrics,
                   tables=(*findings.tables, table), checks=tuple(checks))  # fmt: skip


def multiplier_table(name: str, caption: str, values: np.ndarray) -> Table:
    """Eigenvalues, the largest first."""
    values = values[np.argsort(-np.abs(values), kind="stable")]
    lines = tuple((j, float(x.real), float(x.imag), float(abs(x))) for j, x in enumerate(values, 1))
    return Table(name, caption, ("number", "real part", "imaginary part", "modulus"), lines)


def _with_sensitivity(
    of: Tangents, by: tuple[Differential, ...], findings: Findings, tell: Tell
) -> Findings:
    """Derivatives of the last state, beside central differences of whole motions."""
    run, n = of.run, of.n
    z = np.stack([of.start(one) for one in by], axis=1)
    theta = np.stack([one.theta for one in by], axis=1)
    (x,) = of.march(z, theta, False, 1, tell, "sensitivity")
    at = x.q, x.p, run.h * x.step, run.theta, x.z, jnp.asarray(theta)
    v, dz = np.asarray(_velocity(of.integrator, *at)), np.asarray(x.z)
    worst, unsure = 0.0, 0.0
    for j, one in enumerate(by):
        near, far = (_difference(of, z[:, j], theta[:, j], APART * (abs(one.size) or 1.0) / part)
                     for part in (2, 1))  # fmt: skip
        better, size = (4 * near - far) / 3, float(np.max(np.abs(dz[:, j]))) or 1.0
        worst = max(worst, float(np.max(np.abs(better - dz[:, j]))) / size)
        unsure = max(unsure, float(np.max(np.abs(near - far))) / size)
    words = run.system.words
    metrics, rows = dict(findings.metrics), []
    for j, one in enumerate(by):
        behind = f"/({one.unit})" if one.unit else ""
        for values, kind in ((dz[:n, j], "q"), (v[:, j], "v")):
            for k in range(n):
                what = words.spelling(ArgumentPlace(kind, k, ALONE))
                unit = words.unit(what.partition("[")[0])
                metrics[f"sensitivity.{what}.{one.name}"] = float(values[k])
                rows.append((what, one.name, float(values[k]), f"{unit}{behind}"))
    metrics["sensitivity.difference"] = worst
    units = any(row[3] for row in rows)
    header = ("of the last", "by", "derivative", "unit")[: 4 if units else 3]
    table = Table("sensitivity", "Derivatives of the last state of the discrete motion.", header,
                  tuple(row[: len(header)] for row in rows))  # fmt: skip
    sound = _sound(x) and worst <= max(AGREE, unsure)
    text = (f"derivatives agree with central differences of whole motions within {worst:.1e} of "
            f"the largest; these are off by {unsure:.1e} themselves")  # fmt: skip
    return replace(findings, metrics=metrics, tables=(*findings.tables, table),
                   checks=(*findings.checks, Check("sensitivity", sound, text)))  # fmt: skip


def _difference(of: Tangents, z: np.ndarray, theta: np.ndarray, apart: float) -> np.ndarray:
    """The last state's derivative (2n,) by central difference of two motions."""
    n, run = of.n, of.run
    ends, none = [], jnp.zeros((2 * n, 1))
    still = Directions(none, jnp.zeros((of.constants, 1)), jnp.zeros(1))
    for sign in (1, -1):
        q, p = (at + sign * apart * part for at, part in ((run.q, z[:n]), (run.p, z[n:])))
        moved = run.theta + sign * apart * theta
        x = _start(of.integrator, q, p, moved, none)
        stop = jax.device_put(np.int64(of.steps))
        x = tangent_march(of.integrator, x, run.h, moved, still, stop, of.newton, False)
        ends.append(np.concatenate([np.asarray(x.q), np.asarray(x.p)]))
    return (ends[0] - ends[1]) / (2 * apart)
