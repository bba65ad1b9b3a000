"""What of a motion is observed: positions, velocities, momenta, one entry each of a table.

Whoever computes, prints or reads observed channels loops over it. The language's side (key, prefix
of columns, dimension) is `spec/tables/observables.py`; another observable is an entry there and one
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from jaxtyping import Array, Float


class Mechanics(Protocol):
    """The part of a mechanics that observables need."""

    def velocity(self, q: Array, p: Array, t: Array, theta: Array) -> Array: ...


Evaluate = Callable[
    [Mechanics, Float[Array, "n ..."], Float[Array, "n ..."], Float[Array, "..."],
     Float[Array, "k ..."]], Float[Array, "n ..."]
]  # fmt: skip


@dataclass(frozen=True)
class Observable:
    """A function of the state with one component a coordinate.

    `evaluate(mechanics, q, p, t, theta)`: its values for positions and momenta q, p at times t with
    constants theta, which broadcast together behind their first axes. `expressions(system)`: the
    same in the symbols of a Lagrangian system. `homogeneity`: powers of the action and of the
    coordinate with which it scales. `state`: the part of the initial state that it is, if any.
    `label` of a component, `alone` where there is one coordinate, `plural` of all; `latex`.
    """

    key: str
    latex: str
    label: str
    plural: str
    evaluate: Evaluate
    expressions: Callable[[Any], Sequence[Any]]
    homogeneity: tuple[int, int]
    state: Literal["position", "velocity", "momentum"] | None = None
    alone: str | None = None


OBSERVABLES = {
    one.key: one
    for one in (
        Observable(
            "q", "q", "{}", "positions", lambda mechanics, q, p, t, theta: q,
            lambda system: system.words.q, (0, 1), "position",
        ),
        Observable(
            "velocity", r"\dot{q}", "velocity of {}", "velocities",
            lambda mechanics, q, p, t, theta: mechanics.velocity(q, p, t, theta),
            lambda system: system.words.v, (0, 1), "velocity",
        ),
        Observable(
            "pi", r"\pi", "momentum of {}", "momenta", lambda mechanics, q, p, t, theta: p,
            lambda system: system.momentum, (1, -1), "momentum", "momentum π",
        ),
    )
}  # fmt: skip


def observe(
    keys: Iterable[str],
    mechanics: Mechanics,
    q: Float[Array, "samples n ..."],
    p: Float[Array, "samples n ..."],
    t: Float[Array, "samples ..."],
    theta: Float[Array, "k ..."],
) -> dict[str, Float[Array, "samples n ..."]]:
    """The observables of these keys along motions; t, theta broadcast with the batch, theta also
    (k, samples, *batch)."""
    q, p = q.swapaxes(0, 1), p.swapaxes(0, 1)
    each = theta if theta.ndim == q.ndim else theta[:, None]
    return {
        key: OBSERVABLES[key].evaluate(mechanics, q, p, t, each).swapaxes(0, 1)
        for key in dict.fromkeys(keys)
    }


def by_state(keys: Iterable[str]) -> dict[str, str]:
    """Which of these observables are parts of the state: {"position": "q"}."""
    return {state: key for key in keys if (state := OBSERVABLES[key].state)}
