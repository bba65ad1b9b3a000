"""Holonomic constraints: as array functions, and a start that is consistent with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.numerics.integrators.constrained import (
    Constrained,
    Constraints,
    CoordinateConstraints,
)
from actionrun.compiler.numerics.integrators.many_body.constraints import ManyBodyConstraints
from actionrun.spec import Expression, Fault, Faults

from .lagrangian_system import LagrangianSystem
from .lowered_system import kernel
from .lowering import lowered
from .many_body_sums import HolonomicConstraint, Summand

TOLERANCE = 1e-10  # how far a start may be off the surface, relative to the size of the terms
SHOWN = 6  # bodies whose numbers stand in a message
Speed = Literal["velocity", "momentum"]
DEPENDENT = 1e-9  # what is left of a gradient's direction when it follows from those before it


def constraints(system: LagrangianSystem) -> Constraints:
    """The constraints as array functions of (q, t, theta), of flat positions where there are
    bodies."""
    return _of_bodies(system) if system.body_count else _of_coordinates(system)


def _of_coordinates(system: LagrangianSystem) -> CoordinateConstraints:
    words, phis = system.words, system.constraints
    arguments = [*words.q, words.t, *system.constants]
    return CoordinateConstraints(
        m=len(phis),
        values=lowered(phis, arguments),
        gradients=lowered([sp.diff(phi, q) for phi in phis for q in words.q], arguments),
        drifts=lowered([sp.diff(phi, words.t) for phi in phis], arguments),
        sizes=lowered([sum_of_sizes(phi) for phi in phis], arguments),
    )


def _of_bodies(system: LagrangianSystem) -> ManyBodyConstraints:
    """Between all bodies (sums), or one for every body i."""

    def kernels(parts: Sequence[Summand], expressions: Sequence[sp.Expr]):
        return tuple(
            kernel(system, replace(part, expression=e), [e], ())
            for part, e in zip(parts, expressions, strict=True)
        )

    values, sizes = [], []
    for one in system.holonomic:
        values.append(kernels(one.parts, [part.expression for part in one.parts]))
        lone = len(one.parts) == 1 and (one.each or one.parts[0].domain == "single")
        sizes.append(kernels(one.parts, [_size(part.expression, lone) for part in one.parts]))
    return ManyBodyConstraints(
        m=sum(count for _, _, count in numbered(system)),
        values=tuple(values), sizes=tuple(sizes),
        each=tuple(one.each for one in system.holonomic),
        components=len(system.words.names), scalars=len(system.values),
    )  # fmt: skip


def _size(phi: sp.Expr, lone: bool) -> sp.Expr:
    """The sum of the sizes of a summand's terms; `lone`: 1 where it is the one term there is."""
    return sum_of_sizes(phi) if lone else sp.Add(*map(sp.Abs, sp.Add.make_args(phi)))


def numbered(system: LagrangianSystem) -> list[tuple[HolonomicConstraint, int, int]]:
    """Of each formula: the first body i (from 1) that it holds for, and how many there are."""
    numbers, count = [], system.body_count
    for one in system.holonomic:
        before, after = one.parts[0].reach if one.each else (0, count - 1)
        numbers.append((one, 1 - before, count + before - after))
    return numbers


def constraint_names(system: LagrangianSystem) -> list[tuple[Expression, str]]:
    """Of each single constraint, where it stands and its name."""
    if not system.body_count:
        return [(one.where, one.where.text) for one in system.holonomic]
    return [
        (one.where, one.where.text + (f" at i = {first + k}" if one.each else ""))
        for one, first, count in numbered(system)
        for k in range(count)
    ]


def sum_of_sizes(phi: sp.Expr) -> sp.Expr:
    """The sizes of the terms of phi, added; 1 for a single term."""
    terms = sp.Add.make_args(phi)
    return sp.Add(*(sp.Abs(term) for term in terms)) if len(terms) > 1 else sp.Integer(1)


@eqx.filter_jit
def _push(stepper: Constrained, q, p, theta):
    return stepper.tangent(q, p, 0.0, theta)[0]


@eqx.filter_jit
def _velocity(stepper: Constrained, q, p, theta):
    """Compiled once: of momenta that are not affine in the velocities it is a loop of Newton's."""
    return stepper.mechanics.velocity(q, p, 0.0, theta)


