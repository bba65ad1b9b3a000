"""A basis, an optimizer and an interaction of bodies are each one entry of a registry: what is
added there runs as a study, and `explain` says its words."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.paths.basis import BASES, FunctionFamily
from actionrun.compiler.numerics.paths.gradient_descent import GradientDescent
from actionrun.compiler.numerics.paths.minimizers import OPTIMIZERS, Method
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.explanation import explain
from actionrun.compiler.om.interactions import INTERACTIONS, InteractionKind
from actionrun.compiler.om.particle_system import particle_system
from actionrun.compiler.program import Reported
from actionrun.spec import loads

OSCILLATOR = """
study = "om"
[system]
coordinates = ["x"]
lagrangian = "x'^2/2 - 2*x^2"
[ends]
start = { x = 1.0 }
end = { x = 0.0 }
[path]
duration = 0.7
points = 16
[training]
epochs = 300
"""
TRIANGLE = """
study = "om"
[system]
particles = 3
dimension = 2
pair = "(r - 1)^2"
[parameters]
stiff = 3.0
[ends]
start = "start.xyz"
end = "end.xyz"
[path]
duration = 0.3
points = 10
"""


def finished(study, observations=None):
    """The findings of a study and what `explain` says of it."""
    with jax.enable_x64(True):
        program = compile(study, observations)
        assert isinstance(program, Reported)
        state, report = program.advance(program.start(), 0, program.total)
        assert report.diverged is None
        findings = program.findings(state, report.samples, lambda *_: None)
        said = "".join(section.text for section in explain(study))
    return findings, said


def changed(study, table, **fields):
    """The study with other fields in a table, also those that the language has not."""
    return study.model_copy(update={table: getattr(study, table).model_copy(update=fields)})


def powers(basis, t):
    """Functions t (T - t) t^k of time."""
    T = basis.duration
    k = np.arange(1, basis.wanted + 1)
    s = t[:, None] / T
    one = s**k
    two = s ** (k + 1)
    rate = k * s ** (k - 1) - (k + 1) * s**k
    bend = k * (k - 1) * s ** np.maximum(k - 2, 0) - (k + 1) * k * s ** (k - 1)
    return np.stack([one - two, rate / T, bend / T**2])


def test_a_basis_is_one_entry(monkeypatch):
    monkeypatch.setitem(BASES, "powers", FunctionFamily(powers, "powers of time"))
    findings, said = finished(changed(loads(OSCILLATOR), "path", basis="powers"))
    assert findings.metrics["reintegration_miss"] < 1e-8
    assert "powers of time" in said


def test_an_optimizer_is_one_entry(monkeypatch):
    method = Method(
        lambda rate: GradientDescent.of(optax.sgd(rate, momentum=0.5, nesterov=True), False), 1,
        "Nesterov's accelerated gradient", False,
    )  # fmt: skip
    monkeypatch.setitem(OPTIMIZERS, "plain", method)
    study = changed(loads(OSCILLATOR), "training", optimizer="plain", learning_rate=0.3)
    findings, said = finished(study)
    assert findings.metrics["reintegration_miss"] < 1e-6
    assert "Nesterov's accelerated gradient, learning rate 0.3" in said


class Areas(eqx.Module):
    """Three bodies: stiff/2 times the square of the area between them, by automatic derivatives."""

    stiff: jax.Array
    neighborhood = None
    moves_freely = True

    def _one(self, q):
        a, b = q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
        return self.stiff / 2 * ((a[0] * b[1] - a[1] * b[0]) / 2) ** 2

    def energy(self, q, neighbors):
        return jax.vmap(self._one, in_axes=-1)(q)

    def forces(self, q, neighbors):
        return -jax.vmap(jax.grad(self._one), in_axes=-1, out_axes=-1)(q)

    def energy_and_forces(self, q, neighbors):
        return self.energy(q, neighbors), self.forces(q, neighbors)

    def hessian_product(self, q, v, neighbors):
        return jax.jvp(lambda q: -self.forces(q, neighbors), (q,), (v,))[1]


def test_an_interaction_of_three_bodies_is_one_entry(monkeypatch):
    def lower(term, around):
        (stiff,) = around.theta.values()
        assert str(term.formula) == "stiff"
        return Areas(jnp.asarray(stiff))

    kind = InteractionKind(3, "Area of a triple", "W", r"\sum_{i<j<k} W", "sum(i<j<k, W)", lower)
    monkeypatch.setitem(INTERACTIONS, "area", kind)
    bare = loads(TRIANGLE)
    law = loads(TRIANGLE.replace('pair = "(r - 1)^2"', 'pair = "stiff"')).system.pair
    study = changed(bare, "system", area=law)
    corners = np.array([[0.0, 0.0], [1.0, 0.1], [0.4, 0.9]])
    moved = np.array([[0.0, 0.1], [0.1, 0.0], [-0.1, 0.05]])
    ends = {"start": corners, "end": corners + moved}
    observations = {**ends, **{f"{name}_species": np.array(["X"] * 3) for name in ends}}
    findings, _ = finished(study, observations)
    plain, _ = finished(bare, observations)
    for each in (findings, plain):
        assert each.metrics["reintegration_miss"] < 1e-8
        assert each.metrics["energy_error_max"] < 1e-5
    area = 0.5 * (1.0 * 0.9 - 0.1 * 0.4)
    pairs = plain.metrics["start_energy"]
    assert findings.metrics["start_energy"] == pytest.approx(pairs + 1.5 * area**2, rel=1e-12)
    assert "W" in {equation.latex.split(" =")[0] for equation in findings.equations}
    assert r"\sum_{i<j<k} W" in "".join(equation.latex for equation in findings.equations)
    with jax.enable_x64(True):
        potential = particle_system(system_settings(study)).potential
        q, v = (jnp.asarray(x.T[..., None]) for x in ends.values())
        slope = jax.grad(lambda q: potential.energy(q)[0])(q)
        assert jnp.allclose(slope, -potential.forces(q), rtol=1e-12)
        bend = (potential.forces(q - 1e-5 * v) - potential.forces(q + 1e-5 * v)) / 2e-5
        assert jnp.allclose(potential.hessian_product(q, v), bend, rtol=1e-6)
    assert potential.moves_freely
