"""Maps as text and LaTeX: terms in dt and the masses, each with its fitted factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp
from actionrun.compiler.findings import Equation
from actionrun.compiler.pnn.genome_expression import fitted_weights, network_outputs
from actionrun.compiler.symbolic.printing import latex, name_latex, text

from .model import MapModel
from .structure_proof import MapMatrices, NaturalMatrices, jacobian, natural_matrices

NICE = (0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
NICE_TEXT = ("1/4", "1/3", "1/2", "2/3", "3/4", "", "3/2", "2", "3", "4")
CLOSE = 0.03  # how near a factor is to a fraction for the fraction to be split off
EXACT = 5e-13


@dataclass(frozen=True)
class Notation:
    """One language: names of things, and how products and fractions are put."""

    state: list[str]
    later: list[str]
    mass: list[str]
    forces: list[str]
    dt: str
    latex: bool

    def product(self, factor: float, top: list[str], bottom: list[str]) -> str:
        """|factor| times top over bottom."""
        size = abs(factor)
        near = min(range(len(NICE)), key=lambda k: abs(size / NICE[k] - 1))
        ratio = size / NICE[near]
        precompiler: list[str] = []
        over: list[str] = []
        if abs(ratio - 1) < CLOSE:
            numerator, _, denominator = NICE_TEXT[near].partition("/")
            if numerator not in ("", "1"):
                precompiler.append(numerator)
            if denominator:
                over.append(denominator)
            if abs(ratio - 1) > EXACT:
                precompiler.insert(0, f"{ratio:.7g}")
        else:
            precompiler.append(self.number(size))
        top, bottom = [*precompiler, *top], [*over, *bottom]
        if self.latex:
            upper = r" \, ".join(top) or "1"
            return rf"\frac{{{upper}}}{{{' '.join(bottom)}}}" if bottom else upper
        upper = "*".join(top) or "1"
        if not bottom:
            return upper
        return f"{upper}/{bottom[0]}" if len(bottom) == 1 else f"{upper}/({'*'.join(bottom)})"

    def number(self, size: float) -> str:
        written = f"{size:.6g}"
        if self.latex and "e" in written:
            digits, _, power = written.partition("e")
            return rf"{digits} \cdot 10^{{{int(power)}}}"
        return written

    def total(self, terms: list[tuple[float, str]]) -> str:
        if not terms:
            return "0"
        first = ("-" if terms[0][0] < 0 else "") + terms[0][1]
        return first + "".join(f" {'-' if sign < 0 else '+'} {term}" for sign, term in terms[1:])

    def call(self, force: str, arguments: list[str]) -> str:
        inside = ", ".join(arguments)
        return rf"{force}\!\left({inside}\right)" if self.latex else f"{force}({inside})"

    @property
    def squared(self) -> str:
        return f"{self.dt}^2" if not self.latex else rf"{self.dt}^{{2}}"


def notations(model: MapModel) -> tuple[Notation, Notation]:
    """The study language's and LaTeX's."""
    names = [*model.system.names]
    width, words = model.system.components, model.system.problem.words
    k = len(names)
    masses = [model.system.problem.mass[i * width, i * width] for i in range(k)]
    plain = [text(m, words) for m in masses]
    plain = [f"({m})" if isinstance(e, sp.Add) else m for m, e in zip(plain, masses, strict=True)]
    tex = [latex(m, words) for m in masses]
    tex = [rf"\left({m}\right)" if isinstance(e, sp.Add) else m
           for m, e in zip(tex, masses, strict=True)]  # fmt: skip
    forces = ["F"] if k == 1 else [f"F_{name}" for name in names]
    spelt = [name_latex(name) for name in names]
    dots = [rf"\dot{{{name}}}" for name in spelt]
    if width > 1:
        spelt = [rf"\mathbf{{{name}}}" for name in spelt]
        dots = [rf"\dot{{{name}}}" for name in spelt]
    return (
        Notation(
            [*names, *(f"{name}'" for name in names)],
            [*(f"{name}(t+dt)" for name in names), *(f"{name}'(t+dt)" for name in names)],
            plain, forces, "dt", False,
        ),
        Notation(
            [*spelt, *dots],
            [rf"{name}(t + \Delta t)" for name in (*spelt, *dots)],
            tex, ["F"] if k == 1 else [rf"F_{{{name}}}" for name in spelt], r"\Delta t", True,
        ),
    )  # fmt: skip


def linear_sides(spelling: Notation, one: NaturalMatrices, driven: bool = False) -> list[str]:
    """Right sides, positions first; `driven`: a force has its time as a last argument."""
    k = len(one.P)
    dt, squared = spelling.dt, spelling.squared

    def terms_of(row: np.ndarray, over: bool) -> list[tuple[float, str]]:
        """Terms of the state; `over`: of a velocity, so in units of 1/dt."""
        terms = []
        for j, value in enumerate(row):
            if value == 0 or abs(value) < 1e-14:
                continue
            top = [spelling.state[j], dt] if j >= k and not over else [spelling.state[j]]
            bottom = [dt] if over and j < k else []
            terms.append((value, spelling.product(value, top, bottom)))
        return terms

    def time_of(j: int) -> list[str]:
        """The time of a force, which moves as a position does whose velocity is 1."""
        parts = ((one.P[j, j], "t"), (one.P[j, k + j], dt))
        terms = [(value, spelling.product(value, [name], [])) for value, name in parts if value]
        return [spelling.total(terms)] if driven else []

    arguments = [spelling.total(terms_of(one.P[j], False)) for j in range(k)]
    sides = []
    for i in range(2 * k):
        terms = terms_of(one.A[i], i >= k)
        for j in range(k):
            value = one.B[i, j]
            if value:
                mass = [] if spelling.mass[j] == "1" else [spelling.mass[j]]
                force = spelling.call(spelling.forces[j], [*arguments, *time_of(j)])
                top = [force, dt if i >= k else squared]
                terms.append((value, spelling.product(value, top, mass)))
        sides.append(spelling.total(terms))
    return sides


def nonlinear_sides(
    model: MapModel, row: np.ndarray, weights: np.ndarray
) -> tuple[list[str], list[str]]:
    """Right sides of a network that is not linear, as the outputs are listed: text and LaTeX."""
    plain, tex = notations(model)
    signs = {sp.Symbol(f"z{i}", real=True): i for i in range(len(plain.state))}
    k = model.system.count
    forces = [sp.Function(f"F{j}") for j in range(k)]
    symbols = [*signs]
    if model.networks.order is not None:
        inputs = [symbols[i] for i in model.networks.order]
        names = {s: (plain.state[i], tex.state[i]) for s, i in signs.items()}
    else:
        inputs = [sp.Symbol(f"z{i}", real=True) for i in range(model.layout.inputs)]
        words = model.system.problem.words
        shown = [words.meaning(e) for e in model.networks.inputs]
        scalars = [one[0] if isinstance(one, tuple) else one for one in shown]
        texts = [e.text for e in model.networks.inputs]
        names = {s: (t, latex(e, words)) for s, t, e in zip(inputs, texts, scalars, strict=True)}

    def push(arguments: list[sp.Expr]) -> list[sp.Expr]:
        return [force(*arguments) for force in forces]

    fitted = fitted_weights(model.layout, row, weights)
    outputs = network_outputs(model.layout, row, fitted, inputs, push)
    short = [one.xreplace({n: sp.Float(n, 6) for n in one.atoms(sp.Float)}) for one in outputs]
    written, spelt = [], []
    for one in short:
        as_text = sp.sstr(one).replace("**", "^")
        as_tex = sp.latex(
            one, symbol_names={s: name[1] for s, name in names.items()}, mul_symbol=r" \, "
        )
        for s, name in sorted(names.items(), key=lambda pair: -len(str(pair[0]))):
            as_text = as_text.replace(str(s), f"({name[0]})" if " " in name[0] else name[0])
        for j, force in enumerate(plain.forces):
            as_text = as_text.replace(f"F{j}(", f"{force}(")
            as_tex = as_tex.replace(f"F_{{{j}}}", tex.forces[j])
        written.append(as_text)
        spelt.append(as_tex)
    return written, spelt


def map_equations(
    model: MapModel, row: np.ndarray, weights: np.ndarray, forms: MapMatrices | None,
    mark: str = "", exact: bool = False,
) -> tuple[Equation, ...]:  # fmt: skip
    """The map of a fitted genome, an equation an output, as the study lists them; `exact`: that of
    a linear force, which is put in."""
    plain, tex = notations(model)
    places = model.map.places
    if forms is None:
        texts, latexes = nonlinear_sides(model, row, weights)
    else:
        free = np.isnan(model.layout.fixed(row))
        one = natural_matrices(model, forms, weights[free])
        stiffness = model.system.linear_force
        if exact and stiffness is not None:
            whole = jacobian(model, one, stiffness)
            one = NaturalMatrices(whole, np.zeros_like(one.B), one.P)
        driven = model.system.driven
        texts = [linear_sides(plain, one, driven)[i] for i in places]
        latexes = [linear_sides(tex, one, driven)[i] for i in places]
    kinds = ["velocity" if i >= model.system.count else "position" for i in places]
    several = model.system.count > 1
    names = [f"Map of {kind}" + (f" {plain.state[i]}" if several else "")
             for kind, i in zip(kinds, places, strict=True)]  # fmt: skip
    return tuple(
        Equation(name + mark, f"{tex.later[i]} = {b}", f"{plain.later[i]} = {a}")
        for name, i, a, b in zip(names, places, texts, latexes, strict=True)
    )
