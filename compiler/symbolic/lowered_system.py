"""Lowered system: a Lagrangian system as array functions, what integrators call.

Of few coordinates each expression is one function of all numbers; of many bodies each summand is a
kernel of the numbers of the bodies in it, which `numerics.integrators.many_body` sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import sympy as sp
from actionrun.compiler.numerics.integrators.many_body.mechanics import ManyBodyMechanics
from actionrun.compiler.numerics.integrators.many_body.sums import (
    Bodies,
    KernelArgument,
    Pairs,
    Single,
    SumDomain,
    SumKernel,
)
from actionrun.compiler.numerics.integrators.mechanics import Mechanics

from .lagrangian_system import LagrangianSystem
from .lowering import Lowered, lowered
from .many_body_sums import Derivative, Summand
from .structure import structure
from .vocabulary import ArgumentPlace, Vocabulary


def mechanics(system: LagrangianSystem) -> Mechanics:
    """Force, momentum, mass and energy of few coordinates, compiled; theta = `system.constants`."""
    words = system.words
    arguments = [*words.q, *words.v, words.t, *system.constants]
    of = structure(system)

    def compiled(expressions: Sequence[sp.Expr]) -> Lowered:
        return lowered([words.driven.in_time(e) for e in expressions], arguments)

    return Mechanics(
        n=system.n,
        linear=of.linear,
        positional=of.positional,
        constant_mass=of.constant_mass,
        diagonal_mass=of.diagonal_mass,
        momentum_is_mass_times_velocity=of.bare,
        affine_momentum=of.affine_momentum,
        forces=compiled(system.force),
        momenta=compiled(system.momentum),
        masses=compiled(list(system.mass)),
        energies=compiled([system.energy]),
    )


def many_body_mechanics(system: LagrangianSystem) -> ManyBodyMechanics:
    """Forces, momenta, masses and energy of all bodies, compiled."""
    of = structure(system)
    return ManyBodyMechanics(
        components=len(system.words.names),
        count=system.body_count,
        scalars=len(system.values),
        positional=of.positional,
        momentum_is_mass_times_velocity=of.bare,
        forces=_kernels(system, system.force_terms),
        pushes=_kernels(system, system.coupling_terms),
        momenta=_kernels(system, system.momentum_terms),
        masses=_kernels(system, system.mass_terms),
        energies=tuple(kernel(system, one, [one.expression], ()) for one in system.energy_terms),
    )


def parameters(system: LagrangianSystem) -> Any:
    """theta: the numbers of the parameters (k,), in the order of `system.values`; of bodies a tuple
    of them and then the lists (bodies,)."""
    if not system.body_count:
        return jax.device_put(np.array(list(system.values.values()), dtype=np.float64))
    numbers = [np.float64(value) for value in system.values.values()]
    return jax.device_put(
        (*numbers, *(np.asarray(rows, np.float64) for rows in system.lists.values()))
    )


def argument(words: Vocabulary, place: ArgumentPlace) -> KernelArgument:
    """Where the number of a place is found."""
    of = words.lists.index(place.of) if isinstance(place.of, str) and place.of else place.of
    return KernelArgument(place.what, of if isinstance(of, int) else 0, *place.body)


def arguments_of(
    system: LagrangianSystem, expressions: Sequence[sp.Expr]
) -> tuple[list[sp.Symbol], tuple[KernelArgument, ...]]:
    """The symbols of bodies in some expressions, by name, and where their numbers are found."""
    words = system.words
    free = set[sp.Basic]().union(*(e.free_symbols for e in expressions))
    symbols = sorted((s for s in words.places if s in free), key=str)
    return symbols, tuple(argument(words, words.places[s]) for s in symbols)


def kernel(
    system: LagrangianSystem, one: Summand, expressions: Sequence[sp.Expr],
    targets: Sequence[ArgumentPlace],
) -> SumKernel:  # fmt: skip
    """Expressions of a summand's symbols as array functions."""
    words = system.words
    symbols, places = arguments_of(system, expressions)
    return SumKernel(
        domain=_domain(system, one),
        arguments=places,
        values=lowered(expressions, [*symbols, words.t, *system.constants]),
        targets=tuple(argument(words, place) for place in targets),
    )


def _domain(system: LagrangianSystem, one: Summand) -> SumDomain:
    if one.domain == "pairs":
        return Pairs(one.symmetric)
    if one.domain == "single":
        return Single()
    before, after = one.reach
    return Bodies(-before, max(system.body_count - after, -before))


def _kernels(system: LagrangianSystem, entries: Sequence[Derivative]) -> tuple[SumKernel, ...]:
    """One kernel a summand, all its derivatives at once, so that they share what they can."""
    kernels = []
    for k, one in enumerate(system.parts):
        mine = [(place, e) for part, place, e in entries if part == k and e != 0]
        if mine:
            kernels.append(kernel(system, one, [e for _, e in mine], [at for at, _ in mine]))
    return tuple(kernels)


def components(system: LagrangianSystem, by_name, number) -> np.ndarray:
    """A table by coordinate (numbers or tuples) as an array (n,), in the order of components."""
    parts: list[float] = []
    for name in system.words.slices:
        value = by_name[name]
        parts += [number(x) for x in value] if isinstance(value, tuple) else [number(value)]
    return np.array(parts, dtype=np.float64)
