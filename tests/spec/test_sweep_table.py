"""[sweep]: which studies it makes, and that each is one as if it had been written so."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from actionrun.spec import Faults, check, load, loads, points, resolved_toml, swept
from hypothesis import given
from hypothesis import strategies as st
from language_page import STUDIES

DHO = STUDIES["dho_ggl"]
FAMILY = STUDIES["dho_family"]


def values(text: str, **options) -> list[dict]:
    return [dict(point.values) for point in points(loads(text, **options))]


def test_lists_make_a_grid_in_the_order_of_the_file():
    text = DHO + '\n[sweep]\n"integrator.r" = [1, 2]\nparameters.lam = [0.1, 0.2, 0.3]\n'
    found = values(text)
    assert [list(one.values()) for one in found] == [
        [r, lam] for r in (1, 2) for lam in (0.1, 0.2, 0.3)
    ]
    assert {*found[0]} == {"integrator.r", "parameters.lam"}


def test_a_point_is_the_study_as_if_written_so():
    text = DHO + '\n[sweep]\n"integrator.dt" = [0.1, 0.05]\n'
    one, other = (point.study for point in points(loads(text)))
    assert resolved_toml(one) == resolved_toml(loads(DHO))
    assert resolved_toml(other) == resolved_toml(loads(DHO.replace("dt = 0.1", "dt = 0.05")))
    assert not one.sweep and one.number(other.integrator.dt) == 0.05


def test_a_number_of_seeds_starts_from_the_studys_own():
    text = DHO + "\n[sweep]\nseed = 3\n"
    assert [point.study.seed for point in points(loads(text))] == [0, 1, 2]
    assert [point.study.seed for point in points(loads(text, seed=7))] == [7, 8, 9]
    listed = DHO + "\n[sweep]\nseed = [5, 3]\n"
    assert [point.study.seed for point in points(loads(listed))] == [5, 3]


RANDOM = """
[sweep]
"training.learning_rate" = { log_range = [1e-4, 1e-1], draws = 200 }
"training.batch" = { range = [16, 31], draws = 200 }
"observe.noise" = { range = [0.0, 1.0], draws = 200 }
"""


def test_draws_fill_their_range_evenly_and_follow_the_seed():
    found = values(FAMILY + RANDOM)
    assert len(found) == 200, "keys with draws are drawn together"
    rates = [one["training.learning_rate"] for one in found]
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    decades = [sum(10**k <= rate < 10 ** (k + 1) for rate in rates) for k in (-4, -3, -2)]
    assert all(abs(count - 200 / 3) < 4 * math.sqrt(200 * 2 / 9) for count in decades)
    batches = [one["training.batch"] for one in found]
    assert {type(batch) for batch in batches} == {int} and {*batches} == {*range(16, 32)}
    assert values(FAMILY + RANDOM) == found
    assert values(FAMILY + RANDOM, seed=1) != found
    fewer = values(FAMILY + RANDOM.replace("200", "20"))
    assert fewer == found[:20], "more draws keep the ones before"


def test_draws_multiply_the_grid():
    text = DHO + '\n[sweep]\nseed = 2\n"parameters.lam" = { range = [0.1, 0.2], draws = 3 }\n'
    found = values(text)
    assert len(found) == 6
    # the seed that is swept over is not the one that draws
    drawn = [one["parameters.lam"] for one in found]
    assert drawn[:3] == drawn[3:]


def test_quantities_are_drawn_in_their_unit():
    text = STUDIES["pendulum_constraint"]
    text += '\n[sweep]\n"integrator.dt" = { log_range = ["1 ms", "20 ms"], draws = 5 }\n'
    for point in points(loads(text)):
        assert 1e-3 <= point.study.number(point.study.integrator.dt) <= 20e-3
        assert str(point.values["integrator.dt"]).endswith(" ms")


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=4),
    st.integers(1, 3),
)
def test_the_resolved_study_makes_the_same_points(orders, steps, seeds):
    text = f'{DHO}\n[sweep]\nintegrator.r = {orders}\n"integrator.dt" = {steps}\nseed = {seeds}\n'
    study = loads(text)
    again = loads(resolved_toml(study))
    assert resolved_toml(again) == resolved_toml(study)
    assert [resolved_toml(p.study) for p in points(again)] == [
        resolved_toml(p.study) for p in points(study)
    ]
    assert math.prod(len(one.values) for one in swept(study)) == len(values(text))


def test_faults_of_a_combination_stop_before_anything_runs():
    """Each combination is read, the last of what moved is blamed."""
    text = DHO.replace("sqrt(k/m - (lam/(2*m))^2)", "1/(k - lam)") + (
        "\n[sweep]\nparameters.k = [1.0, 2.0]\nparameters.lam = [0.1, 2.0]\n"
    )
    with pytest.raises(Faults, match=r"with this parameters.lam, .*: a division by zero") as caught:
        loads(text)
    (fault,) = caught.value.faults
    assert fault.line_text == "parameters.lam = [0.1, 2.0]"
    assert fault.line_text[fault.column - 1 :].startswith("2.0")


def test_faults_of_the_compiler_point_at_the_sweep():
    study = loads(DHO + '\n[sweep]\n"integrator.dt" = [0.1, 0.2]\n')
    for index, point in enumerate(points(study)):
        fault = point.study.fault(("integrator", "dt"), None, "x", "too long")
        assert (fault.key, fault.line_text) == (
            f"sweep.integrator.dt.{index}", '"integrator.dt" = [0.1, 0.2]',
        )  # fmt: skip
        assert fault.line_text[fault.column - 1 :].startswith(("0.1", "0.2")[index])


def test_overrides_reach_the_sweep(tmp_path: Path):
    file = tmp_path / "dho.toml"
    file.write_text(DHO)
    study = load(file, overrides=["sweep.integrator.r=[1, 2]", "parameters.lam=0.3"])
    assert [(p.study.integrator.r, p.study.constant("lam")) for p in points(study)] == [
        (1, 0.3), (2, 0.3),
    ]  # fmt: skip
    (fault,) = check(file, overrides=["sweep.integrator.r=[1, -2]"])
    assert fault.file == "--set" and fault.code == "value.range"


def test_checking_a_large_study_is_bounded():
    import time

    padding = "# " + "x" * 90 + "\n"
    text = padding * 5000 + DHO + '\n[sweep]\n"integrator.r" = [' + "1, " * 999 + "1]\n"
    begun = time.process_time()
    loads(text)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize("written", ['"training.loss"', "training.loss"])
def test_an_override_changes_the_entry_that_is_there(written):
    text = FAMILY + f'\n[sweep]\n{written} = ["mae", "rms"]\n'
    study = loads(text, overrides=['sweep.training.loss=["huber"]', "sweep.seed=2"])
    assert [entry.name for entry in swept(study)] == ["training.loss", "seed"]
    assert [one["training.loss"] for one in values(resolved_toml(study))] == ["huber"] * 2
    (fault,) = faults_of(text, 'sweep.training.loss=["nonsense"]')
    assert (fault.file, fault.line, fault.column) == ("--set", 1, 21)


def test_an_override_within_a_draw_and_of_a_new_key():
    text = FAMILY + '\n[sweep]\n"observe.noise" = { range = [0.0, 1.0], draws = 20 }\n'
    study = loads(text, overrides=["sweep.observe.noise.draws=3", "sweep.training.batch=[8, 16]"])
    assert [(one.name, len(one.values)) for one in swept(study)] == [
        ("observe.noise", 3), ("training.batch", 2),
    ]  # fmt: skip


def faults_of(text: str, *overrides: str):
    with pytest.raises(Faults) as caught:
        loads(text, overrides=list(overrides))
    return caught.value.faults
