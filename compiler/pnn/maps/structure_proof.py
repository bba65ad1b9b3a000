"""What can be proved of a linear network as a map, whatever the force is.

Such a network is z -> A z + B F(P z) for states z = (q, v), with F = -grad V for any V. All that is
claimed here holds for every value of the trainable weights, as identities of polynomials.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy as sp
from actionrun.compiler.pnn.genome_expression import exact_weights, network_outputs

from .model import MapModel


@dataclass(frozen=True)
class MapMatrices:
    """A (2k, 2k), B (2k, k), P (k, 2k) over k coordinates, positions first, with the symbols of
    trainable weights."""

    A: sp.Matrix
    B: sp.Matrix
    P: sp.Matrix
    symbols: tuple[sp.Symbol, ...]

    def numeric(self, values: Iterable[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        put = dict(zip(self.symbols, map(float, values), strict=True))
        A, B, P = (
            np.array(part.subs(put).tolist(), dtype=float).reshape(part.shape)
            for part in (self.A, self.B, self.P)
        )
        return A, B, P


def map_matrices(model: MapModel, row: np.ndarray) -> MapMatrices | None:
    """The matrices of a genome; None where it is not linear in its inputs and the force, or where
    its inputs are not the state."""
    layout = model.layout
    order = model.networks.order
    if order is None or not bool(layout.linear(row)):
        return None
    weights, symbols = exact_weights(layout, row)
    k = model.system.count
    inputs = [sp.Symbol(f"u_{i}") for i in range(2 * k)]
    kicks = [sp.Symbol(f"f_{j}") for j in range(k)]
    arguments: list[sp.Expr] = []

    def push(given: list[sp.Expr]) -> list[sp.Expr]:
        arguments.extend(given)
        return list(kicks)

    outputs = network_outputs(layout, row, weights, [inputs[i] for i in order], push)
    placed = [outputs[model.map.places.index(i)] for i in range(2 * k)]
    rows = [sp.expand(one) for one in placed]
    heard_by_force = [sp.expand(one) for one in arguments] or [sp.Integer(0)] * k
    return MapMatrices(
        sp.Matrix(2 * k, 2 * k, lambda i, j: rows[i].coeff(inputs[j])),
        sp.Matrix(2 * k, k, lambda i, j: rows[i].coeff(kicks[j])),
        sp.Matrix(k, 2 * k, lambda i, j: heard_by_force[i].coeff(inputs[j])),
        tuple(symbols),
    )


@dataclass(frozen=True)
class StructureProof:
    """`reversible`: going back with reversed velocity returns; `scale`: J^T Omega J = scale Omega
    where that holds with a constant (1: symplectic), else None. `reasons` are sentences."""

    reversible: bool
    scale: sp.Expr | None
    reasons: tuple[str, ...]

    @property
    def symplectic(self) -> bool:
        return self.scale == 1

    def holds(self, damped: bool) -> bool:
        """The structure of the true motion: damped motion contracts areas at a constant rate."""
        return self.scale not in (None, 0) if damped else self.symplectic and self.reversible


def prove_structure(model: MapModel, row: np.ndarray) -> StructureProof | None:
    """Time reversal and symplecticity of a genome, proved or refuted; None where it is not linear
    but for the force."""
    forms = map_matrices(model, row)
    if forms is None:
        return None
    A, B, P = forms.A, forms.B, forms.P
    k = model.system.count
    mirror = sp.diag(*[1] * k, *[-1] * k)

    def zero(matrix: sp.Matrix) -> bool:
        return all(sp.expand(entry) == 0 for entry in matrix)

    still = zero(B)
    there = zero(A * mirror * A - mirror)
    meets = zero(P * mirror * A - P) and zero(P * mirror * B)
    cancels = zero(A * mirror * B + B)
    reversible = there and (still or (meets and cancels))
    if reversible:
        why = "time reversal: proved, the way back feels the force at the same place"
    elif not there:
        why = "time reversal: refuted, without a force the map does not go back"
    elif not meets:
        why = "time reversal: refuted, the way back feels the force at another place"
    else:
        why = "time reversal: refuted, the kicks do not cancel on the way back"
    scale = _scale(model, A, B, P)
    if scale == 1:
        area = "symplectic: proved, J^T Omega J = Omega for any potential"
    elif scale is None:
        area = "symplectic: refuted, J^T Omega J depends on the force"
    else:
        area = f"symplectic: refuted, J^T Omega J = ({scale}) Omega: areas change at one rate"
    return StructureProof(reversible, scale, (why, area))


def _scale(model: MapModel, A: sp.Matrix, B: sp.Matrix, P: sp.Matrix) -> sp.Expr | None:
    """c of J^T Omega J = c Omega with J = A + B S P for every symmetric S, if it is a constant.

    For vectors S is a matrix too, but A, B, P are multiples of the unit matrix: all commute.
    """
    k = model.system.count
    S = sp.Matrix(k, k, lambda i, j: sp.Symbol(f"S_{min(i, j)}_{max(i, j)}"))
    J = A + B * S * P
    width = model.system.width
    mass = model.system.mass
    if not all(
        np.allclose(mass[i * width : (i + 1) * width, j * width : (j + 1) * width],
                    mass[i * width, j * width] * np.eye(width), rtol=1e-14, atol=0)
        for i in range(k) for j in range(k)
    ):  # fmt: skip
        return None
    part = [[Fraction(float(m)) for m in row[::width]] for row in mass[::width]]
    M = sp.Matrix(k, k, lambda i, j: sp.Rational(part[i][j] / part[0][0]))
    zero = sp.zeros(k, k)
    omega = sp.Matrix(sp.BlockMatrix([[zero, M], [-M, zero]]))
    image = (J.T * omega * J).applyfunc(sp.expand)
    scale = image[0, k]
    if scale.free_symbols & S.free_symbols:
        return None
    rest = (image - scale * omega).applyfunc(sp.expand)
    return scale if all(entry == 0 for entry in rest) else None


SCHEMES = {
    # name: (x from v, x from F, F's place, F's time, v from F), in natural units
    "explicit Euler": (1, 0, 1, 0, 1),
    "symplectic Euler, kick then drift": (1, 1, 1, 0, 1),
    "symplectic Euler, drift then kick": (1, 0, 1, 1, 1),
    "position Verlet": (1, 0.5, 1, 0.5, 1),
    "second-order Taylor step": (1, 0.5, 1, 0, 1),
}
NEAR = 2e-3


@dataclass(frozen=True)
class NaturalMatrices:
    """The matrices in units of dt and the masses: exact discretisations have small fractions."""

    A: np.ndarray
    B: np.ndarray
    P: np.ndarray


def natural_matrices(
    model: MapModel, forms: MapMatrices, values: Iterable[float]
) -> NaturalMatrices:
    """Those of a genome with its fitted weights."""
    dt = model.system.dt
    A, B, P = forms.numeric(values)
    k, width = model.system.count, model.system.width
    time = np.array([1.0] * k + [dt] * k)  # a velocity times dt is a length
    mass = np.diag(model.system.mass)[::width]
    return NaturalMatrices(
        A * time[:, None] / time[None],
        B * time[:, None] / dt**2 * mass[None],
        P / time[None],
    )


def known_scheme(one: NaturalMatrices, damped: bool) -> str | None:
    """The known scheme that a map is within 2e-3, if it is one and the same for all coordinates."""
    k = len(one.P)
    eye, off = np.eye(k), 1e-9
    blocks = [one.A[:k, :k], one.A[:k, k:], one.A[k:, :k], one.A[k:, k:]]
    blocks += [one.B[:k], one.B[k:], one.P[:, :k], one.P[:, k:]]
    numbers = [block[0, 0] for block in blocks]
    spread = max(np.abs(b - n * eye).max() for b, n in zip(blocks, numbers, strict=True))
    if spread > max(NEAR, off):
        return None
    xx, xv, vx, vv, xf, vf, place, time = numbers
    if max(abs(xx - 1), abs(vx)) > NEAR:
        return None
    if np.abs(one.B).max() < 1e-12:
        return "free flight" if max(abs(xv - 1), abs(vv - 1)) < NEAR else None
    loss = 1 - vv
    if damped and abs(loss) < 0.5:
        wanted = (1 - loss / 2, 0.5, 1, 0.5, 1)
        if np.abs(np.array([xv, xf, place, time, vf]) - wanted).max() < NEAR:
            return "damped position Verlet"
    if abs(loss) > NEAR:
        return None
    for name, wanted in SCHEMES.items():
        if np.abs(np.array([xv, xf, place, time, vf]) - wanted).max() < NEAR:
            return name
    return None
