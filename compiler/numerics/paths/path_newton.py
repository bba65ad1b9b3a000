"""Newton's method for the action of a path: the integral over time of a density of places,
velocities and accelerations, of few coordinates.

    S(x) = sum_p w_p L(q_p, v_p, a_p)          q, v, a of the path of parameters x at the nodes

The second derivative of the density is taken by each node and carried to the parameters by the
path's derivative (Schraudolph, Neural Comput. 14, 1723, 2002): of a path that is linear in its
parameters that is the Hessian itself, so that the steps are Newton's, and a density that is no
square (as one with a divergence) is no exception. Levenberg's damping is by the kinetic part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Float

from .basis import TabulatedBasis
from .network_path import NetworkPath

SETTLED = 1e-15  # decrease that a step promises, over the size of the action, at which it ends
FLAT = 1e-9  # damping below which it is left out
FIRST = 1e-3  # damping after the first step that failed
STUCK = 1e10  # damping at which no step however short lowers the action
RIDGE = 1e-10  # of the mean of the metric's diagonal: directions that move no node
NEAR = 1e-6  # of the action: a step that promises less is Newton's own
CREEP = 1e-9  # of the action: what a network's step has to gain


class TrialPath(Protocol):
    """A path at nodes as a function of parameters x (n,)."""

    def motion(self, x: Array) -> Float[Array, "3 dim nodes"]:
        """Places, velocities and accelerations."""
        ...

    def slopes(self, x: Array) -> Float[Array, "3 dim nodes n"]:
        """Their derivatives by the parameters."""
        ...


class LinearPath(eqx.Module):
    """Functions of time between ends (dim, 2 or 4) that are held; x are their coefficients."""

    table: TabulatedBasis
    ends: jax.Array

    def motion(self, x: Array) -> Float[Array, "3 dim nodes"]:
        c = x.reshape(len(self.ends), -1)
        return jnp.stack(self.table.motion(self.ends, c))

    def slopes(self, x: Array) -> Float[Array, "3 dim nodes n"]:
        dim = len(self.ends)
        each = jnp.einsum("ij,kcp->kipjc", jnp.eye(dim), self.table.functions)
        return each.reshape(*each.shape[:3], -1)


class NeuralPath(eqx.Module):
    """A network of time; x are its layers in a row, which `layers` puts back."""

    network: NetworkPath
    layers: Callable[[Array], Any] = eqx.field(static=True)

    def motion(self, x: Array) -> Float[Array, "3 dim nodes"]:
        return jnp.stack(self.network.motion(self.layers(x)))[:, :, 0]

    def slopes(self, x: Array) -> Float[Array, "3 dim nodes n"]:
        return jax.jacfwd(self.motion)(x)


class Expansion(NamedTuple):
    """An action to second order: value, gradient (n,), Hessian (n, n), the metric of the damping
    (n, n), and the sum of its parts without their signs."""

    value: jax.Array
    gradient: jax.Array
    hessian: jax.Array
    metric: jax.Array
    size: jax.Array


class PathAction(eqx.Module):
    """The action of a path. `density` maps (3, dim, ...) to (...); `order` is that of the highest
    derivative in it, whose square has the factor `stiffness`."""

    density: Callable[[Array], Array]
    path: TrialPath
    weights: jax.Array
    stiffness: jax.Array  # (dim,)
    order: int = eqx.field(static=True)
    linear: bool = eqx.field(static=True)

    def value(self, x: Array) -> Float[Array, ""]:
        """S."""
        return jnp.sum(self.weights * self.density(self.path.motion(x)))

    def expansion(self, x: Array) -> Expansion:
        """S to second order around x."""
        motion, w = self.path.motion(x), self.weights
        slopes = self.path.slopes(x)
        n = slopes.shape[-1]
        flat = jnp.moveaxis(motion, 2, 0)  # a node a row

        def one(u: Array) -> Array:
            return self.density(u[..., None])[0]

        values = self.density(motion)
        first, second = jax.vmap(jax.grad(one))(flat), jax.vmap(jax.hessian(one))(flat)
        rows = jnp.moveaxis(slopes, 2, 0)  # (nodes, 3, dim, n)
        turned = jnp.einsum("paibj,pbjn->pain", w[:, None, None, None, None] * second, rows)
        hessian = rows.reshape(-1, n).T @ turned.reshape(-1, n)
        kinetic = jnp.sqrt(2 * self.stiffness[:, None] * w[:, None, None]) * rows[:, self.order]
        kinetic = kinetic.reshape(-1, n)
        metric = kinetic.T @ kinetic
        metric = metric + RIDGE * jnp.trace(metric) / n * jnp.eye(n)
        gradient = jnp.einsum("p,pai,pain->n", w, first, rows)
        speed = jnp.sum(self.stiffness[:, None] * motion[self.order] ** 2, axis=0)
        size = jnp.sum(w * (jnp.abs(values) + speed))
        return Expansion(jnp.sum(w * values), gradient, (hessian + hessian.T) / 2, metric, size)


class NewtonState(NamedTuple):
    """Parameters x (n,), their action, the damping, iterations so far, and how it ended: 0 not
    yet, 1 at a minimum, 2 where no step lowers the action and it has none (a saddle of it)."""

    x: jax.Array
    cost: jax.Array
    damping: jax.Array
    iterations: jax.Array
    ended: jax.Array


def start(x: Float[Array, " n"]) -> NewtonState:
    """Before the first iteration; the action is not known yet."""
    zero = jnp.asarray(0)
    return NewtonState(x, jnp.asarray(jnp.inf), jnp.asarray(0.0), zero, zero)


@eqx.filter_jit
def newton_step(action: PathAction, s: NewtonState) -> NewtonState:
    """One iteration; none where it has ended."""
    at = action.expansion(s.x)
    factor = jsl.cho_factor(at.hessian + s.damping * at.metric)  # not finite: not positive
    d = -jsl.cho_solve(factor, at.gradient)
    predicted = -(at.gradient @ d) - d @ at.hessian @ d / 2
    trial = s.x + d
    cost = action.value(trial)
    sound = jnp.isfinite(predicted) & (predicted >= 0) & jnp.isfinite(cost)
    tiny = sound & (predicted <= (SETTLED if action.linear else CREEP) * at.size)
    # At the bottom rounding decides whether the action falls: a small step is taken on trust.
    better = sound & ((cost < at.value) | (tiny & (cost <= at.value + 1e-12 * at.size)))
    ratio = (at.value - cost) / jnp.where(predicted > 0, predicted, 1.0)
    near = (s.damping / 8 < FLAT) | (predicted <= NEAR * at.size)
    relaxed = jnp.where(near, 0.0, s.damping / 8)
    damping = jnp.where(ratio > 0.75, relaxed, jnp.where(ratio < 0.25, 2 * s.damping, s.damping))
    damping = jnp.where(better, damping, jnp.maximum(4 * s.damping, FIRST))
    low = jnp.isfinite(jsl.cho_factor(at.hessian)[0]).all() | (not action.linear)
    ended = jnp.where(tiny, jnp.where(low, 1, 2), jnp.where(damping > STUCK, 2, 0))
    following = NewtonState(
        jnp.where(better, trial, s.x), jnp.where(better, cost, at.value), damping,
        s.iterations + 1, ended,
    )  # fmt: skip
    return jax.tree.map(lambda new, old: jnp.where(s.ended == 0, new, old), following, s)


def minimum(action: PathAction, x: Float[Array, " n"], most: int) -> NewtonState:
    """The minimum that at most so many iterations from x reach."""
    state = start(x)
    for _ in range(most):
        state = newton_step(action, state)
        if int(state.ended):
            break
    return state
