# ruff: noqa: E402  (switches are set before JAX is imported)
"""Parsimonious networks: fits a second beside Keras and one-at-a-time JAX, laws beside pysindy
and pyoperon at energies that none of them has seen.

    python tests/bench/pnn.py [--quick]

Keras, pysindy and pyoperon are the extra `bench`; what is not installed is left out, and said. All
run on one core, in one process; what counts is ratios of one run, not the clock.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

from actionrun.runtime.cli import set_switches

set_switches()

import jax
import jax.numpy as jnp
import numpy as np
import optax
from actionrun.compiler.modules.genome_fit import fitted
from actionrun.compiler.pnn_maps_judge import as_step, energy_of
from actionrun.compiler.pnn_maps_model import Model, model, thinned
from actionrun.spec import load

STUDY = Path(__file__).parents[2] / "studies" / "verlet_pnn.toml"
UNSEEN = (-0.5, -0.3)  # of eps
STEPS = 2000  # of a motion at an unseen energy
EPOCHS = 30  # of Keras


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU of the second call: the first one compiles."""
    work()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def population(found: Model, linear: bool, count: int) -> np.ndarray:
    """Random genomes as evolution meets them: neighbours of the dense one."""
    random = np.random.default_rng(1)
    layout = found.layout
    rows = np.repeat(layout.dense()[None], count, axis=0)
    for row in rows:
        for w in random.choice(layout.weights, random.integers(8, 18), replace=False):
            row[layout.units + w] = random.integers(0, len(layout.values))
        if not linear:
            row[random.integers(0, layout.units)] = random.integers(1, len(layout.activations))
    return found.equals.simplest(rows)


def fits(found: Model, count: int) -> None:
    print(
        f"\n{'population':<24}{'networks':>9}{'converged':>10}{'per CPU s':>11}{'converged/s':>13}"
    )
    data = found.data(thinned(found.train, 400))
    for linear in (True, False):
        rows = population(found, linear, count)
        starts = found.starts(rows)
        result = found.fit(rows, data, starts)
        seconds = cpu(lambda rows=rows, starts=starts: found.fit(rows, data, starts))
        done = int(result.converged.sum())
        name = "linear, 400 rows" if linear else "one unit bent, 400 rows"
        print(f"{name:<24}{count:>9}{done:>10}{count / seconds:>11.0f}{done / seconds:>13.0f}")


def network_epochs(found: Model, rows: int, count: int) -> float:
    """Passes over all rows a CPU second: an iteration of ours sees each row once, with slopes."""
    genomes = population(found, False, count)
    layout = found.layout
    data = found.data(thinned(found.train, rows))
    spec = genomes[:, :6], layout.fixed(genomes), layout.linear(genomes)
    starts = found.starts(genomes)[0]
    iterations = 12
    work = lambda: fitted(  # noqa: E731
        layout.net, found.map.force, data, spec, starts, np.zeros(count, int), iterations, 0.0
    )
    return count * iterations / cpu(work)


def keras_epochs(found: Model, rows: int) -> float | None:
    """The same network in Keras: full batches, Adam, the force as a layer; epochs a CPU second."""
    try:
        import keras  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    keras.config.set_floatx("float64")
    part = thinned(found.train, rows)
    x = np.concatenate([part.q, part.v], axis=1)
    y = np.concatenate([part.next_q, part.next_v], axis=1)

    class Push(keras.layers.Layer):
        def call(self, inputs):  # type: ignore[override]
            assert found.map.force is not None
            return found.map.force([inputs])[0]

    def dense(units):
        return keras.layers.Dense(units, use_bias=False)

    given = keras.Input((2,))
    first = dense(2)(given)
    force = Push()(dense(1)(first))
    second = dense(2)(first)
    third = dense(2)(keras.layers.Concatenate()([second, force]))
    net = keras.Model(given, dense(2)(third))
    for layer in net.layers:  # near the answer, where the force is finite
        if layer.get_weights():
            shape = layer.get_weights()[0].shape
            layer.set_weights([np.full(shape, 1 / shape[0]) + 0.01 * np.eye(*shape)])
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    work = lambda: net.fit(x, y, batch_size=rows, epochs=EPOCHS, verbose=0)  # noqa: E731
    return EPOCHS / cpu(work)


def single_fits(found: Model, count: int) -> float:
    """Networks a CPU second where each is a program of its own: traced, compiled, then trained by
    Adam for as long as a patience of 100 epochs lets it (here 300 epochs)."""
    layout, data = found.layout, found.data(thinned(found.train, 400))
    genomes = population(found, False, count)
    begun = time.process_time()
    for genome, start in zip(genomes, found.starts(genomes)[0], strict=True):
        fixed = layout.fixed(genome)
        free, codes = np.isnan(fixed), jnp.asarray(genome[:6])

        def cost(weights, codes=codes, fixed=fixed):
            given = layout.net.values(
                codes, jnp.asarray(fixed != 0), weights, list(data.inputs), found.map.force
            )
            wrong = (jnp.stack(given) - data.targets) * data.scales[:, None, None]
            return jnp.sum(wrong**2)

        optimizer = optax.adam(1e-3)

        @jax.jit
        def trained(weights, cost=cost, free=free, optimizer=optimizer):
            def epoch(_, state):
                weights, memory = state
                updates, memory = optimizer.update(
                    jnp.where(free, jax.grad(cost)(weights), 0), memory
                )
                return weights + updates, memory

            return jax.lax.fori_loop(0, 300, epoch, (weights, optimizer.init(weights)))[0]

        trained(jnp.asarray(np.where(free, start, fixed))).block_until_ready()
    return count / (time.process_time() - begun)


