"""The street is one-way, libraries stay at home, and nothing that a stranger wrote is executed."""

import ast
import re
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
NUMERICS = ("compiler", "numerics")
MOST_LINES = 400
MOST_MODULES = 20  # in a folder
MOST_AT_THE_TOP = 14  # entries of compiler/
MOST_LAZY = 25  # imports of the rooms inside functions
MOST_WITHOUT_REASON = 0  # of them, those without `# at start-up: ...`
MOST_IGNORES = 15  # of the type checker
MOST_ASSERTED = 12  # `assert x is not None`; may only fall: Optional fields are resolved once
MOST_INSTANCES = 10  # tests of the class of a mechanics or its wrapper
MOST_PARTICIPLES = 0  # top-level functions of such a name
PARTICIPLES = {"found", "told", "measured", "judged", "begun", "entered"}
REASON = "# at start-up:"
MECHANICS = ("compiler/numerics/integrators/", "compiler/symbolic/lagrangian_system.py")
FORBIDDEN = {"eval", "exec", "sympify", "parse_expr", "lambdify", "pickle", "cloudpickle", "dill"}
HOMES = {
    "pydantic": ("spec/",),
    "tomli": ("spec/",),
    "sympy": ("compiler/",),
    "jax": ("compiler/", "runtime/"),  # the runtime: trees and devices of checkpoints
    "equinox": ("compiler/",),
    "optax": ("compiler/",),
    "deap": ("runtime/evolution.py",),
    "rich": ("runtime/live_display.py",),
    "matplotlib": ("runtime/report/",),
    "distributed": ("runtime/workers/",),
    "jaxtyping": ("compiler/numerics/",),
    "optuna": ("runtime/sweep/",),
    "openpyxl": ("runtime/data/workbook.py",),
    "argparse": ("runtime/cli.py", "runtime/commands/"),
}


def place(file: Path) -> str:
    return file.relative_to(TOP).as_posix()


def imports(file: Path) -> Iterator[tuple[str, ...]]:
    """Every module or name that a file imports anywhere, as parts from the top; the rooms' own
    names stand without `actionrun`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = file.relative_to(TOP).parts[: -node.level] if node.level else ()
            base += tuple((node.module or "").split(".")) if node.module else ()
            base = base[1:] if base[:1] == ("actionrun",) else base
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
        if parts[0] in ROOMS:
            assert ROOMS.index(parts[0]) <= room, f"{ROOMS[room]} imports {'.'.join(parts)}"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_relative_imports_stay_in_their_folder(file):
    """Three dots at the start of a line tell nobody where they lead."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"write from actionrun.… import …: line {node.lineno}"


def module_files(parts: tuple[str, ...]) -> Iterator[str]:
    """The file that an imported name, `parts`, is read from."""
    for end in (len(parts), len(parts) - 1):
        path = TOP.joinpath(*parts[:end])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                yield place(file)
                return


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one file (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(file: str) -> None:
        index[file] = low[file] = len(index)
        stack.append(file)
        for other in graph[file]:
            if other not in index:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], index[other])
        if low[file] == index[file]:
            cut = stack.index(file)
            components.append(stack[cut:])
            del stack[cut:]

    for file in graph:
        if file not in index:
            visit(file)
    return [sorted(component) for component in components if len(component) > 1]


def test_imports_form_no_circle():
    """Those inside functions and those for types are counted: who reads one file of a circle has to
    read all of them."""
    graph = {
        place(file): {
            target
            for parts in imports(file)
            if parts[0] in ROOMS
            for target in module_files(parts)
            if target != place(file)
        }
        for file in FILES
    }
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert not circles(graph)


