"""A trained network names motions that it has not seen, many at once, whatever their samples."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from actionrun.runtime import load, run
from actionrun.runtime.cli import main
from actionrun.runtime.data.motions import motion_blocks
from actionrun.runtime.trained_network import TrainedNetwork
from scipy.integrate import solve_ivp

STUDY = """
study = "family"
title = "Oscillators for infer"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
nonconservative = "-c3*q_plus'*q_minus"
constraints = ["c1 > 0", "c2 >= 0", "c3 >= 0"]
[coefficients]
c1 = [0.5, 4.0]
c2 = [0.5, 8.0]
c3 = [0.0, 2.0]
[start]
position = { q = [-1.0, 1.0] }
momentum = { q = [0.5, 1.0] }
[integrator]
r = 2
dt = 0.1
steps = 30
[network]
hidden = [32, 32]
[training]
steps = 600
batch = 128
[test]
systems = 0
"""
TRUTH = {1: (2.0, 4.0, 1.0), 2: (1.0, 2.0, 0.1), 5: (3.0, 1.0, 1.5)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = tmp_path_factory.mktemp("infer")
    (place / "family.toml").write_text(STUDY)
    return run(load(place / "family.toml"), out=place / "run").folder


def motion(c1, c2, c3, times):
    """q and pi of a damped oscillator by an independent integrator."""

    def slope(t, x):
        return [x[1] / (2 * c1), -2 * c2 * x[0] - c3 * x[1] / (2 * c1)]

    return solve_ivp(slope, (0, times[-1]), [0.3, 0.8], t_eval=times, rtol=1e-11, atol=1e-13).y


def written(path, rows, header="trial,t,q,pi"):
    path.write_text(header + "\n" + "\n".join(rows) + "\n")
    return path


def motions(noise=0.0):
    """Motions with irregular times, of unequal length, one sample missing."""
    draw = np.random.default_rng(3)
    for trial, truth in TRUTH.items():
        times = np.sort(np.concatenate([[0.0, 3.2], draw.uniform(0.05, 3.15, 40 + trial)]))
        q, pi = motion(*truth, times)
        q = q + noise * draw.normal(size=len(q)) * np.sqrt(np.mean(q**2))
        for k, t in enumerate(times):
            seen = "" if k == 7 else repr(float(q[k]))
            yield f"{trial},{float(t)!r},{seen},{float(pi[k])!r}"


@pytest.mark.slow
def test_motions_with_irregular_times_are_named(trained, tmp_path, capsys):
    data = written(tmp_path / "new.csv", motions())
    assert main(["infer", str(trained), "--data", str(data)]) == 0
    assert "motion" in capsys.readouterr().out
    found = json.loads((trained / "inferred" / "new" / "inference.json").read_text())["motions"]
    assert [one["trial"] for one in found] == [*TRUTH]
    for one in found:
        for name, true in zip(("c1", "c2", "c3"), TRUTH[one["trial"]], strict=True):
            value = one["coefficients"][name]
            assert abs(value["value"] / true - 1) < 1e-7
            assert abs(one["network"][name] - true) < 1.0
        assert one["residual"] < 1e-8 < one["network_residual"] and one["converged"]
    rows = list(csv.DictReader((trained / "inferred" / "new" / "coefficients.csv").open()))
    assert float(rows[0]["c1"]) == found[0]["coefficients"]["c1"]["value"]


@pytest.mark.slow
def test_noise_shows_in_the_error_bars(trained, tmp_path):
    data = written(tmp_path / "noisy.csv", motions(noise=0.02))
    assert main(["infer", str(trained), "--data", str(data), "--out", str(tmp_path / "o")]) == 0
    found = json.loads((tmp_path / "o" / "inference.json").read_text())["motions"]
    for one in found:
        for name, true in zip(("c1", "c2", "c3"), TRUTH[one["trial"]], strict=True):
            value = one["coefficients"][name]
            assert 0 < value["std"] < 0.1 and abs(value["value"] - true) < 4.5 * value["std"]


@pytest.mark.slow
def test_slips_of_the_measurement_are_named(trained, tmp_path, capsys):
    rows = list(motions(noise=0.01))
    slipped = next(k for k, row in enumerate(rows) if row.startswith("2,")) + 20
    trial, t, q, pi = rows[slipped].split(",")
    rows[slipped] = f"{trial},{t},{float(q) + 0.5!r},{pi}"
    data = written(tmp_path / "slip.csv", rows)
    assert main(["infer", str(trained), "--data", str(data), "--out", str(tmp_path / "o")]) == 0
    found = json.loads((tmp_path / "o" / "inference.json").read_text())["motions"]
    assert {"variable": "q", "t": float(t)} in found[1]["strays"]
    assert "motion 2: far from the fit lie" in capsys.readouterr().out


def test_tasks_are_cut_by_motions(monkeypatch):
    monkeypatch.setattr("actionrun.runtime.data.motions.MOTIONS", 2)
    trial = np.array([7, 7, 3, 5, 3])
    blocks = list(motion_blocks({"trial": trial, "t": np.arange(5.0)}))
    assert [block["trial"].tolist() for block in blocks] == [[3, 5, 3], [7, 7]]
    assert [block["t"].tolist() for block in blocks] == [[2.0, 3.0, 4.0], [0.0, 1.0]]


def test_workers_change_nothing(trained, tmp_path):
    data, found = written(tmp_path / "new.csv", motions()), []
    for name, words in (("alone", []), ("shared", ["--workers", "1"])):
        out = tmp_path / name
        assert main(["infer", str(trained), "--data", str(data), "--out", str(out), *words]) == 0
        found.append((out / "inference.json").read_bytes())
    assert found[0] == found[1]


@pytest.mark.campaign
def test_workers_of_a_command_change_nothing(trained, tmp_path):
    """As a user calls it: in a process whose switches nobody has set before."""
    data, bare = written(tmp_path / "new.csv", motions()), dict(os.environ)
    for name in ("NPROC", "XLA_FLAGS", "JAX_ENABLE_X64"):
        bare.pop(name, None)
    made = []
    for name, words in (("alone", []), ("shared", ["--workers", "2"])):
        out = ["--out", str(tmp_path / name)]
        command = [sys.executable, "-m", "actionrun.runtime.cli", "infer", str(trained)]
        subprocess.run([*command, "--data", str(data), *out, *words], env=bare, check=True)
        made.append((tmp_path / name / "inference.json").read_bytes())
    assert made[0] == made[1]


@pytest.mark.campaign
def test_a_killed_inference_keeps_its_parts(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("actionrun.runtime.data.motions.MOTIONS", 1)
    data, out = written(tmp_path / "new.csv", motions()), tmp_path / "o"
    words = ["infer", str(trained), "--data", str(data), "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    real, asked = TrainedNetwork.infer, []

    def infer(self, block):
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(self, block)

    monkeypatch.setattr(TrainedNetwork, "infer", infer)
    assert main([*words, str(out)]) == 130
    assert main([*words, str(out)]) == 0
    assert len(asked) == 4, "two parts were there"
    made = [(place / "inference.json").read_bytes() for place in (out, tmp_path / "whole")]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (["1,0.0,1.0"], "trial,t,q", 'no column "pi_q"'),
        ([f"1,{0.1 * k},1.0,0.5" for k in range(9)], "trial,t,q,pi", "lasts 0.8"),
        (["1,0.0,x,1"], "trial,t,q,pi", "is not a number"),
    ],
    ids=["column", "short", "cell"],
)
def test_what_is_wrong_with_the_data_is_told(trained, tmp_path, capsys, rows, header, words):
    data = written(tmp_path / "bad.csv", rows, header)
    assert main(["infer", str(trained), "--data", str(data)]) == 65
    assert words in capsys.readouterr().err


def test_a_run_without_a_network_is_refused(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    assert main(["infer", str(tmp_path / "run"), "--data", "x.csv"]) == 2
    assert "no run folder" in capsys.readouterr().err


def test_a_network_of_another_version_is_used_with_a_note(trained, tmp_path, capsys, monkeypatch):
    """One space in the code must not lose what took hours to train."""
    data = written(tmp_path / "new.csv", motions())
    out = ["--out", str(tmp_path / "now")]
    assert main(["infer", str(trained), "--data", str(data), *out]) == 0
    assert "another version" not in capsys.readouterr().err
    monkeypatch.setattr("actionrun.runtime.storage.provenance.fingerprint", lambda: "ffff00001111")
    out = ["--out", str(tmp_path / "later")]
    assert main(["infer", str(trained), "--data", str(data), *out]) == 0
    said = capsys.readouterr().err
    assert (
        "note: this run was made by another version: code " in said and "ffff00001111 now" in said
    )
    now, later = (tmp_path / name / "inference.json" for name in ("now", "later"))
    assert now.read_bytes() == later.read_bytes()
    assert main(["report", str(trained)]) == 0
    assert "made by another version" in capsys.readouterr().err
