"""Functions with constants of their own inside: exp(c u), tanh(c u), log(u + c), waves, powers.

What is linear of them is solved for (variable projection; Golub & Pereyra, SIAM J. Numer. Anal. 10,
413, 1973), so that only the constants inside have to be looked for, on a grid, before a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.numerics.networks.activations import Activation

SCALES = np.geomspace(0.05, 30, 25)  # of c times the spread of u, of either sign
MOST_WAVES = 400  # frequencies, a quarter of the lowest one apart
DECAYS = np.array([0.3, 1.0, 2.0, 4.0, 8.0])  # over the spread of u
LEAST = 0.02  # of c times the spread of u: below it a function is a straight line


@dataclass(frozen=True, eq=False)
class Shape:
    """Functions of one number u with constants c inside, each with a constant of its own before it.

    `activations` that a study has to allow; `values` (rows, functions) for u (rows,) and c;
    `slopes` (rows, functions, constants) of them; `grid` (points, constants) to begin at;
    `expression` of the functions, of u and symbols for c; `lives`: whether c is no limit in which
    the function is another one, for the spread of u.
    """

    name: str
    activations: frozenset[str]
    values: Callable[[np.ndarray, np.ndarray], np.ndarray]
    slopes: Callable[[np.ndarray, np.ndarray], np.ndarray]
    grid: Callable[[np.ndarray], np.ndarray]
    expression: Callable[[sp.Expr, Sequence[sp.Symbol]], list[sp.Expr]]
    functions: int = 1
    constants: int = 1
    lives: Callable[[np.ndarray, float], bool] = lambda c, spread: abs(c[0]) * spread > LEAST


def scaled(
    name: str,
    function: Callable[[np.ndarray], np.ndarray],
    slope: Callable[[np.ndarray], np.ndarray],
    symbolic: Callable[[sp.Expr], sp.Expr],
    *,
    either: bool = False,
) -> Shape:
    """f(c u), with c of `either` sign where that says something new."""

    def grid(u: np.ndarray) -> np.ndarray:
        c = SCALES / max(np.ptp(u), 1e-300)
        return np.concatenate([c, -c])[:, None] if either else c[:, None]

    return Shape(
        name, frozenset({name}),
        lambda u, c: function(c[0] * u)[:, None],
        lambda u, c: (u * slope(c[0] * u))[:, None, None],
        grid, lambda u, c: [symbolic(c[0] * u)],
    )  # fmt: skip


def _frequencies(u: np.ndarray) -> np.ndarray:
    lowest = np.pi / max(np.ptp(u), 1e-300)
    return lowest / 4 * np.arange(1, min(MOST_WAVES, 4 * len(u)) + 1)


def _wave(u: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(c[0] * u), np.sin(c[0] * u)], axis=1)


def _wave_slopes(u: np.ndarray, c: np.ndarray) -> np.ndarray:
    cos, sin = _wave(u, c).T
    return np.stack([-u * sin, u * cos], axis=1)[:, :, None]


def _damped(u: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.exp(-c[1] * u)[:, None] * _wave(u, c)


def _damped_slopes(u: np.ndarray, c: np.ndarray) -> np.ndarray:
    along = np.exp(-c[1] * u)[:, None] * _wave_slopes(u, c)[:, :, 0]
    return np.stack([along, -u[:, None] * _damped(u, c)], axis=2)


def _damped_grid(u: np.ndarray) -> np.ndarray:
    decays = np.concatenate([DECAYS, -DECAYS[:2]]) / max(np.ptp(u), 1e-300)
    some = np.meshgrid(_frequencies(u)[::2], decays, indexing="ij")
    return np.stack([one.ravel() for one in some], axis=1)


def _shifts(u: np.ndarray) -> np.ndarray:
    spread = max(np.ptp(u), 1e-300)
    return (-u.min() + spread * np.geomspace(1e-3, 30, 30))[:, None]


SHAPES = (
    scaled("exp", np.exp, np.exp, sp.exp, either=True),
    scaled("tanh", np.tanh, lambda x: 1 / np.cosh(x) ** 2, sp.tanh),
    Shape(
        "wave", frozenset({"sin", "cos"}), _wave, _wave_slopes,
        lambda u: _frequencies(u)[:, None], lambda u, c: [sp.cos(c[0] * u), sp.sin(c[0] * u)], 2,
    ),
    scaled("cos", np.cos, lambda x: -np.sin(x), sp.cos),
    scaled("sin", np.sin, np.cos, sp.sin),
    Shape(
        "damped wave", frozenset({"sin", "exp", "product"}), _damped, _damped_slopes, _damped_grid,
        lambda u, c: [sp.exp(-c[1] * u) * f(c[0] * u) for f in (sp.cos, sp.sin)], 2, 2,
    ),
    Shape(
        "log", frozenset({"log"}),
        lambda u, c: np.log(u + c[0])[:, None], lambda u, c: (1 / (u + c[0]))[:, None, None],
        _shifts, lambda u, c: [sp.log(u + c[0])],
        lives=lambda c, spread: abs(c[0]) > LEAST * spread,
    ),
    Shape(
        "power", frozenset({"power"}),
        lambda u, c: (u ** c[0])[:, None], lambda u, c: (u ** c[0] * np.log(u))[:, None, None],
        lambda u: np.arange(-4.125, 4.3, 0.25)[:, None], lambda u, c: [u ** c[0]],
        lives=lambda c, spread: abs(c[0]) > LEAST,
    ),
    scaled("tan", np.tan, lambda x: 1 / np.cos(x) ** 2, sp.tan),
    scaled("sinh", np.sinh, np.cosh, sp.sinh),
    scaled("cosh", np.cosh, np.sinh, sp.cosh),
    scaled("asin", np.arcsin, lambda x: (1 - x * x) ** -0.5, sp.asin),
    scaled("acos", np.arccos, lambda x: -((1 - x * x) ** -0.5), sp.acos),
)  # fmt: skip


def own_shape(own: Activation) -> Shape:
    """f(c u) of a function that a study defines."""

    def function(x: np.ndarray) -> np.ndarray:
        return np.asarray(own.apply(jnp.asarray(x)), float)

    def slope(x: np.ndarray) -> np.ndarray:
        at = jnp.asarray(x)
        return np.asarray(jax.jvp(own.apply, (at,), (jnp.ones_like(at),))[1], float)

    return scaled(own.name, function, slope, lambda x: own.symbolic(x, sp), either=True)


def allowed_shapes(activations: Sequence[str], own: Sequence[Activation]) -> tuple[Shape, ...]:
    """Those that a study's activations allow, its own functions with them; one wave where sine and
    cosine are both allowed."""
    known = {*activations}
    shapes = [one for one in SHAPES if one.activations <= known]
    # the wave has each of them where both are allowed, but for the one that needs fewer constants
    return (*shapes, *map(own_shape, own))
