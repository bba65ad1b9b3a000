"""The JSON Schema and `check` agree, wherever a schema can say it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import tomli
from actionrun.spec import check, loads, resolved_toml, schema, template
from language_page import STUDIES

GOLDEN = Path(__file__).parent / "golden"
VALIDATOR = jsonschema.Draft202012Validator(schema())
FORM = re.compile(
    r"toml\.|key\.|kind\.|value\.(type|choice|range|size|finite)"
)  # what a schema sees
# One place needs another: a table, a list, a number that is computed.
ACROSS = {"no_velocity", "pnn_force_layer", "pnn_map_without_system", "constant_zero"}
ACROSS |= {"sweep_values_and_keys", "sweep_studies_at_fault", "sweep_guided"}
ACROSS |= {"pnn_inputs_missing"}  # a map needs inputs, a table may leave them out
ACROSS |= {"om_periods"}  # a period may be an expression, whose sign a schema cannot know
LONG = {"bomb_minus", "bomb_parentheses"}  # a formula of more than 4000 characters
STARTERS = {kind: template(kind) for kind in ("ggl", "family", "om", "pnn")}


def errors(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(tomli.loads(text))]


@pytest.mark.parametrize("text", [*STUDIES.values(), *STARTERS.values()], ids=[*STUDIES, *STARTERS])
def test_good_studies_fit(text):
    assert errors(text) == []
    assert errors(resolved_toml(loads(text))) == []


def refused_by_taplo(files: list[Path], folder: Path) -> set[str]:
    """The files that an editor with taplo (Even Better TOML) would mark."""
    place = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    taplo = shutil.which("taplo", path=place)
    assert taplo, "taplo is part of the extra `test`"
    (folder / "schema.json").write_text(json.dumps(schema()))
    words = [taplo, "lint", "--schema", (folder / "schema.json").as_uri()]
    done = (subprocess.run([*words, str(f)], capture_output=True).returncode for f in files)
    return {file.stem for file, code in zip(files, done, strict=True) if code}


def test_an_editor_and_check_agree(tmp_path):
    """taplo refuses a golden study if and only if `check` finds a fault of its form."""
    files = sorted(GOLDEN.glob("*.toml"))
    faulty = {
        file.stem
        for file in files
        if any(FORM.match(one.code) for one in check(file) if one.severity == "error")
    }
    assert len(faulty) > 40
    assert refused_by_taplo(files, tmp_path) == faulty - ACROSS | LONG


def test_an_editor_takes_good_studies(tmp_path):
    files = []
    for name, text in {**STUDIES, **STARTERS}.items():
        files.append(tmp_path / f"{name}.toml")
        files[-1].write_text(text, encoding="utf-8")
    assert refused_by_taplo(files, tmp_path) == set()


def test_an_editor_marks_the_key(tmp_path):
    """Not the whole file, as it would if the kinds stood under `oneOf`."""
    for text in STUDIES.values():
        document = tomli.loads(text.replace("[system]", "[system]\nnonsense = 1"))
        paths = {tuple(one.absolute_path) for one in VALIDATOR.iter_errors(document)}
        assert paths == ({("system",)} if "system" in document else set())


def test_starters_name_the_schema():
    for text in STARTERS.values():
        assert text.startswith("#:schema ./study.schema.json\n")
        assert "actionrun schema > study.schema.json" in text


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
