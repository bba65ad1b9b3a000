"""Random ggl studies beside DOP853: states, clocks, outputs, energies, events, equations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ggl_reference import Crossings, Motion, crossings, motion, written_residuals
from ggl_studies import GglStudy, draw
from verdicts import NotRunError, Verdict, finished

NEAR = 1e-8  # of the motion's size: below it a state is right whatever the step is
ROUNDED = 2e-5  # of an equation's largest side: numbers are printed to six digits
TOUCHING = 1e-5  # of an event's size: a turning point so near to zero may count or not


def judge(seed: str, index: int, folder: Path) -> tuple[Verdict, str]:
    """The verdict on study `index` of a seed, and its text."""
    study = draw(seed, index)
    return judged(study, folder), study.toml()


def judged(study: GglStudy, folder: Path) -> Verdict:
    reference = motion(study)
    try:
        done = finished(study.toml(), folder, deep=True)
    except NotRunError as refused:
        v = refused.verdict
        if v.word == "stopped" and reference is None:
            return Verdict("right", "blows up", v.detail, study.tags)
        return Verdict(v.word, v.what, v.detail, study.tags)
    if reference is None:
        return Verdict("right", "blows up after the end", "", study.tags)
    errors = _errors(study, reference, done)
    coarse = {name: e for name, e in errors.items() if not e <= NEAR}
    if coarse and (still := _unconverged(study, reference, folder, coarse)):
        return Verdict("WRONG", next(iter(still)), _words(still), study.tags)
    facts = _facts(study, reference, done, max(errors.values()))
    if facts:
        return Verdict("WRONG", next(iter(facts)), _words(facts), study.tags)
    events = _events(study, reference, done, max(errors["state"], 1e-12))
    if events:
        return Verdict("WRONG", next(iter(events)), _words(events), study.tags)
    return Verdict("right", "coarse" if coarse else "", _words(coarse), study.tags)


def _words(things: Mapping[str, object]) -> str:
    return "; ".join(
        f"{k} {v:.2e}" if isinstance(v, float) else f"{k}: {v}" for k, v in things.items()
    )


def _errors(study: GglStudy, reference: Motion, done, refine: int = 1) -> dict[str, float]:
    """Largest deviations relative to the size of the motion."""
    arrays = {name: np.asarray(array.data) for name, array in done.findings.arrays.items()}
    t = arrays["t"]
    s = study.dt / refine * np.arange(len(t))
    clock, q, v = reference.state(np.minimum(s, reference.end))
    size, fast = max(1.0, np.max(np.abs(q))), max(1.0, np.max(np.abs(v)))
    found = {"state": 0.0}

    def enter(what: str, error: float) -> None:
        found[what] = max(found.get(what, 0.0), float(error))

    if reference.transformed:
        found["clock"] = float(np.max(np.abs(clock - t)) / max(1.0, clock[-1]))
    final = done.result["final"]
    p = reference.momenta(q[:, -1], v[:, -1], float(clock[-1])).reshape(-1)
    for i, name in enumerate(study.coordinates):
        enter("state", _gap(arrays[name], q[i]) / size)
        if f"v_{name}" in arrays:
            enter("velocity", _gap(arrays[f"v_{name}"], v[i]) / fast)
        enter("final velocity", abs(final["velocity"][name] - v[i, -1]) / fast)
        gap = abs(final["momentum"][name] - p[i])
        enter("final momentum", gap / max(1.0, float(np.max(np.abs(p)))))
    if "output_t" in arrays:
        at = np.array([reference.s_of(min(x, clock[-1])) for x in arrays["output_t"]])
        _, q, v = reference.state(at)
        for i, name in enumerate(study.coordinates):
            enter("output", _gap(arrays[f"output_{name}"], q[i]) / size)
            enter("output velocity", _gap(arrays[f"output_v_{name}"], v[i]) / fast)
    return found


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    worst = float(np.max(np.abs(a - b), initial=0.0))
    return worst if np.isfinite(worst) else np.inf


def _unconverged(
    study: GglStudy, reference: Motion, folder: Path, coarse: dict[str, float]
) -> dict[str, object]:
    """Those of the errors that do not fall as the step does: by less than 8 times on a fourth of
    the step. Where a force jumps, the impulse errs by about the jump times the step, more or less
    by where in a step it falls: then a sixteenth of the step is to halve the error at least, or a
    sixty-fourth where luck was with the long steps."""
    still = dict.fromkeys(coarse, "")
    for refine, fall in ((16, 2.0), (64, 2.0)) if study.kinked else ((4, 8.0),):
        try:
            done = finished(study.toml(refine, events=False), folder)
        except NotRunError as refused:
            return {f"with a finer step: {refused.verdict.what}": refused.verdict.detail}
        finer = _errors(study, reference, done, refine)
        still = {
            name: f"{coarse[name]:.2e}, with a step {refine} times smaller {finer[name]:.2e}"
            for name in still
            if not finer[name] <= max(NEAR, coarse[name] / fall)
        }
        if not still:
            break
    return dict(still)


def _facts(study: GglStudy, reference: Motion, done, error: float) -> dict[str, object]:
    """What else was said and is not so: energies, printed equations."""
    wrong: dict[str, object] = {}
    slack = 1e-9 + 20 * error
    clock, q, v = reference.state(np.array([0.0, reference.end]))
    for line in done.result.get("ledger", ()):
        if line["charge"] != "energy" or reference.transformed:
            continue
        for k, name in ((0, "initial"), (1, "final")):
            right = float(reference.energy(q[:, k], v[:, k], float(clock[k])))
            if not abs(line[name] - right) <= slack * max(1.0, abs(right)):
                wrong[f"energy {name}"] = f"{line[name]!r}, right is {right!r}"
    equations = {
        e["name"]: e["text"]
        for e in done.result["equations"]
        if e["name"].startswith(("Equation of motion", "Motion of")) and e["text"].count("=") == 1
    }
    if equations and not study.constraints:
        try:
            residuals = written_residuals(equations, reference, study)
        except Exception as failure:  # names that are not formulas of the study
            return wrong | {"equations cannot be read": f"{failure} {equations}"}
        for name, residual in residuals.items():
            if not residual <= ROUNDED:
                wrong[f"printed: {name.split(' of ')[0]}"] = f"{residual:.1e}: {equations[name]}"
    return wrong


def _events(study: GglStudy, reference: Motion, done, error: float) -> dict[str, object]:
    wrong: dict[str, object] = {}
    if error > 1e-4:
        return wrong
    for name, text in study.events.items():
        right = crossings(reference, text, study.steps)
        if right.nearest_miss <= max(TOUCHING, 30 * error):
            continue  # it touches zero, or nearly so
        said = done.result["events"][name]
        if trouble := _unmatched(right, said, reference, error, study.dt):
            wrong[f"event {trouble}"] = (
                f"{name} = {text}: {len(said)} said, {len(right.t)} right: "
                f"{_few(right.t)}, said {_few([e['t'] for e in said])}"
            )
    return wrong


def _few(times) -> list[float]:
    return [round(float(t), 6) for t in times][:8]


def _unmatched(right: Crossings, said: list, reference: Motion, error: float, step: float) -> str:
    """What is wrong with a list of crossings, "" where it is right; those within a step's
    thousandth of start and end are let go."""
    t_end = float(reference.state(np.float64(reference.end))[0])
    edge = 1e-6 * t_end
    wanted = [(t, r, g) for t, r, g in zip(right.t, right.rising, right.slope, strict=True)]
    given = [(e["t"], e["direction"] > 0) for e in said]
    backward = 0
    for t, rising, slope in [*wanted]:
        slack = 1e-7 + 1e3 * error / max(abs(slope), 1e-9)
        near = [g for g in given if abs(g[0] - t) <= slack]
        if not near:
            continue
        best = min(near, key=lambda g: abs(g[0] - t))
        given.remove(best)
        wanted.remove((t, rising, slope))
        backward += best[1] != rising
    missed = [t for t, *_ in wanted if edge < t < t_end - edge]
    invented = [t for t, _ in given if edge < t < t_end - edge]
    if len(missed) == len(invented) and all(
        abs(a - b) <= step for a, b in zip(missed, sorted(invented), strict=True)
    ):
        return "inexact" if missed else "direction" if backward else ""
    return "missed" if not invented else "invented" if not missed else "missed and invented"
