"""`study = "family"`: which member of this family of Lagrangians made this motion?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.tables.common import VALUES_SCHEMA, Data, Integrator, Observe, Table
from actionrun.spec.tables.learning import Network, Refine, Test, Training
from actionrun.spec.tables.leaves import Row, Value, described
from actionrun.spec.tables.start import Start
from actionrun.spec.tables.system import System
from actionrun.spec.text.source import Key, Span, nearest
from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import PydanticCustomError

from .experiment import Experiment

if TYPE_CHECKING:
    from actionrun.spec.validation.table_rules import Sense

LEAST_STEPS = 2  # that are seen of a motion
HINT = "write [low, high], or { range = [low, high], zero = 0.05 }, or { fixed = 1.0 }"


class Coefficient(Table):
    """An unknown of the family: the range that training systems are drawn from, which is also the
    bounds of the fit."""

    range: tuple[Value, Value] | None = Field(default=None, description="[low, high].")
    log: bool = Field(default=False, description="Draw its logarithm evenly.")
    zero: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of training systems in which it is switched off.",
    )
    fixed: Value | None = Field(default=None, description="Its value, given and not learned.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        if isinstance(raw, Row) and len(raw) == 2:
            return {"range": raw}
        if isinstance(raw, dict):
            return raw
        what = f"a list of {len(raw)}" if isinstance(raw, Row) else described(raw)
        raise PydanticCustomError(
            "value.type", "{what} where a range is wanted", {"what": what, "hint": HINT}
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Both forms: [low, high], and the table."""
        table = handler.resolve_ref_schema(handler(core))
        whole = dict(table)
        table.clear()
        whole["anyOf"] = [{"required": ["range"]}, {"required": ["fixed"]}]
        ends = {**VALUES_SCHEMA, "minItems": 2, "maxItems": 2}
        table |= {"description": whole["description"], "anyOf": [ends, whole]}
        return table

    @property
    def low(self) -> Value:
        """The lower bound; where only `fixed` is given, that."""
        found = self.range[0] if self.range else self.fixed
        assert found is not None
        return found

    @property
    def high(self) -> Value:
        """The upper bound; where only `fixed` is given, that."""
        found = self.range[1] if self.range else self.fixed
        assert found is not None
        return found


