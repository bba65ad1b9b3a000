"""Coefficients of damped oscillators: ours beside pysindy, SciPy, diffrax with optax, in one run.

    python tests/bench/family.py [--systems 10000] [--steps 4000] [--paper]

The population is that of studies/dho_family.toml: q and pi at 41 times; noise 0, 1 and 5 %. Every
method sees the same motions. Peers that take one system at a time get the first `--slow` of them.
Where there is noise the network ends with layers of Fisher scoring through the integrator; it is
shown without and with them. Errors are medians of |c / true - 1|; systems a second are without
compilation. `--paper` adds the paper's recipe (studies/dho_family_paper.toml), which takes minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from actionrun.runtime.environment.jax_setup import set_switches

set_switches()

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from actionrun.compiler import compile  # noqa: E402
from actionrun.compiler.family.evaluation import read  # noqa: E402
from actionrun.compiler.family.train import Training  # noqa: E402
from actionrun.compiler.numerics.inference.encoder import sizes  # noqa: E402
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import (  # noqa: E402
    covariance,
    levenberg_marquardt,
)
from actionrun.compiler.program import Reported  # noqa: E402
from actionrun.spec import load  # noqa: E402

STUDIES = Path(__file__).parents[2] / "studies"
DT, SAMPLES = 0.1, 41
BATCH = 1000  # systems refined at a time: they stay in the processor's cache
LOW, HIGH = np.array([0.01, 0.0, 0.0]), np.full(3, 20.0)
Method = Callable[[np.ndarray], np.ndarray]  # series (samples, 2, systems) -> (3, systems)


def trained(noise: float, steps: int, name: str = "dho_family") -> tuple[Training, object]:
    overrides = [f"observe.noise={noise}"]
    if name == "dho_family":
        overrides.append(f"training.steps={steps}")
    program = compile(load(STUDIES / f"{name}.toml", overrides=overrides))
    assert isinstance(program, Reported) and isinstance(program.solver, Training)
    program = program.solver
    state = program.start()
    for done in range(0, program.total, 100):
        state, _ = program.advance(state, done, 100)
    return program, state


def network(program: Training, state) -> Method:
    encoder = program.encoder(state)

    @eqx.filter_jit
    def named(series):
        return encoder.estimates(series.astype(jnp.float32))

    return lambda series: np.asarray(named(jnp.asarray(series)), float)


def scored(program: Training, state) -> Method:
    """The network with the scoring layers that it ends with where there is noise."""
    encoder, population = program.encoder(state), program.population
    times, layers = tuple((DT * np.arange(SAMPLES)).tolist()), program.settings.scoring

    @eqx.filter_jit
    def named(series):
        return read(population, encoder, series, times, layers)[1]

    return lambda series: np.asarray(named(jnp.asarray(series)), float)


def refined(program: Training, state) -> Method:
    """The network, then Levenberg-Marquardt through the integrator, with the covariance."""
    encoder, population = program.encoder(state), program.population

    @eqx.filter_jit
    def fitted(series):
        low, high = population.low[:, None], population.high[:, None]
        start = encoder.estimates(series.astype(jnp.float32)).astype(jnp.float64)
        start = jnp.clip(jnp.where(jnp.isfinite(start), start, (low + high) / 2), low, high)
        q, p = jnp.zeros((1, series.shape[-1])), jnp.ones((1, series.shape[-1]))
        size = sizes(series)

        def residual(c):
            again, _ = population.series(c, q, p)
            return ((again - series) / size).reshape((-1, series.shape[-1]))

        fit = levenberg_marquardt(residual, start, low, high, 60, 1e-12)
        return fit.x, covariance(fit, fit.cost / (2 * SAMPLES - 3))

    def batches(series: np.ndarray) -> np.ndarray:
        count = series.shape[-1]
        padded = np.concatenate([series, series[..., : -count % BATCH]], axis=-1)
        parts = [padded[..., k : k + BATCH] for k in range(0, padded.shape[-1], BATCH)]
        return np.concatenate([fitted(jnp.asarray(part))[0] for part in parts], axis=-1)[:, :count]

    return batches


def sindy(series: np.ndarray) -> np.ndarray:
    """pysindy: a linear law of (q, pi), derivatives by finite differences of fourth order."""
    import pysindy  # pyright: ignore[reportMissingImports]

    found = np.full((3, series.shape[-1]), np.nan)
    library = pysindy.PolynomialLibrary(degree=1, include_bias=False)
    for k in range(series.shape[-1]):
        model = pysindy.SINDy(
            optimizer=pysindy.STLSQ(threshold=0.0, alpha=0.0),
            feature_library=library,
            differentiation_method=pysindy.FiniteDifference(order=4),
        )
        model.fit(series[:, :, k], t=DT)
        (_, velocity), (push, drag) = model.coefficients()
        c1 = 1 / (2 * velocity)
        found[:, k] = c1, -push / 2, -2 * c1 * drag
    return found


def scipy_shooting(series: np.ndarray) -> np.ndarray:
    """scipy.optimize.least_squares through solve_ivp (LSODA), from the middle of the ranges."""
    from scipy.integrate import solve_ivp
    from scipy.optimize import least_squares

    times = DT * np.arange(SAMPLES)
    found = np.full((3, series.shape[-1]), np.nan)
    for k in range(series.shape[-1]):
        seen = series[:, :, k]
        size = np.sqrt(np.mean(seen**2, axis=0))

        def residual(c, seen=seen, size=size):
            def slope(t, x):
                return [x[1] / (2 * c[0]), -2 * c[1] * x[0] - c[2] * x[1] / (2 * c[0])]

            y = solve_ivp(slope, (0, times[-1]), [0.0, 1.0], "LSODA", times, rtol=1e-8, atol=1e-10)
            return ((y.y.T - seen) / size).ravel()

        fit = least_squares(residual, (LOW + HIGH) / 2, bounds=(LOW, HIGH), x_scale="jac")
        found[:, k] = fit.x
    return found


def diffrax_adam(series: np.ndarray, steps: int = 2000) -> np.ndarray:
    """diffrax (Tsit5) and optax (Adam) on log-coefficients, all systems at once by vmap."""
    import diffrax
    import optax

    times = DT * jnp.arange(SAMPLES)

    def slope(t, x, c):
        return jnp.array([x[1] / (2 * c[0]), -2 * c[1] * x[0] - c[2] * x[1] / (2 * c[0])])

    def motion(c):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(slope), diffrax.Tsit5(), 0.0, times[-1], 0.02, jnp.array([0.0, 1.0]),
            c, saveat=diffrax.SaveAt(ts=times), max_steps=512,
        ).ys  # fmt: skip

    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, steps))

    def fitted(seen):
        size = jnp.sqrt(jnp.mean(seen**2, axis=0))

        def loss(u):
            return jnp.mean(((motion(jnp.exp(u)) - seen) / size) ** 2)

        def step(carry, _):
            u, state = carry
            updates, state = optimizer.update(jax.grad(loss)(u), state)
            return (optax.apply_updates(u, updates), state), None

        u = jnp.log(jnp.asarray((LOW + HIGH) / 2))
        (u, _), _ = jax.lax.scan(step, (u, optimizer.init(u)), None, length=steps)
        return jnp.exp(u)

    compiled = jax.jit(jax.vmap(fitted, in_axes=2, out_axes=1))
    return np.asarray(compiled(jnp.asarray(series)))


def timed(method: Method, series: np.ndarray, warm: bool) -> tuple[np.ndarray, float]:
    if warm:
        method(series)
    begun = time.perf_counter()
    found = method(series)
    return found, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", type=int, default=10_000)
    parser.add_argument("--slow", type=int, default=30, help="systems for one-at-a-time peers")
    parser.add_argument("--steps", type=int, default=4000, help="of training")
    parser.add_argument("--paper", action="store_true")
    options = parser.parse_args()
    print(f"{'method':28}{'noise':>7}{'c1':>10}{'c2':>10}{'c3':>10}{'systems/s':>12}")
    for noise in (0.0, 0.01, 0.05):
        program, state = trained(noise, options.steps)
        population, key = program.population, jax.random.key(11)
        c, q, rate = population.draw(key, options.systems)
        series = population.add_noise(population.series(c, q, rate)[0], jax.random.fold_in(key, 1))
        truth, series = np.asarray(c), np.asarray(series)
        rows: list[tuple[str, Method, int, bool]] = [
            ("network", network(program, state), options.systems, True),
            ("network + refinement", refined(program, state), options.systems, True),
            ("pysindy", sindy, options.slow, False),
            ("scipy least_squares + LSODA", scipy_shooting, options.slow, False),
            ("diffrax + optax", diffrax_adam, options.slow, False),
        ]
        if program.settings.scoring:
            layered = (
                "network with its last layers",
                scored(program, state),
                options.systems,
                True,
            )
            rows.insert(1, layered)
        if options.paper:
            theirs = trained(noise, 0, "dho_family_paper")
            rows.insert(1, ("the paper's recipe", network(*theirs), options.systems, True))
        for name, method, count, warm in rows:
            found, seconds = timed(method, series[..., :count], warm)
            error = []
            for k in range(3):
                there = truth[k, :count] != 0
                error.append(np.nanmedian(np.abs(found[k, there] / truth[k, :count][there] - 1)))
            print(f"{name:28}{100 * noise:6.0f}%" + "".join(f"{e:10.1e}" for e in error)
                  + f"{count / seconds:12.4g}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
