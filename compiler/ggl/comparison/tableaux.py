"""Methods by name for [compare]: our own, and the explicit Runge-Kutta methods of diffrax.

Of diffrax (Kidger, On Neural Differential Equations, 2021) we take the coefficients: with a
constant step that is all there is to an explicit method, and one loop runs them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.runge_kutta import OWN, Tableau
from actionrun.compiler.symbolic.vocabulary import Vocabulary


def tableaux(methods: Sequence[str], words: Vocabulary) -> tuple[Tableau, ...]:
    """The methods of [compare]. Raises Faults where one needs a library that is not there."""
    known = {
        name: OWN[name] if name in OWN else _of_diffrax(words, place, name)
        for place, name in enumerate(methods)
    }
    return tuple(known.values())


def _of_diffrax(words: Vocabulary, place: int, name: str) -> Tableau:
    try:
        import diffrax
    except ImportError:
        raise study_error(
            words,
            ("compare", "methods", place),
            "not-installed",
            f"the method {name} comes from diffrax, which is not installed",
            "type: pip install 'actionrun[compare]'; or compare with rk2 and rk4 only",
        ) from None
    solver = getattr(diffrax, name.capitalize())()
    tableau = solver.tableau
    weights = [float(b) for b in tableau.b_sol]
    # a last stage without weight (first same as last) is the next step's first
    while not weights[-1]:
        weights.pop()
    below = tuple(tuple(float(a) for a in row) for row in tableau.a_lower[: len(weights) - 1])
    return Tableau(name, solver.order(None), below, tuple(weights))
