"""Gradient descent on a path's loss, in one compiled loop: L-BFGS and the first-order methods of
optax.

The neighbour list is that of the parameters `place`, which move on when a body has left its margin:
so a list can be made anew from the state alone, and the result does not depend on chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from actionrun.compiler.numerics.linalg import sum_of_squares
from jaxtyping import Array, Bool, Float, Int

from .action import PathLoss

SETTLED = 1e-9  # norm of the slope, relative to the largest so far, at which L-BFGS ends


class DescentState(NamedTuple):
    """Parameters x, those of the neighbour list, the optimiser's own, the last cost and the norm
    of its slope, the largest such norm, steps so far, how it ended: 0 not yet, 1 settled, 2 not
    finite."""

    x: Any
    place: Any
    optimizer: Any
    cost: jax.Array
    slope: jax.Array
    steepest: jax.Array
    iterations: jax.Array
    ended: jax.Array


class GradientDescent(eqx.Module):
    """Steps of an optimiser; `settles`: whether it ends where the slope has vanished."""

    method: optax.GradientTransformationExtraArgs = eqx.field(static=True)
    settles: bool = eqx.field(static=True)

    @classmethod
    def of(cls, method: optax.GradientTransformation, settles: bool) -> GradientDescent:
        """The steps of any optimiser of optax."""
        return cls(optax.with_extra_args_support(method), settles)

    def start(self, x: Any) -> DescentState:
        inf, zero = jnp.asarray(jnp.inf), jnp.asarray(0)
        return DescentState(x, x, self.method.init(x), inf, inf, jnp.asarray(0.0), zero, zero)

    def progress(self, state: DescentState) -> dict[str, float]:
        return {}

    def fitted(
        self,
        path: Callable[[Any], Array],
        target: Array,
        state: DescentState,
        count: Int[Array, ""],
    ) -> DescentState:
        """`count` steps towards the parameters whose `path` is `target`, in the mean square."""

        def misfit(x: Any) -> jax.Array:
            return jnp.mean((path(x) - target) ** 2)

        def body(_, state: DescentState) -> DescentState:
            cost, slope = jax.value_and_grad(misfit)(state.x)
            updates, following = self.method.update(
                slope, state.optimizer, state.x, value=cost, grad=slope, value_fn=misfit
            )
            x = optax.apply_updates(state.x, updates)
            return state._replace(x=x, optimizer=following, cost=cost.astype(state.cost.dtype))

        return jax.lax.fori_loop(0, count, body, state)

    def steps(
        self, loss: PathLoss, state: DescentState, count: Int[Array, ""]
    ) -> tuple[DescentState, Bool[Array, ""]]:
        """`count` steps; and whether a neighbour list was too short on the way. `loss.neighbors`
        must be the list at state.place."""

        def body(s):
            state, neighbors, n = s
            q = loss.ansatz.motion(state.x).q
            moved = loss.potential.outdated(neighbors, q)
            neighbors = jax.lax.cond(
                moved, lambda: loss.potential.updated_list(neighbors, q), lambda: neighbors
            )
            place = jax.tree.map(lambda a, b: jnp.where(moved, a, b), state.x, state.place)
            here = eqx.tree_at(lambda loss: loss.neighbors, loss, neighbors)
            return self._step(here, state._replace(place=place)), neighbors, n + 1

        state, neighbors, _ = jax.lax.while_loop(
            lambda s: (s[2] < count) & (s[0].ended == 0) & ~s[1].lost,
            body,
            (state, loss.neighbors, jnp.asarray(0)),
        )
        return state, neighbors.lost

    def _step(self, loss: PathLoss, state: DescentState) -> DescentState:
        cost, slope = value_and_gradient(loss, state.x)
        updates, following = self.method.update(
            slope, state.optimizer, state.x, value=cost, grad=slope,
            value_fn=lambda x: differentiable_value(loss, x),
        )  # fmt: skip
        x = optax.apply_updates(state.x, updates)
        norm = jnp.sqrt(sum_of_squares(slope)).astype(state.slope.dtype)
        steepest = jnp.maximum(state.steepest, norm)
        cost = cost.astype(state.cost.dtype)
        ended = jnp.where(self.settles & (norm <= SETTLED * steepest), 1, 0)
        ended = jnp.where(jnp.isfinite(cost), ended, 2)
        return DescentState(
            x, state.place, following, cost, norm, steepest, state.iterations + 1, ended
        )


def value_and_gradient(loss: PathLoss, x: Any) -> tuple[Float[Array, ""], Any]:
    """The loss and its gradient, by the transpose that the loss knows."""
    residual, _, pull = loss.linearised(x)
    return sum_of_squares(residual), jax.tree.map(lambda g: 2 * g, pull(residual))


def differentiable_value(loss: PathLoss, x: Any) -> Float[Array, ""]:
    """The loss as a function that JAX differentiates by `value_and_gradient`."""

    @jax.custom_vjp
    def value(x):
        return loss.cost(x)

    value.defvjp(
        lambda x: value_and_gradient(loss, x),
        lambda g, weight: (jax.tree.map(lambda y: weight * y, g),),
    )
    return value(x)
