"""Prior distribution of the systems of a family: random members, and their observed motions."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import Coefficients, Series, States
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator, motions
from actionrun.compiler.numerics.optimizers.inequality_constraints import InequalityConstraints
from jaxtyping import Array, Bool, Float

from .observables import observe

MOST = 20_000  # rounds of drawing; with 1 % allowed, 0.99^20000 = 1e-87 of the members are left


class Sampled(eqx.Module):
    """How measured motions are seen whose samples are not those of training: resampled by splines
    on its times, and all that does to a motion and to its noise. A system is seen as one of the
    trials, in turn.

    `again` (trials, channels, samples, samples) takes a motion there and back; `blur` (trials,
    channels, samples, measured) carries the noise of the measured samples over.
    """

    again: jax.Array
    blur: jax.Array

    def __call__(
        self, series: Series, noise: Float[Array, "channels batch"], key: jax.Array
    ) -> Series:
        """Series (samples, channels, batch) with noise (channels, batch)."""
        trials, whole = len(self.again), series
        for k in range(trials):
            part = series[..., k::trials]
            shape = (self.blur.shape[-1], *part.shape[1:])
            drawn = jax.random.normal(jax.random.fold_in(key, k), shape, series.dtype)
            again, blur = self.again[k].astype(part.dtype), self.blur[k].astype(part.dtype)
            seen = jnp.einsum("cst,tcb->scb", again, part)
            seen += jnp.einsum("csm,mcb->scb", blur, noise[..., k::trials] * drawn)
            whole = whole.at[..., k::trials].set(seen)
        return whole


class Population(eqx.Module):
    """What a family's systems are drawn from, and how their motions are seen.

    Coefficients are even in [low, high] (in the logarithm where `log`), zero with probability
    `zero`; starting positions and momenta (or velocities) are even in their ranges.
    """

    ggl: BatchIntegrator
    fixed: jax.Array  # (parameters,)
    low: jax.Array  # (k,)
    high: jax.Array
    log: jax.Array  # (k,) of bool
    zero: jax.Array  # (k,)
    q_low: jax.Array  # (n,)
    q_high: jax.Array
    rate_low: jax.Array  # (n,) momentum or velocity
    rate_high: jax.Array
    by_velocity: bool = eqx.field(static=True)
    h: jax.Array
    steps: int = eqx.field(static=True)
    every: int = eqx.field(static=True)
    variables: tuple[str, ...] = eqx.field(static=True)
    contracts: bool = eqx.field(static=True)  # fixed-point passes are known to converge
    noise: float  # of each observed channel, over its RMS
    known_start: bool = eqx.field(static=True)  # the same for all systems
    sampled: Sampled | None = None  # with [data]: as its motions are
    inequalities: InequalityConstraints | None = None  # between coefficients

    def theta(self, c: jax.Array) -> jax.Array:
        """All constants (parameters first) for coefficients (k, *batch)."""
        fixed = self.fixed.astype(c.dtype).reshape((-1,) + (1,) * (c.ndim - 1))
        return jnp.concatenate([jnp.broadcast_to(fixed, (*self.fixed.shape, *c.shape[1:])), c])

    def draw(self, key: jax.Array, count: int) -> tuple[Coefficients, States, States]:
        """Coefficients (k, count), starting q and rate (n, count), float64."""
        keys = jax.random.split(key, 4)
        c = self._members(keys, count)
        if self.inequalities is not None:
            c = self._allowed(self.inequalities, keys[:2], c)
        q = _even(keys[2], self.q_low, self.q_high, count)
        return c, q, _even(keys[3], self.rate_low, self.rate_high, count)

    def _members(self, keys: jax.Array, count: int) -> jax.Array:
        """Coefficients (k, count) in their ranges."""
        by_log = self.log[:, None]
        safe = jnp.where(self.log, self.low, 1.0), jnp.where(self.log, self.high, 2.0)
        c = jnp.where(
            by_log,
            jnp.exp(_even(keys[0], jnp.log(safe[0]), jnp.log(safe[1]), count)),
            _even(keys[0], self.low, self.high, count),
        )
        off = jax.random.uniform(keys[1], c.shape, jnp.float64) < self.zero[:, None]
        return jnp.where(off, 0.0, c)

    def _allowed(
        self, inequalities: InequalityConstraints, keys: jax.Array, c: jax.Array
    ) -> jax.Array:
        """c (k, count) with those that the inequalities forbid drawn again until none is left."""

        def again(state):
            n, c, fine = state
            new = self._members(jax.vmap(jax.random.fold_in, (0, None))(keys, n), c.shape[1])
            c = jnp.where(fine, c, new)
            return n + 1, c, inequalities.allowed(c)

        start = jnp.asarray(1), c, inequalities.allowed(c)
        return jax.lax.while_loop(lambda s: ~jnp.all(s[2]) & (s[0] < MOST), again, start)[1]

    def momenta(self, c: Coefficients, q: States, rate: States) -> States:
        """Starting momenta (n, batch)."""
        if not self.by_velocity:
            return rate
        return self.ggl.mechanics.momentum(q, rate, jnp.zeros((), q.dtype), self.theta(c))

    def series(
        self, c: Coefficients, q: States, p: States
    ) -> tuple[Series, Float[Array, " batch"]]:
        """Observed series (samples, channels, batch), and the worst change of the iteration."""
        h = self.h.astype(q.dtype)
        motion = motions(self.ggl, self.theta(c), q, p, h, self.steps, self.every, self.contracts)
        t = (self.h * self.every * jnp.arange(motion.q.shape[0]))[:, None].astype(q.dtype)
        mechanics = self.ggl.mechanics
        parts = observe(self.variables, mechanics, motion.q, motion.p, t, self.theta(c))
        return jnp.concatenate([parts[key] for key in self.variables], axis=1), motion.change

    def initial_constraint_residual(
        self, c: Coefficients, q: States, p: States
    ) -> Float[Array, "2m batch"]:
        """How far starts lie off the surface of the constraints and leave it, (2m, batch)."""
        return self.ggl.initial_constraint_residual(
            q, p, jnp.zeros((), q.dtype), self.theta(c), self.h * self.steps
        )

    def observed(
        self, c: Coefficients, q: States, p: States
    ) -> tuple[Series, Bool[Array, " batch"]]:
        """Observed series, ones where a system is unsound, and whether each is sound."""
        series, change = self.series(c, q, p)
        finite = jnp.all(jnp.isfinite(series), axis=(0, 1)) & (change < 1e-3)
        return jnp.where(finite, series, 1.0), finite

    def add_noise(self, series: Series, key: jax.Array) -> Series:
        """Series with the study's noise on every channel, as they are seen."""
        size = jnp.sqrt(jnp.mean(series**2, axis=0))
        if self.sampled is not None:
            return self.sampled(series, self.noise * size, key)
        return series + self.noise * size * jax.random.normal(key, series.shape, series.dtype)


def _even(key: jax.Array, low: jax.Array, high: jax.Array, count: int) -> jax.Array:
    """Evenly drawn numbers (len(low), count)."""
    u = jax.random.uniform(key, (len(low), count), jnp.float64)
    return low[:, None] + (high - low)[:, None] * u
