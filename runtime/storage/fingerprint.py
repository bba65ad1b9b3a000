"""A hash of the code that determines numbers; its docstrings and comments do not count.

Parsing all files takes a second, so the result is kept in the user's cache folder, by a hash of
their bytes.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from actionrun.runtime.errors import CannotWrite

from .atomic_write import write

HOME = Path(__file__).resolve().parents[2]
CODE = (
    "spec", "compiler", "runtime/data", "runtime/environment/jax_setup.py", "runtime/evolution.py",
)  # fmt: skip
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def fingerprint() -> str:
    """The hash of this process's code."""
    sources = {path.relative_to(HOME).as_posix(): path.read_bytes() for path in _files()}
    digest = hashlib.sha256()
    for name, source in sources.items():
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
    kept = cache_home(os.environ) / "fingerprints" / digest.hexdigest()
    try:
        return kept.read_text(encoding="ascii")
    except (OSError, ValueError):
        mark = code_hash(sources)
        with suppress(CannotWrite, OSError):
            write(kept, mark)
        return mark


def code_hash(sources: Mapping[str, bytes]) -> str:
    """A hash of what source files, by their names, do."""
    digest = hashlib.sha256()
    for name, source in sources.items():
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
        digest.update(f"{name}\0{ast.dump(tree)}\0".encode())
    return digest.hexdigest()[:12]


def _files() -> Iterable[Path]:
    for place in CODE:
        yield from sorted((HOME / place).rglob("*.py")) or [HOME / place]


def cache_home(environment: Mapping[str, str]) -> Path:
    """Where this package keeps what can be made again."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actionrun"
