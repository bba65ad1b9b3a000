"""Loading a study: what the compiler reads off it, overrides, and writing it out again."""

import math
from fractions import Fraction
from pathlib import Path

import pytest
from actionrun.spec import (
    Family,
    Faults,
    Ggl,
    Range,
    UsageFault,
    check,
    load,
    loads,
    resolved_toml,
    template,
)
from actionrun.spec.expressions.syntax_tree import Relation
from language_page import DHO_FAMILY, DHO_GGL, PENDULUM_MEASURED, STUDIES

STARTERS = {kind: template(kind) for kind in ("ggl", "family", "om", "pnn")}


@pytest.mark.parametrize("text", [*STUDIES.values(), *STARTERS.values()], ids=[*STUDIES, *STARTERS])
def test_a_study_written_out_is_the_same_study(text):
    study = loads(text)
    written = resolved_toml(study)
    again = loads(written)
    assert again == study
    assert resolved_toml(again) == written
    assert again.units == study.units


def test_what_the_compiler_reads_off_a_ggl():
    study = loads(DHO_GGL)
    assert isinstance(study, Ggl) and study.study == "ggl" and study.seed == 0
    assert study.system.coordinates == {"q": 1} and not study.system.is_vector("q")
    assert study.system.lagrangian.text == "m*q'^2/2 - k*q^2/2"
    assert study.constant("lam") == 0.1 and study.number(study.integrator.dt) == 0.1
    assert study.constant("w") == pytest.approx(math.sqrt(1 - 0.05**2), rel=1e-15)
    assert study.integrator.r == 2 and study.integrator.save_every == 1
    assert [*study.exact] == ["q"] and study.unit("q") == ""
    fault = study.fault(study.system.nonconservative, None, "k.odd", "K is not odd")
    assert (fault.line, fault.column) == (7, 19)
    fault = study.fault(study.system.lagrangian, study.system.lagrangian.tree.left.span, "a", "b")
    assert (fault.column, fault.length) == (15, len("m*q'^2/2"))


def test_what_the_compiler_reads_off_a_family():
    study = loads(DHO_FAMILY)
    assert isinstance(study, Family)
    assert (
        study.coefficients["c2"].zero == 0.05 and study.number(study.coefficients["c2"].high) == 20
    )
    assert [one.text for one in study.system.inequalities] == ["c1 > 0", "c2 >= 0", "c3 >= 0"]
    assert not study.system.holonomic and isinstance(study.system.constraints[0].tree, Relation)
    assert study.observe.variables == ("q", "pi") and study.observe.noise is None
    assert study.network.hidden == (192, 192, 192) and study.training.loss == "gauge"
    assert study.number(study.test.cases[0]["c2"]) == 4.0
    assert study.data is None and study.start.momentum is not None


def test_data_belong_below_the_folder(tmp_path):
    study = loads(PENDULUM_MEASURED, folder=tmp_path)
    assert study.data.paths == (tmp_path / "pendulum.csv",)
    assert study.data.columns["q"].name == "q" and study.start is None
    elsewhere = tmp_path / "elsewhere.csv"
    given = loads(PENDULUM_MEASURED, folder=tmp_path / "a", data=elsewhere)
    assert given.data.paths == (elsewhere,)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link.csv").symlink_to(elsewhere)
    for path in ("/etc/passwd", "../x.csv", "a/../../x.csv", "link.csv", "C:\\\\x.csv", "~/x.csv"):
        with pytest.raises(Faults) as caught:
            loads(PENDULUM_MEASURED.replace("pendulum.csv", path), folder=tmp_path / "a")
        assert [fault.code for fault in caught.value.faults] == ["data.path"]


def test_data_from_anywhere_are_asked_the_same(tmp_path):
    """What --data names is another file, and no other study."""
    text = PENDULUM_MEASURED + '\n[data.observables]\nr = { column = "r" }\n'
    for elsewhere in (None, tmp_path / "elsewhere.csv"):
        with pytest.raises(Faults) as caught:
            loads(text, folder=tmp_path, data=elsewhere)
        assert [fault.code for fault in caught.value.faults] == ["data.observable"]


def test_a_rate_of_rows_is_positive(tmp_path):
    inputs = '[inputs]\nfile = "u.csv"\nrate = 0.0\ncolumns = { u = "u" }\n'
    with pytest.raises(Faults) as caught:
        loads(f"{DHO_GGL}\n{inputs}", folder=tmp_path)
    (fault,) = caught.value.faults
    assert (fault.code, fault.key) == ("value.range", "inputs.rate")


