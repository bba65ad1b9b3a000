"""The ledger of a study: charges as arrays, and what a finished run says of their balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.findings import Array, Axis, Check, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.numerics.integrators.charge_balance import (
    Balance,
    ChargeBalance,
    CoordinateCharges,
)
from actionrun.compiler.numerics.integrators.many_body.charges import ManyBodyCharges
from actionrun.compiler.numerics.integrators.many_body.mechanics import ManyBodyMechanics
from actionrun.compiler.numerics.integrators.mechanics import FlatMechanics
from actionrun.compiler.numerics.integrators.time_marching import (
    Integrator,
    Trajectory,
    energy_scale,
)
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

from .findings import Series
from .integration import Integration
from .settings import Settings

SMALL = 1e-3  # of the size of a charge's terms: what a charge that is nearly zero is measured by
SHOWN = 6  # charges drawn
TOTALS = {"time": "energy", "translation": "shift", "rotation": "turn"}  # as bodies name them


class Charge(NamedTuple):
    """A symmetry and its charge in words; `kind` as in `noether.Symmetry`."""

    name: str
    kind: str
    charge_name: str
    text: str
    latex: str
    unit: str


class SymmetryCharges(NamedTuple):
    """The symmetries of a system and the balance of their charges that a march keeps (None: of
    none), and why, where that is not because there are none."""

    symmetries: tuple[Symmetry, ...]
    balance: ChargeBalance | None
    note: str = ""


def charges(
    problem: LagrangianSystem, mechanics: FlatMechanics, integrator: Integrator
) -> SymmetryCharges:
    """The charges of named coordinates, for steps of any kind."""
    known, words = symmetries(problem), problem.words
    if not known:
        return SymmetryCharges((), None)
    rates = [s.rate for s in known]
    flows = any(rate != 0 for rate in rates)
    if flows and problem.n > LARGEST:
        note = f"no ledger: it is kept up to {LARGEST} degrees of freedom with K"
        return SymmetryCharges((), None, note)
    p = tuple(sp.Symbol(f"pi_{name}", real=True) for name in words.names)
    spatial = [s for s in known if s.kind != "time"]
    terms = [[a * x for a, x in zip(p, s.displacement, strict=True)] for s in spatial]
    state = [*words.q, *p, words.t, *problem.constants]
    nodes = [*words.q, *words.v, *words.a, words.t, *problem.constants]
    pulls = None
    if any(rate.free_symbols & set(words.a) for rate in rates):
        sides = [right for _, right in equations_of_motion(problem)]
        pulls = lowered(sides, [*words.q, *words.v, words.t, *problem.constants])
    balance = CoordinateCharges(
        mechanics=mechanics,
        r=integrator.r,
        clock=integrator.clock,
        energy=len(spatial) < len(known),
        charges=lowered([sp.Add(*parts) for parts in terms], state),
        terms=lowered([sp.Add(*(sp.Abs(x) for x in parts)) for parts in terms], state),
        flows=flows,
        rates=lowered(rates, nodes) if flows else None,
        pulls=pulls,
    )
    return SymmetryCharges(known, balance)


def charges_of_bodies(
    system: LagrangianSystem, mechanics: ManyBodyMechanics, integrator: Integrator
) -> SymmetryCharges:
    """The charges of a system of bodies, for steps of any kind."""
    if any(one.symbols("minus_v") for one in system.nonconservative_terms):
        return SymmetryCharges((), None, "no ledger: minus velocities in K are not followed for "
                                         "many bodies in this version")  # fmt: skip
    kept = symmetries(system)
    if not kept:
        return SymmetryCharges((), None)
    names = tuple((TOTALS[one.kind], one.components) for one in kept)
    flows = bool(system.nonconservative_terms)
    balance = ManyBodyCharges(
        mechanics=mechanics, r=integrator.r, clock=integrator.clock, charges=names,
        energy=names[0][0] == "energy", flows=flows,
    )  # fmt: skip
    return SymmetryCharges(kept, balance)


def _scale(energy: bool, balance: Balance, state: Trajectory) -> np.ndarray:
    """What defects are relative to, (m,): the first value, or a thousandth of the largest terms
    where that is nearly zero (for the energy the convention of `energy_error_max`)."""
    size = SMALL * np.asarray(balance.size)
    size = np.concatenate([[energy_scale(state.monitor)] * energy, size])
    largest = np.maximum(np.abs(np.asarray(balance.start)), size)
    return np.where(largest > 0, largest, 1.0)


def with_charges(
    run: Integration, of: SymmetryCharges, state: Trajectory, series: Series,
    samples: Mapping[str, np.ndarray], findings: Findings,
) -> Findings:  # fmt: skip
    """The findings with the balance of charges put in."""
    balance, kept = state.balance, of.balance
    if balance is None or kept is None:
        return replace(findings, notes=(*findings.notes, *([of.note] if of.note else [])))
    system = run.system
    charges = [
        Charge(s.name, s.kind, s.charge_name, charge_text(system, s), charge_latex(system, s),
               _unit(system, s))
        for s in of.symmetries
    ]  # fmt: skip
    rows = series.q.T, series.p.T, series.t, series.energy
    q, p, t, energy = (jnp.asarray(x, float) for x in rows)
    flat = run.integrator.mechanics.flattened
    values = np.asarray(kept.values(q, p, t, flat.over_batch(run.theta), energy)).T
    relative = np.asarray(balance.defect) / _scale(kept.energy, balance, state)
    flux, total = np.zeros_like(values), np.zeros(len(charges))
    if balance.flux is not None and balance.flux_low is not None:
        flux[1:], total = samples["flux"], np.asarray(balance.flux) + np.asarray(balance.flux_low)
    jumps = _jumps(samples, series.t, len(charges))
    entries = [
        {
            "symmetry": symmetry.name,
            "charge": symmetry.charge_name,
            "text": symmetry.text,
            "latex": symmetry.latex,
            "unit": symmetry.unit,
            "initial": float(values[0, k] if jumps.any() else balance.start[k]),
            "final": float(values[-1, k]),
            "flux": float(total[k]),
            **({"events": float(jumps[-1, k])} if "act" in samples else {}),
            "defect": float(relative[k]),
        }
        for k, symmetry in enumerate(charges)
    ]
    lines = [
        e
        for e, s in zip(entries, charges, strict=True)
        if not (system.conservative and s.kind == "time")
    ]
    worst = sorted(lines, key=lambda e: -e["defect"])[:3]
    line = ", ".join(f"{e['charge']} {e['defect']:.1e}" for e in worst)
    summary = [("ledger", f"{line}: relative, largest of all steps")] if line else []
    defect = (values - values[0] - flux - jumps) / _scale(kept.energy, balance, state)
    return replace(
        findings,
        summary=(*findings.summary, *summary),
        extra={**findings.extra, "ledger": entries},
        tables=(*findings.tables, _table(entries)),
        figures=(*findings.figures, _figure(system, charges, series.t, defect)),
        checks=(*findings.checks, *_checks(run.settings, entries, charges)),
        arrays={**findings.arrays, **_arrays(charges, values, flux)},
    )


def _jumps(samples: Mapping[str, np.ndarray], t: np.ndarray, count: int) -> np.ndarray:
    """What events had added to each charge up to each time, (rows, m)."""
    if "act" not in samples or not len(samples["act"]):
        return np.zeros((len(t), count))
    total = np.concatenate([np.zeros((1, count)), np.cumsum(samples["act_charges"], axis=0)])
    return total[np.searchsorted(samples["act_t"], t, side="right")]


def _unit(system: LagrangianSystem, symmetry: Symmetry) -> str:
    unit = system.words.unit
    energy, time = unit("lagrangian"), unit("t")
    if symmetry.kind == "time" or not (energy and time):
        return energy
    if symmetry.kind == "translation":
        return unit(f"pi_{symmetry.charge_name.split()[-1].partition('[')[0]}")
    return f"{energy}*{time}"


def _table(entries: list[dict]) -> Table:
    header = ("charge", "unit", "at the start", "at the end", "flux through K", "defect")
    acted = "events" in entries[0] if entries else False
    if acted:
        header = (*header[:-1], "added by events", header[-1])
    return Table(
        "ledger",
        "Charges of the symmetries of L, what K " + ("and events " if acted else "") + "added to "
        "each, and the largest lack of balance over all steps, relative.",
        header if any(e["unit"] for e in entries) else tuple(h for h in header if h != "unit"),
        tuple(
            (e["charge"], *((e["unit"],) if any(x["unit"] for x in entries) else ()),
             e["initial"], e["final"], e["flux"], *((e["events"],) if acted else ()), e["defect"])
            for e in entries
        ),
    )  # fmt: skip


def _figure(
    system: LagrangianSystem, charges: Sequence[Charge], t: np.ndarray, defect: np.ndarray
) -> Figure:
    floor = np.finfo(float).eps / 4
    curves = tuple(
        Curve(t[1:], np.maximum(np.abs(defect[1:, k]), floor), _short(s, len(charges)))
        for k, s in enumerate(charges[:SHOWN])
    )
    y = Axis("relative defect of the balance", log=True)
    left = f" (the first {SHOWN} of {len(charges)})" if len(charges) > SHOWN else ""
    caption = (
        f"Charges minus their first value minus what K added to them{left}: "
        "round-off for momenta, the order of the method for the energy."
        + (" p are momenta, L angular momenta." if len(charges) > 3 else "")
    )
    return Figure("ledger", caption, (Panel(Axis("time t", system.words.unit("t")), y, curves),))


def _short(charge: Charge, count: int) -> str:
    """A label of a curve: of many, p for a momentum and L for an angular momentum."""
    name = charge.charge_name
    if count <= 3:
        return name
    return name.replace("total momentum of", "p of").replace("angular momentum of", "L of")


def _checks(settings: Settings, entries: list[dict], charges: Sequence[Charge]) -> list[Check]:
    checks, most = [], 1e-9 if settings.precision == "double" else 1e-5
    momenta = [e["defect"] for e, s in zip(entries, charges, strict=True) if s.kind != "time"]
    for s, e in zip(charges, entries, strict=True):
        if s.kind == "time" and e["flux"]:
            text = f"energy and what K took of it balance to {e['defect']:.1e}"
            checks.append(Check("energy balance", e["defect"] < 1e-2, text))
    if momenta:
        worst, count = max(momenta), len(momenta)
        what = "the charge of one symmetry" if count == 1 else f"the charges of {count} symmetries"
        checks.append(Check("symmetries", worst < most, f"{what} balanced to {worst:.1e}"))
    return checks


def _arrays(charges: Sequence[Charge], values, flux) -> Mapping[str, Array]:
    arrays = {}
    for k, s in enumerate(charges):
        unit = s.unit
        if s.kind != "time":
            arrays[f"charge_{k}"] = Array(values[:, k], ("t",), unit, s.charge_name)
        arrays[f"flux_{k}"] = Array(
            flux[:, k], ("t",), unit, f"what K added to the {s.charge_name} since the start"
        )
    return arrays