class Family(Experiment):
    """A family of Lagrangians whose coefficients are to be found from motions."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["start"]}, {"required": ["data"]}]}
    )

    study: Literal["family"]
    system: System = Field(description="What moves, and by which law.")
    coefficients: dict[str, Annotated[Coefficient, Field()]] = Field(
        description="Unknowns: c = [low, high], or a table with range, log, zero, fixed."
    )
    start: Start | None = Field(
        default=None, description="The state at t = 0; estimated where there is [data]."
    )
    integrator: Integrator = Field(description="How time is stepped.")
    observe: Observe = Field(
        default_factory=lambda: Observe(), description="What is seen of a motion."
    )
    data: Data | None = Field(default=None, description="A measured motion.")
    network: Network = Field(
        default_factory=lambda: Network(), description="The network that names the coefficients."
    )
    training: Training = Field(default_factory=lambda: Training(), description="How it is trained.")
    refine: Refine = Field(
        default_factory=lambda: Refine(), description="Refinement by least squares."
    )
    test: Test = Field(default_factory=lambda: Test(), description="Held-out evaluation.")


def sense(sense: Sense) -> None:
    """Ranges that are ranges, test cases and groups whose names are coefficients, and motions of
    which something is seen."""
    _coefficients(sense)
    _observed(sense)
    _layers(sense)
    _embedding(sense)
    _cases(sense)


def _coefficients(sense: Sense) -> None:
    for name, item in sense.check.table("coefficients").items():
        key = ("coefficients", name)
        if isinstance(item, list):
            if len(item) == 2:
                sense.range(key)
        elif isinstance(item, dict):
            _coefficient(sense, key, item)
    names = [*sense.check.table("coefficients")]
    if not sense.broken and "coefficients" in sense.raw and all(_is_fixed(sense, n) for n in names):
        said = "all coefficients are fixed" if names else "no coefficient is named"
        sense.add(("coefficients",), "coefficients.none", f"{said}: there is nothing to find",
                 f"write {names[0] if names else 'c1'} = [0.0, 10.0]")  # fmt: skip


def _coefficient(sense: Sense, key: Key, item: dict[str, Any]) -> None:
    if "range" not in item and "fixed" not in item:
        if not sense.broken:
            sense.add(key, "key.missing", "a coefficient without a range",
                     f"write {key[-1]} = [0.0, 10.0]")  # fmt: skip
        return
    ends = sense.range((*key, "range")) if isinstance(item.get("range"), list) else None
    sense.check.number((*key, "fixed"))
    if ends and item.get("log") is True and ends[0] <= 0:
        sense.add((*key, "log"), "value.range", "the logarithm of a range that reaches 0",
                 "with log = true the range starts above 0: [0.01, 20.0]")  # fmt: skip


def _observed(sense: Sense) -> None:
    observe, steps = sense.check.table("observe"), sense.check.table("integrator").get("steps")
    every, variables = observe.get("every", 1), observe.get("variables")
    variables = variables if isinstance(variables, list) else []
    for index, name in enumerate(variables):
        if name in variables[:index]:
            sense.add(("observe", "variables", index), "observe.twice", f"{name} is observed twice",
                      "write it once")  # fmt: skip
    if type(steps) is not int or type(every) is not int or min(steps, every) < 1:
        return  # said already, or the samples of [data] count
    if "data" not in sense.raw and steps // every < LEAST_STEPS:
        key = ("observe", "every") if "every" in observe else ("integrator", "steps")
        count = steps // every + 1
        sense.add(
            key, "observe.few",
            f"{steps} steps seen every {every} are {count} samples of a motion: too few",
            f"{LEAST_STEPS + 1} are the least: write every = {steps // LEAST_STEPS}, or more steps"
            if steps >= LEAST_STEPS else f"write steps = {40 * every}",
        )  # fmt: skip


def _layers(sense: Sense) -> None:
    network = sense.check.table("network")
    kind = network.get("kind")
    if kind in ("conv", "lstm") and network.get("hidden") == []:
        sense.add(("network", "hidden"), "value.size", f"a network of kind {kind} without a layer",
                  "write hidden = [64, 64]")  # fmt: skip


def _embedding(sense: Sense) -> None:
    groups = sense.check.table("training").get("embedding")
    for row, group in enumerate(groups if isinstance(groups, list) else []):
        for column, name in enumerate(group if isinstance(group, list) else []):
            key = ("training", "embedding", row, column)
            if not isinstance(name, str):
                continue
            if name not in sense.check.coefficients:
                _stranger(sense, key, name)
            elif _is_fixed(sense, name):
                sense.add(key, "training.embedding", f"{name} is fixed: the network does not name "
                          "it", "leave it out of the group")  # fmt: skip
            elif name in group[:column]:
                sense.add(key, "training.embedding", f"{name} is twice in this group",
                          "write it once")  # fmt: skip
        if group == []:
            sense.add(("training", "embedding", row), "training.embedding",
                      "a group of no coefficients", 'write [["c2", "c3"]]')  # fmt: skip


def _stranger(sense: Sense, key: Key, name: str) -> None:
    if name in sense.check.names.forgiven:
        return  # on a line that is at fault itself
    close = nearest(name, sense.check.coefficients)
    said = f"there is no coefficient {name[:60]}"
    fault = ExpressionFault("name.coefficient", said, Span(-1, -1), None, close)
    sense.found.append((key, fault))


def _cases(sense: Sense) -> None:
    cases = sense.check.table("test").get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else []):
        for name in case if isinstance(case, dict) else ():
            key = ("test", "cases", index, name)
            if name not in sense.check.coefficients:
                _stranger(sense, key, name)
            else:
                sense.check.number(key)
        if isinstance(case, dict) and not sense.broken:
            missing = [c for c in sense.check.table("coefficients") if c not in case and not
                       _is_fixed(sense, c)]  # fmt: skip
            if missing and all(name in sense.check.coefficients for name in case):
                sense.add(("test", "cases", index), "key.missing",
                         f"this case does not say {', '.join(missing)}",
                         f"write {missing[0]} = 1.0")  # fmt: skip


def _is_fixed(sense: Sense, name: str) -> bool:
    item = sense.check.table("coefficients")[name]
    return isinstance(item, dict) and "fixed" in item
