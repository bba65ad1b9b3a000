"""Minimisation of the action of a path, as a march of the runtime: first the reference run (where
it gives the ends), then the start, then iterations of the minimisation."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.linalg import sum_of_squares
from actionrun.compiler.numerics.molecular.neighbor_list import NeighborList
from actionrun.compiler.numerics.molecular.observables import rmsd
from actionrun.compiler.numerics.paths.action import Ansatz, PathLoss
from actionrun.compiler.numerics.paths.gradient_descent import GradientDescent
from actionrun.compiler.numerics.paths.minimizers import Minimizer
from actionrun.compiler.program import Report, Tell

from .initial_path import StartError, interpolated_start, marched_start, perturbed_start
from .path_problem import PathProblem, cast
from .reference_md import reference_run

State = dict[str, Any]
MILESTONES = 60  # iterations of a first-order method of which the loss and the distance are kept
FURTHER = 200  # most iterations from a further start


class PathMinimization:
    """Minimisation of a path's loss, a solver (see `program.Solver`).

    Its steps are blocks of the reference run, one step that makes the start, and `epochs`
    iterations (twice as many where a network is trained on ballistic halves first). Iterations
    that follow the solution change nothing.
    """

    stage = "relax"
    quantum = 1

    def __init__(
        self, problem: PathProblem, given: np.ndarray | None, species: tuple[str, ...] | None = None
    ):
        self.problem, self.species = problem, species
        self.given = None if given is None else jnp.asarray(given)
        self.reference = reference_run(problem) if given is None else None
        self.before = 0
        if self.reference is not None:
            self.before = self.reference.blocks + self.reference.stretches
        self.epochs = problem.settings.training.epochs
        self.learn = self.epochs if problem.pretrained else 0
        self.total = self.before + 1 + self.learn + self.epochs
        self.milestones = _milestones(self.epochs) if problem.method.first_order else None

    def start(self) -> State:
        state: State = {"reference": self.reference.start() if self.reference else {}}
        dim, n = self.problem.system.shape
        empty = jnp.zeros((dim, n, 4 if self.problem.velocities else 2))
        given = empty if self.given is None else self.given
        rows = jnp.asarray(0)
        return {
            **state,
            "given": given,
            "rows": rows,
            "fit": self.problem.minimizer.start(interpolated_start(self.problem, given)),
        }

    def advance(self, state: State, done: int, count: int) -> tuple[State, Report]:
        state = jax.tree.map(jnp.asarray, state)
        stop, rows, began = done + count, [], state
        try:
            while done < stop:
                over = int(state["fit"].ended)
                if over and done > self.before:
                    break
                state, done = self._stepped(state, done, stop)
                if (row := self._row(state, done)) is not None:
                    rows.append(row)
        except (FloatingPointError, StartError) as error:
            return state, Report(diverged=f"{error}.")
        if int(state["fit"].ended) == 2 and self.problem.method.first_order:
            return state, Report(diverged=f"{self._lost(began)}. Likely cause: too long a step. "
                                 "Make training.learning_rate smaller.")  # fmt: skip
        samples = {
            name: np.stack([row[name] for row in rows]) for name in (rows[0] if rows else ())
        }
        return state, Report(self._progress(state, done), samples)

    def _lost(self, state: State) -> str:
        """Which terms of the loss are not finite, or the largest one, at the path of a state."""
        x = state["fit"].x
        parts = self.problem.loss(state["given"], self.neighbors(state, x)).residual(x)
        sizes = {name: float(sum_of_squares(part)) for name, part in parts.items()}
        if lost := [name for name, size in sizes.items() if not np.isfinite(size)]:
            return f"the loss is not finite any more, by its terms {', '.join(lost)}"
        name = max(sizes, key=lambda name: sizes[name])
        return f"the loss is not finite any more; its largest term was {name}, {sizes[name]:.3g}"

    def _row(self, state: State, done: int) -> dict[str, np.ndarray] | None:
        """What is kept of an iteration: the loss and, where the path is unique, its distance from
        the reference run over time."""
        epoch = done - self.before - 1 - self.learn
        if epoch < 0 or (self.milestones is not None and epoch not in self.milestones):
            return None
        fit = state["fit"]
        row = {"iteration": np.asarray(epoch), "loss": np.asarray(fit.cost, dtype=float)}
        if self.reference is not None and self.problem.velocities:
            path = self.problem.path(fit.x, state["given"], self.reference.times)
            there = np.asarray(state["reference"]["kept_q"])
            row["rmsd"] = rmsd(np.asarray(path.q, dtype=float), there)
        return row

    def _stepped(self, state: State, done: int, stop: int) -> tuple[State, int]:
        """The state after one step or, where one compiled call can do them, several."""
        epoch = done - self.before - 1
        if self.reference is not None and done < self.before:
            self.stage = "equilibrate" if done < self.reference.blocks else "reference"
            following = {**state, "reference": self.reference.advanced(state["reference"], done)}
            return following, done + 1
        if epoch < 0:
            return self._started(state), done + 1
        self.stage = "relax"
        if epoch < self.learn:
            self.stage = "pretrain"
            count = min(stop - done, self.learn - epoch)
            return self._pretrained(state, count, epoch + count == self.learn), done + count
        epoch -= self.learn
        count = 1
        if self.milestones is not None:
            count = min(stop - done, min(n for n in self.milestones if n > epoch) - epoch)
        return self._iterated(state, count), done + count

    def _started(self, state: State) -> State:
        given = state["given"]
        if self.reference is not None:
            given = self.reference.ends(state["reference"])
        make = marched_start if self.problem.marched else interpolated_start
        return {
            **state,
            "given": given,
            "fit": self.problem.minimizer.start(make(self.problem, given)),
        }

    # -- iterations ------------------------------------------------------------------------------

    def neighbors(self, state: State, x: Any) -> NeighborList:
        """The neighbour list at the path x, rows at least as long as they have been."""
        q = self.problem.ansatz(state["given"]).motion(x).q
        neighbors = self.problem.system.potential.neighbor_list(q.astype(float), int(state["rows"]))
        return cast(neighbors, self.problem.dtype)

    def _iterated(self, state: State, count: int) -> State:
        while True:
            neighbors = self.neighbors(state, state["fit"].place)
            state = {**state, "rows": jnp.asarray(neighbors.others.shape[1])}
            loss = self.problem.loss(state["given"], neighbors)
            before = int(state["fit"].iterations)
            fit, lost = _steps(self.problem.minimizer, loss, state["fit"], jnp.asarray(count))
            state = {**state, "fit": fit}
            count -= int(fit.iterations) - before
            if not bool(lost) or count <= 0:
                return state
            # The list at the latest path has rows that are longer.
            state["fit"] = fit._replace(place=fit.x)

    def _pretrained(self, state: State, count: int, last: bool) -> State:
        target = _ballistic(self.problem, state["given"])
        net, steps = self.problem.ansatz(state["given"]), self.problem.minimizer
        assert isinstance(steps, GradientDescent)  # a network is pretrained by no other
        fit = _fitted(steps, net, target, state["fit"], jnp.asarray(count))
        return {**state, "fit": self.problem.minimizer.start(fit.x) if last else fit}

    def _progress(self, state: State, done: int) -> dict[str, float]:
        if done <= self.before:
            return {}
        fit = state["fit"]
        progress = {"loss": float(fit.cost), **self.problem.minimizer.progress(fit)}
        return {name: x for name, x in progress.items() if np.isfinite(x)}

    def relaxed(self, state: State, number: int, tell: Tell) -> tuple[Any, int]:
        """The path from the shaken start `number`, and how its minimisation ended."""
        fit = self.problem.minimizer.start(perturbed_start(self.problem, state["given"], number))
        most = min(self.epochs, FURTHER)
        state = {**state, "rows": jnp.asarray(0), "fit": fit}
        for n in range(most):
            state = self._iterated(state, 1)
            if int(state["fit"].ended):
                break
            tell("further start", n, most, {"loss": float(state["fit"].cost)})
        return state["fit"].x, int(state["fit"].ended)


def _milestones(epochs: int) -> frozenset[int]:
    """Epochs at even steps of their logarithm, the last among them."""
    return frozenset(
        {0, *np.unique(np.geomspace(1, epochs, MILESTONES).round().astype(int)).tolist()}
    )


@eqx.filter_jit
def _steps(minimizer: Minimizer, loss: PathLoss, fit: Any, count: jax.Array):
    return minimizer.steps(loss, fit, count)


def _ballistic(problem: PathProblem, given: jax.Array) -> jax.Array:
    """Two halves of free flight (dim, N, P): what the paper's network learns first."""
    t = jnp.asarray(problem.basis.nodes)
    T = problem.duration
    (q0, q1, v0, v1) = (given[..., k, None] for k in range(4))
    return jnp.where(t < T / 2, q0 + t * v0, q1 - (T - t) * v1).astype(problem.dtype)


@eqx.filter_jit
def _fitted(steps: GradientDescent, net: Ansatz, target: jax.Array, fit: Any, count: jax.Array):
    return steps.fitted(lambda x: net.motion(x).q, target, fit, count)