def test_data_that_are_not_there_are_a_note(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(PENDULUM_MEASURED)
    (note,) = check(file)
    assert note.severity == "note" and note.code == "data.missing" and note.line == 20
    (tmp_path / "pendulum.csv").write_text("t,q\n0,1\n")
    assert check(file) == []


def test_overrides():
    study = loads(
        DHO_GGL, overrides=["integrator.dt=0.2", "parameters.k = '4*m'", "title=New"], seed=7
    )
    assert study.number(study.integrator.dt) == 0.2 and study.constant("k") == 4.0
    assert study.title == "New" and study.seed == 7
    assert loads(resolved_toml(study)) == study
    study = loads(
        DHO_FAMILY, overrides=["coefficients.c2.zero=0.5", "test.cases=[]", "training.steps=5"]
    )
    assert study.coefficients["c2"].zero == 0.5 and study.test.cases == ()
    study = loads(DHO_FAMILY, overrides=["coefficients.c1=[1, 2]", "system.constraints.0=c1 > 1"])
    assert study.number(study.coefficients["c1"].low) == 1


@pytest.mark.parametrize(
    "override",
    ["integrator.stesp=1", "nonsense=1", "integrator", "=1", "a..b=1", "training.steps=5"],
)
def test_overrides_that_name_no_key(override):
    with pytest.raises(UsageFault):
        loads(DHO_GGL, overrides=[override])


def test_data_for_a_study_that_reads_none():
    with pytest.raises(UsageFault):
        loads(DHO_GGL, data=Path("x.csv"))
    with pytest.raises(UsageFault):
        loads(DHO_FAMILY, data=Path("x.csv"))


def test_a_fault_in_an_override_points_at_it():
    with pytest.raises(Faults) as caught:
        loads(DHO_GGL, overrides=['system.lagrangian="m*qq\'^2/2"'])
    (fault,) = caught.value.faults
    assert fault.file == "--set" and fault.line_text[fault.column - 1 :].startswith("qq")
    with pytest.raises(Faults) as caught:
        loads(DHO_GGL, overrides=["integrator.dt=-1"])
    assert [fault.file for fault in caught.value.faults] == ["--set"]


def test_vectors_and_ranges():
    text = """study = "family"
[system]
coordinates = { q = 2, p = 1 }
lagrangian = "dot(q', q')/2 + dot(p', p')/2 - c*|q|^2"
[coefficients]
c = { range = ["1/2", 2], log = true }
k = { fixed = 3 }
[parameters]
half = "1/2"
two = 2
[start]
position = { q = [[0, 1], 0.5], p = [0] }
velocity = { q = ["half", [0, "two"]], p = [1] }
[integrator]
dt = 0.1
steps = 5
[network]
hidden = 125
"""
    study = loads(text)
    assert study.system.is_vector("p") and study.network.hidden == (125,)
    first, second = study.start.position["q"]
    assert (
        isinstance(first, Range) and study.number(first.high) == 1.0 and study.number(second) == 0.5
    )
    assert study.number(study.start.velocity["q"][1].high) == 2.0
    assert study.number(study.coefficients["k"].low) == 3.0
    assert study.constant("two") == Fraction(2) and isinstance(study.constant("two"), Fraction)
    assert loads(resolved_toml(study)) == study


def test_scalar_start_ranges_in_a_family():
    study = loads(DHO_FAMILY.replace("position = { q = 0.0 }", "position = { q = [-1.0, 1.0] }"))
    assert isinstance(study.start.position["q"], Range)
    assert loads(resolved_toml(study)) == study


def test_the_order_of_tables_keeps_the_base_units():
    text = STUDIES["pendulum_constraint"]
    head, parameters = text.split("[start]")[0], "[start]" + text.split("[start]")[1]
    study = loads(
        head.split("[parameters]")[0] + parameters + "[parameters]" + head.split("[parameters]")[1]
    )
    assert study.units.base[2] == "s"
    study = loads(text.replace('"9.81 m/s^2"', '"981 cm/s^2"').replace('"1 m"', '"0.1 dm"'))
    assert study.units.base[0] == "dm"
    assert loads(resolved_toml(study)).units == study.units


def test_tables_of_later_kinds_are_read():
    text = DHO_GGL.replace("[start]", '[sweep]\n"integrator.dt" = [0.1, 0.2]\nseed = 5\n\n[start]')
    assert loads(text).sweep["seed"] == 5
    assert loads(resolved_toml(loads(text))) == loads(text)
    with pytest.raises(Faults) as caught:
        loads(text.replace("integrator.dt", "integrator.td"))
    assert [fault.code for fault in caught.value.faults] == ["key.unknown"]


def test_files(tmp_path):
    with pytest.raises(Faults, match="no such file"):
        load(tmp_path / "none.toml")
    file = tmp_path / "study.toml"
    file.write_bytes(b"\xef\xbb\xbf" + DHO_GGL.replace("\n", "\r\n").encode())
    assert load(file) == loads(DHO_GGL)
    file.write_bytes(b'title = "\xff"')
    assert [fault.code for fault in check(file)] == ["file.encoding"]
    file.write_bytes(b"#" * 1_000_001)
    assert [fault.code for fault in check(file)] == ["file.size"]
    assert [fault.code for fault in check(tmp_path)] == ["file.unreadable"]


def test_the_four_faults_of_the_acceptance_case():
    text = DHO_GGL.replace("steps = 1000", "stesp = 100").replace("dt = 0.1", "dt = -1")
    with pytest.raises(Faults) as caught:
        loads(text.replace("m*q'^2", "m*qq'^2"))
    found = caught.value.faults
    assert [(f.code, f.line, f.suggestion) for f in found] == [
        ("name.unknown", 6, "q"),
        ("key.missing", 21, None),
        ("value.range", 23, None),
        ("key.unknown", 24, "steps"),
    ]
    assert all(f.column and f.line_text and f.severity == "error" for f in found)
    assert found[3].as_dict()["key"] == "integrator.stesp"


def test_user_text_is_not_obeyed():
    with pytest.raises(Faults) as caught:
        loads(DHO_GGL.replace("k = 1.0", 'k = "[red]\\u001b[31m\\u202e"'))
    shown = str(caught.value)
    assert "\x1b" not in shown and "\u202e" not in shown and "[red]" in shown


def test_carets_stand_under_wide_characters():
    from actionrun.spec.text.source import Fault, columns

    fault = Fault("c", "m", "f", 1, 8, 2, line_text="a質量̇ = 12")
    _, line, caret = fault.render().split("\n")
    start = columns(line[: line.index("12")])
    assert caret.index("^") == start and caret.count("^") == 2


ARGON = """study = "om"
[system]
particles = 108
dimension = 3
mass = "39.95 u"
pair = "4*eps*((sigma/r)^12 - (sigma/r)^6)"
external = "k*(x^2 + y^2 + z^2)/2"
cutoff = "2.2*sigma"
box = { density = "0.02 angstrom^-3" }
[parameters]
eps = "0.0104 eV"
sigma = "3.4 angstrom"
k = "0.01 eV/angstrom^2"
[ends]
from = "md"
temperature = "90 K"
md = { dt = "2 fs", equilibration = "40 ps" }
[path]
duration = "1 ps"
points = 32
"""


def test_what_the_compiler_reads_off_an_om():
    study = loads(ARGON)
    assert study.study == "om" and study.system.particles == 108
    assert study.ends.origin == "md" and study.ends.given == ("positions",)
    assert study.number(study.path.duration) == pytest.approx(1000)  # in fs, the first unit of time
    assert study.unit("lagrangian") == "u*angstrom^2/fs^2" and study.unit("t") == "fs"
    assert loads(resolved_toml(study)) == study
    for old, new, code in (
        ('"90 K"', '"90 eV"', "unit.dimension"), ('"39.95 u"', '"39.95 K"', "unit.dimension"),
        ("angstrom^-3", "angstrom^-2", "unit.dimension"), ("z^2)/2", "z)/2", "unit.dimension"),
        ('k*(x', 'k*r*(x', "name.place"), ("sigma/r)^6", "sigma + r)^6", "unit.dimension"),
        ('mass = "39.95 u"\n', "", "unit.mixed"), ('"1 ps"', '"1 angstrom"', "unit.dimension"),
    ):  # fmt: skip
        with pytest.raises(Faults) as caught:
            loads(ARGON.replace(old, new))
        assert [fault.code for fault in caught.value.faults] == [code], new


def test_a_path_between_coordinates():
    text = """study = "om"
[system]
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 - (|q|^2 - 1)^2"
[ends]
start = { q = [-1.0, 0.0] }
end = { q = [1.0, 0.0] }
[path]
duration = 2.0
points = 20
"""
    study = loads(text)
    assert study.number(study.ends.end["q"][0]) == 1.0 and loads(resolved_toml(study)) == study
    with pytest.raises(Faults) as caught:
        loads(text.replace("[1.0, 0.0]", "[1.0]"))
    assert [fault.code for fault in caught.value.faults] == ["start.shape"]


def test_what_the_compiler_reads_off_a_pnn():
    study = loads(STUDIES["verlet_pnn"])
    assert [one.later for one in study.search.outputs] == [True, True]
    assert study.search.outputs[1].tree == study.search.inputs[1].tree
    numbers = [w if w == "trainable" else study.number(w) for w in study.search.weights]
    assert numbers == [0, 0.5, 1, 2, 0.5, 1, 2, "trainable"]  # dt is one fs, the unit of time
    assert study.number(study.data.energy_unit) == pytest.approx(0.5 * 0.00964853, rel=1e-5)
    vectors = STUDIES["verlet_pnn"].replace('["x"]\n', "{ x = 2 }\n")
    vectors = vectors.replace("x'^2", "dot(x', x')").replace("sigma/x", "sigma/|x|")
    assert loads(vectors).search.inputs[0].text == "x"


def test_columns_of_a_table_are_names():
    study = loads(STUDIES["melting"])
    assert study.data.columns["rho"].name == "density" and study.unit("rho") == "g/cm^3"
    assert study.unit("theta0") == "K" and study.unit("vs") == "cm/s"
    assert not study.system.coordinates and "[system]" not in resolved_toml(study)
    assert [*study.compare] == ["Lindemann", "Debye"]
    with pytest.raises(Faults) as caught:
        loads(STUDIES["melting"].replace('C*theta0"', 'C*theta0(1)"'))
    assert [fault.code for fault in caught.value.faults] == ["expression.function"]