def start_on_constraints(
    system: LagrangianSystem, stepper: Constrained, theta, q, p, given: Speed
) -> tuple[np.ndarray, np.ndarray]:
    """A start q, p (n,) moved by a rounding error onto the surface, its velocity tangent to it.

    `given` is what the study gives beside the position. Raises Faults for constraints that follow
    from others or contradict them, and for a start that is off the surface, or leaves it, by more
    than rounding.
    """
    surface = _Surface(system, stepper, theta, np.asarray(p))
    faults = list(surface.dependences(q)) or [*surface.frozen(len(q)), *surface.distances(q)]
    if faults:
        raise Faults(tuple(faults))
    on = surface.nearest(q, range(stepper.surface.m))
    q = q if on is None else on
    faults = list(surface.departures(q, given))
    if faults:
        raise Faults(tuple(faults))
    push = _push(stepper, jnp.asarray(q), jnp.asarray(p), theta)
    return q, np.asarray(p + push)


def dependences(
    system: LagrangianSystem, stepper: Constrained, theta, q: np.ndarray, p: np.ndarray
) -> list[Fault]:
    """Constraints that follow from others or contradict them at q, or leave nothing to move."""
    surface = _Surface(system, stepper, theta, p)
    return list(surface.dependences(q)) or list(surface.frozen(len(q)))


def distances(
    system: LagrangianSystem, stepper: Constrained, theta, q: np.ndarray, p: np.ndarray
) -> list[Fault]:
    """Constraints that a start q violates by more than rounding."""
    return list(_Surface(system, stepper, theta, p).distances(q))


