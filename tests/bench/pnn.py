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

from actionrun.runtime.environment.jax_setup import set_switches

set_switches()

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from actionrun.compiler.pnn.build import map_model
from actionrun.compiler.pnn.maps.evaluation import as_step, energy_function
from actionrun.compiler.pnn.maps.model import MapModel, thinned
from actionrun.spec import load

STUDY = Path(__file__).parents[2] / "studies" / "verlet_pnn.toml"
UNSEEN = (-0.5, -0.3)  # of eps
STEPS = 2000, 20_000  # of a motion at an unseen energy
EPOCHS = {400: 20_000, 32_000: 2000}  # of Keras at most; the paper's 20 000 take minutes there


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU of the second call: the first one compiles."""
    work()
    begun = time.process_time()
    work()
    return time.process_time() - begun


# Weights of the simplest network that is position Verlet, by place; None: trainable.
VERLET = {0: 1, 1: 0.5, 3: 1, 4: 1, 6: 1, 9: 1, 10: 1, 14: 1, 15: None, 16: 1, 17: 0.5, 19: 1}


def verlet(found: MapModel) -> np.ndarray:
    layout = found.layout
    row = np.zeros(layout.genes, dtype=np.int32)
    for place, value in VERLET.items():
        code = layout.code(value)
        assert code is not None
        row[layout.units + place] = code
    return row


def population(found: MapModel, linear: bool, count: int) -> np.ndarray:
    """Genomes as evolution meets them: children of the dense network and of position Verlet, half
    of each, with every gene changed with the search's probability."""
    random = np.random.default_rng(1)
    layout = found.layout
    rows = np.repeat(np.stack([layout.dense(), verlet(found)]), (count + 1) // 2, axis=0)[:count]
    other = np.stack([random.integers(0, n, count) for n in layout.choices], axis=1)
    rows = np.where(random.random(rows.shape) < found.settings.evolution.gene_mutation, other, rows)
    rows[:, : layout.units] = layout.plain
    if not linear:
        bent = random.integers(0, layout.units, count)
        rows[np.arange(count), bent] = random.integers(1, len(layout.activations), count)
    return found.canonical_form.canonicalize(rows.astype(np.int32))


def fits(found: MapModel, count: int) -> None:
    print(
        f"\n{'population':<26}{'networks':>9}{'converged':>10}{'per CPU s':>11}{'converged/s':>13}"
    )
    for linear in (True, False):
        rows = population(found, linear, count)
        starts = found.starts(rows)
        for data in (found.fitness[0], found.data(thinned(found.train, 400))):
            work = lambda rows=rows, starts=starts, data=data: found.fit(rows, data, starts)  # noqa: E731
            done = int(work().converged.sum())
            seconds = cpu(work)
            name = f"{'linear' if linear else 'one unit bent'}, {data.inputs.shape[1]} rows"
            print(f"{name:<26}{count:>9}{done:>10}{count / seconds:>11.0f}{done / seconds:>13.0f}")


def ours(found: MapModel, rows: int, count: int) -> float:
    """Networks a CPU second, fitted to so many rows until they converge (or 60 iterations)."""
    genomes = population(found, False, count)
    data, starts = found.data(thinned(found.train, rows)), found.starts(genomes)[:1]
    return count / cpu(lambda: found.fit(genomes, data, starts))


def keras_fit(found: MapModel, rows: int) -> tuple[float, int, bool] | None:
    """The same network in Keras, trained as the papers did: full batches, Adam at 1e-3, patience
    100. CPU seconds, epochs, and whether it stopped by itself before EPOCHS."""
    try:
        import keras  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(1)
    part = thinned(found.train, rows)
    x = np.concatenate([part.q, part.v], axis=1)
    y = np.concatenate([part.next_q, part.next_v], axis=1)

    class Push(keras.layers.Layer):
        def call(self, inputs):  # type: ignore[override]
            assert found.map.force is not None
            return found.map.force([inputs])[0]

    def dense(units, activation="linear"):
        return keras.layers.Dense(units, activation=activation, use_bias=False)

    given = keras.Input((2,))
    first = dense(2)(given)
    force = Push()(dense(1)(first))
    second = dense(2, "elu")(first)
    third = dense(2)(keras.layers.Concatenate()([second, force]))
    net = keras.Model(given, dense(2)(third))
    for layer in net.layers:  # near the answer, where the force is finite
        if layer.get_weights():
            shape = layer.get_weights()[0].shape
            layer.set_weights([np.full(shape, 1 / shape[0]) + 0.01 * np.eye(*shape)])
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    net.fit(x, y, batch_size=rows, epochs=3, verbose=0)  # compiles
    patience = keras.callbacks.EarlyStopping(monitor="loss", patience=100)
    most = EPOCHS[rows]
    begun = time.process_time()
    told = net.fit(x, y, batch_size=rows, epochs=most, verbose=0, callbacks=[patience])
    epochs = len(told.epoch)
    return time.process_time() - begun, epochs, epochs < most


def single_fits(found: MapModel, count: int) -> float:
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


def speeds(found: MapModel, count: int) -> None:
    rate = ours(found, 400, count)
    alone = single_fits(found, 4)
    print(
        f"\none at a time in JAX, compiled each, 300 epochs of Adam: {alone:.2f} networks a CPU s"
    )
    print(f"as one masked program, to convergence: {rate:.0f}, {rate / alone:.0f} times as many")
    print(
        f"\n{'rows':>7}{'ours, networks/s':>18}{'Keras, networks/s':>19}{'epochs':>8}{'ratio':>8}"
    )
    for rows, several in ((400, count), (32000, 16)):
        mine, theirs = ours(found, rows, several), keras_fit(found, rows)
        if theirs is None:
            print(f"{rows:>7}{mine:>18.1f}   keras is not installed")
            continue
        seconds, epochs, stopped = theirs
        least = "" if stopped else " at least (Keras had not stopped)"
        print(f"{rows:>7}{mine:>18.1f}{1 / seconds:>19.4f}{epochs:>8}{mine * seconds:>8.0f}{least}")


def unseen(found: MapModel) -> None:
    """Largest energy error, of eps, over a motion at energies outside of the training set."""
    study = load(STUDY)
    energies = {"train": study.data.energies.train}
    one = study.data.energies.train[0]
    values = [replace(one, number=e, text=str(e), tree=None) for e in UNSEEN]
    other = study.data.energies.model_copy(update={**energies, "test": tuple(values)})
    data = study.data.model_copy(update={"energies": other, "points": 2})
    moved = study.model_copy(update={"data": data})
    moved._meaning = study._meaning
    there = map_model(moved, None)
    eps = study.number(study.parameters["eps"])
    energy = energy_function(found.system)
    row = verlet(found)
    weights = found.fit(row[None], found.data(found.train), found.starts(row[None]), 1e-13).weights
    steps = {"position Verlet, found": as_step(found, row, weights[0])}
    steps |= peers(found)
    starts = [part.q[0] for part in there.motions.test], [part.v[0] for part in there.motions.test]
    q, v = (np.stack(x) for x in starts)
    print(f"\n{'largest |E - E0| / eps, and times ours':<40}"
          + "".join(f"{f'{e} eps, {n} steps':>26}" for n in STEPS for e in UNSEEN))  # fmt: skip
    first: np.ndarray | None = None
    for name, step in steps.items():
        state, found_energies, fast = (q, v), [energy(q, v)], eqx.filter_jit(step)
        if name.startswith("py"):
            fast = step
        for _ in range(STEPS[-1]):
            state = tuple(np.asarray(x) for x in fast(*state))
            if not np.isfinite(state[0]).any():
                break
            found_energies.append(state)
        far = np.full((STEPS[-1] + 1, len(q)), np.inf)
        e = energy(*(np.stack([s[k] for s in found_energies[1:]]) for k in (0, 1)))
        far[0], far[1 : len(e) + 1] = 0, np.abs(e - found_energies[0]) / eps
        far = np.where(np.isfinite(far), far, np.inf)
        worst = np.concatenate([far[: n + 1].max(axis=0) for n in STEPS])
        first = worst if first is None else first
        shown = "".join(f"{f'{x:.2e} ({x / y:.0f})':>26}" if np.isfinite(x) else f"{'diverged':>26}"
                        for x, y in zip(worst, first, strict=True))  # fmt: skip
        print(f"{name:<40}{shown}", flush=True)


def peers(found: MapModel) -> dict[str, Callable]:
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
            if not np.isfinite(z).all() or np.abs(z).max() > 1e6:
                return np.full_like(q, np.nan), np.full_like(v, np.nan)
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
        powers, factors = library.powers_, np.asarray(sindy.coef_).T
        result["pysindy, degree 7"] = as_map(
            lambda z: np.prod(z[:, None] ** powers[None], axis=2) @ factors
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
    found = map_model(load(STUDY), None)
    fits(found, count)
    speeds(found, count)
    unseen(found)


if __name__ == "__main__":
    main()
