"""Findings: results as data (metrics, equations, tables, curves), which the runtime draws and
writes without learning which kind of study they came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Equation:
    """A law as text.

    `latex` is the body of a display equation without delimiters, `text` the study language's own
    spelling. `values` maps each learned symbol to its value and standard deviation (None: unknown),
    both in the study's units, unrounded. `exact`, where it is not `text` itself, is the same with
    every digit and in components, so that it reads without the study.
    """

    name: str
    latex: str
    text: str
    values: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    exact: str = ""


@dataclass(frozen=True)
class Axis:
    label: str
    unit: str = ""
    log: bool = False


@dataclass(frozen=True)
class Curve:
    """One curve; "marked" is a line with a mark at each point. `low` and `high` (same length) draw
    a band or error bars around it; `names` (same length, "" for most) are written beside points.

    "bodies" draws balls at x, y, those of larger `depth` (same length) nearer to the eye, joined by
    `bonds`, pairs of their numbers; `depth` is a length as x and y are. "network" draws the points
    that have names as nodes, and bonds as lines with the texts `along` them, one each; its panel
    has no axes. "contours" are lines of equal `depth` over the points of a grid.
    """

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    style: Literal[
        "line", "dashed", "points", "marked", "band", "steps", "bodies", "network", "contours"
    ] = "line"
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    names: tuple[str, ...] = ()
    depth: np.ndarray | None = None
    bonds: tuple[tuple[int, int], ...] = ()
    along: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    title: str = ""
    equal: bool = False  # one length is the same on both axes


@dataclass(frozen=True)
class Figure:
    """Panels side by side or stacked, drawn by the runtime; `name` is the file's stem."""

    name: str
    caption: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells. `latex`, where given, has the same shape: what a cell is as mathematics in a
    LaTeX table, None where it is its text. Such a table is also written to tables.tex."""

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    latex: tuple[tuple[str | None, ...], ...] = ()


@dataclass(frozen=True)
class Array:
    """An array for data.nc: dimension names, unit in the study's own spelling, a sentence."""

    data: np.ndarray
    dims: tuple[str, ...]
    unit: str = ""
    long_name: str = ""


@dataclass(frozen=True)
class Trajectory:
    """Structures one after the other, for trajectory.extxyz.

    positions (T, N, dim), unwrapped; species N names; times, energies (T,); velocities, momenta
    (T, N, dim); masses (N,); vectors of the periodic cell (dim, dim), a row each, and along which
    it is `periodic` (None: all); a label a structure; `frozen` (N,). `units` says in which units:
    "angstrom fs u eV" (momenta then in sqrt(u*eV), as ASE has them), else "reduced".
    """

    positions: np.ndarray
    species: tuple[str, ...]
    times: np.ndarray | None = None
    velocities: np.ndarray | None = None
    momenta: np.ndarray | None = None
    masses: np.ndarray | None = None
    energies: np.ndarray | None = None
    cell: np.ndarray | None = None
    periodic: tuple[bool, ...] | None = None
    frozen: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    units: str = "reduced"


@dataclass(frozen=True)
class Check:
    """One answer to "how far is this to be trusted": a law or a measure, and whether it held."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Findings:
    """All that a run found. `extra` holds the further keys of result.json for this kind of study
    (runs.md), plain Python numbers, strings, lists, dicts and None."""

    metrics: Mapping[str, float | int]
    equations: tuple[Equation, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    summary: tuple[tuple[str, str], ...] = ()  # the few lines a person wants: name, value with unit
    arrays: Mapping[str, Array] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    trajectory: Trajectory | None = None
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()  # warnings in plain words


@dataclass(frozen=True)
class Inference:
    """What a trained network says of new motions: the coefficients, their units, a dict a motion
    (the rows of inference.json)."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    motions: list[dict[str, Any]]


@dataclass(frozen=True)
class Section:
    """A part of what `actionrun explain` prints."""

    title: str
    text: str = ""
    equations: tuple[Equation, ...] = ()
