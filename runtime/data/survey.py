"""A survey of a data file before any study: columns, times, gaps, noise, periods, and a study to
start from.

Noise is told by what samples lie off the cubic through their neighbours and by the end of the
spectrum, periods by its peaks; neither needs a law.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.inference.residual_tests import model_free_noise
from actionrun.spec.resolved import value as toml
from actionrun.spec.units.quantities import MAX_UNIT

from .cells import is_missing, kind_of_cell
from .csv_table import Table
from .description import described
from .wrapping import wrapped_rows

TIMES = re.compile(r"(t|time|zeit|temps|tiempo|tempo|seconds?|x_value|timestamp)\b.*", re.I)
TRIALS = re.compile(r"(trial|run|take|versuch|lauf)s?", re.I)
GAP = 1.5  # usual intervals: a longer one is a gap
PEAKS = 3
CLEAR = 12.0  # times the median power: a peak
EVEN = 0.02  # of the usual interval: intervals that differ less are even
LEAST = 16  # samples of a spectrum
MOST_COLUMNS = 40
MOST_CURVES = 8


@dataclass(frozen=True)
class ChannelSurvey:
    """A column: its place from 0, name, unit, samples (N,) with NaN where missing; the deviation of
    its noise and the frequencies of its spectrum's peaks, where times are known; the period that it
    was wrapped in, in words, "" for none."""

    index: int
    name: str
    unit: str
    values: np.ndarray
    noise: float = np.nan
    peaks: tuple[float, ...] = ()
    wrapped: str = ""


@dataclass(frozen=True)
class Survey:
    """What a data file shows: the column of times, or None; times (N,) and trials (N,); channels;
    faults of the times, in words."""

    table: Table
    time: int | None
    trial: int | None
    t: np.ndarray
    trials: np.ndarray
    channels: tuple[ChannelSurvey, ...]
    complaints: tuple[str, ...] = field(default=())

    @property
    def interval(self) -> float:
        """The usual time from a row to the next; NaN where there is none."""
        steps = self._steps
        return float(np.median(steps[steps > 0])) if (steps > 0).any() else np.nan

    @property
    def _steps(self) -> np.ndarray:
        within = self.trials[1:] == self.trials[:-1]
        steps = np.diff(self.t)[within]
        return steps[np.isfinite(steps)]


def survey(table: Table) -> Survey:
    """The survey of a table. Raises Faults where it holds no rows."""
    table.check_rows()
    table.require_sound()
    names = [name or f"column {k + 1}" for k, name in enumerate(table.names)][:MOST_COLUMNS]
    columns = {k: c for k in range(len(names)) if (c := _numbers(table, k)) is not None}
    trial = next((k for k in columns if TRIALS.fullmatch(names[k]) and _whole(columns[k])), None)
    time = _time_column(names, columns, trial)
    count = len(table)
    t = columns[time] if time is not None else np.arange(count, dtype=float)
    trials = np.zeros(count) if trial is None else columns[trial]
    complaints = tuple(_complaints(table, t, trials, time))
    channels = []
    for k, values in columns.items():
        if k in (time, trial) or (time is not None and _counts(values)):
            continue
        unit = table.units[k] if k < len(table.units) else ""
        wrapped = next((
            word for period, word in ((2 * np.pi, "2*pi"), (360.0, "360"))
            if wrapped_rows(values.tolist(), trials.tolist(), period)
        ), "")  # fmt: skip
        plain = values
        if wrapped:
            there = np.isfinite(values)
            plain = values.copy()
            plain[there] = np.unwrap(values[there], period=2 * np.pi if wrapped == "2*pi" else 360)
        first = trials == trials[0]
        noise, peaks = np.nan, ()
        if not complaints and time is not None:
            noise, peaks = _noise(t[first], plain[first]), _peaks(t[first], plain[first])
        channels.append(ChannelSurvey(k, names[k], unit, values, noise, peaks, wrapped))
    return Survey(table, time, trial, t, trials, tuple(channels), complaints)


def _numbers(table: Table, index: int) -> np.ndarray | None:
    """A column of numbers or times; None for text, empty or constant text."""
    if table.are_stamps(index):
        return np.asarray(table.seconds(index))
    if table.block is None:
        cells = [table.cell(row, index) for row in range(min(len(table), 200))]
        kinds = [kind_of_cell(c, table.dialect.decimal) for c in cells if not is_missing(c)]
        if not kinds or kinds.count("number") < len(kinds) / 2:
            return None
    return np.asarray(table.numbers(index, ""), dtype=float)


def _whole(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and (values == np.round(values)).all())


def _time_column(names: Sequence[str], columns: dict[int, np.ndarray], trial: int | None):
    """The column that is called time, else the first that grows all along."""
    for k in columns:
        if k != trial and TIMES.fullmatch(names[k]):
            return k
    for k, values in columns.items():
        whole = k != trial and len(values) > 2 and np.isfinite(values).all()
        if whole and (np.diff(values) > 0).all() and not _counts(values):
            return k
    return None


def _counts(values: np.ndarray) -> bool:
    """Whether a column numbers the rows, as frames of a film are."""
    return _whole(values) and bool((np.diff(values) == 1).all())


def _complaints(table: Table, t: np.ndarray, trials: np.ndarray, time: int | None):
    if time is None:
        yield "no column of times was found: say rate = ... in [data], or the column of t"
        return
    for row, (before, after) in enumerate(pairwise(t), 1):
        if trials[row] == trials[row - 1] and not after > before:
            what = "again" if after == before else "falls"
            place = table.places[row]
            hint = 'duplicates = "first"' if after == before else "sort the rows, or name trials"
            yield f"the time {what} in line {place}: {hint}"
            return


def _noise(t: np.ndarray, x: np.ndarray) -> float:
    there = np.isfinite(x) & np.isfinite(t)
    if there.sum() < LEAST:
        return np.nan
    variance = float(model_free_noise(t[:, None], x[:, None], there[:, None]).variance[0])
    steps = np.diff(t)
    if there.all() and np.ptp(steps) <= EVEN * np.median(steps):
        # A fast motion leaves the cubic, but not the last third of the spectrum, whose median is
        # ln 2 of its mean where there is nothing but noise.
        window = np.hanning(len(x))
        power = np.abs(np.fft.rfft((x - x.mean()) * window)) ** 2
        floor = np.median(power[2 * len(power) // 3 :]) / (np.log(2) * np.sum(window**2))
        variance = min(variance, float(floor))
    return float(np.sqrt(variance))


def _peaks(t: np.ndarray, x: np.ndarray) -> tuple[float, ...]:
    """The frequencies of the clear peaks of the spectrum, the highest first: of the samples on an
    even grid, less their trend, under Hann's window."""
    there = np.isfinite(x) & np.isfinite(t)
    if there.sum() < LEAST:
        return ()
    t, x = t[there], x[there]
    even = np.linspace(t[0], t[-1], min(len(t), 2**16))
    y = np.interp(even, t, x)
    y = y - np.polyval(np.polyfit(even - even[0], y, 1), even - even[0])
    size = 8 * len(y)
    power = np.abs(np.fft.rfft(y * np.hanning(len(y)), size)) ** 2
    rate = (len(even) - 1) / (even[-1] - even[0])
    inner = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])) + 1
    clear = inner[power[inner] > CLEAR * np.median(power)]
    best = clear[np.argsort(-power[clear], kind="stable")]
    strong = [k for k in best if power[k] > 1e-3 * power[best[0]]]
    return tuple(float(k * rate / size) for k in strong[:PEAKS])


