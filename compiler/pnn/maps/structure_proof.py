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
from scipy.linalg import expm

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
    where that holds with a constant (1: symplectic), else None; `rest`: what rests where no force
    acts stays there, as every one-step method has it (Iserles, Int. J. Bifurcation Chaos 4, 1994).
    `reasons` are sentences. `here`: what holds of the fitted map for the one force that acts, where
    that is linear."""

    reversible: bool
    scale: sp.Expr | None
    rest: bool
    reasons: tuple[str, ...]
    here: LinearStructure | None = None

    @property
    def symplectic(self) -> bool:
        return self.scale == 1

    def holds(self, damped: bool) -> bool:
        """The structure of the true motion, for every force or for the linear one that acts: damped
        motion contracts areas at a constant rate."""
        if damped:
            return self.rest and self.scale not in (None, 0)
        if self.here is not None and max(self.here.area, self.here.reversal) < HOLDS:
            return True
        return self.symplectic and self.reversible and self.rest


def prove_structure(
    model: MapModel, row: np.ndarray, values: np.ndarray | None = None
) -> StructureProof | None:
    """Time reversal and symplecticity of a genome, proved or refuted; None where it is not linear
    but for the force. With fitted weights `values` (weights,) a linear force is judged too."""
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
    scale, own = _scale(model, A, B, P)
    if scale == 1:
        area = "symplectic: proved, J^T Omega J = Omega for any potential"
        area += " and the masses by which the map itself divides the forces" if own else ""
    elif scale is None:
        area = "symplectic: refuted, J^T Omega J depends on the force"
    else:
        area = f"symplectic: refuted, J^T Omega J = ({scale}) Omega: areas change at one rate"
    eye = sp.eye(k)
    stays = zero(A[:k, :k] - eye) and zero(A[k:, :k]) and (still or zero(P[:, :k] - eye))
    rest = "rest: proved, what rests where no force acts stays there"
    if not stays:
        rest = "rest: refuted, what rests where no force acts is moved"
    here = None
    if values is not None:
        free = np.isnan(model.layout.fixed(row))
        here = linear_structure(model, natural_matrices(model, forms, values[free]))
    reasons = (why, area, rest) if here is None else (why, area, rest, here.words)
    return StructureProof(reversible, scale, stays, reasons, here)


def misses(
    model: MapModel, forms: MapMatrices | None, proof: StructureProof | None
) -> tuple[str, ...]:
    """What a study declares and a map has not, as far as algebra sees it."""
    lacking = []
    if model.system.damped and proof is not None and proof.scale == 1:
        lacking.append("drag: the map keeps areas")
    still = forms is not None and all(entry == 0 for entry in forms.B)
    if still and model.map.force is not None and model.system.linear_force is None:
        lacking.append("force: the map does not feel it")
    return tuple(lacking)


@dataclass(frozen=True)
class LinearStructure:
    """A fitted map under the one linear force that acts: how far J^T Omega J is from a multiple of
    Omega (of Omega itself, where nothing is lost), how far going forward and back is from where it
    began, and how far the map is from the exact one, all in units of dt and the masses."""

    area: float
    reversal: float
    exact: float

    @property
    def is_exact(self) -> bool:
        """Whether the map is the motion itself, to the digits of a fit."""
        return self.exact < HOLDS

    @property
    def words(self) -> str:
        kept = f"areas are kept to {self.area:.0e}, the way back returns to {self.reversal:.0e}"
        return f"for this linear force: {kept}; {self.exact:.0e} from the exact map"


def linear_structure(model: MapModel, one: NaturalMatrices) -> LinearStructure | None:
    """None where the force is not linear, or has more than one component a coordinate."""
    stiffness, drag = model.system.linear_force, model.system.linear_drag
    if stiffness is None or drag is None:
        return None
    k, dt, mass = len(one.P), model.system.dt, model.system.mass
    none = np.zeros((k, k))
    J = jacobian(model, one, stiffness)
    omega = np.block([[none, mass], [-mass, none]])
    image, mirror = J.T @ omega @ J, np.diag([1.0] * k + [-1.0] * k)
    scale = np.vdot(omega, image) / np.vdot(omega, omega) if model.system.damped else 1.0
    inverse = np.linalg.inv(mass)
    flow = np.block([[none, np.eye(k)], [inverse @ stiffness * dt**2, inverse @ drag * dt]])
    return LinearStructure(
        float(np.abs(image - scale * omega).max() / np.abs(omega).max()),
        float(np.abs(mirror @ J @ mirror @ J - np.eye(2 * k)).max()),
        float(np.abs(J - expm(flow)).max()),
    )


def jacobian(model: MapModel, one: NaturalMatrices, stiffness: np.ndarray) -> np.ndarray:
    """The matrix (2k, 2k) of a map under a linear force, in natural units: a force of the map is
    dt^2 F over its mass there, and a velocity v dt."""
    inverse = np.diag(1 / np.diag(model.system.mass))
    return one.A + one.B @ inverse @ stiffness @ one.P * model.system.dt**2


def _scale(
    model: MapModel, A: sp.Matrix, B: sp.Matrix, P: sp.Matrix
) -> tuple[sp.Expr | None, bool]:
    """c of J^T Omega J = c Omega with J = A + B S P for every symmetric S, if it is a constant; and
    whether Omega has the masses of the map itself, where it divides each force by one number.

    For vectors S is a matrix too, but A, B, P are multiples of the unit matrix: all commute.
    """
    k = model.system.count
    S = sp.Matrix(k, k, lambda i, j: sp.Symbol(f"S_{min(i, j)}_{max(i, j)}"))
    J = A + B * S * P
    zero = sp.zeros(k, k)
    several = [(_masses(model), False)]
    kicks = [B[k + i, i] for i in range(k)]
    if k > 1 and sp.diag(*kicks) == B[k:, :] and 0 not in kicks:
        # 1/w each, times the product of all: a polynomial
        own = [sp.Mul(*kicks[:i], *kicks[i + 1 :]) for i in range(k)]
        several.append((sp.diag(*own), True))
    for M, own in several:
        if M is None:
            continue
        omega = sp.Matrix(sp.BlockMatrix([[zero, M], [-M, zero]]))
        image = (J.T * omega * J).applyfunc(sp.expand)
        scale = sp.cancel(image[0, k] / M[0, 0])
        if scale.free_symbols & S.free_symbols:
            continue
        rest = (image - scale * omega).applyfunc(sp.expand)
        if all(entry == 0 for entry in rest):
            return scale, own
    return None, False


def _masses(model: MapModel) -> sp.Matrix | None:
    """The masses by coordinate, over the first; None where components of one differ."""
    k, width, mass = model.system.count, model.system.width, model.system.mass
    if not all(
        np.allclose(mass[i * width : (i + 1) * width, j * width : (j + 1) * width],
                    mass[i * width, j * width] * np.eye(width), rtol=1e-14, atol=0)
        for i in range(k) for j in range(k)
    ):  # fmt: skip
        return None
    part = [[Fraction(float(m)) for m in row[::width]] for row in mass[::width]]
    return sp.Matrix(k, k, lambda i, j: sp.Rational(part[i][j] / part[0][0]))


SCHEMES = {
    # name: (x from v, x from F, F's place, F's time, v from F), in natural units
    "explicit Euler": (1, 0, 1, 0, 1),
    "symplectic Euler, kick then drift": (1, 1, 1, 0, 1),
    "symplectic Euler, drift then kick": (1, 0, 1, 1, 1),
    "position Verlet": (1, 0.5, 1, 0.5, 1),
    "second-order Taylor step": (1, 0.5, 1, 0, 1),
}
NEAR = 2e-3
KICK = 0.05  # a fitted factor of the force holds the error of the step, (omega dt)^2/12 and such
HOLDS = 1e-6  # of fitted numbers: what is as near as this is so
STILL = 1e-9  # a loss of velocity below it is none


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
    """The known scheme that a map is within 2e-3, if it is one and the same for all coordinates.
    What divides a force, a mass as fitted, is no part of its name."""
    k = len(one.P)
    eye, off = np.eye(k), 1e-9
    kicks = np.diag(one.B[k:])
    B = one.B / kicks if np.abs(kicks - 1).max() < KICK else one.B
    blocks = [one.A[:k, :k], one.A[:k, k:], one.A[k:, :k], one.A[k:, k:]]
    blocks += [B[:k], B[k:], one.P[:, :k], one.P[:, k:]]
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
    if damped and STILL < abs(loss) < 0.5:
        wanted = (1 - loss / 2, 0.5, 1, 0.5, 1)
        if np.abs(np.array([xv, xf, place, time, vf]) - wanted).max() < NEAR:
            return "damped position Verlet"
    if abs(loss) > NEAR:
        return None
    for name, wanted in SCHEMES.items():
        if np.abs(np.array([xv, xf, place, time, vf]) - wanted).max() < NEAR:
            return name
    return None
