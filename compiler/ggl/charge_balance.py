"""The ledger of a study: charges as arrays, and what a finished run says of their balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.findings import Array, Axis, Check, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.numerics.integrators.charge_balance import Ledger
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.many_body.mechanics import BodyLedger
from actionrun.compiler.numerics.integrators.time_marching import Trajectory
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.noether import (
    LARGEST,
    Symmetry,
    charge_latex,
    charge_text,
    symmetries,
)
from actionrun.compiler.symbolic.structure import equations_of_motion
from actionrun.spec.kinds.ggl import Ggl

from .findings import Motion

SMALL = 1e-3  # of the size of a charge's terms: what a charge that is nearly zero is measured by
SHOWN = 6  # charges drawn


class Book(NamedTuple):
    """The symmetries of a problem and the ledger that a march keeps of them (None: of none), and
    why, where that is not because there are none."""

    symmetries: tuple[Symmetry, ...]
    ledger: Ledger | BodyLedger | None
    note: str = ""


def book_of(problem: LagrangianSystem, stepper: GGL | Constrained | Transformed) -> Book:
    """The book of a problem, for steps of any kind."""
    found, words = symmetries(problem), problem.words
    if not found:
        return Book((), None)
    rates = [s.rate for s in found]
    flows = any(rate != 0 for rate in rates)
    inner = stepper
    if flows and problem.n > LARGEST:
        return Book((), None, f"no ledger: it is kept up to {LARGEST} degrees of freedom with K")
    while not isinstance(inner, GGL):
        inner = inner.inner if isinstance(inner, Transformed) else inner.ggl
    p = tuple(sp.Symbol(f"pi_{name}", real=True) for name in words.names)
    spatial = [s for s in found if s.kind != "time"]
    terms = [[a * x for a, x in zip(p, s.displacement, strict=True)] for s in spatial]
    state = [*words.q, *p, words.t, *problem.constants]
    nodes = [*words.q, *words.v, *words.a, words.t, *problem.constants]
    pulls = None
    if any(rate.free_symbols & set(words.a) for rate in rates):
        sides = [right for _, right in equations_of_motion(problem)]
        pulls = lowered(sides, [*words.q, *words.v, words.t, *problem.constants])
    kept = Ledger(
        ggl=inner,
        n=problem.n,
        energy=len(spatial) < len(found),
        charges=lowered([sp.Add(*parts) for parts in terms], state),
        sizes=lowered([sp.Add(*(sp.Abs(x) for x in parts)) for parts in terms], state),
        rates=lowered(rates, nodes) if flows else None,
        pulls=pulls,
    )
    return Book(found, kept)


def scale(ledger: Ledger | BodyLedger | None, state: Trajectory) -> np.ndarray:
    """What defects are relative to, (m,): the first value, or a thousandth of the largest terms
    where that is nearly zero (for the energy the convention of `energy_error_max`)."""
    balance = state.balance
    assert ledger is not None and balance is not None
    kinetic = [float(state.monitor.kinetic_high)] * ledger.energy
    size = SMALL * np.concatenate([kinetic, np.asarray(balance.size)])
    largest = np.maximum(np.abs(np.asarray(balance.start)), size)
    return np.where(largest > 0, largest, 1.0)


def balanced(
    motion: Motion, book: Book, state: Trajectory, samples: Mapping[str, np.ndarray],
    findings: Findings,
) -> Findings:  # fmt: skip
    """The findings with the ledger put in."""
    if state.balance is None:
        return replace(findings, notes=(*findings.notes, *([book.note] if book.note else [])))
    system = motion.problem
    charges = [
        Charge(s.name, s.kind, s.charge_name, charge_text(system, s), charge_latex(system, s),
               _unit(motion.study, s))
        for s in book.symmetries
    ]  # fmt: skip
    t, values = _values(motion, book, samples, findings)
    kept = system.conservative
    size = scale(book.ledger, state)
    return entered(motion.study, kept, charges, size, state, t, values, samples, findings)


class Charge(NamedTuple):
    """A symmetry and its charge in words; `kind` as in `noether.Symmetry`."""

    name: str
    kind: str
    charge_name: str
    text: str
    latex: str
    unit: str


def entered(
    study: Ggl, kept: bool, found: Sequence[Charge], size: np.ndarray, state: Trajectory,
    t: np.ndarray, values: np.ndarray, samples: Mapping[str, np.ndarray], findings: Findings,
) -> Findings:  # fmt: skip
    """The findings with a ledger of charges `values` (rows, m) put in; `kept`: whether the energy
    is conserved, which then has a line of its own."""
    balance = state.balance
    assert balance is not None
    relative = np.asarray(balance.defect) / size
    flux, total = np.zeros_like(values), np.zeros(len(found))
    if balance.flux is not None and balance.flux_low is not None:
        flux[1:], total = samples["flux"], np.asarray(balance.flux) + np.asarray(balance.flux_low)
    entries = [
        {
            "symmetry": symmetry.name,
            "charge": symmetry.charge_name,
            "text": symmetry.text,
            "latex": symmetry.latex,
            "unit": symmetry.unit,
            "initial": float(balance.start[k]),
            "final": float(values[-1, k]),
            "flux": float(total[k]),
            "defect": float(relative[k]),
        }
        for k, symmetry in enumerate(found)
    ]
    lines = [e for e, s in zip(entries, found, strict=True) if not (kept and s.kind == "time")]
    worst = sorted(lines, key=lambda e: -e["defect"])[:3]
    line = ", ".join(f"{e['charge']} {e['defect']:.1e}" for e in worst)
    summary = [("ledger", f"{line}: relative, largest of all steps")] if line else []
    return replace(
        findings,
        summary=(*findings.summary, *summary),
        extra={**findings.extra, "ledger": entries},
        tables=(*findings.tables, _table(entries)),
        figures=(*findings.figures, _figure(study, found, t, (values - values[0] - flux) / size)),
        checks=(*findings.checks, *_checks(study, entries, found)),
        arrays={**findings.arrays, **_arrays(found, values, flux)},
    )


def _values(motion: Motion, book: Book, samples, findings: Findings):
    """Times (rows,) and charges (rows, m) of the kept rows, the start first."""
    assert book.ledger is not None
    t, energy = findings.arrays["t"].data, findings.arrays["energy"].data
    q = np.concatenate([np.asarray(motion.q)[None], samples["q"]])
    p = np.concatenate([np.asarray(motion.p)[None], samples["p"]])
    if isinstance(book.ledger, BodyLedger):
        now, theta = jnp.asarray(t), motion.theta
        at = jnp.asarray(q), jnp.asarray(p), now, theta, jnp.asarray(energy)
        return t, np.asarray(book.ledger.values(*at))
    charges = book.ledger.charges(*q.T, *p.T, t, *np.asarray(motion.theta)[:, None])  # type: ignore[arg-type]
    columns = ([energy] if book.ledger.energy else []) + charges
    return t, np.stack([np.broadcast_to(x, t.shape) for x in columns], axis=1)


def _unit(study: Ggl, symmetry: Symmetry) -> str:
    energy, time = study.unit("lagrangian"), study.unit("t")
    if symmetry.kind == "time" or not (energy and time):
        return energy
    if symmetry.kind == "translation":
        return study.unit(f"pi_{symmetry.charge_name.split()[-1].partition('[')[0]}")
    return f"{energy}*{time}"


def _table(entries: list[dict]) -> Table:
    header = ("charge", "unit", "at the start", "at the end", "flux through K", "defect")
    return Table(
        "ledger",
        "Charges of the symmetries of L, what K added to each, and the largest lack of balance "
        "over all steps, relative.",
        header if any(e["unit"] for e in entries) else tuple(h for h in header if h != "unit"),
        tuple(
            (e["charge"], *((e["unit"],) if any(x["unit"] for x in entries) else ()),
             e["initial"], e["final"], e["flux"], e["defect"])
            for e in entries
        ),
    )  # fmt: skip


def _figure(study: Ggl, found: Sequence[Charge], t: np.ndarray, defect: np.ndarray) -> Figure:
    floor = np.finfo(float).eps / 4
    curves = tuple(
        Curve(t[1:], np.maximum(np.abs(defect[1:, k]), floor), _short(s, len(found)))
        for k, s in enumerate(found[:SHOWN])
    )
    y = Axis("relative defect of the balance", log=True)
    left = f" (the first {SHOWN} of {len(found)})" if len(found) > SHOWN else ""
    caption = (
        f"Charges minus their first value minus what K added to them{left}: "
        "round-off for momenta, the order of the method for the energy."
        + (" p are momenta, L angular momenta." if len(found) > 3 else "")
    )
    return Figure("ledger", caption, (Panel(Axis("time t", study.unit("t")), y, curves),))


def _short(charge: Charge, count: int) -> str:
    """A label of a curve: of many, p for a momentum and L for an angular momentum."""
    name = charge.charge_name
    if count <= 3:
        return name
    return name.replace("total momentum of", "p of").replace("angular momentum of", "L of")


def _checks(study: Ggl, entries: list[dict], found: Sequence[Charge]) -> list[Check]:
    checks, most = [], 1e-9 if study.integrator.precision == "double" else 1e-5
    momenta = [e["defect"] for e, s in zip(entries, found, strict=True) if s.kind != "time"]
    for s, e in zip(found, entries, strict=True):
        if s.kind == "time" and e["flux"]:
            text = f"energy and what K took of it balance to {e['defect']:.1e}"
            checks.append(Check("energy balance", e["defect"] < 1e-2, text))
    if momenta:
        worst, count = max(momenta), len(momenta)
        what = "the charge of one symmetry" if count == 1 else f"the charges of {count} symmetries"
        checks.append(Check("symmetries", worst < most, f"{what} balanced to {worst:.1e}"))
    return checks


def _arrays(found: Sequence[Charge], values, flux) -> Mapping[str, Array]:
    arrays = {}
    for k, s in enumerate(found):
        unit = s.unit
        if s.kind != "time":
            arrays[f"charge_{k}"] = Array(values[:, k], ("t",), unit, s.charge_name)
        arrays[f"flux_{k}"] = Array(
            flux[:, k], ("t",), unit, f"what K added to the {s.charge_name} since the start"
        )
    return arrays
