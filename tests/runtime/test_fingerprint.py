"""Which code a checkpoint belongs to: that which determines numbers, not what is said of it."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.runtime.errors import Refused
from actionrun.runtime.storage import fingerprint as module
from actionrun.runtime.storage.checkpoint import Checkpoints, Point
from actionrun.runtime.storage.fingerprint import code_hash, fingerprint

CODE = b"""'''What it is.'''


def twice(x):
    '''Two of it.'''
    return 2 * x  # not three
"""


def mark(code: bytes) -> str:
    return code_hash({"compiler/a.py": code})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Two of it.", b"Twice  this."),
        (b"    '''Two of it.'''\n", b""),
        (b"What it is.", b"Something else."),
        (b"# not three", b"# and so on"),
        (b"\n\n\ndef", b"\n\ndef"),
    ],
)
def test_words_and_blank_lines_do_not_count(before, after):
    assert before in CODE and mark(CODE.replace(before, after)) == mark(CODE)


@pytest.mark.parametrize(("before", "after"), [(b"2 *", b"3 *"), (b"twice", b"thrice")])
def test_code_counts(before, after):
    assert mark(CODE.replace(before, after)) != mark(CODE)


def test_all_that_determines_numbers_is_in_it():
    names = {path.relative_to(module.HOME).as_posix() for path in module._files()}
    assert {"spec/units/unit_table.py", "compiler/kinds.py", "runtime/evolution.py"} <= names
    assert {"runtime/data/csv_table.py", "runtime/data/observations.py"} <= names
    assert not any(name.startswith(("runtime/report", "runtime/storage")) for name in names)


def test_it_is_kept_from_one_start_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = fingerprint.__wrapped__()
    (kept,) = (tmp_path / "actionrun" / "fingerprints").iterdir()
    assert kept.read_text() == first
    monkeypatch.setattr(module, "code_hash", None)
    assert fingerprint.__wrapped__() == first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert fingerprint.__wrapped__() == first, "a folder that cannot be written does no harm"


STATE = {"weights": [jnp.ones((2, 3)), jnp.zeros(2)], "step": 4}


def saved(folder: Path, state=STATE, code: str = "then") -> None:
    stamp = {"study": "s", "code": code}
    Checkpoints(folder, stamp, lambda event: None).save(Point(4, state), {})


def read(folder: Path, like=STATE, study: str = "s"):
    return Checkpoints(folder, {"study": study, "code": "now"}, lambda event: None).last_state(like)


def test_a_state_outlives_a_release(tmp_path):
    saved(tmp_path)
    np.testing.assert_array_equal(read(tmp_path)["weights"][0], np.ones((2, 3)))
    with pytest.raises(Refused, match="code: then then, now now"):
        Checkpoints(tmp_path, {"study": "s", "code": "now"}, lambda event: None).latest(STATE)


@pytest.mark.parametrize(
    "like",
    [
        {"weights": [jnp.ones((2, 4)), jnp.zeros(2)], "step": 4},
        {"weights": [jnp.ones((2, 3), jnp.float32), jnp.zeros(2)], "step": 4},
        {"weights": [jnp.ones((2, 3))], "step": 4},
        {"heights": [jnp.ones((2, 3)), jnp.zeros(2)], "step": 4},
    ],
    ids=["shape", "type", "count", "name"],
)
def test_another_network_is_refused_in_one_message(tmp_path, like):
    saved(tmp_path)
    with pytest.raises(Refused, match=r"another (structure|shape or type): this version") as caught:
        read(tmp_path, like)
    assert "train it again with --fresh" in str(caught.value)


def test_another_study_is_refused(tmp_path):
    saved(tmp_path)
    with pytest.raises(Refused, match="study: s then, other now"):
        read(tmp_path, study="other")
