"""Laws of maps: reference numbers of the paper's data, proofs, names, and limits."""

from fractions import Fraction

import numpy as np
import pytest
from actionrun.compiler.pnn.build import map_model, sampling, system_of_maps
from actionrun.compiler.pnn.maps.data import computed_pairs, potential_minimum
from actionrun.compiler.pnn.maps.evaluation import as_step, map_evaluation, richardson_limit
from actionrun.compiler.pnn.maps.findings import _entry, _limit, scheme_name
from actionrun.compiler.pnn.maps.model import thinned
from actionrun.compiler.pnn.maps.search import MapSearch
from actionrun.compiler.pnn.maps.shear_seeds import shear_genomes
from actionrun.compiler.pnn.maps.structure_proof import map_matrices, prove_structure
from actionrun.compiler.pnn.symbolic_check import check
from actionrun.spec import Faults, load
from map_studies import (
    DAMPED,
    EULER,
    FREE,
    HALF,
    PUBLISHED,
    STUDIES,
    SYMPLECTIC_EULER,
    VERLET,
    genome,
    oscillator,
    shipped,
)


@pytest.fixture(scope="module")
def verlet():
    return shipped("verlet_pnn")


def fit(found, row, rows=None):
    data = found.data(found.train if rows is None else rows)
    return found.fit(row[None], data, found.starts(row[None]), 1e-13).weights


def error(found, row, weights, rows):
    return float(found.error(found.metrics(row[None], weights, rows))[0])


def test_exact_position_verlet_scores_what_is_known(verlet):
    """mse_x 5.002e-9 pm^2 and mse_v 7.964e-11 (pm/fs)^2 on the paper's test energy."""
    row = genome(verlet, VERLET)
    weights = np.nan_to_num(verlet.layout.fixed(row), nan=1 / verlet.system.mass[0, 0])[None]
    metrics = verlet.metrics(row[None], weights, verlet.test)
    assert metrics.position[0] * 1e4 == pytest.approx(5.002e-9, rel=1e-3)
    assert metrics.velocity[0] * 1e4 == pytest.approx(7.964e-11, rel=1e-3)
    assert error(verlet, row, weights, verlet.test) == pytest.approx(-184.0, abs=0.1)


def test_simplest_verlet_has_the_known_objective(verlet):
    row = genome(verlet, VERLET)
    found = error(verlet, row, fit(verlet, row), verlet.test)
    assert found + 13 == pytest.approx(-175.8, abs=0.3)


def test_no_linear_map_beats_the_best_one(verlet):
    row = verlet.layout.dense()
    weights = fit(verlet, row, thinned(verlet.train, 4000))
    assert error(verlet, row, weights, verlet.test) == pytest.approx(-200.2, abs=0.8)