# -- in words --------------------------------------------------------------------------------------


def survey_text(one: Survey) -> str:
    """The survey as a person reads it."""
    lines = [described(one.table), ""]
    if one.time is not None:
        lines += [_times_text(one)]
    lines += [f"note: {complaint}" for complaint in one.complaints]
    if one.trial is not None:
        lines.append(f"{len(np.unique(one.trials))} trials by the column "
                     f"{toml(one.table.names[one.trial])}")  # fmt: skip
    lines.append("")
    head = ("column", "unit", "samples", "from", "to", "noise", "periods")
    rows = [head, *(_row(c) for c in one.channels)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
              for row in rows]  # fmt: skip
    for c in one.channels:
        if c.wrapped:
            lines.append(f"note: {c.name} jumps by about {c.wrapped}: an angle that was wrapped")
    return "\n".join(lines) + "\n"


def _times_text(one: Survey) -> str:
    steps, dt = one._steps, one.interval
    name = toml(one.table.names[one.time] if one.time is not None else "")
    said = f"times {name} from {one.t[0]:.6g} to {one.t[-1]:.6g}, usually {dt:.6g} apart"
    if len(steps) and np.ptp(steps) <= 0.02 * dt:
        said += f" ({1 / dt:.6g} rows a unit of time)"
    gaps = np.flatnonzero((np.diff(one.t) > GAP * dt) & (np.diff(one.trials) == 0))
    if len(gaps):
        where = ", ".join(str(one.table.places[k + 1]) for k in gaps[:5])
        more = f" and {len(gaps) - 5} more" if len(gaps) > 5 else ""
        said += f"; {len(gaps)} gaps, before lines {where}{more}"
    return said


