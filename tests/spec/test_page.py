"""The language page, studies/README.md: it names every key, and its examples are good studies."""

import re
from pathlib import Path

import pytest
from actionrun.runtime import cli
from actionrun.spec import check, loads
from actionrun.spec.expressions.syntax_tree import FUNCTIONS
from actionrun.spec.kinds.registry import KINDS
from actionrun.spec.tables.common import field_keys
from actionrun.spec.units.unit_table import CONSTANTS

PAGE = (Path(__file__).parents[2] / "studies" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.S | re.M)


@pytest.mark.parametrize("text", EXAMPLES, ids=[e.split("\n")[1] for e in EXAMPLES])
def test_examples(text, tmp_path, capsys):
    loads(text)
    file = tmp_path / "example.toml"
    file.write_text(text, encoding="utf-8")
    assert cli.main(["check", str(file)]) == 0
    assert capsys.readouterr().out.rstrip().endswith("no faults")


def test_one_of_each_kind():
    assert {loads(text).study for text in EXAMPLES} == {*KINDS}


def test_every_table_and_key_is_named():
    cells = "".join(line for line in PAGE.split("\n") if line.startswith("|"))
    words = {*re.findall(r"\w+", cells)}
    for model in (kind.model() for kind in KINDS.values()):
        for table, field in field_keys(model).items():
            assert table in words, table
            annotation = model.model_fields[field].annotation
            for option in (annotation, *getattr(annotation, "__args__", ())):
                if hasattr(option, "model_fields") and table not in ("training", "network"):
                    assert {*field_keys(option)} <= words, table


def test_every_function_and_constant_is_named():
    assert {*FUNCTIONS, *CONSTANTS} <= {*re.findall(r"\w+", PAGE)}


def test_the_message_shown_is_the_message(tmp_path, monkeypatch):
    (shown,) = re.findall(r"spring\.toml:7:21.*?\n\n", PAGE, re.S)
    golden = Path(__file__).parent / "golden" / "lamda_for_lambda.toml"
    monkeypatch.chdir(tmp_path)
    Path("spring.toml").write_text(golden.read_text())
    (fault,) = check("spring.toml")
    assert fault.render() == shown.strip()