def speeds(found: Model, count: int) -> None:
    ours = fits_per_second(found, count)
    alone = single_fits(found, 4)
    print(
        f"\none at a time in JAX, compiled each, 300 epochs of Adam: {alone:.2f} networks a CPU s"
    )
    print(f"as one masked program, to convergence: {ours:.0f}, {ours / alone:.0f} times as many")
    print(f"\n{'rows':>7}{'ours, network-epochs/s':>24}{'Keras':>12}{'ratio':>8}")
    for rows, several in ((400, 64), (32000, 2)):
        mine, theirs = network_epochs(found, rows, several), keras_epochs(found, rows)
        if theirs is None:
            print(f"{rows:>7}{mine:>24.0f}   keras is not installed")
        else:
            print(f"{rows:>7}{mine:>24.0f}{theirs:>12.1f}{mine / theirs:>8.0f}")


def fits_per_second(found: Model, count: int) -> float:
    rows = population(found, False, count)
    data, starts = found.data(thinned(found.train, 400)), found.starts(rows)
    return count / cpu(lambda: found.fit(rows, data, starts))


def unseen(found: Model) -> None:
    """Largest energy error, of eps, over a motion at energies outside of the training set."""
    study = found.study
    energies = {"train": study.data.energies.train}
    one = study.data.energies.train[0]
    values = [replace(one, number=e, text=str(e), tree=None) for e in UNSEEN]
    other = study.data.energies.model_copy(update={**energies, "test": tuple(values)})
    data = study.data.model_copy(update={"energies": other, "points": STEPS})
    moved = study.model_copy(update={"data": data})
    moved._meaning = study._meaning
    there = model(moved, None)
    eps = study.number(study.parameters["eps"])
    energy = energy_of(found.system)
    layout = found.layout
    row = np.zeros(layout.genes, dtype=np.int32)
    for place, value in {0: 1, 1: 0.5, 3: 1, 4: 1, 6: 1, 9: 1, 10: 1, 14: 1, 15: None, 16: 1,
                         17: 0.5, 19: 1}.items():  # fmt: skip
        code = layout.code(value)
        assert code is not None
        row[6 + place] = code
    weights = found.fit(row[None], found.data(found.train), found.starts(row[None]), 1e-13).weights
    steps = {"position Verlet, found": as_step(found, row, weights[0])}
    steps |= peers(found)
    starts = [part.q[0] for part in there.motions.test], [part.v[0] for part in there.motions.test]
    q, v = (np.stack(x) for x in starts)
    print(f"\n{'largest |E - E0| / eps over ' + str(STEPS) + ' steps':<44}"
          + "".join(f"{e:>12} eps" for e in UNSEEN))  # fmt: skip
    first: np.ndarray | None = None
    for name, step in steps.items():
        qs, vs = [q], [v]
        for _ in range(STEPS):
            a, b = step(qs[-1], vs[-1])
            qs.append(np.asarray(a))
            vs.append(np.asarray(b))
        e = energy(np.stack(qs), np.stack(vs))
        worst = np.max(np.abs(e - e[0]), axis=0) / eps
        first = worst if first is None else first
        shown = "".join(f"{x:>11.2e} ({x / y:>5.0f})" if np.isfinite(x) else f"{'diverged':>19}"
                        for x, y in zip(worst, first, strict=True))  # fmt: skip
        print(f"{name:<40}{shown}")


def peers(found: Model) -> dict[str, Callable]:
    """Maps that others fit to the same pairs, in variables of size 1."""
    rows = thinned(found.train, 4000)
    x = np.concatenate([rows.q, rows.v], axis=1)
    y = np.concatenate([rows.next_q, rows.next_v], axis=1)
    mean, spread = x.mean(0), x.std(0)
    step_spread = (y - x).std(0)
    result: dict[str, Callable] = {}

    def as_map(predicted: Callable) -> Callable:
        def step(q, v):
            z = np.concatenate([q, v], axis=1)
            new = z + step_spread * predicted((z - mean) / spread)
            return new[:, :1], new[:, 1:]

        return step

    scaled, change = (x - mean) / spread, (y - x) / step_spread
    try:
        import pysindy  # pyright: ignore[reportMissingImports]

        library = pysindy.PolynomialLibrary(degree=7)
        sindy = pysindy.STLSQ(threshold=0.0, alpha=0.0)
        features = np.asarray(library.fit_transform(scaled))
        sindy.fit(features, change)
        result["pysindy, degree 7"] = as_map(
            lambda z: np.asarray(library.transform(z)) @ np.asarray(sindy.coef_).T
        )
    except ImportError:
        print("\npysindy is not installed")
    try:
        from pyoperon.sklearn import SymbolicRegressor  # pyright: ignore[reportMissingImports]

        models = []
        for k in range(2):
            one = SymbolicRegressor(
                allowed_symbols="add,sub,mul,div,constant,variable,square", max_length=40,
                population_size=500, generations=60, n_threads=1, random_state=1,
                optimizer_iterations=5,
            )  # fmt: skip
            models.append(one.fit(scaled, change[:, k]))
        result["pyoperon, 60 generations"] = as_map(
            lambda z: np.stack([np.asarray(m.predict(z)) for m in models], axis=1)
        )
    except ImportError:
        print("\npyoperon is not installed")
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small populations")
    count = 64 if parser.parse_args().quick else 512
    found = model(load(STUDY), None)
    fits(found, count)
    speeds(found, count)
    unseen(found)


if __name__ == "__main__":
    main()
