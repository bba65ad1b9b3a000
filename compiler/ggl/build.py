"""From a ggl study to its program: an integration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp
from actionrun.compiler.ggl.comparison.error_curves import Comparison
from actionrun.compiler.ggl.comparison.propagators import Setting
from actionrun.compiler.ggl.comparison.tableaux import tableaux
from actionrun.compiler.numerics.integrators.time_marching import (
    March,
    Stepper,
)
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.lowered_system import mechanics, parameters
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.spec.kinds.ggl import Ggl

from .charge_balance import book_of
from .dense_output import between, between_bodies
from .integration import Integration
from .many_body import stepper as bodies
from .stepper import solver, stepper
from .supported import require_room


def build(study: Ggl, observations: Mapping[str, np.ndarray] | None = None) -> Integration:
    """The program of a ggl study. Raises Faults for what the mathematics forbids."""
    if study.system.particles is not None:
        return _of_bodies(study)
    symbolic = lagrangian_system(study)
    arrays = mechanics(symbolic)
    positions = _exact(study, symbolic)
    exact = lowered(positions, [symbolic.words.t, *symbolic.constants]) if positions else None
    theta = parameters(symbolic)
    h = study.number(study.integrator.dt)
    ggl, q, p = stepper(study, symbolic, arrays, theta)
    book = book_of(symbolic, ggl)
    sought = between(study, symbolic, ggl, h)
    march = March(ggl, solver(ggl, sought is None), exact, book.ledger, sought is not None)
    require_room(study, symbolic, h, q, p)
    program = Integration(study, symbolic, march, theta, h, q, p)
    program.book, program.between = book, sought
    if study.compare is not None:
        _compare(program, ggl, positions)
    return program


def _of_bodies(study: Ggl) -> Integration:
    """The program of a study with particles."""
    symbolic = lagrangian_system(study)
    theta, h = parameters(symbolic), study.number(study.integrator.dt)
    ggl, q, p = bodies.stepper(study, symbolic, theta)
    book = bodies.book_of(symbolic, ggl)
    sought = between_bodies(study, symbolic, ggl, h)
    exact = bodies.exact(study, symbolic)
    march = March(ggl, solver(ggl), exact, book.ledger, sought is not None)
    require_room(study, symbolic, h, q, p)
    program = Integration(study, symbolic, march, theta, h, q, p)
    program.book, program.between = book, sought
    if study.compare is not None:
        _compare(program, ggl, exact or [])
    return program


def _compare(program: Integration, ggl: Stepper, exact) -> None:
    study = program.study
    setting = Setting(program.symbolic, ggl, program.theta, program.q, program.p, float(program.h))
    methods, r = tableaux(study), study.integrator.r
    program.comparison = Comparison(study, setting, methods, r, program.total, exact)


def _exact(study: Ggl, symbolic: LagrangianSystem) -> list[sp.Expr]:
    """The true positions as expressions of t; none where the study does not give them."""
    if not study.exact:
        return []
    words, parts = symbolic.words, []
    for name in words.slices:
        given = study.exact[name]
        parts += [words.scalar(e) for e in (given if isinstance(given, tuple) else (given,))]
    return parts
