"""Random studies of kind `ggl`: Lagrangians, forces, constraints, transformed times, events.

The texts are made of pieces that are defined for all motions, so that a study that is refused or
goes astray does so through the fault of whoever reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

NAMES = ("q", "x", "y", "theta", "u", "z2", "phi", "s", "alpha", "rho1")
KINKS = ("abs", "min", "max", "|")
SMOOTH_POTENTIALS: tuple[Callable[..., str], ...] = (
    lambda a, q: f"{a}*{q}^2/2",
    lambda a, q: f"{a}*{q}^4/4",
    lambda a, q: f"-{a}*cos({q})",
    lambda a, q: f"-{a}*exp(-{q}^2)",
    lambda a, q: f"{a}*sqrt(1 + {q}^2)",
    lambda a, q: f"{a}*{q}^2/(1 + {q}^2)",
    lambda a, q: f"{a}*log(1 + {q}^2)",
    lambda a, q: f"{a}*(exp(-{q}) + {q})",
    lambda a, q: f"{a}*cosh({q})",
    lambda a, q: f"-{a}*atan({q})*{q}/2 + {q}^2/2",
    lambda a, q: f"{a}*{q}*tanh({q})",
    lambda a, q: f"{a}*sin({q})^2",
    lambda a, q: f"{a}*({q} - 1/3)^2/2",
)
KINKED_POTENTIALS: tuple[Callable[..., str], ...] = (
    lambda a, q: f"{a}*abs({q})",
    lambda a, q: f"{a}*|{q}|^3/3",
    lambda a, q: f"{a}*|{q}|^(5/2)",
    lambda a, q: f"{a}*max({q}, 0)^2",
    lambda a, q: f"{a}*min({q}, 0)^2/2 + {q}^2/4",
    lambda a, q: f"{a}*max({q}, -{q}/2)",
    lambda a, q: f"{a}*abs({q} - 0.2)^1.5",
    lambda a, q: f"{a}*max({q} - 0.3, 0)^3 + {q}^2/2",
)
COUPLINGS: tuple[Callable[..., str], ...] = (
    lambda a, q, w: f"{a}*({q} - {w})^2/2",
    lambda a, q, w: f"{a}*{q}^2*{w}^2/4",
    lambda a, q, w: f"-{a}*cos({q} - {w})",
    lambda a, q, w: f"{a}*sqrt(1 + {q}^2 + {w}^2)",
    lambda a, q, w: f"{a}*({q}^2*{w} - {w}^3/3 + {w}^4)/5",
)


@dataclass(frozen=True)
class GglStudy:
    """A study as the reference reads it: the formulas, and the numbers beside them."""

    coordinates: tuple[str, ...]
    lagrangian: str
    nonconservative: str
    parameters: Mapping[str, float]
    define: Mapping[str, str]
    position: tuple[float, ...]
    velocity: tuple[float, ...]
    constraints: tuple[str, ...]
    time_transform: str
    r: int
    dt: float
    steps: int
    every: float
    events: Mapping[str, str]
    as_momentum: bool = False
    tags: tuple[str, ...] = field(default=())

    @property
    def kinked(self) -> bool:
        texts = (self.lagrangian, self.nonconservative, self.time_transform)
        return any(word in text for word in KINKS for text in texts)

    def toml(self, refine: int = 1, *, events: bool = True) -> str:
        """The study with a step `refine` times smaller."""
        lines = ['study = "ggl"', "", "[system]"]
        lines.append("coordinates = [" + ", ".join(f'"{q}"' for q in self.coordinates) + "]")
        lines.append(f'lagrangian = "{self.lagrangian}"')
        if self.nonconservative:
            lines.append(f'nonconservative = "{self.nonconservative}"')
        if self.constraints:
            lines.append("constraints = [" + ", ".join(f'"{c}"' for c in self.constraints) + "]")
        for title, table in (("parameters", self.parameters), ("define", self.define)):
            if table:
                lines += ["", f"[{title}]"]
                lines += [f"{k} = {v!r}" if title == "parameters" else f'{k} = "{v}"'
                          for k, v in table.items()]  # fmt: skip
        pairs = [", ".join(f"{q} = {x!r}" for q, x in zip(self.coordinates, row, strict=True))
                 for row in (self.position, self.velocity)]  # fmt: skip
        lines += ["", "[start]", f"position = {{ {pairs[0]} }}", f"velocity = {{ {pairs[1]} }}"]
        lines += ["", "[integrator]", f"r = {self.r}", f"dt = {self.dt / refine!r}"]
        lines += [f"steps = {self.steps * refine}"]
        if self.time_transform:
            lines.append(f'time_transform = "{self.time_transform}"')
        if self.every:
            lines += ["", "[output]", f"every = {self.every!r}"]
        if self.events and events:
            lines += ["", "[events]", *(f'{k} = "{v}"' for k, v in self.events.items())]
        return "\n".join(lines) + "\n"


class Drawer:
    """The random choices of one study."""

    def __init__(self, chance: Random) -> None:
        self.chance, self.parameters, self.define = chance, {}, {}
        self.tags: list[str] = []

    def number(self, low: float, high: float) -> str:
        """A number as text, or the name of a new parameter with that value."""
        value = round(self.chance.uniform(low, high), 3)
        if self.chance.random() < 0.6 and len(self.parameters) < 8:
            name = f"k{len(self.parameters) + 1}" if self.chance.random() < 0.8 else (
                f"gamma_{len(self.parameters) + 1}")  # fmt: skip
            self.parameters[name] = value
            if self.chance.random() < 0.15:
                alias = f"w_{len(self.define) + 1}"
                self.define[alias] = f"sqrt({name})"
                return f"{alias}^2"
            return name
        return repr(value)

    def kinetic(self, names: tuple[str, ...]) -> str:
        """A positive form of the velocities, in half of the draws coupled or of places."""
        parts = [f"{self.number(0.6, 2.5)}*{q}'^2/2" for q in names]
        way = self.chance.random()
        if way < 0.2:
            self.tags.append("mass of places")
            q, w = self.chance.choice(names), self.chance.choice(names)
            parts.append(f"{self.number(0.2, 0.8)}*{q}^2*{w}'^2/2")
        elif way < 0.4 and len(names) > 1:
            self.tags.append("coupled velocities")
            q, w = self.chance.sample(names, 2)
            parts.append(f"0.3*{q}'*{w}'*cos({q} - {w})")
        elif way < 0.5 and len(names) > 1:
            self.tags.append("constant coupled mass")
            q, w = self.chance.sample(names, 2)
            parts.append(f"({q}' + {w}')^2/4")
        elif way < 0.55:
            self.tags.append("quartic velocities")
            q = self.chance.choice(names)
            parts.append(f"0.1*{q}'^4/12")
        return " + ".join(parts)

    def potential(self, names: tuple[str, ...], kinks: bool) -> str:
        parts = []
        for q in names:
            pieces = [*SMOOTH_POTENTIALS]
            if kinks and self.chance.random() < 0.6:
                pieces = [*KINKED_POTENTIALS]
                self.tags.append("kink")
            parts.append(self.chance.choice(pieces)(self.number(0.3, 1.5), q))
            parts.append(f"{self.number(0.1, 0.6)}*{q}^2/2")
        if len(names) > 1:
            for _ in range(self.chance.randint(1, 2)):
                q, w = self.chance.sample(names, 2)
                parts.append(self.chance.choice(COUPLINGS)(self.number(0.1, 0.6), q, w))
        return "".join(f" - ({part})" for part in parts)

    def gyroscopic(self, names: tuple[str, ...]) -> str:
        if self.chance.random() > 0.25:
            return ""
        self.tags.append("linear in velocities")
        q = self.chance.choice(names)
        if len(names) > 1 and self.chance.random() < 0.7:
            w = self.chance.choice([n for n in names if n != q])
            return f" + {self.number(0.2, 1.5)}*({q}*{w}' - {w}*{q}')/2"
        return f" + 0.3*{q}^2*{q}'" if self.chance.random() < 0.5 else f" + 0.4*t*{q}'"

    def driven(self, names: tuple[str, ...]) -> str:
        if self.chance.random() > 0.25:
            return ""
        self.tags.append("time")
        q = self.chance.choice(names)
        pieces = (f"0.3*cos(1.3*t)*{q}", f"0.2*sin(t)*{q}^2", f"0.1*exp(-t/5)*{q}")
        return f" + {self.chance.choice(pieces)}"

    def nonconservative(self, names: tuple[str, ...], kinks: bool) -> str:
        if self.chance.random() > 0.55:
            return ""
        self.tags.append("K")
        parts = []
        for q in self.chance.sample(names, self.chance.randint(1, len(names))):
            c = self.number(0.02, 0.3)
            pieces = [
                f"-{c}*{q}_plus'*{q}_minus",
                f"-{c}*{q}_plus'^3*{q}_minus",
                f"-{c}*({q}_plus^2 - 1)*{q}_plus'*{q}_minus",
                f"{c}*cos(1.7*t)*{q}_minus",
                f"-{c}*{q}_plus'*{q}_minus*(1 + {q}_plus^2)",
                f"-{c}*{q}_plus'*{q}_minus + {c}*{q}_minus*{q}_plus'*{q}_minus^2",
                f"-{c}*{q}_plus'*{q}_minus + 0.1*{q}_plus*{q}_minus'",
            ]
            if kinks:
                pieces.append(f"-{c}*abs({q}_plus')*{q}_plus'*{q}_minus")
            if len(names) > 1:
                w = self.chance.choice([n for n in names if n != q])
                pieces.append(f"-{c}*({q}_plus' - {w}_plus')*({q}_minus - {w}_minus)")
                pieces.append(f"{c}*{w}_plus*{q}_minus")
            parts.append(self.chance.choice(pieces))
        return " + ".join(parts).replace("+ -", "- ")

    def events(self, names: tuple[str, ...], t_end: float, kinks: bool) -> dict[str, str]:
        found = {}
        for number in range(self.chance.choice((0, 1, 2, 3))):
            q, level = self.chance.choice(names), round(self.chance.uniform(-0.6, 0.6), 3)
            pieces = [
                q, f"{q} - ({level})", f"{q}'", f"{q}' - ({level})", f"{q}^2 - 0.1", f"{q}*{q}'",
                f"sin(3*{q})", f"cos({round(self.chance.uniform(0.5, 4), 2)}*t) - 0.3",
                f"t - {round(self.chance.uniform(0.1, 0.9) * t_end, 3)}", f"{q}'^2 + {q}^2 - 0.5",
            ]  # fmt: skip
            if len(names) > 1:
                w = self.chance.choice(names)
                pieces += [f"{q} - {w}" if w != q else q, f"{q}*{w} - 0.05"]
            if kinks:
                pieces += [f"abs({q}) - 0.25", f"max({q}, {q}') - 0.1", f"min({q}, 0.3) - 0.1"]
            found[f"event{number + 1}"] = self.chance.choice(pieces)
        return found


def draw(seed: str, index: int) -> GglStudy:
    """Study number `index` of a seed."""
    chance = Random(f"{seed} ggl {index}")
    drawer = Drawer(chance)
    n = chance.choice((1, 1, 2, 2, 3, 4))
    names = tuple(chance.sample(NAMES, n))
    kinks = chance.random() < 0.25
    constraints, transform = (), ""
    position = tuple(round(chance.uniform(-1, 1), 3) for _ in names)
    velocity = tuple(round(chance.uniform(-1, 1), 3) for _ in names)
    if n > 1 and chance.random() < 0.2:
        drawer.tags.append("constraint")
        constraints, position, velocity = _surface(chance, names, position, velocity)
    lagrangian = drawer.kinetic(names) + drawer.potential(names, kinks)
    lagrangian += drawer.gyroscopic(names) + drawer.driven(names)
    force = drawer.nonconservative(names, kinks)
    if not constraints and chance.random() < 0.15:
        drawer.tags.append("transformed")
        q = chance.choice(names)
        transform = chance.choice((f"1/(1 + {q}^2)", f"sqrt(1 + {q}^2)", "1/2", f"exp(-{q}^2/2)"))
    dt = chance.choice((0.02, 0.05, 0.08, 0.1, 0.15))
    steps = chance.randint(30, 150)
    every = 0.0
    if chance.random() < 0.4:
        drawer.tags.append("output")
        every = round(chance.uniform(0.3, 2.5) * dt, 5)
    events = drawer.events(names, dt * steps, kinks)
    if events:
        drawer.tags.append("events")
    used = f"{lagrangian} {force} {transform}"
    define = {name: text for name, text in drawer.define.items() if name in used}
    return GglStudy(
        names, lagrangian, force, drawer.parameters, define, position, velocity, constraints,
        transform, chance.choice((2, 3, 4, 4, 6, 8)), dt, steps, every, events,
        tags=tuple(sorted(set(drawer.tags))),
    )  # fmt: skip


def _surface(chance: Random, names, position, velocity):
    """A constraint, and a state on it: a circle, a parabola or a moving line."""
    q, w = names[:2]
    match chance.choice(("circle", "parabola", "sum")):
        case "circle":
            constraint = f"{q}^2 + {w}^2 = 1"
            speed = velocity[0]
            state = (0.6, 0.8, *position[2:]), (0.8 * speed, -0.6 * speed, *velocity[2:])
        case "parabola":
            constraint = f"{w} = {q}^2/2"
            x, v = position[0], velocity[0]
            state = (x, x * x / 2, *position[2:]), (v, x * v, *velocity[2:])
        case _:
            constraint = f"{q} + 2*{w} = 0.5"
            x, v = position[0], velocity[0]
            state = (x, (0.5 - x) / 2, *position[2:]), (v, -v / 2, *velocity[2:])
    return (constraint,), *state
