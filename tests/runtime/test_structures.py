"""Structures from files and back: what is wrong in one is told with its place; ASE reads ours."""

import io
from pathlib import Path

import numpy as np
import pytest
from actionrun.compiler.findings import Trajectory
from actionrun.runtime.data.observations import read_files
from actionrun.runtime.data.structures import extended_xyz
from actionrun.runtime.data.xyz import structures
from actionrun.spec import Faults, load
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

STUDY = """\
study = "om"

[system]
particles = 2
dimension = {dimension}
pair = "{pair}"
{mass}

[ends]
start = "a.xyz"
end = "b.xyz"
align = {align}

[path]
duration = {duration}
points = 16
"""
GOOD = "2\n\nAr 0.0 0.0 0.0\nAr 1.5 0.0 0.0\n"


def study(folder: Path, a=GOOD, b=GOOD, align="false", dimension=3, units=False):
    (folder / "a.xyz").write_text(a, encoding="utf-8")
    (folder / "b.xyz").write_text(b, encoding="utf-8")
    text = STUDY.format(
        dimension=dimension, align=align,
        pair="eps*(sigma/r)^9" if units else "(1/r)^9",
        mass='mass = "40 u"' if units else "", duration='"1 ps"' if units else "0.5",
    )  # fmt: skip
    if units:
        text += '[parameters]\neps = "0.01 eV"\nsigma = "0.3 nm"\n'
    path = folder / "path.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def told(action) -> str:
    with pytest.raises(Faults) as caught:
        action()
    return "\n".join(fault.render(False) for fault in caught.value.faults)


