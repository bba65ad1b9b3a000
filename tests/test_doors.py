"""A wing has one door: its study comes in there, and what travels on is whole and frozen."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

COMPILER = Path(__file__).parents[1] / "compiler"
# Of the wings that are done: the class of their studies.
CLASSES = {"ggl": "Ggl", "family": "Family", "om": "Om", "pnn": "Pnn"}  # of studies, by wing
DOORS = ("build.py", "explanation.py")  # and `check` of symbolic_check.py, all of compiler/kinds.py


def handed_studies(text: str, kind: str) -> Iterator[tuple[str, int]]:
    """Functions that take a study, and classes that hold one, with their lines."""

    def of_study(name: str, annotation: ast.expr | None) -> bool:
        said = "" if annotation is None else ast.unparse(annotation)
        return name == "study" or re.search(rf"\b{kind}\b", said) is not None

    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                of = node.args
                given = [*of.posonlyargs, *of.args, *of.kwonlyargs, of.vararg, of.kwarg]
                if any(one is not None and of_study(one.arg, one.annotation) for one in given):
                    yield getattr(node, "name", "lambda"), node.lineno
            case ast.ClassDef():
                fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
                if any(of_study(ast.unparse(one.target), one.annotation) for one in fields):
                    yield node.name, node.lineno


@pytest.mark.parametrize("wing", CLASSES)
def test_a_study_stays_at_the_door(wing):
    text = "def f(x: list[Ggl]): pass\nclass A:\n    study: int\ndef g(y): pass"
    assert [*handed_studies(text, "Ggl")] == [("f", 1), ("A", 2)]
    beyond = [
        f"{file.relative_to(COMPILER)}:{line}: {name}"
        for file in sorted((COMPILER / wing).rglob("*.py"))
        for name, line in handed_studies(file.read_text(encoding="utf-8"), CLASSES[wing])
        if file.name not in DOORS and (file.name, name) != ("symbolic_check.py", "check")
    ]
    assert not beyond, beyond


def outside_assignments(text: str) -> Iterator[int]:
    """Lines that set a field of an object that is not `self`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            fields = [one for one in targets if isinstance(one, ast.Attribute)]
            if any(ast.unparse(one.value) != "self" for one in fields):
                yield node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            yield node.lineno


@pytest.mark.parametrize("wing", CLASSES)
def test_objects_are_whole_when_made(wing):
    text = "a.b = 1\nself.c = 2\nx = 3\na.b += 1\nsetattr(a, 'b', 1)"
    assert [*outside_assignments(text)] == [1, 4, 5]
    found = [
        f"{file.relative_to(COMPILER)}:{line}"
        for file in sorted((COMPILER / wing).rglob("*.py"))
        for line in outside_assignments(file.read_text(encoding="utf-8"))
    ]
    assert not found, found