class _Surface:
    """The constraints at t = 0, as plain numbers."""

    def __init__(self, system: LagrangianSystem, stepper: Constrained, theta, p: np.ndarray):
        self.system, self.stepper, self.theta, self.p = system, stepper, theta, p
        self.names = constraint_names(system)

    def fault(self, k: int, code: str, message: str, hint: str) -> Fault:
        return self.system.words.fault(self.names[k][0], None, code, message, hint)

    def value(self, q) -> np.ndarray:
        return np.asarray(self.stepper.surface.value(jnp.asarray(q), 0.0, self.theta))

    def size(self, q) -> np.ndarray:
        size = np.asarray(self.stepper.surface.size(jnp.asarray(q), 0.0, self.theta))
        return np.where(size > 0, size, 1.0)

    def gradient(self, q) -> np.ndarray:
        return np.asarray(self.stepper.surface.gradient(jnp.asarray(q), 0.0, self.theta))

    def velocity(self, q) -> np.ndarray:
        return self.velocity_of(q, self.p)

    def velocity_of(self, q, p) -> np.ndarray:
        return np.asarray(_velocity(self.stepper, jnp.asarray(q), jnp.asarray(p), self.theta))

    def mass(self, q) -> np.ndarray:
        v = jnp.asarray(self.velocity(q))
        return np.asarray(self.stepper.mechanics.mass(jnp.asarray(q), v, 0.0, self.theta))

    def nearest(self, q, which) -> np.ndarray | None:
        """The start moved onto some of the constraints, by Newton; None where it gets nowhere."""
        q, which, mass = np.array(q), list(which), self.mass(q)
        for _ in range(50):
            G, phi = self.gradient(q)[which], self.value(q)[which]
            moved = np.linalg.solve(mass, G.T)
            step = moved @ np.linalg.lstsq(G @ moved, phi, rcond=None)[0]
            if not np.all(np.isfinite(step)):
                return None
            q = q - step
            if np.max(np.abs(step)) <= 1e-15 * np.max(np.abs(q)):
                break
        return q if np.all(np.abs(self.value(q) / self.size(q))[which] < 1e-13) else None

    def dependences(self, q) -> Iterator[Fault]:
        """Constraints whose gradients at the start follow from those of the ones before them."""
        G = self.gradient(q)
        free: list[int] = []
        dependent: list[tuple[int, list[int]]] = []
        for k, row in enumerate(G):
            length = np.linalg.norm(row)
            if not length:
                yield self.fault(
                    k,
                    "constraint-flat",
                    "this constraint has no gradient at the start, so it cannot hold the motion",
                    "write it without a square around the whole: x^2 + y^2 = l^2, "
                    "not (x^2 + y^2 - l^2)^2 = 0",
                )
                continue
            before = G[free] / np.linalg.norm(G[free], axis=1, keepdims=True)
            weights = np.linalg.lstsq(before.T, row / length, rcond=None)[0]
            if np.linalg.norm(row / length - weights @ before) > DEPENDENT:
                free.append(k)
            else:
                dependent.append(
                    (k, [j for j, w in zip(free, weights, strict=True) if abs(w) > 1e-6])
                )
        on = self.nearest(q, free) if dependent else None
        for k, others in dependent:
            which = " and ".join(self.names[j][1] for j in others)
            if on is not None and abs(self.value(on)[k] / self.size(on)[k]) > TOLERANCE:
                yield self.fault(
                    k,
                    "constraint-inconsistent",
                    f"this constraint contradicts {which}: where the one holds, "
                    f"the other is off by {abs(self.value(on)[k]):.3g}",
                    "keep the one that is meant",
                )
            else:
                yield self.fault(
                    k,
                    "constraint-redundant",
                    f"this constraint follows from {which} at the start, "
                    "so the forces of constraint are not determined",
                    "delete it",
                )

    def frozen(self, n: int) -> Iterator[Fault]:
        if len(self.names) >= n:
            yield self.fault(
                n - 1,
                "constraint-frozen",
                f"{len(self.names)} constraints on {n} coordinates leave nothing that can move",
                "delete constraints until they are fewer than the coordinates",
            )

    def distances(self, q) -> Iterator[Fault]:
        """Constraints that the start violates by more than rounding."""
        on, phi = self.nearest(q, range(len(self.names))), self.value(q)
        relative = np.abs(phi) / self.size(q)
        for k, more in self._firsts(relative > TOLERANCE):
            yield self.system.words.fault(
                ("start", "position"),
                None,
                "constraint-start",
                f"the start is off the constraint {self.names[k][1]}{more} by {phi[k]:.3g}, "
                f"{relative[k]:.1e} of the size of its terms",
                None if on is None else f"the nearest place on it: {self._named(on, '{}')}",
            )

    def departures(self, q, given: Speed) -> Iterator[Fault]:
        """Constraints that the velocity of the start leaves by more than rounding."""
        G, v, mass = self.gradient(q), self.velocity(q), self.mass(q)
        rate = self.stepper.surface.rate(jnp.asarray(q), jnp.asarray(v), 0.0, self.theta)
        drift = np.abs(np.asarray(rate) - G @ v)
        # the rate that this kinetic energy would have straight off the surface
        steep = np.sum(G * np.linalg.solve(mass, G.T).T, axis=1)
        scale = np.sqrt(np.abs(steep * (v @ mass @ v))) + drift
        push = _push(self.stepper, jnp.asarray(q), jnp.asarray(self.p), self.theta)
        p = self.p + np.asarray(push)
        tangent = self.velocity_of(q, p)
        along = self._named(tangent, "{}'") if given == "velocity" else self._named(p, "pi_{}")
        for k, more in self._firsts(np.abs(rate) > TOLERANCE * scale):
            yield self.system.words.fault(
                ("start", given),
                None,
                "constraint-velocity",
                f"the start leaves the constraint {self.names[k][1]}{more} at once: its two sides "
                f"part at a rate of {float(rate[k]):.3g}",
                f"the {given} along it: {along}",
            )

    def _firsts(self, wrong: np.ndarray) -> Iterator[tuple[int, str]]:
        """Of the constraints that are wrong, the first of each formula, and how many more of it."""
        places: dict[int, list[int]] = {}
        for k in map(int, np.flatnonzero(wrong)):
            places.setdefault(id(self.names[k][0]), []).append(k)
        for first, *others in places.values():
            yield first, f" (and for {len(others)} more i)" if others else ""

    def _named(self, values: np.ndarray, what: str) -> str:
        """`{ x = "0.6 m", y = "0.8 m" }`, as it would be typed; `what` names its units."""
        parts, words, count = [], self.system.words, self.system.body_count
        by_body = np.reshape(values, (-1, count or 1)).T  # (bodies, components)
        for name, part in words.slices.items():
            unit, rows = words.unit(what.format(name)), []
            for body in by_body[:SHOWN]:
                row = [f'"{x:.16g} {unit}"' if unit else f"{x:.16g}" for x in body[part]]
                rows.append(f"[{', '.join(row)}]" if name in words.vectors else row[0])
            rows += ["..."] * (len(by_body) > SHOWN)
            parts.append(f"{name} = " + (f"[{', '.join(rows)}]" if count else rows[0]))
        return f"{{ {', '.join(parts)} }}"
