"""Lowering: the same numbers from JAX as from SymPy at thirty digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.symbolic.lowering import TABLE, lowered
from hypothesis import assume, given, settings
from hypothesis import strategies as st

X = sp.symbols("x y z", real=True)
SMOOTH = (
    sp.sin,
    sp.cos,
    sp.tanh,
    sp.atan,
    lambda e: sp.exp(sp.sin(e)),
    lambda e: sp.sqrt(e**2 + 1),
)


def wider(inner: st.SearchStrategy) -> st.SearchStrategy:
    exponents = st.sampled_from([2, 3, 7, -1, -2, sp.Rational(1, 2), sp.Rational(-3, 2)])
    return st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a, b: a / (b**2 + 1), inner, inner),
        st.builds(lambda f, a: f(a), st.sampled_from(SMOOTH), inner),
        st.builds(lambda a, e: (a**2 + sp.Rational(1, 2)) ** e, inner, exponents),
        st.builds(lambda a, b: sp.Max(a, b), inner, inner),
        st.builds(lambda a: sp.Abs(a), inner),
    )


LEAVES = st.one_of(
    st.sampled_from(X),
    st.sampled_from([sp.Integer(2), sp.Rational(-3, 7), sp.pi, sp.Rational(1, 10)]),
)
EXPRESSIONS = st.recursive(LEAVES, wider, max_leaves=10)
POINTS = st.tuples(*[st.sampled_from([-1.7, -0.4, 0.3, 0.9, 2.1])] * 3)


def exact(expression, at) -> float:
    """The value by SymPy at thirty digits; the numbers of `at` are doubles, taken exactly."""
    return float(sp.N(expression.subs({s: sp.Rational(v) for s, v in at.items()}), 30))


def largest(expression, at) -> float:
    """The largest number on the way, which is what rounding is relative to."""
    return max(abs(exact(part, at)) for part in sp.preorder_traversal(expression) if part != sp.E)


@settings(max_examples=150)
@given(expression=EXPRESSIONS, point=POINTS)
def test_values(expression, point):
    at = dict(zip(X, point, strict=True))
    scale = largest(expression, at)
    assume(scale < 1e8)
    (value,) = lowered([expression], X)(*map(jnp.asarray, point))
    assert float(value) == pytest.approx(exact(expression, at), rel=1e-12, abs=1e-13 * scale)


@settings(max_examples=60)
@given(expression=EXPRESSIONS, point=POINTS)
def test_derivatives(expression, point):
    """JAX through the lowered expression against SymPy's derivative, lowered."""
    at = dict(zip(X, point, strict=True))
    assume(largest(expression, at) < 1e4)
    kinks = [m.args for m in expression.atoms(sp.Max)] + [
        (a.args[0], 0) for a in expression.atoms(sp.Abs)
    ]
    assume(all(abs(exact(sp.sympify(a - b), at)) > 1e-9 for a, b, *_ in kinks))
    assume(all(len(m) == 2 for m in kinks))
    slope = sp.diff(expression, X[0])
    (by_sympy,) = lowered([slope], X)(*map(jnp.asarray, point))
    by_jax = jax.grad(lambda x: 1.0 * lowered([expression], X)(x, *point[1:])[0] + 0 * x)(point[0])
    assert float(by_jax) == pytest.approx(float(by_sympy), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("function", TABLE, ids=lambda f: f.__name__)
def test_every_function_of_the_table(function):
    x, y, _ = X
    inside = (x / 3, y / 2) if function in (sp.atan2, sp.Min, sp.Max) else (x / 3,)
    expression = function(*inside)
    for point in [(0.7, 1.9, 0.0), (1.4, -0.3, 0.0), (2.9, 0.9, 0.0)]:
        (value,) = lowered([expression], X)(*map(jnp.asarray, point))
        expected = exact(expression, dict(zip(X, point, strict=True)))
        assert float(value) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    "exponent", ["-5/2", "-2", "-1", "-1/2", "1/2", "3/2", "2", "11", "1/3", "0.3"]
)
def test_powers(exponent):
    x = X[0]
    expression = x ** sp.Rational(exponent)
    (value,) = lowered([expression], X)(*map(jnp.asarray, (1.7, 0.0, 0.0)))
    assert float(value) == pytest.approx(exact(expression, {x: 1.7}), rel=2e-15)


def test_shapes_broadcast_and_constants_stay_numbers():
    x, y, z = X
    f = lowered([x * y, x + 1, sp.Integer(3) / 4], [x, y, z])
    product, shifted, constant = f(jnp.ones((4, 1)), jnp.arange(3.0), jnp.zeros(()))
    assert product.shape == (4, 3) and shifted.shape == (4, 1) and constant == 0.75


def test_common_parts_are_computed_once():
    x, y, _ = X
    r = sp.sqrt(x**2 + y**2)
    assert lowered([x / r**3, y / r**3], X).shared


def test_unbound_symbols_and_unknown_functions_are_errors():
    x, y, z = X
    with pytest.raises(ValueError, match="unbound symbols"):
        lowered([x * y], [x, z])
    with pytest.raises(NotImplementedError, match="gamma"):
        lowered([sp.gamma(x)], [x])(jnp.asarray(1.0))


def test_derivative_of_the_kepler_force_is_finite_in_double_precision():
    x, y, _ = X
    force = [sp.diff(1 / sp.sqrt(x**2 + y**2), s) for s in (x, y)]
    value = np.array(lowered(force, X)(*map(jnp.asarray, (1e-3, 2e-3, 0.0))))
    r3 = (5e-6) ** 1.5
    np.testing.assert_allclose(value, [-1e-3 / r3, -2e-3 / r3], rtol=1e-14)
