"""Laws beside their peers, one command, one table: `python tests/bench/laws.py`.

Needs `pip install '.[bench]'`; a peer that is not installed is left out, and the table says so.
The groups of studies/melting.toml, the same rows to learn from, the same folds. Every code searches
all rows to learn from once; then each law of its front has its constants fitted anew in every fold,
from the values found, and is judged by the rows left out. A law's size is the number of nodes of
its formula, for all alike; the hypervolume is that of error against size, from the error of the
mean and 25 nodes. Seconds are of one thread's CPU, compilation with them; ratios are of one run on
one machine: take them and not the seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from actionrun.runtime.environment.jax_setup import set_switches

set_switches()

import numpy as np  # noqa: E402
import sympy as sp  # noqa: E402
from actionrun.compiler.pnn.build import law_search  # noqa: E402
from actionrun.compiler.pnn.laws.findings import front_of  # noqa: E402
from actionrun.compiler.pnn.laws.formula import law_formula  # noqa: E402
from actionrun.compiler.pnn.laws.model_selection import hypervolume  # noqa: E402
from actionrun.compiler.pnn.laws.search import LawSearch  # noqa: E402
from actionrun.runtime.data.observations import observations  # noqa: E402
from actionrun.runtime.evolution import Evolved  # noqa: E402
from actionrun.spec import load  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy.optimize import least_squares  # noqa: E402

STUDY = Path(__file__).parents[2] / "studies" / "melting.toml"
MOST_NODES = 25
SYMBOLS = "add,sub,mul,div,square,tanh,constant,variable"  # of Operon: what our networks have


@dataclass(frozen=True)
class Found:
    """A formula in x1, x2, ... and constants, which begin at `values`."""

    expression: sp.Expr
    constants: tuple[sp.Symbol, ...]
    values: tuple[float, ...]

    @property
    def nodes(self) -> int:
        return sum(1 for _ in sp.preorder_traversal(self.expression))


def main() -> None:
    import jax

    console = Console()
    with jax.enable_x64(True):
        study = load(STUDY)
        laws = law_search(study, observations(study)).scorer
        codes = {"actionrun": ours, "pyoperon": operon, "gplearn": gp}
        table = Table("code", "laws", "lowest error", "hypervolume", "of ours", "CPU s", "of ours")
        first: tuple[float, float] | None = None
        for name, code in codes.items():
            try:
                clock = time.process_time()
                found = code(laws)
                seconds = time.process_time() - clock
            except ImportError:
                table.add_row(name, "not installed", *[""] * 5)
                continue
            judged = [(one.nodes, error(laws, one)) for one in found]
            volume = measure(laws, judged)
            first = first or (volume, seconds)
            console.print(f"{name}: {len(found)} laws in {seconds:.1f} s of CPU")
            low = min(e for n, e in judged if n <= MOST_NODES)
            table.add_row(
                name, str(len(found)), f"{low:.3f}", f"{volume:.3f}", f"{volume / first[0]:.2f}",
                f"{seconds:.1f}", f"{seconds / first[1]:.2f}",
            )  # fmt: skip
    console.print(table)


def ours(laws: LawSearch) -> list[Found]:
    program = Evolved(laws)
    state = program.start()
    for generation in range(program.total):
        state, _ = program.advance(state, generation, 1)
    kept = state["archive"][: int(state["archived"])]
    plain = replace(laws.groups, inputs=tuple(names(laws)), target=None)
    found = []
    for law in front_of(laws, kept, lambda *told: None):
        if law.solved is not None:
            symbols = sp.symbols(f"c1:{law.solved.law.constants + 1}")
            inner, values = law.solved.law.formula(plain.inputs, symbols, law.solved.values)
            found.append(Found(inner, tuple(symbols), tuple(map(float, values))))
        elif law.genome is not None and law.weights is not None:
            said = law_formula(laws.layout, law.genome, law.weights, None, plain)
            found.append(Found(said.expression, said.constants, said.values))
    return found


def operon(laws: LawSearch) -> list[Found]:
    """Operon's NSGA-II over error and length, its constants by Levenberg-Marquardt, with the same
    functions."""
    from pyoperon.sklearn import SymbolicRegressor  # pyright: ignore[reportMissingImports]

    x, y = learned(laws)
    code = SymbolicRegressor(
        objectives=["mse", "length"], allowed_symbols=SYMBOLS,
        n_threads=1, random_state=0, max_length=30, generations=300, population_size=1000,
        optimizer_iterations=10, max_evaluations=10_000_000, max_time=300,
    )  # fmt: skip
    code.fit(x, y)
    texts = [code.get_model_string(one["tree"], 12) for one in code.pareto_front_]
    return [parsed(laws, text.replace("^", "**"), {}) for text in texts]


def gp(laws: LawSearch) -> list[Found]:
    """gplearn at three prices of length; its front is their best programs."""
    from gplearn.genetic import SymbolicRegressor  # pyright: ignore[reportMissingImports]

    x, y = learned(laws)
    functions = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b, "inv": lambda a: 1 / a,
    }  # fmt: skip
    found = []
    for price in (1e-2, 0.1, 1.0):
        code = SymbolicRegressor(
            population_size=1000, generations=30, parsimony_coefficient=price, metric="rmse",
            function_set=tuple(functions), const_range=(-30, 30), random_state=0, n_jobs=1,
        )  # fmt: skip
        code.fit(x, y)
        text = str(code._program)
        for k in range(x.shape[1]):
            text = text.replace(f"X{k}", f"x_{k + 1}")
        found.append(parsed(laws, text.replace("x_", "X"), functions))
    return found


def names(laws: LawSearch) -> list[sp.Symbol]:
    return [sp.Symbol(f"X{k + 1}", real=True) for k in range(laws.layout.inputs)]


def learned(laws: LawSearch) -> tuple[np.ndarray, np.ndarray]:
    rows = laws.rows
    return rows.inputs[rows.learn], rows.output[rows.learn]


def parsed(laws: LawSearch, text: str, functions: dict[str, Callable]) -> Found:
    """A peer's formula; each of its numbers but whole exponents is a constant."""
    known = {str(one): one for one in names(laws)} | {"tanh": sp.tanh} | functions
    said = sp.sympify(text, locals=known)
    numbers = sorted(said.atoms(sp.Float), key=float)
    symbols = sp.symbols(f"c1:{len(numbers) + 1}", real=True)
    bare = said.xreplace(dict(zip(numbers, symbols, strict=True)))
    return Found(bare, tuple(symbols), tuple(map(float, numbers)))


