"""Whole files: any text gives a study or faults; never an exception, a hang or a side effect."""

import random
import sys

import pytest
import tomli
from actionrun.spec import Faults, UsageFault, loads
from fuzz import GOLDEN, MAKERS, PIECES, TEXTS, answered
from hypothesis import given, settings
from hypothesis import strategies as st
from language_page import STUDIES


@settings(max_examples=300)
@given(st.text(max_size=300))
def test_any_text(text):
    answered(text)


@settings(max_examples=400)
@given(
    st.sampled_from(TEXTS),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES)),
        min_size=1,
        max_size=4,
    ),
)
def test_damaged_studies(text, damage):
    for where, size, piece in damage:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + size :]
    answered(text)


VALUES = st.recursive(
    st.none().map(lambda _: True)
    | st.integers()
    | st.floats()
    | st.sampled_from(["q", "2 fs", "q'", "m + k", "", "rk4", "mlp", "1/0", "c1 > 0"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["q", "x", "c1", "range", "t", "log"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.sampled_from([*STUDIES.values()]), st.data())
def test_any_value_anywhere(text, data):
    """Each key of a good study given a value of any shape."""
    from actionrun.spec.resolved import key, value

    document = tomli.loads(text)
    tables = [name for name, item in document.items() if isinstance(item, dict)]
    table = data.draw(st.sampled_from(tables))
    name = data.draw(st.sampled_from([*document[table], "steps", "noise", "mass", "fixed"]))
    document[table][name] = data.draw(VALUES)
    lines = [f"{key(n)} = {value(i)}" for n, i in document.items() if n not in tables]
    for one in tables:
        lines += [f"[{one}]", *(f"{key(n)} = {value(i)}" for n, i in document[one].items())]
    answered("\n".join(lines))


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([*"0x", "integrator", "dt", "coefficients", "c1"]), min_size=1),
    st.text(max_size=20) | st.sampled_from(["[1, 2]", "{}", "2 fs", "nan", "'q'", "q'^2"]),
)  # fmt: skip
def test_any_override(names, value):
    for text in (STUDIES["dho_ggl"], STUDIES["dho_family"]):
        try:
            loads(text, overrides=[".".join(names) + "=" + value])
        except (Faults, UsageFault) as answer:
            assert str(answer)


BOMBS = [
    'study = "ggl"\n' + " " * 2000 + "x\n[system\n",  # a line of spaces once took minutes of advice
    "x = " + " " * 150_000 + "y\n",
    "[" * 100_000,
    "x = " + "[" * 100_000,
    "x = " + "{a=" * 10_000,
    "a" + ".a" * 200_000 + " = 1",
    "[" + "a." * 100_000 + "a]",
    "x = " + "9" * 900_000,
    "x = 1e" + "9" * 100_000,
    "x = '" + "a" * 900_000,
    'x = """' + "\\" * 900_000,
    '"' * 900_000,
    "\n" * 900_000,
    "".join(f"x{i} = 1\n" for i in range(60_000)),
    "[parameters]\n" + "".join(f"x{i} = 'x{i + 1}'\n" for i in range(20_000)),
    STUDIES["dho_ggl"].replace(
        "lam = 0.1", "\n".join(f"p{i} = 'p{i + 1} + 1'" for i in range(5000))
    ),
    STUDIES["dho_ggl"].replace("k = 1.0", "k = 1" + "0" * 5000),
    STUDIES["dho_ggl"].replace("1000", "1" + "0" * 5000),
    "x = [" + "1," * 200_000 + "]",
    STUDIES["dho_ggl"].replace("m*q'^2/2", "/".join(["1" * 30] * 40)),
    STUDIES["dho_ggl"] + "\n".join(f"[t{i}]\nx = 1" for i in range(5000)),
    STUDIES["melting"].replace("(m/rho)^(1/3)", "m^" * 500 + "2"),
    STUDIES["verlet_pnn"].replace('"dt/2"', ", ".join(['"dt"'] * 2000)),
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda text: f"{text[:12]!r}-{len(text)}")
def test_bombs(bomb):
    answered(bomb)


def test_no_answer_has_a_side_effect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    modules = {*sys.modules}
    for text in GOLDEN:
        answered(text)
    assert not [*tmp_path.iterdir()]
    heavy = {"numpy", "sympy", "jax", "matplotlib", "deap", "rich"}
    assert not heavy & (
        {name.partition(".")[0] for name in sys.modules} - {m.partition(".")[0] for m in modules}
    )


def test_many_random_files():
    """The fuzzer that runs for a minute in CI, for a moment and from its own fixed seed."""
    dice = random.Random(0)
    found = [answered(dice.choice(MAKERS)(dice)) for _ in range(1500)]
    assert any(found) and not all(found)
