"""The JSON Schema and `check` agree, wherever a schema can say it."""

import tomllib
from pathlib import Path

import jsonschema
import pytest
from actionrun.spec import loads, resolved_toml, schema, template
from language_page import STUDIES

GOLDEN = Path(__file__).parent / "golden"
VALIDATOR = jsonschema.Draft202012Validator(schema())
IN_SCHEMA = [  # mistakes of form; the others are of meaning
    "acceptance_four_faults",
    "key_in_wrong_table",
    "missing_kind",
    "missing_tables",
    "out_of_range",
    "range_of_three",
    "table_of_other_kind",
    "unknown_choice",
    "unknown_kind",
    "unknown_table",
    "value_not_number",
    "wrong_types",
]
STARTERS = {kind: template(kind) for kind in ("ggl", "family", "om", "pnn")}


def errors(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("text", [*STUDIES.values(), *STARTERS.values()], ids=[*STUDIES, *STARTERS])
def test_good_studies_fit(text):
    assert errors(text) == []
    assert errors(resolved_toml(loads(text))) == []


@pytest.mark.parametrize("name", IN_SCHEMA)
def test_mistakes_of_form_do_not(name):
    assert errors((GOLDEN / f"{name}.toml").read_text(encoding="utf-8"))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_key_is_described():
    tables = schema()["$defs"]
    for name, table in tables.items():
        for key, field in table.get("properties", {}).items():
            shared = tables.get(field.get("$ref", "").rpartition("/")[2], {})
            described = field.get("description") or shared.get("description")
            assert described or key == "study", f"{name}.{key}"


def test_there_is_no_null_in_toml():
    assert "null" not in str(schema()) and "None" not in str(schema())
