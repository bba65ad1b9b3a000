"""Structure of the equations of motion: Euler-Lagrange equations, and what they are affine in."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from .evaluation import depends, is_zero
from .lagrangian_system import LagrangianSystem


def equations_of_motion(system: LagrangianSystem) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
    """Euler-Lagrange equations as (left, right): dP/dv a = F - dP/dq v - dP/dt + G^T lambda."""
    words = system.words
    pairs, sides = list(zip(system.multipliers, system.constraints, strict=True)), []
    for q, p, force in zip(words.q, system.momentum, system.force, strict=True):
        left, right = sp.Integer(0), force - words.driven.explicit_rate(p)
        right += sp.Add(*(multiplier * sp.diff(phi, q) for multiplier, phi in pairs))
        for k in range(system.n):
            left += sp.diff(p, words.v[k]) * words.a[k]
            right -= sp.diff(p, words.q[k]) * words.v[k]
        sides.append((left, right))
    return tuple(sides)


@dataclass(frozen=True)
class Structure:
    """What the integrator may assume; found by SymPy, never assumed.

    linear: P and F are affine in q, v and free of t, so one step is an affine map.
    positional: bare, and F free of v: nodes need positions only.
    constant_mass: dP/dv is free of q, v, t.
    diagonal_mass: and it is diagonal.
    bare: P = M v with M free of q, v, t.
    affine_momentum: dP/dv is free of v.
    timed: t appears in P or F.
    """

    linear: bool
    positional: bool
    constant_mass: bool
    diagonal_mass: bool
    bare: bool
    affine_momentum: bool
    timed: bool


def structure(system: LagrangianSystem) -> Structure:
    """The structure of a system, by differentiation; of bodies, whose masses are constant numbers,
    by their summands."""
    words, moving = system.words, system.words.of("q", "v")
    speeds = words.of("v")
    if system.body_count:
        bare = all(
            is_zero(p - m * words.at("v", place.of, place.body))
            for (_, place, p), (_, _, m) in zip(
                system.momentum_terms, system.mass_terms, strict=True
            )
        )
        free = not any(f.free_symbols & speeds for _, _, f in system.force_terms)
        timed = any(one.expression.has(words.t) for one in system.parts)
        return Structure(False, bare and free, True, True, bare, True, timed)
    both = (*system.force, *system.momentum)
    timed = any(e.has(*words.driven.clock) for e in both)
    linear = not timed and not any(depends(sp.diff(e, x), moving) for e in both for x in moving)
    mass = system.mass
    constant_mass = not any(entry.free_symbols & (moving | words.driven.clock) for entry in mass)
    bare = constant_mass and all(
        is_zero(p - sum((mass[i, j] * words.v[j] for j in range(system.n)), sp.Integer(0)))
        for i, p in enumerate(system.momentum)
    )
    positional = bare and not any(f.free_symbols & speeds for f in system.force)
    affine = not any(entry.free_symbols & speeds for entry in mass)
    diagonal = constant_mass and mass.is_diagonal()
    return Structure(linear, positional, constant_mass, diagonal, bare, affine, timed)
