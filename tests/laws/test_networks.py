"""Every network and every loss learns, and none lets a wild motion spoil its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.modules.networks import Convolution, Perceptron, Recurrent, dropped, split
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
        ('kind = "conv"', ""),
        ('kind = "lstm"\ndropout = 0.1', ""),
        ("dropout = 0.1", ""),
        ("", 'loss = "rms"'),
        ("scaled = false", 'loss = "rms"\nlearning_rate = 3e-3'),
        ("", 'loss = "mae"\nalpha = 2.0'),
        ("", 'loss = "huber"'),
        ("", 'loss = "ln"\nexponent = 4.0'),
    ],
    ids=["mlp", "conv", "lstm", "dropout", "rms", "as the paper", "mae", "huber", "ln"],
)
def test_every_network_and_loss_learns(network, training):
    found = losses(network, training)
    assert min(found[2:]) < 0.6 * found[0]


def test_networks_see_the_motion_in_its_order():
    """A feature that belongs to sample 3, channel 1 arrives there."""
    x = jnp.arange(2 * 7 + 1.0)
    shape, rest = split(x, 7, 2)
    assert shape[3, 1] == 7 and rest.tolist() == [14.0]


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
