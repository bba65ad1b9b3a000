"""`simulate`: gradients against differences, batches compiled once, the same motion as `run`."""

from __future__ import annotations

import actionrun as ar
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.runtime.errors import Refused

PENDULUM = {
    "study": "ggl",
    "title": "A pendulum with drag",
    "system": {
        "coordinates": {"q": 1, "s": 2},
        "lagrangian": "q[1]'^2/2 + w2*cos(q[1]) + |s'|^2/2 - |s|^2/2 - b*s[1]*q[1]",
        "nonconservative": "-gamma*q_plus'[1]*q_minus[1]",
    },
    "parameters": {"w2": 1.5, "gamma": 0.05, "b": 0.3},
    "start": {"position": {"q": [1.0], "s": [0.2, 0.4]}, "velocity": {"q": [0.0], "s": [0.1, 0.0]}},
    "integrator": {"r": 2, "dt": 0.1, "steps": 60},
}
STUDY = ar.Study.from_dict(PENDULUM)


def last(theta, q):
    return ar.simulate(STUDY, theta=theta, start={"position": {"q": q}}).q[-1]


def test_it_is_the_motion_of_the_run(tmp_path):
    spring = ar.Study.from_dict({
        "study": "ggl", "title": "A spring",
        "system": {"coordinates": ["q"], "lagrangian": "m*q'^2/2 - k*q^2/2 - q^4/4"},
        "parameters": {"k": 2.0, "m": 1.3},
        "start": {"position": {"q": 1.0}, "velocity": {"q": 0.3}},
        "integrator": {"r": 1, "dt": 0.1, "steps": 20},
    })  # fmt: skip
    done, motion = ar.run(spring, out=tmp_path / "run"), ar.simulate(spring)
    assert motion.q.shape == (21, 1) and float(motion.change) < 1e-9
    assert np.allclose(motion.q[:, 0], done.arrays["q"], rtol=0, atol=1e-12)
    assert np.allclose(motion.t, done.arrays["t"], rtol=0, atol=1e-12)


def test_a_study_without_constants():
    free = ar.Study.from_dict({
        "study": "ggl", "title": "A free particle",
        "system": {"coordinates": ["q"], "lagrangian": "q'^2/2"},
        "start": {"position": {"q": 1.0}, "velocity": {"q": 0.5}},
        "integrator": {"r": 1, "dt": 0.1, "steps": 20},
    })  # fmt: skip
    assert np.allclose(ar.simulate(free).q[-1], 2.0, rtol=0, atol=1e-12)


def test_samples_and_momenta_of_a_start():
    motion = ar.simulate(STUDY)
    assert np.allclose(ar.simulate(STUDY, every=20).q, motion.q[::20], rtol=0, atol=1e-13)
    pushed = ar.simulate(STUDY, start={"momentum": {"q": [0.0], "s": [0.1, 0.0]}})
    assert np.allclose(pushed.q, motion.q, rtol=0, atol=1e-13)


def test_a_family_takes_its_coefficients():
    family = ar.Study.from_dict({
        "study": "family", "title": "Oscillators",
        "system": {"coordinates": ["q"], "lagrangian": "q'^2/2 - w2*q^2/2"},
        "coefficients": {"w2": [0.5, 9.0]},
        "start": {"position": {"q": 1.0}, "velocity": {"q": 0.0}},
        "integrator": {"r": 2, "dt": 0.1, "steps": 30},
    })  # fmt: skip
    start = {"position": {"q": 1.0}, "velocity": {"q": 0.0}}
    motion = ar.simulate(family, theta={"w2": 4.0}, start=start, steps=20)
    assert np.allclose(motion.q[:, 0], np.cos(2 * motion.t), rtol=0, atol=1e-6)
    with pytest.raises(Refused, match="a number for w2"):
        ar.simulate(family, start=start, steps=20)


def test_gradients_equal_differences():
    """Fourth-order differences, to 1e-8."""
    theta, q = {"w2": 1.4, "gamma": 0.07}, jnp.array([0.8])

    def loss(theta, q):
        return jnp.sum(last(theta, q) * jnp.array([1.0, -0.5, 2.0]))

    of_theta, of_q = jax.grad(loss, argnums=(0, 1))(theta, q)

    def slope(f, at, d=1e-3):
        ends = [float(f(at + k * d)) for k in (-2, -1, 1, 2)]
        return (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * d)

    for name in theta:
        wanted = slope(lambda x, n=name: loss(theta | {n: x}, q), theta[name])
        assert float(of_theta[name]) == pytest.approx(wanted, rel=1e-8, abs=1e-9)
    wanted = slope(lambda x: loss(theta, q + x), 0.0)
    assert float(of_q[0]) == pytest.approx(wanted, rel=1e-8, abs=1e-9)


def test_a_thousand_starts_compile_once():
    batch = jax.jit(jax.vmap(lambda q: last({}, q)))
    starts = jnp.linspace(-1, 1, 1000)[:, None]
    several = batch(starts)
    batch(starts + 0.1)
    assert batch._cache_size() == 1 and several.shape == (1000, 3)
    assert np.allclose(several[700], last({}, starts[700]), rtol=0, atol=1e-12)


def test_what_a_study_has_not_is_told():
    for words, start, theta in (
        ("no nonsense", {}, {"nonsense": 1.0}),
        ("no coordinate x", {"position": {"x": 1.0}}, {}),
        ("shape", {"position": {"q": 1.0}}, {}),
        ("not both", {"velocity": {}, "momentum": {}}, {}),
    ):
        with pytest.raises(Refused, match=words):
            ar.simulate(STUDY, theta=theta, start=start)
    for steps, every in ((7, 2), (-4, 1), (4, -1)):
        with pytest.raises(Refused, match="multiple"):
            ar.simulate(STUDY, steps=steps, every=every)
    timed = STUDY.replace({"integrator.time_transform": "1 + q[1]^2"})
    with pytest.raises(Refused, match="time_transform"):
        ar.simulate(timed)
