"""Potentials of many bodies from text: closed forms, gradients, symmetries, neighbour lists."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.modules.pairs import switched
from actionrun.spec import Faults
from fluids import LENNARD_JONES, few, fluid, places

MORSE = "1.3*(1 - exp(-3*(r - 1.1)))^2"
YUKAWA = "2*exp(-1.5*r)/r"
SOFT = "(1/r)^9"
ODD = "|r|^3/7 + sqrt(r) - log(r) + atan(r - 1)"
POTENTIALS = {"lj": LENNARD_JONES, "morse": MORSE, "yukawa": YUKAWA, "soft": SOFT, "odd": ODD}


def closed(name, r):
    """U, U', U'' by hand."""
    e, y = np.exp(-3 * (r - 1.1)), 2 * np.exp(-1.5 * r)
    w = 1 + (r - 1) ** 2
    return {
        "lj": (4 * (r**-12 - r**-6), 4 * (-12 * r**-13 + 6 * r**-7),
               4 * (156 * r**-14 - 42 * r**-8)),
        "morse": (1.3 * (1 - e) ** 2, 7.8 * (1 - e) * e, 1.3 * 18 * (2 * e * e - e)),
        "yukawa": (y / r, -y * (1.5 / r + r**-2), y * (2.25 / r + 3 / r**2 + 2 / r**3)),
        "soft": (r**-9, -9 * r**-10, 90 * r**-11),
        "odd": (r**3 / 7 + r**0.5 - np.log(r) + np.arctan(r - 1),
                3 * r**2 / 7 + r**-0.5 / 2 - 1 / r + 1 / w,
                6 * r / 7 - r**-1.5 / 4 + r**-2 - 2 * (r - 1) / w**2),
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", POTENTIALS)
def test_two_bodies_have_the_closed_form(name):
    """Energy U, force -U' along the pair, Hessian U'' along it and U'/r across."""
    field = fluid(2, POTENTIALS[name]).landscape
    r = np.linspace(0.8, 2.5, 9)
    q = jnp.zeros((3, 2, len(r))).at[0, 1].set(r)
    u, u1, u2 = closed(name, r)
    np.testing.assert_allclose(field.energy(q), u, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(field.forces(q)[0, 1], -u1, rtol=1e-12, atol=1e-12)
    for axis, wanted in ((0, u2), (1, u1 / r), (2, u1 / r)):
        v = jnp.zeros_like(q).at[axis, 1].set(1.0)
        found = field.hessian_product(q, v)
        np.testing.assert_allclose(found[axis, 1], wanted, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(found[axis, 0], -wanted, rtol=1e-11, atol=1e-11)


SYSTEMS = [
    (lambda: fluid(27), 3), (lambda: fluid(27, MORSE, cutoff=1.7), 3),
    (lambda: fluid(27, YUKAWA, cutoff=1.6, density=0.75), 3),
    (lambda: fluid(27, density=0.75), 3),
    (lambda: fluid(16, SOFT, dimension=2, cutoff=1.9), 2),
    (lambda: fluid(8, dimension=1), 1),
    (lambda: fluid(27, more='external = "x^2/2 + x*y*z + cos(z)"\n'), 3),
    (lambda: few('mass = 2.0\npotential = "(x^2 - 1)^2 + x*y + y^4"'), None),
    (lambda: few('lagrangian = "x\'^2 + y\'^2/2 - sin(x)*y - x^2"'), None),
]  # fmt: skip


@pytest.mark.parametrize("images", [1, 5])
@pytest.mark.parametrize(("system", "dimension"), SYSTEMS)
def test_forces_and_hessian_are_derivatives(system, dimension, images):
    """By central differences; in all shapes of the loops. At a switch a third derivative jumps."""
    found = system()
    field = found.landscape
    n = found.shape[1]
    rng = np.random.default_rng(1)
    if dimension is None:
        q = jnp.asarray(rng.normal(size=(2, 1, images)))
    else:
        q = places(n, images, dimension)
    near = field.near(q)
    v, w = (jnp.asarray(rng.normal(size=q.shape)) for _ in range(2))
    h = 2e-5

    def slope(f):
        return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)

    forces, product = field.forces(q, near), field.hessian_product(q, v, near)
    along = jnp.sum(forces * v, axis=(0, 1))
    size = float(jnp.max(jnp.abs(product))) + 1
    assert jnp.max(jnp.abs(slope(lambda x: field.energy(q + x * v, near)) + along)) < 2e-5 * size
    assert jnp.max(jnp.abs(slope(lambda x: field.forces(q + x * v, near)) + product)) < 2e-5 * size
    left = jnp.sum(w * product, axis=(0, 1))
    right = jnp.sum(v * field.hessian_product(q, w, near), axis=(0, 1))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9 * size)


@pytest.mark.parametrize("images", [1, 6])
def test_reverse_differentiation_is_told(images):
    """grad of the energy is minus the force; grad of w.F is minus H w, bit for bit."""
    field = fluid(27, cutoff=1.6, density=0.75).landscape
    q = places(27, images)
    w = jnp.asarray(np.random.default_rng(2).normal(size=q.shape))
    energy = jax.grad(lambda q: jnp.sum(field.energy(q)))(q)
    assert jnp.array_equal(energy, -field.forces(q))
    weighted = jax.grad(lambda q: jnp.sum(w * field.forces(q)))(q)
    assert jnp.array_equal(weighted, -field.hessian_product(q, w))


def test_the_switch_is_smooth_and_ends():
    """Two continuous derivatives, from exactly 1 to exactly 0; between them no overshoot."""
    s = jnp.linspace(0.5, 3.0, 20001)
    value, slope, curvature = switched(s, 1.44, 2.89)
    assert jnp.all(value[s <= 1.44] == 1)
    for part in (value, slope, curvature):
        assert jnp.all(part[s >= 2.89] == 0)
        assert jnp.max(jnp.abs(jnp.diff(part))) < 0.01
    assert jnp.all(jnp.diff(value) <= 0)
    step = float(s[1] - s[0])
    for upper, lower in ((value, slope), (slope, curvature)):
        np.testing.assert_allclose(jnp.gradient(upper, step)[1:-1], lower[1:-1], atol=3e-3)


def test_pairs_at_the_cutoff_and_padding_leave_no_trace():
    """No NaN and no force, whatever stands in the padding: also where bodies coincide with it."""
    field = fluid(3, cutoff=1.5).landscape
    q = jnp.asarray(np.array([[0.0, 1.5, 40.0], [0, 0, 0], [0, 0, 0]])[:, :, None])
    for images in (1, 5):
        many = jnp.tile(q, (1, 1, images))
        near = field.near(many)
        assert jnp.all(field.energy(many, near) == 0)
        assert jnp.all(field.forces(many, near) == 0)
        assert jnp.all(field.hessian_product(many, jnp.ones_like(many), near) == 0)


def test_laws_of_motion_as_symmetries():
    """No total force and torque on a free cluster; a periodic box sees no lattice vector; the
    order of identical bodies does not matter."""
    field = fluid(20).landscape
    q = places(20, 5)
    f = field.forces(q)
    scale = float(jnp.max(jnp.abs(f)))
    assert jnp.max(jnp.abs(jnp.sum(f, axis=1))) < 1e-12 * scale
    assert jnp.max(jnp.abs(jnp.sum(jnp.cross(q, f, axis=0), axis=1))) < 1e-11 * scale
    box = fluid(27, cutoff=1.6, density=0.75)
    q = places(27, 5)
    jump = box.edge * np.random.default_rng(3).integers(-3, 4, size=(3, 27, 5))
    f = box.landscape.forces(q)
    scale = float(jnp.max(jnp.abs(f)))
    np.testing.assert_allclose(box.landscape.forces(q + jump), f, atol=1e-11 * scale)
    mixed = np.random.default_rng(4).permutation(27)
    np.testing.assert_allclose(box.landscape.forces(q[:, mixed]), f[:, mixed], atol=1e-12 * scale)


@pytest.mark.parametrize("images", [1, 5])
def test_lists_equal_all_pairs_on_a_long_walk(images):
    """Bodies wander through the box; the list is renewed when it says so, and never wrong."""
    box = fluid(216, SOFT, cutoff=1.5, density=0.8)
    field, rng = box.landscape, np.random.default_rng(5)
    q = places(216, images, spacing=box.edge / 6)
    near = field.near(q)
    assert near.others.shape[1] < 120, "this is a list, not everyone"
    listed = jax.jit(lambda q, near: (field.forces(q, near), field.outdated(near, q)))
    every = jax.jit(lambda q: field.forces(q))
    renewed = jax.jit(lambda near, q: field.renewed(near, q))
    renewals = 0
    for _ in range(150):
        q = q + jnp.asarray(0.02 * rng.normal(size=q.shape))
        forces, old = listed(q, near)
        if old:
            near = renewed(near, q)
            if near.lost:
                near = field.near(q, near.others.shape[1] + 8)
            renewals += 1
            forces, _ = listed(q, near)
        wanted = every(q)
        np.testing.assert_allclose(forces, wanted, atol=1e-12 * float(jnp.max(jnp.abs(wanted))))
    assert renewals > 10


def test_a_list_that_is_too_short_says_so():
    box = fluid(216, SOFT, cutoff=1.5, density=0.8)
    near = box.landscape.near(places(216, spacing=box.edge / 6))
    crowd = places(216, spacing=box.edge / 9)
    assert not near.lost
    assert box.landscape.renewed(near, crowd).lost


def test_programs_do_not_grow_with_the_number_of_bodies():
    def size(n):
        field = fluid(n, cutoff=1.5, density=0.8).landscape
        q = places(n, 8)
        near = field.near(q)
        text = jax.make_jaxpr(lambda q: (field.forces(q, near), field.hessian_product(q, q, near)))
        return str(text(q)).count("=")

    assert size(1000) <= size(216)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (lambda: fluid(3, "|r - 1|"), "kink"),
        (lambda: fluid(3, "max(r, 1)"), "kink"),
        (lambda: fluid(3, "log(0)/r"), "not-finite"),
        (lambda: fluid(3, more='external = "|x|"\n'), "kink"),
        (lambda: few('potential = "x*y*t"'), "time"),
        (lambda: few("lagrangian = \"x'^2*(1 + x^2) + y'^2\""), "not-built"),
        (lambda: few("lagrangian = \"x'^2 - y'^2 - x\""), "degenerate"),
    ],
)
def test_what_cannot_be_is_told(system, code):
    with pytest.raises(Faults) as caught:
        system()
    (fault,) = caught.value.faults
    assert fault.code == code
    assert fault.line
