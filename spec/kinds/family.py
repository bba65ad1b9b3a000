"""`study = "family"`: which member of this family of Lagrangians made this motion?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from actionrun.spec.tables.common import VALUES_SCHEMA, Integrator, Observe, Table, with_short_form
from actionrun.spec.tables.data import Data
from actionrun.spec.tables.distributions import PRIORS_SCHEMA, NormalPrior, read_priors
from actionrun.spec.tables.learning import Network, Refine, Test, Training
from actionrun.spec.tables.leaves import Row, Value, described
from actionrun.spec.tables.library import Library
from actionrun.spec.tables.start import Start
from actionrun.spec.tables.system import System
from actionrun.spec.text.files import FileTable
from pydantic import (
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .experiment import Experiment

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
    prior: Annotated[
        NormalPrior | tuple[NormalPrior, ...] | None,
        PlainValidator(read_priors), WithJsonSchema(PRIORS_SCHEMA),
    ] = Field(
        default=None,
        description='What is known of it before a fit of measured motions: "normal(MEAN, STD)"; '
        'with per = "trial" also a list, one a trial.',
    )  # fmt: skip
    per: Literal["trial"] | None = Field(
        default=None, description="Each trial of measured motions has its own."
    )

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
        ends = {**VALUES_SCHEMA, "minItems": 2, "maxItems": 2}
        one = [{"required": ["range"]}, {"required": ["fixed"]}]
        return with_short_form(core, handler, ends, anyOf=one)

    @property
    def low(self) -> Value:
        """The lower bound; where only `fixed` is given, that."""
        return self._ends[0]

    @property
    def high(self) -> Value:
        """The upper bound; where only `fixed` is given, that."""
        return self._ends[1]

    @property
    def _ends(self) -> tuple[Value, Value]:
        if self.range is not None:
            return self.range
        assert self.fixed is not None  # one of them is given, as the rules have seen to
        return self.fixed, self.fixed


class Rival(Table):
    """Another law for the same motions; what it does not say is as in the study."""

    lagrangian: str | None = Field(
        default=None, min_length=1, max_length=4000, description="Its Lagrangian."
    )
    nonconservative: str | None = Field(
        default=None, max_length=4000, description='Its K; "" for none.'
    )
    coefficients: dict[str, Any] = Field(
        default={},
        max_length=200,
        description="Coefficients that it has besides, or with other ranges.",
    )


def _either(schema: dict[str, Any]) -> None:
    """Motions that are made or measured; coefficients, or a library."""
    schema["required"].remove("coefficients")
    both = {"required": ["library", "data"]}, {"required": ["coefficients", "data"]}
    schema["anyOf"] = [{"required": ["coefficients", "start"]}, *both]


class Family(Experiment):
    """A family of Lagrangians whose coefficients are to be found from motions."""

    model_config = ConfigDict(json_schema_extra=_either)

    study: Literal["family"]
    system: System = Field(description="What moves, and by which law.")
    coefficients: dict[str, Annotated[Coefficient, Field()]] = Field(
        description="Unknowns: c = [low, high], or a table with range, log, zero, fixed."
    )
    library: Library | None = Field(
        default=None, description="Instead of a law: terms of which it may be made."
    )
    start: Start | None = Field(
        default=None,
        description="The state at t = 0. Where there is [data] and no network: what is known of "
        "the starts of the trials; the rest is estimated.",
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
    compare: dict[str, Annotated[Rival, Field()]] = Field(
        default={}, max_length=20, description="Rival laws for the same measured motions, by name."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_library(cls, raw: Any) -> Any:
        """A library has its own coefficients."""
        if isinstance(raw, dict) and "library" in raw and "coefficients" not in raw:
            return {**raw, "coefficients": {}}
        return raw

    @property
    def file_tables(self) -> tuple[FileTable, ...]:
        return () if self.data is None else (self.data,)

    @property
    def data_table(self) -> Data | None:
        return self.data

    @property
    def observables(self) -> tuple[tuple[str, Any], ...]:
        """What columns show that is no coordinate, by name; those that are wrapped coordinates are
        coordinates."""
        given = {} if self.data is None else self.data.observables
        return tuple((n, one) for n, one in given.items() if n not in self.system.coordinates)

    @property
    def driven(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (
            ((), ()) if self.data is None else (tuple(self.data.inputs), tuple(self.data.constants))
        )

    @property
    def trains_network(self) -> bool:
        return self.network.kind != "none"

    def unknown_numbers(self, trials: int) -> tuple[int, int]:
        """How many numbers of the law, and of each trial's start, samples have to tell."""
        law = sum(
            1 if one.per is None else trials
            for one in self.coefficients.values()
            if one.fixed is None and one.prior is None
        )
        start = self.start if self.network.kind == "none" else None
        known = [] if start is None else [*start.position, *(start.velocity or {})]
        sizes = self.system.coordinates
        return law, 2 * sum(sizes.values()) - sum(sizes.get(name, 0) for name in known)

    def starts_from_rest(self, samples: Sequence[int]) -> bool:
        """Whether trials with so many samples each tell more than all but the speeds at their
        starts, of which the study says nothing: these are taken to be 0 then, which the residuals
        can contradict, and the run says so."""
        if self.data is None or self.start is not None or self.trains_network:
            return False
        seen = {n for n in self.data.columns if n not in ("t", "trial") and n[:6] != "sigma_"}
        if seen != {*self.system.coordinates} or self.data.observables:
            return False  # some speeds may be seen
        trials = len(samples)
        law, start = self.unknown_numbers(trials)
        return law + start * trials > sum(samples) > law + start // 2 * trials
