"""A potential written as sums over pairs and bodies is that of `pair` and `external`."""

import jax
import numpy as np
import pytest
from actionrun.compiler import symbolic_check
from actionrun.compiler.om.build import path_problem_of
from actionrun.compiler.om.explanation import explain
from actionrun.spec import Faults, loads

STUDY = """
study = "om"
[system]
particles = 9
dimension = 3
{law}
cutoff = 1.6
box = {{ length = 3.6 }}
[parameters]
eps = 1.3
sigma = 0.9
[define]
u = "4*eps*((sigma/r)^12 - (sigma/r)^6)"
[ends]
from = "md"
given = ["positions", "velocities"]
temperature = 0.8
md = {{ dt = 0.002, equilibration = 2.0 }}
[path]
duration = 0.3
points = 9
"""
PAIR = 'pair = "u"\nexternal = "eps*(x^2 + sin(z))"'
SUMS = [
    "sum(i<j, 4*eps*((sigma/r[i,j])^12 - (sigma/r[i,j])^6)) + sum(i, eps*(x[i]^2 + sin(z[i])))",
    "4*eps*sum(i<k, (sigma/r[k,i])^12) - sum(i<j, 4*eps*(sigma/r[i,j])^6)"
    " + eps*sum(k, x[k]^2 + sin(z[k]))",
    "sum(i<j, u) + eps*sum(i, x[i]^2) - sum(i, -eps*sin(z[i]))",
]


def forces(law: str) -> list[np.ndarray]:
    potential = path_problem_of(loads(STUDY.format(law=law))).system.potential
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 3)[:9] * 1.1
    q = jax.numpy.asarray(grid.T[..., None] + 0.05 * rng.normal(size=(3, 9, 5)))
    v = jax.numpy.asarray(rng.normal(size=q.shape))
    neighbors = potential.neighbor_list(q)
    result = potential.energy(q, neighbors), potential.forces(q, neighbors)
    return [np.asarray(x) for x in (*result, potential.hessian_product(q, v, neighbors))]


def test_sums_are_pairs_and_externals():
    wanted = forces(PAIR)
    for law in SUMS:
        for a, b in zip(forces(f'potential = "{law}"'), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-11)


def test_it_is_explained_as_pairs():
    words = [e.text for s in explain(loads(STUDY.format(law=f'potential = "{SUMS[0]}"')))
             for e in s.equations]  # fmt: skip
    assert any("sum(i<j, U(r[i,j]))" in text and "sum(i, V_1(q[i]))" in text for text in words)


@pytest.mark.parametrize(
    ("law", "code", "at"),
    [
        ("sum(i<j, (x[i] - x[j])^2)", "bodies.index", "x[i]"),
        ("sum(i<j, 1/r[i,j]^12) + eps", "sum-in-formula", "sum(i<j"),
        ("exp(sum(i<j, 1/r[i,j]^12))", "sum-in-formula", "exp"),
        ("sum(i, x[i]^2)", "bodies.sum", "sum"),
        ("sum(i, r[i]^2)", "bodies.index", "r[i]"),
        ("sum(i<j, i/r[i,j]^12)", "bodies.index", "i/r"),
        ("sum(i<j, 1/r)", "bodies.index", "r)"),
        ("sum(i, u) + sum(i<j, u)", "bodies.index", "sum"),
        ("sum(i<j, |r[i,j] - 1|)", "kink", "sum"),
    ],
)
def test_what_is_no_potential_of_pairs_is_told_where_it_stands(law, code, at):
    text = STUDY.format(law=f'potential = "{law}"')
    study = loads(text)
    with pytest.raises(Faults) as caught:
        path_problem_of(study)
    (fault,) = caught.value.faults
    line = text.splitlines()[fault.line - 1]
    assert fault.code == code and line[fault.column - 1 :].lstrip('"').startswith(at)
    assert [f.code for f in symbolic_check(study)] == [code]


def test_a_potential_and_a_pair_are_one_too_many():
    with pytest.raises(Faults) as caught:
        loads(STUDY.format(law='pair = "u"\npotential = "sum(i<j, u)"'))
    assert "keep one of them" in str(caught.value.faults[0].hint)
