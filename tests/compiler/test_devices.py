"""Several devices in one process share a batch: the same training and the same coefficients of new
motions, but for the order of sums."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

STUDY = """
study = "family"
title = "Oscillators on several devices"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
constraints = ["c1 > 0"]
[coefficients]
c1 = [0.5, 4.0]
c2 = [0.5, 8.0]
[start]
position = { q = [-1.0, 1.0] }
momentum = { q = [0.5, 1.0] }
[integrator]
r = 0
dt = 0.1
steps = 10
[network]
hidden = [8]
[training]
steps = 4
batch = 16
[test]
systems = 0
"""
SCRIPT = """
import json, sys
from pathlib import Path
from actionrun.runtime.environment.jax_setup import set_switches
set_switches()
import jax
import numpy as np
from actionrun.compiler import compile
from actionrun.compiler.family.infer import infer_motions
from actionrun.compiler.numerics.sharding import shard_batch
from actionrun.runtime.storage.checkpoint import flat, restored
from actionrun.spec import load
batch = jax.jit(shard_batch)(jax.numpy.ones((3, 16)))
t = np.tile(0.1 * np.arange(11), 2)
omega = np.repeat([1.0, 1.5], 11)
motions = {
    "trial": np.repeat([1, 2], 11), "t": t, "q": np.cos(omega * t),
    "pi_q": -2 * omega * np.sin(omega * t),
}
print([len(batch.sharding.device_set), batch.addressable_shards[0].data.shape])
program = compile(load(Path(sys.argv[1])), {})
for both in (True, False):
    start = program.start()
    state, _ = program.advance(start, 0, 2)
    leaves, shape = flat(state)
    state, _ = program.advance(restored(leaves, shape, start, "here"), 2, 2)  # as after a kill
    print(json.dumps([leaf.ravel()[:3].tolist() for leaf in flat(state)[0]]))
    print(json.dumps(infer_motions(program.solver, state, motions).refined.tolist()))
    alone = jax.devices()[:1]
    jax.devices = lambda: alone
    jax.clear_caches()
"""


@pytest.mark.slow
def test_a_batch_on_two_devices_is_as_on_one(tmp_path):
    study = tmp_path / "family.toml"
    study.write_text(STUDY)
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(study)], capture_output=True, text=True,
        env=os.environ | {"XLA_FLAGS": flags},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace("(", "[").replace(")", "]").splitlines()
    shard_batch, leaves, named, leaves_alone, named_alone = map(json.loads, lines)
    assert shard_batch == [2, [3, 8]]
    for two, one in zip(leaves, leaves_alone, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-6)
    # q'' = -(c2/c1) q and pi = 2 c1 q', as far as steps of order 2 tell: (0.1*1.5)^2/6 = 0.4 %.
    np.testing.assert_allclose(named, [[1, 1], [1, 2.25]], rtol=5e-3)
    np.testing.assert_allclose(named, named_alone, rtol=1e-9)
