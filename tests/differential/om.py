"""Random om studies beside plain NumPy: energies, momenta and Newton's motion along the path.

Bodies of one or two species with a random pair potential, some held, in the open, in a periodic box
or in a skewed cell that repeats along some of its vectors, with a
cut-off (a quintic switch from 0.9 of it, in the square of the distance), in a field or without. The
ends are files. What is compared: the potential energy of every structure of the path from its
positions alone, the total energy, start and end, and that the path moves as Newton's equation says,
by SciPy's DOP853 with forces by central differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
from scipy.integrate import solve_ivp
from verdicts import NotRunError, Verdict, finished

SWITCH = 0.9  # of the cut-off, where the switch begins
NEAR = 1e-9  # of the energies' size
REACH = 3  # images of a cell that are tried along each vector
# text of the language, and the same for NumPy; a, b: parameters of the pair
PAIRS: tuple[tuple[str, Callable[..., np.ndarray]], ...] = (
    ("4*a*((b/r)^12 - (b/r)^6)", lambda r, a, b: 4 * a * ((b / r) ** 12 - (b / r) ** 6)),
    ("a*(exp(-4*(r/b - 1)) - 2*exp(-2*(r/b - 1)))",
     lambda r, a, b: a * (np.exp(-4 * (r / b - 1)) - 2 * np.exp(-2 * (r / b - 1)))),
    ("a*exp(-r/b)/r", lambda r, a, b: a * np.exp(-r / b) / r),
    ("a*(r - b)^2/2", lambda r, a, b: a * (r - b) ** 2 / 2),
    ("a*exp(-(r/b)^2)", lambda r, a, b: a * np.exp(-((r / b) ** 2))),
    ("a*max(1 - r/(2*b), 0)^2", lambda r, a, b: a * np.maximum(1 - r / (2 * b), 0) ** 2),
    ("a*(b/r)^4 - a*sqrt(b/r)", lambda r, a, b: a * (b / r) ** 4 - a * np.sqrt(b / r)),
    ("a*log(1 + (r/b)^2)", lambda r, a, b: a * np.log(1 + (r / b) ** 2)),
)  # fmt: skip
FIELDS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("0.3*(x^2 + y^2)/2", lambda q: 0.15 * (q[..., 0] ** 2 + q[..., 1] ** 2)),
    ("0.2*cos(x)*y", lambda q: 0.2 * np.cos(q[..., 0]) * q[..., 1]),
    ("-0.4*y", lambda q: -0.4 * q[..., 1]),
)


@dataclass(frozen=True)
class OmStudy:
    """A study as the reference reads it; kind: the species of each body."""

    pair: int
    field: int | None
    a: np.ndarray
    b: np.ndarray
    kind: np.ndarray
    masses: np.ndarray
    start: np.ndarray
    end: np.ndarray
    cutoff: float | None
    edge: float | None
    cell: np.ndarray | None
    periodic: tuple[bool, ...]
    frozen: tuple[int, ...]
    duration: float
    points: int
    summed: bool

    @property
    def tags(self) -> tuple[str, ...]:
        """What of the language it uses."""
        words = {"field": self.field is not None, "cutoff": self.cutoff, "box": self.edge,
                 "species": len(self.masses) > 1, "sums": self.summed,
                 "cell": self.cell is not None, "frozen": self.frozen}  # fmt: skip
        return (PAIRS[self.pair][0], *(word for word, used in words.items() if used))

    def toml(self) -> str:
        """The study; its structures are start.xyz and end.xyz."""
        count, dim = self.start.shape
        names = ("A", "B")
        lines = ['study = "om"', "", "[system]", f"particles = {count}", f"dimension = {dim}"]
        if len(self.masses) > 1:
            numbers = ", ".join(
                f"{names[k]} = {int(np.sum(self.kind == k))}" for k in range(len(self.masses))
            )
            lines.append(f"species = {{ {numbers} }}")
            lines.append(f"mass = {{ A = {self.masses[0]}, B = {self.masses[1]} }}")
        else:
            lines.append(f"mass = {self.masses[0]}")
        text, field = PAIRS[self.pair][0], None if self.field is None else FIELDS[self.field][0]
        if self.summed:
            law = f"sum(i<j, {text.replace('(r', '(r[i,j]').replace('/r', '/r[i,j]')})"
            law = law.replace("-r/b", "-r[i,j]/b").replace(" r/", " r[i,j]/")
            if field:
                law += f" + sum(i, {field.replace('x', 'x[i]').replace('y', 'y[i]')})"
            lines.append(f'potential = "{law}"')
        else:
            lines.append(f'pair = "{text}"')
            if field:
                lines.append(f'external = "{field}"')
        if self.cutoff:
            lines.append(f"cutoff = {self.cutoff}")
        if self.edge:
            lines.append(f"box = {{ length = {self.edge} }}")
        if self.cell is not None:
            flags = ", ".join(str(flag).lower() for flag in self.periodic)
            lines.append(f"box = {{ cell = {self.cell.tolist()}, periodic = [{flags}] }}")
        if self.frozen:
            lines.append(f"frozen = {[k + 1 for k in self.frozen]}")
        lines += ["", "[parameters]"]
        for name, table in (("a", self.a), ("b", self.b)):
            if len(self.masses) > 1:
                rows = f"A-A = {table[0, 0]}, A-B = {table[0, 1]}, B-B = {table[1, 1]}"
                lines.append(f"{name} = {{ {rows} }}")
            else:
                lines.append(f"{name} = {table[0, 0]}")
        lines += ["", "[ends]", 'start = "start.xyz"', 'end = "end.xyz"', "", "[path]",
                  f"duration = {self.duration}", f"points = {self.points}"]  # fmt: skip
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """The two structures, as XYZ."""
        for name, rows in (("start", self.start), ("end", self.end)):
            lines = [str(len(rows)), name]
            for kind, row in zip(self.kind, rows, strict=True):
                place = " ".join(f"{x:.12f}" for x in [*row, *[0.0] * (3 - len(row))])
                lines.append(f"{'AB'[kind]} {place}")
            (folder / f"{name}.xyz").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def nearest(self, d: np.ndarray) -> np.ndarray:
        """Differences (..., dim) by the nearest image; of a cell the nearest of all images."""
        if self.edge:
            return d - self.edge * np.round(d / self.edge)
        if self.cell is None:
            return d
        turns = [range(-REACH, REACH + 1) if flag else (0,) for flag in self.periodic]
        shifts = np.array(list(product(*turns)), dtype=float) @ self.cell
        all_of_them = d[..., None, :] + shifts
        best = np.argmin(np.sum(all_of_them**2, axis=-1), axis=-1)
        return np.take_along_axis(all_of_them, best[..., None, None], axis=-2)[..., 0, :]

    def energy(self, q: np.ndarray) -> np.ndarray:
        """V (...,) of positions (..., N, dim)."""
        i, j = np.triu_indices(q.shape[-2], 1)
        d = self.nearest(q[..., i, :] - q[..., j, :])
        r = np.sqrt(np.sum(d * d, axis=-1))
        a, b = (table[self.kind[i], self.kind[j]] for table in (self.a, self.b))
        each = PAIRS[self.pair][1](r, a, b)
        if self.cutoff:
            low, high = (SWITCH * self.cutoff) ** 2, self.cutoff**2
            x = np.clip((r * r - low) / (high - low), 0, 1)
            each = each * (1 - 10 * x**3 + 15 * x**4 - 6 * x**5)
        total = np.sum(each, axis=-1)
        if self.field is not None:
            total = total + np.sum(FIELDS[self.field][1](q), axis=-1)
        return total

    def forces(self, q: np.ndarray, step: float = 1e-3) -> np.ndarray:
        """-dV/dq (N, dim), by central differences of order 6."""
        size = q.size
        out = np.zeros(size)
        for weight, k in ((45, 1), (-9, 2), (1, 3)):
            moves = k * step * np.eye(size).reshape(size, *q.shape)
            out -= weight * (self.energy(q + moves) - self.energy(q - moves)) / (60 * step)
        return out.reshape(q.shape)


def draw(seed: str, index: int) -> OmStudy:
    """Study number `index` of a seed."""
    chance = Random(f"{seed} om {index}")
    rng = np.random.default_rng(chance.getrandbits(32))
    dim, count = chance.choice((2, 3)), chance.randint(2, 9)
    two = count > 3 and chance.random() < 0.35
    kind = np.sort(rng.integers(0, 2, count)) if two else np.zeros(count, int)
    if two and len({*kind}) < 2:
        kind[0], kind[-1] = 0, 1
    a, b = (np.round(rng.uniform(low, high, (2, 2)), 3) for low, high in ((0.5, 2), (0.85, 1.15)))
    a[1, 0], b[1, 0] = a[0, 1], b[0, 1]
    masses = np.round(rng.uniform(0.5, 3.0, 2 if two else 1), 3)
    side = int(np.ceil(count ** (1 / dim)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * dim, indexing="ij"), -1).reshape(-1, dim)
    start = 1.2 * grid[:count] + rng.uniform(-0.08, 0.08, (count, dim))
    end = start + rng.uniform(-0.08, 0.08, (count, dim))
    edge = round(1.2 * side + chance.uniform(0.5, 1.5), 3) if chance.random() < 0.35 else None
    cutoff = None
    if edge or chance.random() < 0.3:
        cutoff = round(chance.uniform(0.7, 0.99) * (edge or 4.0) / 2, 3)
    if edge:
        start, end = start % edge, end % edge
    cell, periodic = None, ()
    if edge is None and cutoff is None and chance.random() < 0.35:
        cell = np.diag(rng.uniform(1.2 * side + 0.6, 1.2 * side + 1.6, dim))
        cell += np.tril(rng.uniform(-0.45, 0.45, (dim, dim)) * 1.2 * side, -1)
        cell = np.round(cell, 3)
        periodic = tuple(bool(x) for x in rng.integers(0, 2, dim))
        periodic = periodic if any(periodic) else (True,) * dim
        turns = [range(-2, 3) if flag else (0,) for flag in periodic]
        lone = np.array([t for t in product(*turns) if any(t)], dtype=float) @ cell
        shortest = float(np.min(np.linalg.norm(lone, axis=1)))
        cutoff = round(chance.uniform(0.7, 0.99) * shortest / 2, 3)
        start, end = (
            x + rng.integers(-1, 2, (count, dim)) * np.array(periodic) @ cell for x in (start, end)
        )
    frozen: tuple[int, ...] = ()
    if count > 3 and chance.random() < 0.25:
        frozen = tuple(sorted(chance.sample(range(count), chance.randint(1, count - 2))))
        end[[*frozen]] = start[[*frozen]]
    free_space = not edge and cell is None
    field = chance.randrange(len(FIELDS)) if free_space and chance.random() < 0.3 else None
    return OmStudy(
        chance.randrange(len(PAIRS)), field, a, b, kind, masses, np.round(start, 9),
        np.round(end, 9), cutoff, edge, cell, periodic, frozen, round(chance.uniform(0.1, 0.4), 3),
        chance.randint(8, 16), not two and chance.random() < 0.25,
    )  # fmt: skip


def judge(seed: str, index: int, folder: Path) -> tuple[Verdict, str]:
    """The verdict on study `index` of a seed, and its text."""
    study = draw(seed, index)
    study.write(folder)
    structures = "".join(
        f"# {name}.xyz: {(folder / f'{name}.xyz').read_text().splitlines()[2:]}\n"
        for name in ("start", "end")
    )
    return judged(study, folder), structures + study.toml()


def judged(study: OmStudy, folder: Path) -> Verdict:
    try:
        done = finished(study.toml(), folder, deep=True)
    except NotRunError as refused:
        verdict = refused.verdict
        return Verdict(verdict.word, verdict.what, verdict.detail, study.tags)
    arrays = {name: np.asarray(array.data) for name, array in done.findings.arrays.items()}
    metrics, wrong = done.result["metrics"], {}
    q, v, t = arrays["q"], arrays["v"], arrays["t"]
    right = study.energy(q)
    size = 1.0 + float(np.max(np.abs(right)))

    def compare(name: str, said, wanted, slack: float) -> None:
        gap = float(np.max(np.abs(np.asarray(said) - wanted)))
        if not gap <= slack:
            wrong[name] = f"off by {gap:.2e}, allowed {slack:.1e}"

    compare("potential energy", arrays["potential_energy"], right, NEAR * size)
    compare("start energy", metrics["start_energy"], study.energy(study.start), NEAR * size)
    compare("end energy", metrics["end_energy"], study.energy(study.end), NEAR * size)
    m = study.masses[study.kind]
    kinetic = np.sum(m[:, None] * v * v, axis=(1, 2)) / 2
    compare("total energy", arrays["energy"], right + kinetic, NEAR * (size + np.max(kinetic)))
    ends = (q[0], study.start), (q[-1], study.end)
    for name, (said, wanted) in zip(("start", "end"), ends, strict=True):
        compare(f"{name} position", study.nearest(said - wanted), 0.0, 1e-8)
    for k in study.frozen:
        compare(f"held body {k + 1}", q[:, k], study.start[k], 1e-9)
    if (miss := _newton(study, q, v, t, m)) is not None:
        said = metrics["reintegration_miss"]
        if not (miss <= 10 * said + 1e-6 and said <= 10 * miss + 1e-6):
            wrong["reintegration miss"] = f"said {said:.2e}, right {miss:.2e}"
    if wrong:
        detail = "; ".join(f"{k} {v}" for k, v in wrong.items())
        return Verdict("WRONG", next(iter(wrong)), detail, study.tags)
    return Verdict("right", "", "", study.tags)


def _newton(study: OmStudy, q, v, t, m) -> float | None:
    """How far Newton's motion from the path's own start is from its end: the largest distance of a
    body; None where the force has kinks."""
    if "max" in PAIRS[study.pair][0]:
        return None
    shape = q[0].shape

    def slope(_, y):
        x, u = y.reshape(2, *shape)
        push = study.forces(x) / m[:, None]
        push[[*study.frozen]] = 0.0
        return np.concatenate([u.ravel(), push.ravel()])

    first = np.concatenate([q[0].ravel(), v[0].ravel()])
    solved = solve_ivp(slope, (t[0], t[-1]), first, method="DOP853", rtol=1e-10, atol=1e-11)
    x = solved.y[: q[0].size, -1].reshape(shape)
    return float(np.max(np.sqrt(np.sum((x - q[-1]) ** 2, axis=-1))))