@pytest.mark.parametrize(
    "folder", sorted({file.parent for file in FILES}), ids=lambda f: f.relative_to(TOP).as_posix()
)
def test_folders_are_small(folder):
    modules = [f for f in folder.glob("*.py") if f.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, f"{len(modules)} modules"


def test_the_compiler_has_few_entries():
    entries = [entry for entry in (TOP / "compiler").iterdir() if entry.name != "__pycache__"]
    assert len(entries) <= MOST_AT_THE_TOP, sorted(entry.name for entry in entries)


def is_of_a_room(node: ast.AST) -> bool:
    """An import of a module of ours."""
    match node:
        case ast.ImportFrom(level=level, module=module):
            return level > 0 or (module or "").split(".")[0] == "actionrun"
        case ast.Import(names=aliases):
            return any(alias.name.split(".")[0] == "actionrun" for alias in aliases)
    return False


def lazy_imports(text: str) -> Iterator[tuple[int, bool]]:
    """Lines of imports of ours inside functions, and whether a comment on one of an import's lines
    or right above it says what start-up gains."""
    lines = text.splitlines()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    inside = {
        (node.lineno, node.end_lineno)
        for function in ast.walk(ast.parse(text))
        if isinstance(function, functions)
        for node in ast.walk(function)
        if is_of_a_room(node)
    }
    for start, end in sorted(inside):
        above = start - 2
        while above >= 0 and lines[above].lstrip().startswith(("from ", "import ")):
            above -= 1  # one reason for a block of imports
        yield start, any(REASON in line for line in lines[max(above, 0) : end])


def test_lazy_imports_are_few_and_say_why():
    """An import inside a function hides what a file stands on; it is worth it where a command that
    does not need the module starts sooner."""
    kept = "def f():\n    # at start-up: check\n    from actionrun.spec import a\n"
    assert list(lazy_imports(kept + "    from .b import c\n")) == [(3, True), (4, True)]
    assert list(lazy_imports("def f():\n    import os\n    from .b import c\n")) == [(3, False)]
    every = [
        (place(file), line, reason)
        for file in FILES
        for line, reason in lazy_imports(file.read_text(encoding="utf-8"))
    ]
    assert len(every) <= MOST_LAZY, f"{len(every)} lazy imports"
    silent = [(where, line) for where, line, reason in every if not reason]
    assert len(silent) <= MOST_WITHOUT_REASON, silent


def test_the_type_checker_is_rarely_silenced():
    ignored = [
        f"{place(file)}:{number}"
        for file in FILES
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if "type: ignore" in line
    ]
    assert len(ignored) <= MOST_IGNORES, ignored


def test_optional_fields_are_resolved_once():
    asserted = [
        f"{place(file)}:{node.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and ast.unparse(node.test).endswith(" is not None")
    ]
    assert len(asserted) <= MOST_ASSERTED, asserted


def test_mechanics_are_not_told_apart_by_class():
    """What differs between few coordinates, many bodies, constraints and a transformed time is
    behind one protocol: an `isinstance` is a branch that the next wrapper forgets."""
    classes = {
        node.name
        for file in FILES
        if place(file).startswith(MECHANICS)
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    told = [
        f"{place(file)}:{node.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and classes & {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
    ]
    assert len(told) <= MOST_INSTANCES, (len(told), told)


def test_functions_are_named_by_nouns():
    """`found(...)` says nothing of what was found."""
    named = [
        f"{place(file)}: {node.name}"
        for file in FILES
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.strip("_") in PARTICIPLES
    ]
    assert len(named) <= MOST_PARTICIPLES, named


def test_contributing_names_files_that_exist():
    """Every `path.py` and `folder/` that CONTRIBUTING.md names is there; rename them there too."""
    text = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:spec|compiler|runtime|tests|studies|\.ci)/[\w./-]*)`", text))
    assert len(named) > 10
    missing = sorted(name for name in named if "KIND" not in name and not (TOP / name).exists())
    assert not missing, missing


@pytest.mark.parametrize("file", FILES, ids=place)
def test_libraries_stay_at_home(file):
    for parts in imports(file):
        home = HOMES.get(parts[0], ("",))
        assert place(file).startswith(home), f"{parts[0]} lives in {' and '.join(home)}"


def kind(parts: tuple[str, ...]) -> str | None:
    """The kind whose wing of the compiler a module stands in."""
    return parts[1] if len(parts) > 1 and parts[0] == "compiler" and parts[1] in KINDS else None


OF_A_KIND = [file for file in FILES if kind(file.relative_to(TOP).parts)]


@pytest.mark.parametrize("file", OF_A_KIND, ids=place)
def test_kinds_do_not_know_each_other(file):
    """`compiler/family/` may not import `compiler/ggl/`; both may import what lies below."""
    own = kind(file.relative_to(TOP).parts)
    for parts in imports(file):
        assert kind(parts) in (None, own), f"{own} imports {'.'.join(parts)}"


SHARED = [f for f in FILES if place(f).startswith(("compiler/symbolic/", "compiler/numerics/"))]


@pytest.mark.parametrize("file", SHARED, ids=place)
def test_what_the_kinds_share_knows_none_of_them(file):
    for parts in imports(file):
        assert kind(parts) is None, f"imports {'.'.join(parts)}"


@pytest.mark.parametrize("file", [f for f in SHARED if "numerics" in f.parts], ids=place)
def test_numerics_are_arrays_only(file):
    for parts in imports(file):
        if parts[0] in ROOMS:
            assert parts[:2] == NUMERICS, f"imports {'.'.join(parts)}"


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
    for name in (*ROOMS, "studies", "package", "pyproject.toml", "README.md", "LICENSE"):
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
    shipped = [f for f in (TOP / "studies").rglob("*") if f.suffix in (".toml", ".csv", ".xyz")]
    for file in (*(f for room in ROOMS for f in (TOP / room).rglob("*") if f.is_file()), *shipped):
        if "__pycache__" not in file.parts:
            assert f"actionrun/{place(file)}" in held, f"{place(file)} is not in the wheel"
