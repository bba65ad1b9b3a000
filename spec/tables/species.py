"""Several species in an om study: their numbers of bodies, masses, and parameters of each pair.

[system]
particles = 32
species = { Ar = 20, Kr = 12 }
mass = { Ar = 1.0, Kr = 2.1 }
pair = "4*eps*((sigma/r)^12 - (sigma/r)^6)"

[parameters]
eps = { Ar-Ar = 1.0, Ar-Kr = 1.18, Kr-Kr = 1.4 }
sigma = { Ar-Ar = 1.0, Ar-Kr = 1.04, Kr-Kr = 1.07 }
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Annotated, Any

from actionrun.spec.text.source import nearest, quoted
from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from .common import attempt
from .leaves import Reading, Value, reading_of

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,15}")
MOST = 10


def read_species(raw: Any) -> dict[str, int]:
    """`{ Ar = 20, Kr = 12 }`. Raises PydanticCustomError."""
    hint = "write species = { Ar = 20, Kr = 12 }"
    if not isinstance(raw, Mapping) or not 0 < len(raw) <= MOST:
        raise PydanticCustomError(
            "value.type", "a table of 1 to {most} species with their numbers is wanted",
            {"most": MOST, "hint": hint},
        )  # fmt: skip
    for name, count in raw.items():
        if not NAME.fullmatch(str(name)):
            raise PydanticCustomError(
                "name.spelling", "a species has a name of up to 16 letters and digits",
                {"hint": hint},
            )  # fmt: skip
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise PydanticCustomError(
                "value.type", "the number of {name} is a whole number from 1",
                {"name": str(name), "hint": hint},
            )  # fmt: skip
    return {str(name): int(count) for name, count in raw.items()}


Species = Annotated[
    dict[str, int],
    PlainValidator(read_species),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "integer", "minimum": 1},
                    "minProperties": 1, "maxProperties": MOST}),
]  # fmt: skip


def names_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The species of a study of kind om, as far as its table can be read."""
    system = raw.get("system")
    given = system.get("species") if isinstance(system, dict) else None
    return tuple(map(str, given)) if raw.get("study") == "om" and isinstance(given, dict) else ()


def pairs(species: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every pair of species once."""
    return combinations_with_replacement(species, 2)


def pair_of(key: str, species: Sequence[str]) -> tuple[str, str] | None:
    """The pair that "Ar-Kr" or "Kr-Ar" means, in the order of the species."""
    parts = key.split("-")
    if len(parts) != 2 or not {*parts} <= {*species}:
        return None
    first, second = sorted(parts, key=[*species].index)
    return first, second


def read_of_pairs(raw: Mapping[str, Any], reading: Reading) -> dict[str, Value]:
    """A parameter with a number for each pair of species. Raises PydanticCustomError."""
    species = reading.species
    if not species:
        raise PydanticCustomError(
            "species.none", "a table where a number is wanted",
            {"hint": "a table has a number for each pair of species: "
             "write species = { Ar = 20, Kr = 12 } in [system]"},
        )  # fmt: skip
    wanted = [f"{a}-{b}" for a, b in pairs(species)]
    values: dict[tuple[str, str], Value] = {}
    for key, item in raw.items():
        pair = pair_of(str(key), species)
        if pair is None or pair in values:
            close = nearest(str(key), wanted)
            what = "is given twice" if pair else "is no pair of species"
            raise PydanticCustomError(
                "species.pair", "{key} {told}",
                {"key": str(key)[:40], "told": what,
                 "hint": f'did you mean "{close}"?' if close and not pair else
                 f"the pairs are {quoted(wanted[:10], 'and')}"},
            )  # fmt: skip
        values[pair] = attempt(Value.read, item, reading)
    lacking = [f"{a}-{b}" for a, b in pairs(species) if (a, b) not in values]
    if lacking:
        raise PydanticCustomError(
            "species.pair", "{pair} is missing",
            {"pair": lacking[0], "hint": f"a number for each of {quoted(wanted[:10], 'and')}"},
        )  # fmt: skip
    return {str(key): values[pair] for key in raw if (pair := pair_of(str(key), species))}


def read_parameter(raw: Any, info: ValidationInfo) -> Any:
    """A number, or a table with one for each pair of species. Raises PydanticCustomError."""
    reading = reading_of(info)
    if isinstance(raw, Mapping):
        return read_of_pairs(raw, reading)
    return Value.read(raw, reading)


NUMBER = {"anyOf": [{"type": "number"}, {"type": "string"}]}
Parameter = Annotated[
    Any,
    PlainValidator(read_parameter),
    WithJsonSchema(
        {
            "anyOf": [
                *NUMBER["anyOf"],
                {"type": "object", "additionalProperties": NUMBER, "minProperties": 1},
            ]
        }
    ),
]
