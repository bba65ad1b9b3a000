"""The street is one-way, libraries stay at home, and nothing that a stranger wrote is executed."""

import ast
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
ROOMS = ("spec", "compiler", "runtime")  # each may import itself and those before it
FILES = sorted(f for room in ROOMS for f in (TOP / room).rglob("*.py"))
TESTS = sorted((TOP / "tests").rglob("*.py"))
KINDS = ("ggl", "family", "om", "pnn")
MOST_LINES = 400
FORBIDDEN = {"eval", "exec", "sympify", "parse_expr", "lambdify", "pickle", "cloudpickle", "dill"}
HOMES = {
    "pydantic": ("spec/",),
    "tomllib": ("spec/",),
    "sympy": ("compiler/",),
    "jax": ("compiler/", "runtime/"),  # the runtime: trees and devices of checkpoints
    "equinox": ("compiler/",),
    "optax": ("compiler/",),
    "deap": ("runtime/search.py",),
    "rich": ("runtime/display.py",),
    "matplotlib": (
        "runtime/figures.py",
        "runtime/report.py",
        "runtime/bodies_drawn.py",
        "runtime/network_drawn.py",
    ),
    "distributed": ("runtime/cluster.py",),
    "optuna": ("runtime/guided.py",),
    "argparse": ("runtime/cli.py", "runtime/commands.py"),
}


def place(file: Path) -> str:
    return file.relative_to(TOP).as_posix()


def imports(file: Path) -> Iterator[tuple[str, ...]]:
    """Every module or name that a file imports anywhere, as parts; relative ones from the top."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = file.relative_to(TOP).parts[: -node.level] if node.level else ()
            base += tuple((node.module or "").split(".")) if node.module else ()
            yield from ((*base, alias.name) for alias in node.names)


def names(file: Path) -> Iterator[str]:
    """Every identifier that a file uses, as a name, an attribute or an import."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")
            case ast.ImportFrom(module=str(module)):
                yield from module.split(".")


def test_there_is_something_to_look_at():
    assert {place(f).split("/")[0] for f in FILES} == set(ROOMS)
    assert any(parts[0] == "spec" for f in FILES for parts in imports(f))


@pytest.mark.parametrize("file", FILES, ids=place)
def test_the_street_is_one_way(file):
    room = ROOMS.index(place(file).split("/")[0])
    for parts in imports(file):
        assert parts[0] != "actionrun", f"rooms import each other relatively: {'.'.join(parts)}"
        if parts[0] in ROOMS:
            assert ROOMS.index(parts[0]) <= room, f"{ROOMS[room]} imports {'.'.join(parts)}"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_libraries_stay_at_home(file):
    for parts in imports(file):
        home = HOMES.get(parts[0], ("",))
        assert place(file).startswith(home), f"{parts[0]} lives in {' and '.join(home)}"


def kind(parts: tuple[str, ...]) -> str | None:
    """The kind that a module of a room is named after; `modules/ggl.py` serves them all."""
    word = parts[1].removesuffix(".py").split("_")[0] if len(parts) > 1 else ""
    return word if word in KINDS else None


OF_A_KIND = [file for file in FILES if kind(file.relative_to(TOP).parts)]


@pytest.mark.parametrize("file", OF_A_KIND, ids=place)
def test_kinds_do_not_know_each_other(file):
    """`compiler/family*.py` may not import `compiler/ggl*.py`; both may import what lies below."""
    own = kind(file.relative_to(TOP).parts)
    for parts in imports(file):
        if parts[0] in ROOMS:
            assert kind(parts) in (None, own), f"{own} imports {'.'.join(parts)}"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_text_is_never_executed(file):
    assert not FORBIDDEN & set(names(file))
    allow_pickle = [
        node
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle"
    ]
    for keyword in allow_pickle:
        assert isinstance(keyword.value, ast.Constant) and keyword.value.value is False


@pytest.mark.parametrize("file", FILES + TESTS, ids=place)
def test_files_are_short(file):
    count = len(file.read_text(encoding="utf-8").splitlines())
    assert count <= MOST_LINES, f"{place(file)} has {count} lines"


def test_the_wheel_holds_nothing_but_actionrun(tmp_path):
    """A plain `spec` or `compiler` at the top of site-packages would collide with the world."""
    for name in (*ROOMS, "pyproject.toml", "README.md", "LICENSE"):
        source = TOP / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, tmp_path / name, ignore=ignore)
        else:
            shutil.copy(source, tmp_path / name)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert {Path(name).parts[0].split("-")[0] for name in held} == {"actionrun"}
    tops = {Path(name).parts[0] for name in held}
    assert len(tops) == 2 and "actionrun" in tops
    for file in (f for room in ROOMS for f in (TOP / room).rglob("*") if f.is_file()):
        if "__pycache__" not in file.parts:
            assert f"actionrun/{place(file)}" in held, f"{place(file)} is not in the wheel"
