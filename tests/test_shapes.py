"""Public functions of the numerics say the shapes of their arrays, by jaxtyping."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

NUMERICS = Path(__file__).parents[1] / "compiler" / "numerics"
SHAPED = {"Float", "Int", "Bool", "Complex", "Key", "Shaped", "Inexact"}
BARE = {"Array", "ndarray", "ArrayLike"}
FILES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in NUMERICS.rglob("*.py")}


def words(node: ast.AST | None) -> set[str]:
    return set() if node is None else set(re.findall(r"[A-Za-z_]\w*", ast.unparse(node)))


def shaped_types() -> set[str]:
    """jaxtyping's own, and the names that modules give to types made of them."""
    known, before = set(SHAPED), 0
    given = [one for tree in FILES.values() for one in tree.body if isinstance(one, ast.Assign)]
    given = [one for one in given if isinstance(one.value, ast.Subscript | ast.BinOp)]
    while len(known) > before:
        before = len(known)
        for one in given:
            if words(one.value) & known:
                known |= {name.id for name in one.targets if isinstance(name, ast.Name)}
    return known


def shapeless(tree: ast.Module, known: set[str]) -> Iterator[tuple[str, int]]:
    """Functions whose arrays, or what is not annotated at all, nowhere say a shape."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            of = node.args
            said = [one.annotation for one in (*of.posonlyargs, *of.args, *of.kwonlyargs)]
            every = [words(one) for one in (*said, node.returns)]
            open_ = any(not one or one & BARE for one in every)
            if open_ and not known & set().union(*every):
                yield node.name, node.lineno


def test_functions_of_arrays_say_their_shapes():
    known = shaped_types()
    text = "def f(x: jax.Array) -> int: ...\ndef g(x: int) -> Pair: ...\ndef h(x) -> None: ..."
    assert [*shapeless(ast.parse(text), known)] == [("f", 1), ("h", 3)]
    assert not [*shapeless(ast.parse('def f(x: Float[Array, "n"], y): ...'), known)]
    bare = [
        f"{file.relative_to(NUMERICS)}:{line}: {name}"
        for file, tree in sorted(FILES.items())
        for name, line in shapeless(tree, known)
    ]
    assert not bare, bare