def test_both_ends_are_read(tmp_path):
    moved = 'Properties=pos:R:3:velo:R:3:species:S:1 Lattice="4 0 0 0 4 0 0 0 4" "odd words" x\n'
    end = f"2\n{moved}0 0 1 1 2 3 Ar\n0 0 2.5 4 5 6 Ar\n"
    found = read_files(study(tmp_path, b=end))
    np.testing.assert_array_equal(found["start"], [[0, 0, 0], [1.5, 0, 0]])
    np.testing.assert_array_equal(found["end"], [[0, 0, 1], [0, 0, 2.5]])
    np.testing.assert_array_equal(found["end_velocities"], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(found["end_cell"], 4 * np.eye(3))
    assert [*found["end_periodic"]] == [True, True, True]
    assert "start_periodic" not in found
    assert [*found["start_species"]] == ["Ar", "Ar"]
    assert "start_velocities" not in found


def test_units_are_angstrom(tmp_path):
    """A study in eV, u, nm, ps: lengths come out in nm."""
    found = read_files(study(tmp_path, units=True))
    np.testing.assert_allclose(found["start"][1], [0.15, 0, 0], rtol=1e-14)


def test_a_plane_has_two_columns(tmp_path):
    flat = study(tmp_path, dimension=2)
    assert read_files(flat)["start"].shape == (2, 2)
    tilted = study(tmp_path, a=GOOD.replace("1.5 0.0 0.0", "1.5 0.0 0.1"), dimension=2)
    assert "a.xyz:4:1: the study has 2 dimensions" in told(lambda: read_files(tilted))


def test_of_several_structures_one_is_named(tmp_path):
    """By its number; where one file is both ends, the first and the last; else that is asked."""
    several = GOOD + GOOD.replace("1.5", "1.6") + GOOD.replace("1.5", "1.7") + "\n\n"
    asked = study(tmp_path, several)
    assert 'write start = "a.xyz@0" for the first' in told(lambda: read_files(asked))
    text = (tmp_path / "path.toml").read_text(encoding="utf-8")
    for start, end, places in (("a.xyz@1", "a.xyz@-1", (1.6, 1.7)), ("a.xyz", "a.xyz", (1.5, 1.7)),
                               ("a.xyz@-2", "b.xyz", (1.6, 1.5))):  # fmt: skip
        one = text.replace('"a.xyz"', f'"{start}"').replace('"b.xyz"', f'"{end}"')
        (tmp_path / "path.toml").write_text(one, encoding="utf-8")
        found = read_files(load(tmp_path / "path.toml"))
        assert (found["start"][1, 0], found["end"][1, 0]) == places
    (tmp_path / "path.toml").write_text(text.replace("a.xyz", "a.xyz@3"), encoding="utf-8")
    assert "holds 3 structures, numbered" in told(lambda: read_files(load(tmp_path / "path.toml")))


def test_masks_momenta_and_pbc_are_read(tmp_path):
    """ASE's columns: atoms with F are held; momenta are masses times velocities."""
    columns = "Properties=species:S:1:pos:R:3:momenta:R:3:move_mask:L:1"
    text = f'2\n{columns} pbc="F F F"\nAr 0 0 0 2 4 6 F\nAr 1.5 0 0 0 0 2 T\n'
    one = study(tmp_path, a=text)
    found = read_files(one)
    assert [*found["start_frozen"]] == [True, False]
    assert [*found["start_periodic"]] == [False, False, False]
    assert "start_velocities" not in found  # positions alone are asked for
    source = (tmp_path / "path.toml").read_text(encoding="utf-8")
    source = source.replace("[ends]", '[ends]\ngiven = ["positions", "velocities"]')
    source = source.replace("[system]", "[system]\nmass = 2.0")
    (tmp_path / "path.toml").write_text(source, encoding="utf-8")
    (tmp_path / "b.xyz").write_text(text, encoding="utf-8")
    found = read_files(load(tmp_path / "path.toml"))
    np.testing.assert_array_equal(found["start_velocities"], [[1, 2, 3], [0, 0, 1]])
    for good, bad in (("6 F", "6 x"), ("L:1", "L:3")):
        (tmp_path / "b.xyz").write_text(text.replace(good, bad), encoding="utf-8")
        assert "b.xyz" in told(lambda: read_files(load(tmp_path / "path.toml")))


EXTENDED = "2\nProperties={}\nAr 0 0 0 1\nAr 1 0 0 2\n"
FAULTY = {
    "": "a.xyz: the file holds no structure",
    "two\n\nAr 0 0 0\n": 'a.xyz:1:1: the number of atoms is wanted here',
    "0\n\n": "a.xyz:1:1: the number of atoms",
    "99999999999\n\n": "a.xyz:1:1: the number of atoms",
    "3\n\nAr 0 0 0\nAr 1 0 0\n": "a.xyz:1:1: 3 atoms are announced, 2 follow",
    "2\n\nAr 0 0 0\nAr 1 0\n": "a.xyz:4:1: 3 columns, 4 wanted",
    "2\n\nAr 0 0 0\nAr 1 0,5 0\n": 'a.xyz:4:6: "0,5" is not a finite number',
    "2\n\nAr 0 0 0\nAr 1 0.1_0 0\n": 'a.xyz:4:6: "0.1_0" is not a finite number',
    "2\n\nAr 0 0 0\nAr 1 \u0663 0\n": 'a.xyz:4:6: "\u0663" is not a finite number',
    '2\nLattice="4_0 0 0 0 8 0 0 0 4"\nAr 0 0 0\nAr 1 0 0\n': "the cell has no finite volume",
    "2\n\nAr 0 nan 0\nAr inf 0.5 0\n": 'a.xyz:4:4: "inf" is not a finite number',
    "2\n\nAr 0 0 0\n<b> 1 0 0\n": 'a.xyz:4:1: "<b>" is no name of an atom',
    EXTENDED.format("pos:R:3"): "a.xyz:2:1: Properties that cannot be read",
    EXTENDED.format("species:S:1:pos:R:2:x:R:2"): "a.xyz:2:1: Properties that cannot be read",
    EXTENDED.format("species:S:1:pos:R:three"): "a.xyz:2:1: Properties that cannot be read",
    EXTENDED.format("species:S:1:pos:R:3"): "a.xyz:3:1: 5 columns, 4 wanted",
    '2\nLattice="1 2\nAr 0 0 0\nAr 1 0 0\n': "a.xyz:2:1: a quotation mark is not closed",
    '2\nLattice="4 0 0 8 0 0 0 0 4"\nAr 0 0 0\nAr 1 0 0\n': "the cell has no finite volume",
    "2\nLattice=4\nAr 0 0 0\nAr 1 0 0\n": "the cell has no finite volume",
    '2\npbc="T T"\nAr 0 0 0\nAr 1 0 0\n': "a.xyz:2:1: pbc that cannot be read",
    '2\npbc="T T F"\nAr 0 0 0\nAr 1 0 0\n': "a.xyz:2:1: periodic, without a Lattice",
    "1\n\nAr 0 0 0\n": "a.xyz:1:1: 1 atoms here, and the study has particles = 2",
    f"2\nLattice={'x' * 30000}\nAr 0 0 0\nAr 1 0 0\n": "a comment of 30008 characters",
}  # fmt: skip


@pytest.mark.parametrize("text", FAULTY, ids=range(len(FAULTY)))
def test_faults_have_a_place(tmp_path, text):
    faulty = study(tmp_path, a=text)
    message = told(lambda: read_files(faulty)).replace(f"{tmp_path}/", "")
    assert FAULTY[text] in message


def test_ends_that_do_not_fit(tmp_path):
    krypton = GOOD.replace("Ar 1.5", "Kr 1.5")
    swapped = GOOD.replace("Ar 0.0", "Kr 0.0")
    message = told(lambda: read_files(study(tmp_path, b=krypton)))
    assert "b.xyz:1:1: the end has Ar1 Kr1, the start Ar2" in message
    message = told(lambda: read_files(study(tmp_path, a=swapped, b=krypton)))
    assert "b.xyz:3:1: atom 1 is Ar here and Kr at the start" in message
    assert "align = true" in message
    assert read_files(study(tmp_path, a=swapped, b=krypton, align="true"))
    (tmp_path / "b.xyz").unlink()
    gone = load(tmp_path / "path.toml")
    assert "there is no file" in told(lambda: read_files(gone))
    (tmp_path / "b.xyz").write_bytes(b"\xff\xfe")
    assert "no UTF-8" in told(lambda: read_files(gone))


@given(st.text(alphabet="0123456789 .-\n\"'=:ArLaticeProps", max_size=120))
def test_no_text_is_a_traceback(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("xyz") / "x.xyz"
    path.write_text(text, encoding="utf-8")
    try:
        for one in structures(path):
            assert one.positions.shape == (len(one.species), 3)
    except Faults as faults:
        assert all(fault.message for fault in faults.faults)


NUMBERS = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(arrays(float, (2, 3, 3), elements=NUMBERS), arrays(float, (2, 3, 3), elements=NUMBERS))
def test_what_is_written_is_read(tmp_path_factory, q, v):
    path = tmp_path_factory.mktemp("xyz") / "x.extxyz"
    path.write_text(
        extended_xyz(Trajectory(q, ("Ar", "Big", "Kr"), velocities=v, cell=7.5 * np.eye(3)))
    )
    back = [*structures(path)]
    for k, one in enumerate(back):
        assert one.velocities is not None
        np.testing.assert_allclose(one.positions, q[k], rtol=1e-11)
        np.testing.assert_allclose(one.velocities, v[k], rtol=1e-11)
        assert [*one.species] == ["Ar", "X", "Kr"]
        np.testing.assert_array_equal(one.cell, 7.5 * np.eye(3))
    assert len(back) == 2


def test_ase_reads_ours():
    """Positions, momenta, masses, energies, cell, labels; a name that is no element is kept."""
    ase = pytest.importorskip("ase.io")
    rng = np.random.default_rng(0)
    q, v = rng.normal(size=(2, 2, 4, 3))
    masses = np.array([1.0, 2, 3, 4])
    ours = Trajectory(
        q, ("Ar", "Ar", "Kr", "Soft"), np.array([0.0, 1.5]), v, v * masses[:, None], masses,
        np.array([-3.0, -4.0]), 5 * np.eye(3), labels=("minimum", 'saddle"<&'),
    )  # fmt: skip
    frames = ase.read(io.StringIO(extended_xyz(ours)), ":", format="extxyz")
    for k, one in enumerate(frames):
        np.testing.assert_allclose(one.positions, q[k], rtol=1e-11)
        np.testing.assert_allclose(one.get_velocities(), v[k], rtol=1e-11)
        assert one.get_potential_energy() == [-3.0, -4.0][k]
        assert one.cell.cellpar()[0] == 5
        assert one.info["Time"] == [0.0, 1.5][k]
    assert [*frames[0].symbols] == ["Ar", "Ar", "Kr", "X"]
    assert frames[0].arrays["name"][3] == "Soft"
    assert frames[1].info["label"].startswith("saddle")
    plane = Trajectory(q[..., :2], ("Ar",) * 4, cell=4 * np.eye(2))
    flat = ase.read(io.StringIO(extended_xyz(plane)), format="extxyz")
    assert [*flat.pbc] == [True, True, False]