def error(laws: LawSearch, one: Found) -> float:
    """Cross-validated error, the mean over repeats, its constants fitted in each fold."""
    x, y = learned(laws)
    function = sp.lambdify([*names(laws), *one.constants], one.expression, "numpy")
    folds = laws.rows.folds[:, laws.rows.learn]

    def said(values, rows):
        with np.errstate(all="ignore"):
            return np.broadcast_to(function(*x[rows].T, *values), (rows.sum(),))

    squares = []
    for fold in folds:
        values, seen = np.array(one.values), ~fold
        if len(values):
            size = np.where(values == 0, 1, np.abs(values))

            def missed(z, seen=seen, size=size):
                return np.nan_to_num(said(z * size, seen) - y[seen], nan=1e6, posinf=1e6)

            start = values / size
            if len(values) < seen.sum():
                values = least_squares(missed, start, method="lm", max_nfev=2000).x * size
        squares.append(np.square(said(values, fold) - y[fold]).sum())
    total = np.array(squares).reshape(laws.rows.repeats, -1).sum(axis=1)
    found = float(np.sqrt(total / len(y)).mean())
    return found if np.isfinite(found) else np.inf


def measure(laws: LawSearch, judged: list[tuple[int, float]]) -> float:
    _, y = learned(laws)
    nodes, errors = np.array(judged, float).T
    return hypervolume(nodes, errors, MOST_NODES, float(y.std()))


if __name__ == "__main__":
    main()
