"""Findings of maps: numbers, equations, tables, figures."""

from __future__ import annotations

import numpy as np
from actionrun.compiler.findings import (
    Array,
    Axis,
    Check,
    Curve,
    Equation,
    Figure,
    Findings,
    Panel,
)

from .evaluation import BACK, LONG, MapEvaluation
from .figures import errors_figure, family, family_table, force_figure, variants_table
from .model import MapModel
from .network_diagram import network_figure
from .result import (
    ContinuumLimit,
    FrontEntry,
    MapResult,
    as_result,
    energy_unit,
    resting_error,
)
from .tables import PEERS, front_table, peer_table

CHAIN, OWN = "in a chain", "own force"
SHOWN = 400  # points of a long curve


def report(model: MapModel, result: MapResult, history: np.ndarray) -> Findings:
    """A result as findings; `history` holds a row a generation."""
    entries, best, several, limit = result.entries, result.best, result.evaluations, result.limit
    variants, own = result.variants, several[0]
    length, _, _ = model.units
    to_energy, _ = energy_unit(model)
    damped = model.system.damped
    proof = best.proof
    resting = resting_error(model)
    sound = tuple(e for e in entries if e is best or e.selected < resting)
    metrics: dict[str, float | int] = {
        "hypervolume": hypervolume(model, entries),
        "complexity": best.complexity,
        "error": best.error,
        "objective": best.objective,
        "symplectic": int(proof is not None and proof.symplectic),
        "reversible": int(proof is not None and proof.reversible),
        "volume_defect": best.volume,
    }
    shift = np.nan if model.system.driven else own.energy_shift * to_energy  # it keeps no energy
    for name, value in (
        ("reversal_error_max", own.return_error * length),
        ("energy_shift", shift),
    ):
        if np.isfinite(value):
            metrics[name] = value
    if variants.force is not None:
        metrics["learned_force_off"] = variants.force.off
    if limit is not None:
        for k, name in enumerate(model.system.names):
            metrics[f"inverse_mass.{name}"] = float(limit.inverse_mass[k])
            if damped:
                metrics[f"damping_rate.{name}"] = float(limit.rate[k])
                metrics[f"damping.{name}"] = float(limit.rate[k] / limit.inverse_mass[k])
    return Findings(
        metrics=metrics,
        equations=(*best.equations, *_limits(model, limit)),
        extra={
            "front": [as_result(model, e) for e in entries],
            "best": as_result(model, best)
            | {"deviations": [None if d == 0 else float(d) for d in result.deviations]},
            "family": [
                {
                    "from": low,
                    "to": high if np.isfinite(high) else None,
                    "genome": [int(c) for c in e.genome],
                }
                for low, high, e in family(entries)
            ],
            "judged": {one.name: _numbers(model, one) for one in several},
        },
        summary=_summary(model, result),
        arrays=_arrays(model, several),
        figures=(
            network_figure(model, best.genome, best.weights),
            *_figures(model, sound, best, several, limit, history),
            *force_figure(model, variants),
        ),
        tables=(
            front_table(sound, result.choice, damped),
            family_table(entries),
            *variants_table(model, best, variants),
            peer_table(model, several),
        ),
        checks=_checks(model, best, own),
        notes=_notes(model, best),
    )


def hypervolume(model: MapModel, entries: tuple[FrontEntry, ...]) -> float:
    """Area between the front in complexity and error (on the validation rows) and the corner of the
    dense network's complexity and the error of the map that moves nothing."""
    most = float(model.layout.complexity(model.layout.dense()[None])[0])
    worst = resting_error(model)
    points = sorted((e.complexity, e.selected) for e in entries if e.selected < worst)
    area, height = 0.0, worst
    for complexity, error in points:
        if error < height and complexity < most:
            area += (most - complexity) * (height - error)
            height = error
    return area


def _limits(model: MapModel, limit: ContinuumLimit | None) -> tuple[Equation, ...]:
    if limit is None:
        return ()
    equations = []
    for k, name in enumerate(model.system.names):
        value = float(limit.inverse_mass[k])
        suffix = f"_{name}" if len(limit.inverse_mass) > 1 else ""
        equations.append(
            Equation(
                "Inverse mass as dt goes to 0", rf"\frac{{1}}{{m{suffix}}} = {value:.8g}",
                f"1/m{suffix} = {value:.8g}", {f"1/m{suffix}": (value, None)},
                f"1/m{suffix} = {value!r}",
            )
        )  # fmt: skip
        if model.system.damped:
            rate = float(limit.rate[k])
            equations.append(
                Equation(
                    "Damping rate as dt goes to 0", rf"\frac{{\gamma}}{{m{suffix}}} = {rate:.6g}",
                    f"gamma/m{suffix} = {rate:.6g}", {f"gamma/m{suffix}": (rate, None)},
                    f"gamma/m{suffix} = {rate!r}",
                )
            )  # fmt: skip
    return tuple(equations)


