"""[output] and [events]: what happens between the steps of a run, found as it marches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from ..spec.ggl import Ggl
from .ggl_findings import Motion
from .lower import lowered
from .modules.dense import BATCH, Dense, coefficients, roots, states, survey
from .modules.mechanics import Mechanics
from .problem import Problem
from .program import Array, Findings, Table
from .refusal import refusal

MOST = 1_000_000  # times of output
LISTED = 1000  # events of a name in result.json; data.nc has all
NEAR = 1e-9  # of a step: a time so little behind its end still belongs to it
NUMBERS = 4_000_000  # of a block of steps that are looked at together


@dataclass(frozen=True)
class Between:
    """What is looked for between the steps of a run; `times` are sorted, `at` their steps."""

    dense: Dense
    names: tuple[str, ...]
    times: np.ndarray
    at: np.ndarray
    h: float

    @property
    def capacity(self) -> int:
        """Steps that are looked at together."""
        size = self.dense.mechanics.n * (self.dense.r + 2 + len(self.dense.grid))
        return max(16, min(4096, NUMBERS // size))

    def block(self, step: int, q, p, V, theta, whole: int) -> dict[str, np.ndarray]:
        """Samples of the steps from number `step`; q, p are (steps + 1, n), V (steps, n, s).

        The arrays are padded to `whole` steps, so that one compiled function serves all.
        """
        count = len(V)
        V = np.concatenate([V, np.zeros((whole - count, *V.shape[1:]))])
        q, p = (np.concatenate([x, np.repeat(x[-1:], whole - count, axis=0)]) for x in (q, p))
        t = self.h * (step + np.arange(whole + 1))
        found: dict[str, np.ndarray] = {}
        if self.names:
            values, w = survey(self.dense, q, p, t, V, self.h, theta)
            found |= self._crossings(step, np.asarray(values)[:, :count], q, np.asarray(w), theta)
        else:
            w = coefficients(self.dense, jnp.asarray(V))
        if len(self.times):
            found |= self._outputs(step, count, q, np.asarray(w))
        return found

    def _crossings(self, step: int, values, q, w, theta) -> dict[str, np.ndarray]:
        above = values >= 0
        if step == 0:  # a start at zero is no crossing
            zero = values[:, 0, 0] == 0
            above[:, 0, 0] = np.where(zero, above[:, 0, 1], above[:, 0, 0])
        sound = np.isfinite(values)
        crossed = (above[..., 1:] != above[..., :-1]) & sound[..., 1:] & sound[..., :-1]
        k, j, which = np.nonzero(crossed.transpose(1, 2, 0))
        rising, grid = above[which, k, j + 1], self.dense.grid
        t = self.h * (step + k)
        parts = [
            roots(self.dense, which, rising, q, w, t, low, high, self.h, theta)
            for which, rising, q, w, t, low, high in _batches(
                which, rising, q[k].T, w[:, :, k], t, grid[j], grid[j + 1]
            )
        ]
        s, there, v = _joined(parts, len(k), self.dense.mechanics.n)
        return {
            "event": which.astype(np.int64), "event_rising": rising.astype(np.int64),
            "event_t": t + self.h * s, "event_q": there, "event_v": v,
        }  # fmt: skip

    def _outputs(self, step: int, count: int, q, w) -> dict[str, np.ndarray]:
        first, last = np.searchsorted(self.at, [step, step + count])
        k, times = self.at[first:last] - step, self.times[first:last]
        s = times / self.h - self.at[first:last]
        parts = [
            (s, *states(self.dense, q, w, self.h, s)) for q, w, s in _batches(q[k].T, w[:, :, k], s)
        ]
        _, there, v = _joined(parts, len(k), self.dense.mechanics.n)
        return {"output_t": times, "output_q": there, "output_v": v}


def _batches(*arrays: np.ndarray):
    """The arrays cut along their last axis into parts of BATCH, the last one padded."""
    count = arrays[0].shape[-1]
    for first in range(0, count, BATCH):
        index = np.minimum(np.arange(first, first + BATCH), count - 1)
        yield tuple(jnp.asarray(x[..., index]) for x in arrays)


def _joined(parts, count: int, n: int):
    """s (count,), q and v (count, n) of parts as `roots` returns them."""
    if not parts:
        return np.zeros(0), np.zeros((0, n)), np.zeros((0, n))
    columns = zip(*parts, strict=True)
    s, q, v = (np.concatenate([np.asarray(x) for x in part], axis=-1) for part in columns)
    return s[:count], q.T[:count], v.T[:count]


def between(study: Ggl, problem: Problem, mechanics: Mechanics, h: float) -> Between | None:
    """What [output] and [events] ask for; None where there are none. Raises Faults."""
    if study.output is None and not study.events:
        return None
    table = "events" if study.events else "output"
    if study.integrator.time_transform is not None:
        raise refusal(
            study,
            (table,),
            "not-built",
            f"[{table}] with a time_transform is not built yet in this version",
            "delete integrator.time_transform, or take the kept steps of data.nc",
        )
    times = _times(study, h)
    words, names = problem.words, tuple(study.events)
    arguments = [*words.q, *words.v, words.t, *problem.constants]
    expressions = [words.scalar(study.events[name]) for name in names]
    events = lowered(expressions, arguments) if names else None
    assert study.integrator.steps is not None
    at = np.clip(np.ceil(times / h - NEAR).astype(np.int64) - 1, 0, study.integrator.steps - 1)
    return Between(Dense(mechanics, study.integrator.r, events), names, times, at, h)


def _times(study: Ggl, h: float) -> np.ndarray:
    output, steps = study.output, study.integrator.steps
    assert steps is not None
    end = h * steps
    if output is None:
        return np.zeros(0)
    if (output.times is None) == (output.every is None):
        raise refusal(
            study, ("output",), "output", "[output] takes times or every, and one of them",
            'write every = 0.01, or times = [0.5, 1.0]',
        )  # fmt: skip
    if output.every is not None:
        every = study.number(output.every)
        if not every > 0 or end / every > MOST:
            raise refusal(
                study, output.every, "output",
                f"the spacing of outputs is {every:.4g}: it has to be positive, and give at most "
                f"{MOST} times up to {end:.6g}",
            )  # fmt: skip
        return every * np.arange(int(end / every + NEAR) + 1)
    times = []
    for value in output.times or ():
        t = study.number(value)
        if not 0 <= t <= end + NEAR * h:
            raise refusal(
                study, value, "output",
                f"the run goes from t = 0 to {end:.6g}, and this time lies outside",
                "make integrator.steps larger, or take the time out",
            )  # fmt: skip
        times.append(t)
    return np.sort(np.array(times))


def described(
    motion: Motion, sought: Between, samples: Mapping[str, np.ndarray], findings: Findings
) -> Findings:
    """The findings with what was found between the steps."""
    arrays, extra = dict(findings.arrays), dict(findings.extra)
    metrics, tables = dict(findings.metrics), list(findings.tables)
    summary = list(findings.summary)
    unit = motion.study.unit("t")
    if len(sought.times):
        arrays["output_t"] = Array(samples["output_t"], ("output_t",), unit, "time of output")
        arrays |= _states(motion, "output", samples["output_q"], samples["output_v"])
    if sought.names:
        extra["events"] = {}
        rows = []
        for number, name in enumerate(sought.names):
            mine = samples["event"] == number
            t, rising = samples["event_t"][mine], samples["event_rising"][mine]
            q, v = samples["event_q"][mine], samples["event_v"][mine]
            dims, key = (f"event_{name}_t",), f"event_{name}"
            arrays[f"{key}_t"] = Array(t, dims, unit, f"time of the event {name}")
            arrays[f"{key}_direction"] = Array(2 * rising - 1, dims, "", "1 rising, -1 falling")
            arrays |= _states(motion, key, q, v)
            extra["events"][name] = _listed(motion, t, rising, q, v)
            metrics[f"events.{name}"] = len(t)
            spans = _spans(t, rising)
            each = "" if spans[-1] is None else f", one direction each {spans[-1]:.10g} {unit}"
            summary.append((f"event {name}", f"{len(t)} times{each}".rstrip()))
            rows.append((name, motion.study.events[name].text, len(t), *spans))
        tables.append(_table(rows, unit))
    return replace(
        findings,
        arrays=arrays,
        extra=extra,
        metrics=metrics,
        tables=tuple(tables),
        summary=tuple(summary),
    )


def _by_name(motion: Motion, row: np.ndarray) -> dict[str, float | list[float]]:
    system = motion.study.system
    return {
        name: row[part].tolist() if system.is_vector(name) else float(row[part.start])
        for name, part in motion.problem.words.slices.items()
    }


def _listed(motion: Motion, t, rising, q, v) -> list[dict[str, object]]:
    return [
        {
            "t": float(t[k]),
            "direction": 1 if rising[k] else -1,
            "position": _by_name(motion, q[k]),
            "velocity": _by_name(motion, v[k]),
        }
        for k in range(min(len(t), LISTED))
    ]


def _spans(t: np.ndarray, rising: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """First and last time, and the mean time between crossings of the same direction."""
    if not len(t):
        return None, None, None
    same = t[rising == rising[0]]
    mean = float((same[-1] - same[0]) / (len(same) - 1)) if len(same) > 1 else None
    return float(t[0]), float(t[-1]), mean


def _states(motion: Motion, key: str, q: np.ndarray, v: np.ndarray) -> dict[str, Array]:
    study, arrays = motion.study, {}
    for name, part in motion.problem.words.slices.items():
        vector = study.system.is_vector(name)
        for prefix, rows, unit, what in (
            ("", q, study.unit(name), "position"),
            ("v_", v, study.unit(f"{name}'"), "velocity"),
        ):
            data = rows[:, part] if vector else rows[:, part.start]
            dims = (f"{key}_t", f"{name}_component") if vector else (f"{key}_t",)
            arrays[f"{key}_{prefix}{name}"] = Array(data, dims, unit, f"{what} {name} there")
    return arrays


def _table(rows: Sequence[tuple], unit: str) -> Table:
    time = f" [{unit}]" if unit else ""
    header = ("event", "crosses zero", "count", f"first t{time}", f"last t{time}",
              f"mean interval, one direction{time}")  # fmt: skip
    caption = "Crossings of zero, located on the polynomial of each step."
    return Table("events", caption, header, tuple(rows))
