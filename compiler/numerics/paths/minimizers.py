"""Optimizers of the loss of a path: a registry, from the name in a study's [training].

A method makes a `Minimizer` for a learning rate. The states of all of them have parameters `x`, the
parameters `place` whose neighbour list they go by, `cost`, `iterations`, and how they `ended`: 0
not yet, 1 settled, 2 stuck or not finite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax.numpy as jnp
import optax
from actionrun.compiler.numerics.optimizers import gauss_newton_cg
from jaxtyping import Array, Bool, Int

from .action import PathLoss
from .gradient_descent import GradientDescent

MEMORY = 20  # pairs of L-BFGS


class Minimizer(Protocol):
    """Iterations on the loss of a path."""

    def start(self, x: Any) -> Any:
        """The state before the first iteration; its cost is not known yet."""
        ...

    def steps(
        self, loss: PathLoss, state: Any, count: Int[Array, ""]
    ) -> tuple[Any, Bool[Array, ""]]:
        """At most `count` iterations, in one compiled call; and whether a neighbour list was too
        short on the way. `loss.neighbors` must be the list at `state.place`."""
        ...

    def progress(self, state: Any) -> dict[str, float]:
        """Numbers for the screen beside the loss."""
        ...


class GaussNewton(eqx.Module):
    """Gauss-Newton with Levenberg's damping, `optimizers.gauss_newton_cg`."""

    def start(self, x: Any) -> gauss_newton_cg.GaussNewtonState:
        return gauss_newton_cg.start(x)

    def steps(
        self, loss: PathLoss, state: gauss_newton_cg.GaussNewtonState, count: Int[Array, ""]
    ) -> tuple[gauss_newton_cg.GaussNewtonState, Bool[Array, ""]]:
        """One iteration, whatever `count`: the next one has a neighbour list of its own."""
        return gauss_newton_cg.step(loss, state), jnp.asarray(False)

    def progress(self, state: gauss_newton_cg.GaussNewtonState) -> dict[str, float]:
        """Products with the Hessian."""
        return {"products": 2 * float(state.passes)}


@dataclass(frozen=True)
class Method:
    """A method of minimisation.

    `make` gives its iterations for a learning rate. `order` 1: it follows the slope at that rate
    and ends with its epochs; 2: it knows the curvature. `words` say what it is. `settles`: it ends
    where the slope has vanished. `newton`: it solves linear problems, so that a start near the
    solution is worth a march, and further starts are cheap.
    """

    make: Callable[[float], Minimizer]
    order: int
    words: str
    settles: bool
    newton: bool = False

    @property
    def first_order(self) -> bool:
        return self.order == 1


def _by_rate(transformation: Callable[[float], Any], words: str) -> Method:
    """A first-order method of optax."""
    return Method(lambda rate: GradientDescent.of(transformation(rate), False), 1, words, False)


OPTIMIZERS = {
    "gauss-newton": Method(
        lambda rate: GaussNewton(), 2,
        "Gauss-Newton with Levenberg's damping; linear problems by conjugate gradients with "
        "Hessian-vector products, no matrix is formed", True, newton=True,
    ),
    "lbfgs": Method(
        lambda rate: GradientDescent.of(optax.lbfgs(memory_size=MEMORY), True), 2,
        "L-BFGS with the zoom line search (optax)", True,
    ),
    "nadam": _by_rate(optax.nadam, "NADAM (optax)"),
    "adam": _by_rate(optax.adam, "Adam (optax)"),
    "adamw": _by_rate(optax.adamw, "AdamW (optax)"),
    "sgd": _by_rate(
        lambda rate: optax.sgd(rate, momentum=0.9), "gradient descent with momentum 0.9 (optax)"
    ),
}  # fmt: skip