def _numbers(model: MapModel, one: MapEvaluation) -> dict[str, float | None]:
    length, speed, _ = model.units
    to_energy, _ = energy_unit(model)
    numbers: dict[str, float | None] = {}
    for label, (x, v) in one.errors.items():
        numbers[f"rmse_position.{label}"] = x * length
        numbers[f"rmse_velocity.{label}"] = v * speed
    numbers["return_error"] = one.return_error * length
    numbers["energy_shift"] = one.energy_shift * to_energy
    return {k: v if v is not None and np.isfinite(v) else None for k, v in numbers.items()}


def _summary(model: MapModel, result: MapResult) -> tuple[tuple[str, str], ...]:
    best, own, limit = result.best, result.evaluations[0], result.limit
    length, _, _ = model.units
    to_energy, energy = energy_unit(model)
    unit = model.length_unit
    lines = [("map", e.text) for e in best.equations]
    lines.append(("known as", best.known or "no scheme that has a name here"))
    lines.append(("why", result.choice.reason))
    if best.misses:
        lines.append(("misses", "; ".join(best.misses)))
    free = np.isnan(model.layout.fixed(best.genome))
    pairs = zip(best.weights[free], result.deviations[free], strict=True)
    fitted = [f"{weight:.8g} ± {deviation:.1g}" for weight, deviation in pairs]
    if fitted:
        lines.append(("fitted weights", f"{', '.join(fitted)}, by leaving out tenths of the rows"))
    lines.append(("complexity", str(best.complexity)))
    lines.append(("error", f"{best.error:.2f} dB on the test rows"))
    if best.proof is not None:
        for reason in best.proof.reasons:
            name, _, text = reason.partition(": ")
            lines.append((name, text))
    back, shift = (
        with_unit(own.return_error * length, unit),
        with_unit(own.energy_shift * to_energy, energy),
    )
    lines.append(("return error", f"{back} after {BACK} steps and back"))
    if not model.system.driven:
        lines.append(("energy shift", f"{shift} over {LONG} steps"))
    if limit is not None:
        names = model.system.names
        for k, value in enumerate(limit.inverse_mass):
            tail = f" of {names[k]}" if len(names) > 1 else ""
            at = float(np.diag(limit.levels[0].B[len(names):])[k])  # fmt: skip
            lines.append((f"1/m{tail}", f"{value:.8g} as dt -> 0; {at:.6f} of that at dt"))
            if model.system.damped:
                lines.append((f"damping rate{tail}", f"{limit.rate[k]:.6g} as dt -> 0"))
    return tuple(lines)


def with_unit(value: float, unit: str) -> str:
    """A number with its unit, or that there is none."""
    return f"{value:.2e} {unit}".rstrip() if np.isfinite(value) else "diverged"


def _checks(model: MapModel, best: FrontEntry, own: MapEvaluation) -> tuple[Check, ...]:
    damped, checks = model.system.damped, []
    if best.proof is None:
        text = "the recommended map is not linear but for the force, so nothing is proved of it"
        checks.append(Check("structure", False, text))
    else:
        for reason in best.proof.reasons:
            name, text = reason.split(": ", 1)
            due = not damped or name != "time reversal"
            good = text.startswith("proved") or best.proof.holds(damped) or not due
            checks.append(Check(name, good, text))
    resting = resting_error(model)
    text = f"{best.selected:.1f} dB on validation rows; "
    if np.isfinite(resting):
        text += f"leaving all as it is: {resting:.1f} dB"
    else:
        text += "positions or velocities never change here, so leaving them as they are is exact"
    checks.append(Check("error", best.selected < resting - 20, text))
    length, _, _ = model.units
    if not damped:
        good = own.return_error < 1e-3 * model.spread[0]
        text = with_unit(own.return_error * length, model.length_unit)
        checks.append(Check("return", good, f"{text} from the start after {BACK} steps and back"))
    return tuple(checks)


def _notes(model: MapModel, best: FrontEntry) -> tuple[str, ...]:
    notes = [*model.notes]
    if model.settings.paper:
        notes.append("as published, the network of the lowest objective, whatever its structure")
    elif not best.proved(model.system.damped):
        notes.append(
            "no network of the front that predicts well has a structure that is proved by algebra; "
            "the one of the lowest objective is shown"
        )
    if best.proof is None and best.matrices is not None:
        notes.append(
            "the relu, elu or abs units of the recommended network hear positive numbers on all "
            "rows of the data, and so pass them on: its equations and its name are those of the "
            "map without them"
        )
    if not model.motions.test:
        notes.append("there are no test motions: errors are those of the validation rows")
    return tuple(notes)


