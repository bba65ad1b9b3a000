"""Task pool in a compiled loop: many tasks on a few lanes, and a lane that is free takes the next.

So a compiled loop of fixed width is never held up by its slowest lane. What comes of a task does
not depend on the lane, nor on what the others do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

Tree = Any  # a pytree whose arrays have the lane, or the task, as last axis; scalars are shared


def run_batched(
    tasks: Tree,
    lanes: int,
    start: Callable[[Tree], Tree],
    step: Callable[[Tree], Tree],
    ended: Callable[[Tree], Bool[Array, " lanes"]],
    result: Callable[[Tree], Tree],
    stride: int = 1,
) -> Tree:
    """The results of all tasks, in their order.

    `start` makes states of tasks, `step` advances them (and leaves ended ones as they are), `ended`
    says which are done (lanes,), `result` is what is kept of a state. Lanes take new tasks after
    every `stride` steps.
    """
    count = jax.tree.leaves(tasks)[0].shape[-1]
    lanes = min(lanes, 8 * -(-count // 8))  # idle ones repeat the last task

    def of(slots):
        return jax.tree.map(lambda a: a.at[..., slots].get(mode="clip"), tasks)

    def chosen(mask, new, old):
        return jax.tree.map(lambda a, b: jnp.where(mask, a, b) if jnp.ndim(a) else b, new, old)

    slots = jnp.arange(lanes)
    state = start(of(slots))
    results = jax.tree.map(
        lambda a: jnp.zeros((*a.shape[:-1], count), a.dtype), jax.eval_shape(result, state)
    )

    def relayed(x):
        state, slots, waiting, done, results, over = x
        place = jnp.where(over, slots, count)
        results = jax.tree.map(
            lambda all, one: all.at[..., place].set(one, mode="drop"), results, result(state)
        )
        slots = jnp.where(over, waiting + jnp.cumsum(over) - 1, slots)
        fresh = start(of(slots))
        finished = jnp.sum(over)
        state = chosen(over, fresh, state)
        return state, slots, waiting + finished, done + finished, results, jnp.zeros_like(over)

    def turn(x):
        state, slots, waiting, done, results, _ = x
        state = jax.lax.fori_loop(0, stride, lambda _, s: step(s), state)
        over = ended(state) & (slots < count)
        x = (state, slots, waiting, done, results, over)
        return jax.lax.cond(jnp.any(over), relayed, lambda x: x, x)

    first = (state, slots, jnp.asarray(lanes), jnp.asarray(0), results, jnp.zeros(lanes, bool))
    return jax.lax.while_loop(lambda x: x[3] < count, turn, first)[4]
