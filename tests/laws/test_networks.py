"""Every network and every loss learns, and none lets a wild motion spoil its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.family.encoder import _axes
from actionrun.compiler.numerics.inference.encoder import (
    CoefficientTransform,
    Encoder,
    ScalingTransform,
)
from actionrun.compiler.numerics.networks.architectures import (
    Convolution,
    Perceptron,
    Recurrent,
    dropped,
    split,
)
from actionrun.spec import loads

STUDY = """
study = "family"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
constraints = ["c1 > 0", "c2 >= 0"]
[coefficients]
c1 = [0.05, 5.0]
c2 = { range = [0.0, 5.0], zero = 0.05 }
[start]
position = { q = 0.0 }
momentum = { q = 1.0 }
[integrator]
r = 1
dt = 0.1
steps = 20
[test]
systems = 0
[network]
hidden = [16, 16]
%s
[training]
steps = 150
batch = 64
%s
"""


def losses(network: str, training: str, steps: int = 150) -> list[float]:
    program = compile(loads(STUDY % (network, training)))
    state, found = program.start(), []
    for done in range(0, steps, 30):
        state, report = program.advance(state, done, 30)
        assert report.diverged is None
        found.append(report.metrics["loss"])
    return found


@pytest.mark.parametrize(
    ("network", "training"),
    [
        ("", ""),
        pytest.param('kind = "conv"', "", marks=pytest.mark.slow),
        pytest.param(
            'kind = "lstm"\ndropout = 0.1',
            'embedding = [["c1", "c2"], ["c2"]]',
            marks=pytest.mark.slow,
        ),
        ("", 'loss = "mae"\nalpha = 2.0'),
        *(
            pytest.param(*words, marks=pytest.mark.slow)
            for words in (
                ("", 'loss = "rms"'),
                ("scaled = false", 'loss = "rms"\nlearning_rate = 3e-3'),
                ("", 'loss = "huber"'),
                ("", 'loss = "ln"\nexponent = 4.0'),
            )
        ),
    ],
    ids=["mlp", "conv", "lstm, dropout, eq. 30", "mae", "rms", "as the paper", "huber", "ln"],
)
def test_every_network_and_loss_learns(network, training):
    found = losses(network, training)
    assert min(found[2:]) < 0.6 * found[0]


def test_networks_see_the_motion_in_its_order():
    """A feature that belongs to sample 3, channel 1 arrives there."""
    x = jnp.arange(2 * 7 + 1.0)
    shape, rest = split(x, 7, 2)
    assert shape[3, 1] == 7 and rest.tolist() == [14.0]


@pytest.mark.slow
def test_a_convolution_of_one_layer_and_a_recurrence_have_the_asked_sizes():
    key = jax.random.key(0)
    conv = Convolution(41, 2, 3, (8, 16), 4, "tanh", key=key)
    lstm = Recurrent(41, 2, 3, (5, 4), 4, key=key)
    mlp = Perceptron(85, (8,), 4, "tanh", key=key)
    for network in (conv, lstm, mlp):
        assert network(jnp.linspace(-1.0, 1.0, 85)).shape == (4,)


def test_dropout_keeps_the_mean_and_only_drops_in_training():
    x = jnp.ones(20_000)
    out = np.asarray(dropped(x, 0.25, jax.random.key(1), 0))
    assert abs(out.mean() - 1) < 0.02 and abs((out == 0).mean() - 0.25) < 0.02
    assert (dropped(x, 0.25, None, 0) == x).all()


@pytest.mark.parametrize("raw", [True, False], ids=["as numbers", "in scales"])
def test_a_common_factor_multiplies_its_group(raw):
    """c2 and c3 have one in common, all three another: eq. 30b of the paper."""
    none = jnp.zeros((1, 0))
    gauge = ScalingTransform(jnp.ones((1, 1)), none.T, none, none, raw=raw)
    code = CoefficientTransform(
        jnp.array([0.0, 3.0, 3.0]), jnp.array([0.2, 0.0, 0.5]), jnp.array([1.0, 2.0, 0.7])
    )
    shared = ((1, 2), (0, 1, 2))
    encoder = Encoder(lambda x: x, gauge, code, jnp.zeros(5), jnp.ones(5), shared)  # type: ignore
    answer = jnp.array([0.3, -0.4, 0.8, 0.5, 0.25])[:, None]
    one, all_three = 1 + answer[3:, 0] if raw else jnp.exp(answer[3:, 0])
    plain = np.asarray(code.decoded(answer[:3]))[:, 0]
    named = np.asarray(code.decoded(encoder.codes(answer)))[:, 0]
    wanted = plain * np.array([all_three, one * all_three, one * all_three])
    np.testing.assert_allclose(named, wanted, rtol=1e-6)


def test_axes_hold_what_noise_leaves_and_no_more():
    """Three signals in twelve features, two of them far above the noise and one far below."""
    draw = np.random.default_rng(2)
    ways = np.linalg.qr(draw.normal(size=(12, 3)))[0]
    clean = ways @ (np.array([[5.0], [1.0], [1e-4]]) * draw.normal(size=(3, 4000)))
    noise = 0.1 * draw.normal(size=clean.shape)
    axes = _axes(clean, noise)
    assert axes.shape == (12, 2)
    np.testing.assert_allclose(np.std(axes.T @ (clean + noise), axis=1), 1.0, rtol=0.05)
    lost = ways[:, :2] - axes @ np.linalg.lstsq(axes, ways[:, :2], rcond=None)[0]
    assert np.abs(lost).max() < 0.02
