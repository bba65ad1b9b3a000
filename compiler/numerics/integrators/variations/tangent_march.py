"""The tangent map of a discrete motion, step by step.

What is differentiated is the step of the integrator, not a differential equation: tangents are
those of the motion that was computed, to round-off. Lyapunov exponents are the mean growth of
vectors kept orthonormal (Benettin, Galgani, Giorgilli and Strelcyn, Meccanica 15, 9, 1980), MEGNO
is twice the mean of that growth weighted by time (Cincotta and Simo, Astron. Astrophys. Suppl. 147,
205, 2000).
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.mechanics import Parameters
from actionrun.compiler.numerics.integrators.steps import StepInput
from actionrun.compiler.numerics.integrators.variational import GGL
from jaxtyping import Array, Float


class Directions(NamedTuple):
    """What k motions beside one differ in, to first order: states z = (q, p) (2n, k), parameters
    (constants, k) and the length of a step (k,)."""

    z: Float[Array, "2n k"]
    theta: Float[Array, "constants k"]
    h: Float[Array, " k"]


class TangentState(NamedTuple):
    """A motion with its tangents: q, p (n,), seed of the next step, number of steps, tangents z
    (2n, k), the logarithms of their growth (k,), MEGNO's Y times the steps / 2 and the sum of all Y
    so far, and the worst last change of a step's iteration."""

    q: jax.Array
    p: jax.Array
    seed: jax.Array
    step: jax.Array
    z: jax.Array
    growth: jax.Array
    weighted: jax.Array
    total: jax.Array
    change: jax.Array


def tangent_start(
    integrator: GGL, q: Float[Array, " n"], p: Float[Array, " n"], theta: Parameters,
    z: Float[Array, "2n k"],
) -> TangentState:  # fmt: skip
    """The state before the first step."""
    zero = jnp.zeros(())
    seed = integrator.guess(q, p, zero, theta)
    return TangentState(q, p, seed, jnp.asarray(0), z, jnp.zeros(z.shape[1]), zero, zero, zero)


def orthonormal(z: Float[Array, "2n k"]) -> tuple[Float[Array, "2n k"], Float[Array, " k"]]:
    """Vectors made orthonormal one after the other, and the length that was left of each."""
    rows, lengths = [], []
    for column in z.T:
        for _ in range(2):  # once more: what rounding leaves of the others
            for e in rows:
                column = column - jnp.sum(e * column) * e
        length = jnp.sqrt(jnp.sum(column**2))
        rows.append(column / length)
        lengths.append(length)
    return jnp.stack(rows, axis=1), jnp.stack(lengths)


def tangent_step(
    integrator: GGL, x: TangentState, h: Float[Array, ""], theta: Parameters, of: Directions,
    newton: bool,
) -> TangentState:  # fmt: skip
    """A step of a motion and of its tangents."""
    n, t = len(x.q), h * x.step
    minv = integrator.preconditioner(x.q, x.p, t, theta)
    guess = integrator.extrapolated(x.seed, far=newton)
    done = integrator.step(StepInput(x.q, x.p, t, h, theta, minv, guess, None), newton)

    def increments(q, p, theta, h):
        # from the solution, an iteration of Newton leaves it as it is and has its derivative
        step = integrator.newton(q, p, h * x.step, h, theta, done.seed, 1)
        return step.dq, step.dp

    _, tangent = jax.linearize(increments, x.q, x.p, theta, h)
    dq, dp = jax.vmap(tangent, (1, 1, 1, 0), 1)(x.z[:n], x.z[n:], of.theta, of.h)
    z = x.z + jnp.concatenate([dq, dp])
    change = jnp.maximum(x.change, done.change)
    return x._replace(q=x.q + done.dq, p=x.p + done.dp, seed=done.seed, step=x.step + 1, z=z,
                      change=change)  # fmt: skip


@eqx.filter_jit
def tangent_march(
    integrator: GGL, x: TangentState, h: Float[Array, ""], theta: Parameters, of: Directions, stop,
    newton: bool, scaled: bool,
) -> TangentState:  # fmt: skip
    """Steps as far as number `stop`. With `scaled` tangents are made orthonormal after each, and
    their growth is added up; of `of` only parameters and length of step count."""

    def step(x: TangentState) -> TangentState:
        x = tangent_step(integrator, x, h, theta, of, newton)
        if not scaled:
            return x
        z, lengths = orthonormal(x.z)
        grown = jnp.log(lengths)
        weighted = x.weighted + (x.step - 0.5) * grown[0]
        total = x.total + 2 * weighted / x.step
        return x._replace(z=z, growth=x.growth + grown, weighted=weighted, total=total)

    sound = lambda x: (x.step < stop) & jnp.all(jnp.isfinite(x.q) & jnp.isfinite(x.p))  # noqa: E731
    return jax.lax.while_loop(sound, step, x)
