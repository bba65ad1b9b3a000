"""Figures of a cluster's transformation: its structures, the chain's energies, the path's energies
before and after the quench, and how the search went."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.spec.units.unit_table import LENGTH

from .landscape import disconnectivity_figure
from .result import TransformationResult

BOND = 1.25  # of the distance of neighbours: bodies nearer than this are joined
SHOWN = 6  # coordinates whose paths are drawn
GRID = 70  # points of each coordinate of a map
LABELLED = 4  # bodies that are labelled: those that move most
AXES = "xyz"


def transformation_figures(result: TransformationResult) -> tuple[Figure, ...]:
    """Structures, profile, disconnectivity graph, energies along the path, course of the search."""
    many = result.problem.settings.many
    drawn = [_structures(result) if many else _surface(result)]
    if len(result.chain) > 2:
        drawn.append(_profile(result))
    if result.landscape is not None:
        unit = result.problem.settings.energy_unit.label
        if (graph := disconnectivity_figure(result.landscape, unit)) is not None:
            drawn.append(graph)
    drawn.append(_energies(result))
    if (search := _search(result)) is not None:
        drawn.append(search)
    return tuple(drawn)


def _length(result: TransformationResult) -> str:
    return result.problem.settings.units.label(LENGTH)


def _structures(result: TransformationResult) -> Figure:
    """Start, highest saddle and end (without a chain: the middle of the path), from one side."""
    if result.chain:
        shown = [(result.chain[0].name, result.chain[0].q)]
        top = result.top
        if top is not None and top not in (result.chain[0], result.chain[-1]):
            shown.append((f"highest saddle ({top.name})", top.q))
        shown.append((result.chain[-1].name, result.chain[-1].q))
    else:
        q = result.path.path.q
        shown = [("start", q[..., 0]), ("middle of the path", q[..., q.shape[2] // 2]),
                 ("end", q[..., -1])]  # fmt: skip
    moved = np.linalg.norm(shown[-1][1] - shown[0][1], axis=0)
    most = np.argsort(-moved)[: min(LABELLED, len(moved))]
    names = tuple(str(k + 1) if k in most else "" for k in range(len(moved)))
    view = _view(np.concatenate([q for _, q in shown], axis=1))
    panels = tuple(_panel(result, title, view @ q, names) for title, q in shown)
    caption = (
        "The structures, seen from one side; what is far is paler. Bonds join neighbours; numbers "
        "name the bodies that move most."
    )
    return Figure("structures", caption, panels)


def _surface(result: TransformationResult) -> Figure:
    """The chain and the path of coordinates: of two over lines of equal potential energy, of others
    each against the distance or time."""
    problem, path = result.problem, result.path.path
    names, unit_of = problem.system.names, problem.system.words.unit
    axes = [Axis(name, unit_of(name.partition("[")[0])) for name in names]
    if len(names) != 2:
        time = Axis("time t", unit_of("t"))
        panels = tuple(
            Panel(time, axis, (Curve(path.t, path.q[k, 0], "path of least action"),))
            for k, axis in enumerate(axes[:SHOWN])
        )
        return Figure("path", "The path of least action from start to end.", panels)
    curves = []
    for k, stop in enumerate(one for one in result.chain if one.is_saddle):
        for track in stop.tracks:
            label = "steepest descent" if not k and track is stop.tracks[0] else ""
            curves.append(Curve(track[0, 0], track[1, 0], label))
    for label, saddle in (("minima", False), ("saddles", True)):
        some = [stop for stop in result.chain if stop.is_saddle == saddle]
        if some:
            x, y = np.stack([stop.q[:, 0] for stop in some], axis=1)
            curves.append(Curve(x, y, label, "points", names=tuple(stop.name for stop in some)))
    curves.append(Curve(path.q[0, 0], path.q[1, 0], "path of least action", "dashed"))
    panel = Panel(axes[0], axes[1], (_contours(result, curves), *curves))
    caption = (
        "The chain of minima and saddles over lines of equal potential energy, with the path of "
        "least action."
    )
    return Figure("surface", caption, (panel,))


def _contours(result: TransformationResult, curves: list[Curve]) -> Curve:
    """Lines of equal potential energy around curves, as high as twice what the chain climbs."""
    shown = [np.stack([curve.x, curve.y]) for curve in curves]
    q = np.concatenate(shown, axis=1)
    low, high = q.min(axis=1), q.max(axis=1)
    wide = np.maximum(high - low, 0.3 * np.max(high - low))
    middle = (low + high) / 2
    rows = [np.linspace(m - 0.7 * w, m + 0.7 * w, GRID) for m, w in zip(middle, wide, strict=True)]
    x, y = (one.ravel() for one in np.meshgrid(*rows))
    system = result.problem.system
    energy = np.asarray(system.potential.energy(jnp.asarray(np.stack([x, y])[:, None])))
    energy = energy * result.problem.settings.energy_unit.scale
    levels = np.array([stop.point.energy for stop in result.chain] or [0.0])
    climb = float(np.ptp(levels)) or float(np.nanmedian(np.abs(energy - levels[0]))) or 1.0
    depth = np.where(np.isfinite(energy), energy, np.inf)
    return Curve(x, y, "", "contours", depth=np.clip(depth, None, levels.min() + 2 * climb))


def _view(q: np.ndarray) -> np.ndarray:
    """An orthogonal matrix (dim, dim) that looks along the shortest axis of bodies (dim, K),
    turned a little, so that no row of bodies hides behind its first."""
    dim = len(q)
    if dim < 3:
        return np.eye(dim)
    _, _, axes = np.linalg.svd((q - q.mean(axis=1, keepdims=True)).T, full_matrices=False)
    a, b = 0.35, 0.3
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return turn @ tilt @ axes


def _panel(
    result: TransformationResult, title: str, q: np.ndarray, names: tuple[str, ...]
) -> Panel:
    q = q - q.mean(axis=1, keepdims=True)
    x, y, z = (q[k] if k < len(q) else np.zeros(q.shape[1]) for k in range(3))
    d = np.linalg.norm(q[:, :, None] - q[:, None, :], axis=0)
    i, j = np.nonzero(np.triu(d < BOND * result.ends.length, 1))
    bonds = tuple(zip(i.tolist(), j.tolist(), strict=True))
    curve = Curve(x, y, "", "bodies", names=names, depth=z, bonds=bonds)
    unit = _length(result)
    return Panel(Axis("across", unit), Axis("up", unit), (curve,), title, equal=True)


def _profile(result: TransformationResult) -> Figure:
    """Energies along the chain, above the start."""
    unit = result.problem.settings.energy_unit.label
    start = result.ends.start.point.energy
    along = np.array([stop.along for stop in result.chain])
    above = np.array([stop.point.energy for stop in result.chain]) - start
    names = tuple(
        "" if stop not in (result.chain[0], result.top, result.chain[-1]) else stop.name
        for stop in result.chain
    )
    saddles = np.array([stop.is_saddle for stop in result.chain])
    curves = [_descent(result, start)]
    for label, kind in (("minima", ~saddles), ("saddles", saddles)):
        shown = tuple(name for name, one in zip(names, kind, strict=True) if one)
        curves.append(Curve(along[kind], above[kind], label, "points", names=shown))
    panel = Panel(
        Axis("distance along the chain", _length(result)),
        Axis("energy above the start", unit), tuple(curves),
    )  # fmt: skip
    caption = (
        "The chain of minima and saddles from start to end, with the energies along the paths of "
        "steepest descent between them; the highest saddle is the barrier."
    )
    return Figure("profile", caption, (panel,))


def _descent(result: TransformationResult, start: float) -> Curve:
    """Energies above the start along the paths of steepest descent, one after the other."""
    along, above = [], []
    for stop in result.chain:
        back, on = ([[0.0], [stop.point.energy]] if x is None else x for x in (stop.back, stop.on))
        for sign, (far, energy) in ((-1, np.flip(back, axis=1)), (1, on)):
            along.append(stop.along + sign * np.asarray(far))
            above.append(np.asarray(energy) - start)
    return Curve(np.concatenate(along), np.concatenate(above))


def _energies(result: TransformationResult) -> Figure:
    """Energies along the path before and after each image is quenched (the paper's Fig. 5)."""
    problem, path = result.problem, result.path.path
    time = Axis("time t", problem.system.words.unit("t"))
    unit = problem.settings.energy_unit.label
    before = Curve(path.t, path.potential, "before the quench")
    after = Curve(path.t[result.images], result.quenched, "after the quench", "steps")
    total = Curve(path.t, path.energy, "total energy", "dashed")
    panels = (Panel(time, Axis("energy", unit), (before, after, total)),)
    caption = (
        "Energies along the path of least action: of its images as they are, and of the minima "
        "below them."
    )
    return Figure("energies", caption, panels)


def _searched(result: TransformationResult) -> int:
    return int(result.search["searches"]) if result.search else 0


def _search(result: TransformationResult) -> Figure | None:
    """How the barrier fell with the searches."""
    history = result.history
    searched = _searched(result)
    if not searched or int(np.sum(np.isfinite(history["lid"]))) < 3:
        return None
    start = result.ends.start.point.energy
    known = np.isfinite(history["lid"])
    searches, lid = history["searches"][known], history["lid"][known]
    unit = result.problem.settings.energy_unit.label
    curve = Curve(searches.astype(float), lid - start, "", "steps")
    panel = Panel(Axis("searches for saddles"), Axis("lowest barrier so far", unit), (curve,))
    return Figure("search", "How the barrier from the start fell with the searches.", (panel,))
