"""A sweep that is guided: each batch of points is chosen by what came of those before.

[sweep]
method = "tpe"
minimize = "exact_error_max"
trials = 30
"training.learning_rate" = { log_range = [1e-4, 1e-1] }
"network.activation" = ["tanh", "sigmoid"]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actionrun.spec.text.span import Key

METHODS = ("tpe",)
WORDS = ("method", "minimize", "maximize", "trials", "batch")
MAX_TRIALS = 1000


@dataclass(frozen=True)
class Guide:
    """How points are chosen: `trials` of them in batches of `batch`, for the least `metric` of
    result.json, or the greatest. The batch is not the number of workers, so that any number of
    those gives the same points."""

    method: str
    metric: str
    maximize: bool
    trials: int
    batch: int


@dataclass(frozen=True)
class Space:
    """The numbers that a key may take on; `unit` is the text of theirs, "" for none."""

    low: float
    high: float
    log: bool
    whole: bool
    unit: str

    def value(self, number: float) -> Any:
        """A number of the space as the study writes it, to six digits."""
        if self.whole:
            return round(number)
        kept = min(max(float(f"{number:.6g}"), self.low), self.high)
        return f"{kept!r} {self.unit}" if self.unit else kept


def is_guided(raw: Mapping[str, Any]) -> bool:
    sweep = raw.get("sweep")
    return isinstance(sweep, dict) and "method" in sweep


def guide(
    raw: Mapping[str, Any],
    blame: Callable[[Key, str, str, str | None], None] = lambda *fault: None,
) -> Guide | None:
    """What [sweep] says of its method; None where there is none, or it is at fault and told."""
    if not is_guided(raw):
        return None
    sweep, good = raw["sweep"], True

    def wrong(name: str, message: str, hint: str) -> None:
        nonlocal good
        good = False
        blame(("sweep", name) if name in sweep else ("sweep",), "sweep.guided", message, hint)

    if sweep["method"] not in METHODS:
        wrong("method", "there is no such method of search", 'write method = "tpe"')
    aims = [name for name in ("minimize", "maximize") if name in sweep]
    if len(aims) != 1 or not isinstance(sweep[aims[0]], str) or not sweep[aims[0]]:
        hint = 'write minimize = "exact_error_max", or maximize: a metric of result.json'
        wrong(aims[-1] if aims else "minimize", "a guided sweep has one aim", hint)
    numbers = {"trials": sweep.get("trials"), "batch": sweep.get("batch", 4)}
    for name, number in numbers.items():
        if type(number) is not int or not 1 <= number <= MAX_TRIALS:
            message = f"{name} is a whole number from 1 to {MAX_TRIALS}"
            wrong(name, message, f"write {name} = {30 if name == 'trials' else 4}")
    if not good:
        return None
    return Guide(
        str(sweep["method"]), sweep[aims[0]], aims[0] == "maximize",
        sweep["trials"], numbers["batch"],
    )  # fmt: skip