def test_published_genome_retrains_to_its_published_number(verlet):
    row = genome(verlet, PUBLISHED)
    weights = fit(verlet, row, thinned(verlet.train, 4000))
    forms = map_matrices(verlet, row)
    A, B, P = forms.numeric(weights[0][np.isnan(verlet.layout.fixed(row))])
    assert A[0, 1] == pytest.approx(1.00013, abs=1e-5)
    np.testing.assert_allclose([A[0, 0], A[1, 0], A[1, 1]], [1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(P, [[1, 0.5]], atol=1e-12)
    assert B[1, 0] * verlet.system.mass[0, 0] == pytest.approx(0.9997, abs=5e-4)


@pytest.mark.parametrize(
    ("weights", "reversible", "symplectic", "name"),
    [
        (VERLET, True, True, "position Verlet"),
        (SYMPLECTIC_EULER, False, True, "symplectic Euler, kick then drift"),
        (EULER, False, False, "explicit Euler"),
        ({**VERLET, 17: FREE}, False, True, "position Verlet"),
        ({**VERLET, 19: FREE}, False, False, "position Verlet"),
        ({0: 1, 3: 1, 6: 1, 9: 1, 10: 1, 11: 1, 14: 1, 16: 1, 19: 1}, True, True, "free flight"),
    ],
)
def test_proofs_agree_with_numbers(verlet, weights, reversible, symplectic, name):
    row = genome(verlet, weights)
    fitted = fit(verlet, row, thinned(verlet.train, 400))
    proved = prove_structure(verlet, row)
    assert (proved.reversible, proved.symplectic) == (reversible, symplectic)
    metrics = verlet.metrics(row[None], fitted, thinned(verlet.validation))
    assert (metrics.reversal[0] < 1e-9) == reversible
    assert (metrics.volume[0] < 1e-12) == symplectic
    assert scheme_name(verlet, map_matrices(verlet, row), row, fitted[0]) == name


@pytest.mark.parametrize(
    ("weights", "rest"),
    [(VERLET, True), (SYMPLECTIC_EULER, True), ({**VERLET, 4: FREE}, False),
     ({**VERLET, 6: FREE}, False), ({**VERLET, 0: HALF, 6: 2, 16: 1}, False)],
)  # fmt: skip
def test_what_rests_stays_where_that_is_proved(verlet, weights, rest):
    """At a place without force, for forces that vanish anywhere: against the map's own numbers."""
    row = genome(verlet, weights)
    proof = prove_structure(verlet, row)
    assert proof.rest == rest
    if not rest:
        assert not proof.holds(damped=False)
    q, _ = potential_minimum(verlet.system)
    values = np.nan_to_num(verlet.layout.fixed(row), nan=1.1)
    moved = as_step(verlet, row, values)(q[None], np.zeros((1, 1)))
    assert (
        abs(float(moved[0][0, 0]) - q[0]) < 1e-12 and abs(float(moved[1][0, 0])) < 1e-12
    ) == rest


def test_every_shear_that_a_network_can_be_is_tried(verlet):
    """All settings of two drifts around a kick; each keeps areas for any force."""
    rows = shear_genomes(verlet)
    assert len(rows) == len(verlet.layout.values) ** 2
    proofs = [prove_structure(verlet, row) for row in rows[:: len(rows) // 6]]
    assert all(proof.symplectic and proof.rest for proof in proofs)
    canonical = verlet.canonical_form.canonicalize(rows).tolist()
    assert verlet.canonical_form.canonicalize(genome(verlet, VERLET)[None])[0].tolist() in canonical


def test_a_linear_force_is_judged_for_itself():
    """The exact rotation, spelt through the force or not, is named and shown as it is."""
    found = map_model(oscillator(), None)
    row = genome(
        found, {0: FREE, 1: FREE, 2: FREE, 3: FREE, 6: 1, 9: 1, 10: 1, 14: 1, 16: 1, 19: 1}
    )
    w, dt = np.sqrt(1.5), 0.1
    values = np.nan_to_num(found.layout.fixed(row))
    values[:4] = np.cos(w * dt), np.sin(w * dt) / w, -w * np.sin(w * dt), np.cos(w * dt)
    exact = _entry(found, row, values, 14, 0.0, 0.0, 0.0, 0.0)
    assert exact.scheme == "the exact map of this linear force" and exact.proved(False)
    first, second = values[0], values[1] / dt
    assert exact.equations[0].text == f"q(t+dt) = {first:.7g}*q + {second:.7g}*q'*dt"
    verlet = genome(found, {**VERLET, 1: "dt/2", 17: "dt/2"})
    once = _entry(found, verlet, fit(found, verlet)[0], 13, 0.0, 0.0, 0.0, 0.0)
    assert once.scheme == "position Verlet" and once.proof.symplectic


def test_a_bent_network_is_not_claimed_to_be_proved(verlet):
    assert prove_structure(verlet, genome(verlet, VERLET, {0: "tanh"})) is None


def test_the_structured_map_keeps_energy_and_comes_back(verlet):
    row = genome(verlet, VERLET)
    step = as_step(verlet, row, fit(verlet, row)[0])
    found = map_evaluation(verlet, "map", step)
    assert found.return_error * 100 <= 1e-10  # pm
    assert found.energy_shift * 1.03642697e-2 * 1e4 <= 1e-6  # eV out of u angstrom^2/fs^2


def test_inverse_mass_by_extrapolation(verlet):
    row = genome(verlet, VERLET)
    weights = fit(verlet, row)[0]
    best = _entry(verlet, row, weights, 13, 0.0, 0.0, 0.0, 0.0)
    limit = _limit(verlet, best, lambda *_: None)
    factors = [one.B[1, 0] for one in limit.levels]
    first, second = np.diff(factors)
    assert first / second == pytest.approx(4, abs=0.1)  # falls with dt^2
    assert abs(factors[0] - 1) == pytest.approx(5.5e-4, rel=0.2)
    assert limit.inverse_mass[0] * verlet.system.mass[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_damping_by_extrapolation():
    found = shipped("damped_pnn")
    row = genome(found, DAMPED)
    weights = fit(found, row)[0]
    best = _entry(found, row, weights, 14, 0.0, 0.0, 0.0, 0.0)
    assert best.scheme == "damped position Verlet"
    assert best.proof.holds(damped=True) and not best.proof.symplectic
    limit = _limit(found, best, lambda *_: None)
    gamma = limit.rate[0] / limit.inverse_mass[0]
    study = load(STUDIES / "damped_pnn.toml")
    wanted = study.number(study.parameters["gamma"])
    assert gamma == pytest.approx(wanted, rel=1e-3)


@pytest.mark.slow
def test_vectors_have_one_weight_for_all_components():
    found = shipped("verlet_pnn_2d")
    assert found.layout.genes == 26 and found.system.width == 2
    starts = np.stack([part.v[0] for part in found.motions.train])
    assert abs(np.linalg.det(starts[:2])) > 1e-9  # not all along one line
    row = genome(found, VERLET)
    weights = fit(found, row, thinned(found.train, 2000))
    assert weights[0, 15] * found.system.mass[0, 0] == pytest.approx(1, abs=1e-3)
    proved = prove_structure(found, row)
    assert proved.reversible and proved.symplectic
    metrics = found.metrics(row[None], weights, thinned(found.validation))
    assert metrics.reversal[0] < 1e-9 and metrics.volume[0] < 1e-12


@pytest.mark.slow
def test_coordinates_as_numbers_have_a_force_each():
    found = map_model(
        oscillator(
            system='coordinates = ["x", "y"]\n'
            "lagrangian = \"m*(x'^2 + y'^2)/2 - k*(x^2 + 2*y^2)/2\"",
            search='inputs = ["x", "y", "x\'", "y\'"]\nlayers = [4, 4, 4]\nforce = 2\n'
            'outputs = ["x(t+dt)", "y(t+dt)", "x\'(t+dt)", "y\'(t+dt)"]\n'
            'weights = ["0", "1/2", "1", "dt/2", "dt", "trainable"]',
        ),
        None,
    )
    assert found.layout.weights == 16 + 8 + 16 + 24 + 16
    half = Fraction(1, 20)  # dt/2 of 0.1
    w = {0: 1, 2: half, 5: 1, 7: half, 10: 1, 15: 1}  # a = (x + dt/2 x', y + ..., x', y')
    w |= {16: 1, 21: 1}  # F hears a1, a2
    w |= {24: 1, 29: 1, 34: 1, 39: 1}  # carried on
    w |= {40: 1, 47: 1, 54: 1, 56: FREE, 61: 1, 63: FREE}
    w |= {64: 1, 66: half, 69: 1, 71: half, 74: 1, 79: 1}
    row = np.zeros(found.layout.genes, dtype=np.int32)
    for place in range(found.layout.weights):
        value = w.get(place, 0)
        codes = [k for k, v in enumerate(found.layout.values) if v == value]
        row[found.layout.units + place] = codes[0]
    proved = prove_structure(found, row)
    # two masses, untied: areas are kept with those that the map itself has
    assert proved.reversible and proved.symplectic and proved.rest
    assert "the map itself" in proved.reasons[1]
    weights = fit(found, row)
    assert weights[0][56] * 2 / 0.1 == pytest.approx(1, abs=1e-2)


def test_motions_start_at_the_minimum_and_move_inward(verlet):
    study = load(STUDIES / "verlet_pnn.toml")
    q, lowest = potential_minimum(verlet.system)
    assert q[0] == pytest.approx(2.5 * 2 ** (1 / 6), rel=1e-12)
    assert lowest == pytest.approx(-study.number(study.parameters["eps"]), rel=1e-12)
    assert all(part.v[0, 0] < 0 and part.q[0, 0] == q[0] for part in verlet.motions.train)


def test_the_reference_is_the_closed_form():
    found = map_model(oscillator(), None)
    w = np.sqrt(1.5)
    rows = found.motions.train[1]
    exact = rows.q * np.cos(w * 0.1) + rows.v / w * np.sin(w * 0.1)
    np.testing.assert_allclose(rows.next_q, exact, atol=2e-5)


def test_damped_reference_loses_energy_at_the_right_rate():
    study = oscillator(
        system='coordinates = ["q"]\nlagrangian = "m*q\'^2/2 - k*q^2/2"\n'
        'nonconservative = "-c*q_plus\'*q_minus"',
        parameters="m = 2.0\nk = 3.0\nc = 0.2",
    )
    rows = computed_pairs(system_of_maps(study), sampling(study)).train[0]
    g, t = 0.05, 0.1
    w = np.sqrt(1.5 - g**2)
    exact = np.exp(-g * t) * (
        rows.q * np.cos(w * t) + (rows.v + g * rows.q) / w * np.sin(w * t)
    )  # fmt: skip
    np.testing.assert_allclose(rows.next_q, exact, atol=2e-5)


@pytest.mark.parametrize("even", [True, False])
def test_extrapolation_removes_powers_of_the_step(even):
    powers = (2, 4) if even else (1, 2)
    levels = [np.array([1 + sum((0.5**k) ** p for p in powers)]) for k in range(3)]
    np.testing.assert_allclose(richardson_limit(levels, even), [1], atol=1e-13)


def test_measured_motions_give_the_same_pairs(tmp_path):
    import jax.numpy as jnp

    study = oscillator(data='file = "motion.csv"\ndt = 0.1\n'
                            'columns = { t = "t", trial = "n", q = "q", v_q = "v" }')  # fmt: skip
    t = np.tile(np.arange(50) * 0.1, 4)
    trial = np.repeat(np.arange(4), 50)
    size = 1 + trial
    q, v = size * np.cos(t), -size * np.sin(t)
    found = map_model(study, {"t": t, "trial": trial, "q": q, "v_q": v})
    parts = (*found.motions.train, *found.motions.validation, *found.motions.test)
    assert sum(map(len, parts)) == 4 * 49  # no pair joins two trials
    for part in parts:
        np.testing.assert_allclose(part.next_q, part.q * np.cos(0.1) + part.v * np.sin(0.1))
    assert len(found.motions.test) == 1 and jnp.abs(found.motions.test[0].q).max() == 4


@pytest.mark.parametrize("count", [1, 3])
def test_fps_times_of_frames_are_dt_apart(count):
    """Frames at 30 a second whose times the file rounds to 0.1 ms; dt is a multiple of a frame."""
    study = oscillator(data=f'file = "motion.csv"\ndt = "{count}/30"\n'
                            'columns = { t = "t", q = "q", v_q = "v" }')  # fmt: skip
    exact = np.arange(200) / 30
    found = map_model(
        study, {"t": exact.round(4), "q": np.cos(exact), "v_q": -np.sin(exact)}
    )  # fmt: skip
    parts = (*found.motions.train, *found.motions.validation, *found.motions.test)
    assert sum(map(len, parts)) == 200 - count
    for part in parts:
        turned = part.q * np.cos(count / 30) + part.v * np.sin(count / 30)
        np.testing.assert_allclose(part.next_q, turned, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"data": "energies = { train = [-0.1] }\ndt = 0.1\npoints = 10"}, "energy.low"),
        ({"system": 'coordinates = ["q"]\nlagrangian = "m*q\'^2/2 + k*q^3*q\'"'}, "map.force"),
        ({"system": 'coordinates = ["q"]\nlagrangian = "m*q\'^2/2 + k*q^2/2"'}, "map.minimum"),
    ],
)
def test_faults_point_into_the_study(change, code):
    study = oscillator(**change)
    with pytest.raises(Faults) as raised:
        map_model(study, None)
    fault = raised.value.faults[0]
    assert fault.code == code and fault.line is not None


def test_outputs_are_the_whole_state():
    search = 'inputs = ["q", "q\'"]\noutputs = ["q(t+dt)"]\nlayers = [2]\nforce = 1'
    with pytest.raises(Faults, match="every velocity"):
        map_model(oscillator(search=search), None)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"system": 'coordinates = ["q"]\nlagrangian = "m*q\'^2/2 + k*q^3*q\'"'}, "map.force"),
        ({"search": 'inputs = ["q"]\noutputs = ["q(t+dt)"]\nlayers = [2]\nforce = 1'}, "map.state"),
        ({"search": 'inputs = ["q"]\noutputs = ["q(t+dt)", "q\'(t+dt)"]\nlayers = [20, 20, 20]'},
         "search.size"),
    ],
)  # fmt: skip
def test_what_a_run_refuses_is_known_before_it(change, code):
    study = oscillator(**change)
    for refuse in (check, lambda one: map_model(one, None)):
        with pytest.raises(Faults) as raised:
            refuse(study)
        assert [fault.code for fault in raised.value.faults] == [code]
    assert check(oscillator()) == []


def test_equal_genomes_have_equal_scores(verlet):
    search = MapSearch(verlet)
    row = genome(verlet, PUBLISHED)
    spellings = np.array([row[order] for order in verlet.canonical_form.orders])
    scores = search.scores(spellings)
    assert len(np.unique(scores, axis=0)) == 1
    again = MapSearch(verlet).scores(spellings[::-1])
    np.testing.assert_array_equal(scores, again[::-1])