def _arrays(model: MapModel, several: list[MapEvaluation]) -> dict[str, Array]:
    to_energy, energy = energy_unit(model)
    unit = model.system.length_unit
    arrays = {}
    for number, one in enumerate(several):
        key = one.name.replace(" + ", "_with_").replace(" ", "_")
        arrays[f"energy_{key}"] = Array(
            one.energy[:: max(1, LONG // 2000)] * to_energy, (f"step_{number}", "motion"), energy,
            f"energy of {one.name} every {max(1, LONG // 2000)} steps",
        )  # fmt: skip
        arrays[f"path_{key}"] = Array(
            one.path, ("there_and_back", "motion", "component"), unit,
            f"positions of {one.name}, {BACK} steps forward, then back",
        )  # fmt: skip
    return arrays


def _thin(values: np.ndarray) -> np.ndarray:
    return np.unique(np.linspace(0, len(values) - 1, SHOWN).astype(int))


def _figures(
    model: MapModel, entries: tuple[FrontEntry, ...], best: FrontEntry,
    several: list[MapEvaluation], limit: ContinuumLimit | None, history: np.ndarray,
) -> tuple[Figure, ...]:  # fmt: skip
    to_energy, energy = energy_unit(model)
    length, _, _ = model.units
    unit = model.length_unit
    several = [one for one in several if one.name != CHAIN]  # too near to this map to be seen
    figures = [_front_figure(model, entries, best), errors_figure(model, several, PEERS)]
    motion = several[0].energy.shape[1] - 1
    curves = []
    for one in several:
        series = np.abs(one.energy[:, motion] - one.energy[0, motion]) * to_energy
        reached = np.maximum.accumulate(np.where(np.isfinite(series), series, np.inf))
        keep = _thin(series)[1:]
        shown = np.where(np.isfinite(reached[keep]), np.maximum(reached[keep], 1e-16), np.nan)
        curves.append(Curve(keep / 1000, shown, one.name))
    figures.append(
        Figure(
            "energy", f"The largest change of the energy so far, over {LONG} steps of a motion of "
            f"the test. {PEERS}",
            (Panel(Axis("steps / 1000"), Axis("largest |E − E₀|", energy, log=True),
                   tuple(curves)),),
        )
    )  # fmt: skip
    panels = []
    for one in [s for s in several if s.name not in ("Verlet", OWN)]:
        path = one.path[:, motion, 0] * length
        steps = np.arange(BACK + 1.0)
        there, back = path[: BACK + 1], path[BACK:][::-1]
        last = slice(0, min(400, BACK))
        panels.append(
            Panel(
                Axis("step"), Axis("position", unit),
                (Curve(steps[last], there[last], "forward"),
                 Curve(steps[last], np.clip(back[last], there.min() - 50, there.max() + 50),
                       "back", "dashed")),
                one.name,
            )
        )  # fmt: skip
    figures.append(
        Figure(
            "return", f"{BACK} steps forward, then the velocity turned and as many back: the first "
            f"400 steps and the way back over them. {PEERS}", tuple(panels),
        )
    )  # fmt: skip
    if limit is not None:
        figures.append(_limit_figure(model, limit))
    progress = np.arange(len(history), dtype=float)
    seen = np.isfinite(history[:, 0])
    figures.append(
        Figure(
            "search", "The lowest error (or objective) of the archive against generations.",
            (Panel(Axis("generation"), Axis("lowest score", "dB"),
                   (Curve(progress[seen], history[seen, 0], "", "steps"),)),),
        )
    )  # fmt: skip
    return tuple(figures)


def _front_figure(model: MapModel, entries: tuple[FrontEntry, ...], best: FrontEntry) -> Figure:
    damped = model.system.damped
    groups = (
        ("proved", [e for e in entries if e.proved(damped)]),
        ("linear", [e for e in entries if e.proof and not e.proved(damped)]),
        ("not linear", [e for e in entries if e.proof is None]),
        ("best", [best]),
    )
    curves = tuple(
        Curve(np.array([float(e.complexity) for e in group]), np.array([e.error for e in group]),
              label, "points")
        for label, group in groups if group
    )  # fmt: skip
    return Figure(
        "front", "Error on the test rows against complexity of the networks that no other one "
        "beats in complexity, error and structure: proved ones, those that are linear "
        "but for the force, those that are not, and the best, which is recommended.",
        (Panel(Axis("complexity"), Axis("error", "dB"), curves),),
    )  # fmt: skip


def _limit_figure(model: MapModel, limit: ContinuumLimit) -> Figure:
    k = len(limit.levels[0].P)
    names = model.system.names
    steps = np.array([model.system.dt / 2**level for level in range(len(limit.levels))])
    mass = np.diag(model.system.mass)[:: model.system.width]
    curves = []
    for j, name in enumerate(names):
        numbers = np.array([np.diag(one.B[k:])[j] for one in limit.levels])
        ratio = float(limit.inverse_mass[j] * mass[j])
        curves.append(Curve(steps, np.abs(numbers - ratio), f"of {name}", "points"))
    return Figure(
        "limit", "Distance of the fitted factor of F dt/m from its limit: it falls with dt, so it "
        "is discretisation and not an error of the mass.",
        (Panel(Axis("dt", model.system.time_unit, log=True), Axis("distance from the limit", "",
               log=True), tuple(curves)),),
    )  # fmt: skip
