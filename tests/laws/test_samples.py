"""What is done to measured samples before a network reads them."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from actionrun.compiler.family.fit_with_network import sampled
from actionrun.compiler.family.observations import ObservedMotions, missing, roughness

TIMES = 0.1 * np.arange(31)


def observed_motions(noise=0.0, gap=(1.4, 1.6), count=200):
    """One motion q(t), irregular and with a gap; a cubic in time, which splines keep."""
    draw = np.random.default_rng(4)
    t = np.sort(np.concatenate([[0.0, 3.2], draw.uniform(0, 3.2, count)]))
    t = t[(t < gap[0]) | (t > gap[1])]
    q = 1 + t - 0.7 * t**2 + 0.1 * t**3
    q = q + noise * np.sqrt(np.mean(q**2)) * draw.normal(size=len(q))
    weight = np.ones((len(t), 1, 1))
    weight[[3, 50]] = 0  # missing
    size = np.sqrt(np.mean(q**2, keepdims=True))
    return ObservedMotions(t[:, None], q[:, None, None], weight, size, (("q", 0),))


def test_a_smooth_motion_is_read_as_it_is():
    o = observed_motions()
    seen = sampled(SimpleNamespace(), o, [0], TIMES)  # type: ignore[arg-type]
    cubic = (1 + TIMES - 0.7 * TIMES**2 + 0.1 * TIMES**3)[:, None, None] * np.ones((1, 1, 3))
    nothing = np.zeros((1, 3))
    again = seen(jax.numpy.asarray(cubic), jax.numpy.asarray(nothing), jax.random.key(0))
    np.testing.assert_allclose(np.asarray(again), cubic, atol=1e-10)
    alone = np.asarray(seen.blur[0, 0]) @ o.values[:, 0, 0]
    np.testing.assert_allclose(alone, cubic[:, 0, 0], atol=1e-10)


def test_noise_is_carried_over_as_the_samples_have_it():
    """Far from its samples, in the gap, a spline has more of it."""
    seen = sampled(SimpleNamespace(), observed_motions(gap=(1.2, 2.0)), [0], TIMES)  # type: ignore[arg-type]
    quiet = jax.numpy.zeros((31, 1, 20_000))
    noise_scaled_loss = np.asarray(seen(quiet, jax.numpy.full((1, 20_000), 0.1), jax.random.key(1)))
    spread = noise_scaled_loss[:, 0].std(axis=1)
    expected = 0.1 * np.sqrt((np.asarray(seen.blur[0, 0]) ** 2).sum(axis=1))
    np.testing.assert_allclose(spread, expected, rtol=0.04)
    assert spread[16] > 2 * np.median(spread)


@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_noise_is_told_from_the_samples_alone(noise):
    assert roughness(observed_motions(noise, count=2000)) == pytest.approx(noise, rel=0.1)
    assert roughness(observed_motions()) < 1e-12


def test_missing_samples_are_counted_and_the_end_of_a_shorter_trial_is_not():
    o = observed_motions()
    assert missing(o.t, o.weight) == (2, len(o.t))
    short = np.concatenate([o.t[:20], np.full((len(o.t) - 20, 1), o.t[19, 0])])
    both = np.concatenate(
        [o.weight, np.where(np.arange(len(o.t))[:, None, None] < 20, o.weight, 0)], 2
    )
    assert missing(np.concatenate([o.t, short], 1), both) == (3, len(o.t) + 20)
