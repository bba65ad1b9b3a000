"""Sums within sums and over triples (embedded atoms, bond angles) against sums written out in
NumPy, in the open, with species and a cut-off in a skewed cell; forces against complex steps of
these sums, Hessian products against differences of the forces."""

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import particle_system
from actionrun.spec import Faults, check, loads

GUPTA = "sum(i, sum(j, A*exp(-p*(r[i,j]-1))) - sqrt(sum(j, xi^2*exp(-2*q*(r[i,j]-1)))))"
ANGLES = (
    "sum(i, sum(j<k, lam*(dot(r[j]-r[i], r[k]-r[i])/(r[i,j]*r[i,k]) + 1/3)^2"
    "*exp(-r[i,j] - 2*r[i,k]))) + 0.5*sum(i, sum(j, exp(-r[i,j]))) + sum(i<j, 1/r[i,j]^6)"
    " + 0.3*sum(i<j<k, norm(cross(r[i]-r[j], r[k]-r[j]))/r[i,k])"
)
STUDY = """
study = "om"
[system]
particles = {n}
dimension = 3
{more}
potential = "{law}"
[parameters]
{parameters}
[ends]
start = "a.xyz"
end = "b.xyz"
[path]
duration = 1.0
points = 16
"""
CELL = np.array([[5.0, 0, 0], [1.7, 4.6, 0], [-1.1, 1.3, 4.9]])
KIND = np.array([0, 0, 0, 0, 0, 1, 1, 1])
A, XI = np.array([[0.0855, 0.15], [0.15, 0.2]]), np.array([[1.2, 1.5], [1.5, 1.8]])


def gupta(q):
    """With species, a cut-off and a skewed cell."""
    shifts = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3), -1).reshape(-1, 3) @ CELL
    d = q[:, :, None] - q[:, None]
    s = np.sum((d[..., None] + shifts.T[:, None, None]) ** 2, axis=0)
    s = np.take_along_axis(s, np.argmin(s.real, axis=-1)[..., None], axis=-1)[..., 0]
    r = np.sqrt(np.where(np.eye(8, dtype=bool), 1.0, s))
    u = (r**2 - 1.89**2) / (2.1**2 - 1.89**2)
    u = np.where(u.real < 0, 0, np.where(u.real > 1, 1, u))
    acts = (1 - 10 * u**3 + 15 * u**4 - 6 * u**5) * ~np.eye(8, dtype=bool)
    a, xi = A[KIND][:, KIND], XI[KIND][:, KIND]
    pushes = np.sum(a * np.exp(-10.96 * (r - 1)) * acts, axis=1)
    density = np.sum(xi**2 * np.exp(-2 * 2.278 * (r - 1)) * acts, axis=1)
    return np.sum(pushes - np.sqrt(density))


def norm(a):
    return np.sqrt(np.sum(a * a))


def angles(q):
    total, n = 0.0, q.shape[1]
    for i in range(n):
        for j in range(n):
            if j == i:
                continue
            a = q[:, j] - q[:, i]
            r = norm(a)
            total += 0.5 * np.exp(-r) + 0.5 / r**6
            for k in range(j + 1, n):
                b = q[:, k] - q[:, i]
                s = norm(b)
                if k != i:
                    total += 2.5 * (a @ b / (r * s) + 1 / 3) ** 2 * np.exp(-r - 2 * s)
                if i < j:
                    area = norm(np.cross(q[:, i] - q[:, j], q[:, k] - q[:, j]))
                    total += 0.3 * area / s
    return total


SILICON = (  # Stillinger & Weber, Phys. Rev. B 31, 5262, 1985, in its own units
    "sum(i<j, A*(B/r[i,j]^4 - 1)*exp(1/(r[i,j] - 1.8))) + sum(i, sum(j<k, "
    "21*(dot(r[j]-r[i], r[k]-r[i])/(r[i,j]*r[i,k]) + 1/3)^2"
    "*exp(1.2/(r[i,j] - 1.8) + 1.2/(r[i,k] - 1.8))))"
)


def silicon(q):
    """It vanishes at its cut-off by itself, and is not faded out."""
    total, n = 0.0, q.shape[1]
    ways = {(i, j): q[:, j] - q[:, i] for i in range(n) for j in range(n) if i != j}
    near = {pair: r for pair, a in ways.items() if (r := norm(a)).real < 1.8}
    for (i, j), r in near.items():
        if i < j:
            total += 7.049556277 * (0.6022245584 / r**4 - 1) * np.exp(1 / (r - 1.8))
        for k in range(j + 1, n):
            if (i, k) in near:
                s = near[i, k]
                angle = ways[i, j] @ ways[i, k] / (r * s)
                total += 21 * (angle + 1 / 3) ** 2 * np.exp(1.2 / (r - 1.8) + 1.2 / (s - 1.8))
    return total