def _row(c: ChannelSurvey) -> tuple[str, ...]:
    there = c.values[np.isfinite(c.values)]
    missing = len(c.values) - len(there)
    ends = (f"{there.min():.5g}", f"{there.max():.5g}") if len(there) else ("", "")
    periods = ", ".join(f"{1 / f:.4g}" for f in c.peaks)
    noise = f"{c.noise:.2g}" if np.isfinite(c.noise) else ""
    count = f"{len(there)}" + (f" ({missing} missing)" if missing else "")
    return (c.name, c.unit, count, *ends, noise, periods)


def starter_study(one: Survey) -> str:
    """A family study of the file that `check` has no fault with: an oscillator for each of the
    first channels, in plain numbers."""
    table, channels = one.table, [c for c in one.channels if np.isfinite(c.values).any()][:2]
    names = ["q"] if len(channels) == 1 else [f"q{k + 1}" for k in range(len(channels))]
    law, drag, ranges, columns, wrapped = [], [], [], [], []
    for name, c in zip(names, channels, strict=True):
        mark = f"_{name[1:]}" if name[1:] else ""
        values = c.values[np.isfinite(c.values)]
        w = 2 * np.pi * c.peaks[0] if c.peaks else 2 * np.pi / max(np.ptp(one.t), 1e-9)
        law.append(f"{name}'^2/2 - w2{mark}*({name} - {name}_0)^2/2")
        drag.append(f"-gamma{mark}*{name}_plus'*{name}_minus")
        low, high = float(values.min()), float(values.max())
        high = high if high > low else low + 1.0
        ranges += [
            f"w2{mark} = [{toml(float(f'{w * w / 20:.3g}'))}, {toml(float(f'{w * w * 20:.3g}'))}]",
            f"gamma{mark} = [0.0, {toml(float(f'{2 * w:.3g}'))}]",
            f"{name}_0 = [{toml(float(f'{low:.6g}'))}, {toml(float(f'{high:.6g}'))}]",
        ]
        column = _column(table, c.index)
        if c.wrapped:
            wrapped.append(f'[data.observables]\n{name} = {{ column = {column}, '
                           f'wrap = "{c.wrapped}" }}\n')  # fmt: skip
        else:
            columns.append(f"{name} = {column}")
    if one.time is not None:
        columns.insert(0, f"t = {_column(table, one.time)}")
    if one.trial is not None:
        columns.append(f"trial = {_column(table, one.trial)}")
    dt = one.interval if one.time is not None and np.isfinite(one.interval) else 1.0
    rate = "" if one.time is not None else "rate = 1.0              # rows a unit of time\n"
    listed = ", ".join(f'"{name}"' for name in names)
    return f"""study = "family"
title = {toml(f"What moved in {table.path.name}?")}

[system]
coordinates = [{listed}]
# an oscillator each: put your law here
lagrangian = "{" + ".join(law)}"
nonconservative = "{" ".join(drag).replace(" -", " - ")}"

[coefficients]
{chr(10).join(ranges)}

[integrator]
dt = {toml(float(f"{dt:.4g}"))}

[network]
kind = "none"

[data]
file = {toml(table.path.name)}
{rate}columns = {{ {", ".join(columns)} }}
{"".join(wrapped)}"""


def _column(table: Table, index: int) -> str:
    """A column as a study names it: by its heading where that is one, else by its number."""
    name = table.names[index] if index < len(table.names) else ""
    plain = name and len(name) <= MAX_UNIT and "[" not in name and name.isprintable()
    return toml(name) if plain and table.names.count(name) == 1 else str(index + 1)


def survey_figure(one: Survey) -> Figure:
    """Every channel over time."""
    unit = "" if one.time is None else one.table.units[one.time]
    time = Axis("time t" if one.time is not None else "row", unit)
    panels = tuple(
        Panel(time, Axis(c.name, c.unit), (Curve(one.t, c.values, "", "points"),))
        for c in one.channels[:MOST_CURVES]
    )
    return Figure("columns", f"The columns of {one.table.path.name} over time.", panels)
