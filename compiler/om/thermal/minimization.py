"""Minimisation of the action of Langevin paths, as a march of the runtime: a step is an iteration
of each start that has not ended."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.paths.path_newton import NewtonState, newton_step, start
from actionrun.compiler.program import Report

from .problem import LangevinProblem

State = dict[str, Any]


class LangevinPaths:
    """The most probable paths from several starts, a solver (see `program.Solver`). Iterations that
    follow the solutions change nothing."""

    stage = "relax"
    quantum = 1

    def __init__(self, problem: LangevinProblem):
        self.problem = problem
        self.total = problem.settings.training.epochs
        self.action = problem.action()

    def start(self) -> State:
        """(starts, ...) of each entry of a state."""
        each = [start(self.problem.start(k)) for k in range(self.problem.starts)]
        return _stacked(each)

    def advance(self, state: State, done: int, count: int) -> tuple[State, Report]:
        each = states(state)
        for _ in range(count):
            if all(int(one.ended) for one in each):
                break
            each = [one if int(one.ended) else newton_step(self.action, one) for one in each]
        costs = np.array([float(one.cost) for one in each])
        if done + count >= self.total and not np.isfinite(costs).any():
            return state, Report(
                diverged="the action is not finite along any path. Check that the potential is "
                "finite between the ends."
            )
        left = sum(not int(one.ended) for one in each)
        metrics = {"action": float(costs[np.isfinite(costs)].min())} if left < len(each) else {}
        return _stacked(each), Report({**metrics, "paths": float(left)})


def _stacked(each: list[NewtonState]) -> State:
    return jax.tree.map(lambda *x: jnp.stack(x), *each)._asdict()


def states(state: State) -> list[NewtonState]:
    """The states of all starts."""
    count = len(state["cost"])
    return [NewtonState(**{name: jnp.asarray(x[k]) for name, x in state.items()})
            for k in range(count)]  # fmt: skip