CASES = {
    "silicon": (8, SILICON, silicon, "cutoff = 1.8\nswitch = 1.8",
                "A = 7.049556277\nB = 0.6022245584"),
    "embedded": (8, GUPTA, gupta, 'species = { Cu = 5, Au = 3 }\ncutoff = 2.1\nbox = { cell = '
                 + str(CELL.tolist()) + " }", "A = { Cu-Cu = 0.0855, Cu-Au = 0.15, Au-Au = 0.2 }\n"
                 "xi = { Cu-Cu = 1.2, Cu-Au = 1.5, Au-Au = 1.8 }\np = 10.96\nq = 2.278"),
    "angles": (5, ANGLES, angles, "", "lam = 2.5"),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["angles", *(pytest.param(x, marks=pytest.mark.slow) for x in ("embedded", "silicon"))]
)
def test_energies_forces_and_products(name):
    n, law, right, more, parameters = CASES[name]
    system = particle_system(
        system_settings(loads(STUDY.format(n=n, law=law, more=more, parameters=parameters)))
    )
    draw = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n]
    q = (1.1 * grid + 0.07 * draw.normal(size=(n, 3))).T
    v = draw.normal(size=q.shape)
    moves = [k * 1e-3 * v for k in (-3, -2, -1, 1, 2, 3)]
    batch = jnp.asarray(np.stack([q, *(q + move for move in moves)], axis=2))
    energy, forces = (np.asarray(x) for x in system.potential.energy_and_forces(batch))
    np.testing.assert_allclose(energy, [right(batch[..., k]) for k in range(7)], rtol=1e-12)
    weights = np.array([-1, 9, -45, 45, -9, 1]) / 60e-3
    size = np.max(np.abs(forces[..., 0]))
    for way in (v, *draw.normal(size=(4, *q.shape))):
        slope = right(q + 1e-30j * way).imag / 1e-30
        assert -np.sum(forces[..., 0] * way) == pytest.approx(slope, abs=1e-12 * size * q.size)
    product = np.asarray(system.potential.hessian_product(batch[..., :1], v[..., None]))[..., 0]
    slope = -np.sum(weights * forces[..., 1:], axis=-1)
    np.testing.assert_allclose(product, slope, atol=1e-9 * np.max(np.abs(slope)))


@pytest.mark.parametrize(
    ("law", "cut"),
    [
        (SILICON.replace("*exp(1/(r[i,j] - 1.8))", ""), "cutoff = 1.8\nswitch = 1.8"),
        ("sum(i<j, 1/r[i,j]^6)", "cutoff = 3.0\nswitch = 3.0"),
    ],
)
def test_a_law_that_does_not_vanish_is_faded(law, cut):
    text = STUDY.format(n=4, law=law, more=cut, parameters="A = 7.05\nB = 0.6")
    with pytest.raises(Faults) as caught:
        particle_system(system_settings(loads(text)))
    assert caught.value.faults[0].code == "system.switch"


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ("sum(i, sum(i, r[i,j]))", "two sums with one index"),
        ("sum(i<j, sum(j<k, r[i,k]))", "two sums with one index"),
        ("sum(i, sum(j, exp(-r)))", "neither a distance nor a difference"),
        ("sum(i, sum(j, r[i,k]))", "k is no index here"),
        ("sum(i, sum(j, norm(r[i])))", "neither a distance nor a difference"),
        ("sum(i<j<k, r[i,j])", "nothing in this sum belongs to the body k"),
        ("sqrt(sum(i, sum(j, r[i,j])))", "stands inside a function"),
        ("sum(i, sum(j, x[i]*r[i,j]))", "a field stands in a sum(i, ...) of its own"),
    ],
)
def test_what_cannot_be_is_told(law, message, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(STUDY.format(n=4, law=law, more="", parameters=""), encoding="utf-8")
    faults = [fault for fault in check(path) if fault.severity == "error"]
    if not faults:
        with pytest.raises(Faults) as caught:
            particle_system(system_settings(loads(path.read_text(encoding="utf-8"))))
        faults = caught.value.faults
    assert message in "\n".join(fault.render(False) for fault in faults)
