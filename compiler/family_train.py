"""Training a network for a family, and its examination on systems that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..spec import Range
from ..spec.family import Family
from .arrays import mechanics, parameters
from .family_findings import examined
from .modules.encoder import Code, Encoder, Gauge, Perceptron, featured
from .modules.ggl import GGL
from .modules.population import Population
from .modules.training import Dtype, Progress, Trainer
from .problem import Problem
from .program import Findings, Report, Tell
from .scaling import scalings

SURVEY = 20000  # systems from which the code of the coefficients is standardised
SOFT = 0.4  # of the median: where the code of a coefficient that may vanish turns linear
SECOND_MOMENT = 0.95  # of Adam: fresh systems every step let it forget fast; 0.999 was twice worse
SURVEY_KEY, NETWORK_KEY, TRAIN_KEY, TEST_KEY = range(4)


class Training:
    """The program of a family study that trains a network (see `program.Program`)."""

    stage = "train"
    quantum = 1

    def __init__(self, study: Family, symbolic: Problem, low: np.ndarray, high: np.ndarray):
        self.study, self.symbolic = study, symbolic
        self.total = study.training.steps
        self.key = jax.random.key(study.seed)
        self.population = population(study, symbolic, low, high)
        encoder = _encoder(study, symbolic, self.population, self.key)
        self.trainer = Trainer(self.population, encoder, study.training.batch, _optimizer(study))
        self.step = eqx.filter_jit(self.trainer.step)

    def start(self) -> Progress:
        return eqx.filter(self.trainer.start(), eqx.is_array)

    def advance(self, state: Progress, done: int, count: int) -> tuple[Progress, Report]:
        """One compiled call a step: XLA runs a step's matrix products on all cores, which it does
        not inside of a compiled loop."""
        still = eqx.filter(self.trainer.start(), eqx.is_array, inverse=True)
        progress = eqx.combine(jax.tree.map(jnp.asarray, state), still)
        key = jax.random.fold_in(self.key, TRAIN_KEY)
        for n in range(done, done + count):
            progress = self.step(progress, key, jnp.asarray(n))
        loss = float(progress.loss)
        diverged = None
        if not np.isfinite(loss):
            diverged = (
                f"the loss of training is not finite near step {done + count}. "
                "Make training.learning_rate smaller."
            )
        rate = float(_schedule(self.study)(done + count))
        report = Report({"loss": loss, "learning_rate": rate}, diverged=diverged)
        return eqx.filter(progress, eqx.is_array), report

    def findings(self, state: Progress, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        still = eqx.filter(self.trainer.start(), eqx.is_array, inverse=True)
        progress = eqx.combine(jax.tree.map(jnp.asarray, state), still)
        encoder = self.trainer.with_network(progress.network)
        key = jax.random.fold_in(self.key, TEST_KEY)
        return examined(self.study, self.symbolic, self.population, encoder, key, tell)


def population(study: Family, symbolic: Problem, low, high) -> Population:
    """What training and test systems are drawn from."""
    assert study.start is not None and study.integrator.steps is not None
    coefficients = [study.coefficients[c.name] for c in symbolic.coefficients]
    by_velocity = study.start.velocity is not None
    rate = study.start.velocity if by_velocity else study.start.momentum
    q_low, q_high = _ranges(study, symbolic, study.start.position)
    rate_low, rate_high = _ranges(study, symbolic, rate)
    return Population(
        ggl=GGL(mechanics(symbolic), study.integrator.r),
        fixed=parameters(symbolic),
        low=jnp.asarray(low),
        high=jnp.asarray(high),
        log=jnp.asarray([c.log for c in coefficients]),
        zero=jnp.asarray([c.zero for c in coefficients]),
        q_low=q_low,
        q_high=q_high,
        rate_low=rate_low,
        rate_high=rate_high,
        by_velocity=by_velocity,
        h=jnp.asarray(study.number(study.integrator.dt)),
        steps=study.integrator.steps,
        every=study.observe.every,
        variables=study.observe.variables,
        contracts=False,
        noise=study.observe.noise or 0.0,
    )


def _ranges(study: Family, symbolic: Problem, table) -> tuple[jax.Array, jax.Array]:
    """Lower and upper ends (n,) of a [start] table; a number is a range of no width."""
    low, high = [], []
    for name in symbolic.words.slices:
        value = table[name]
        for part in value if isinstance(value, tuple) else (value,):
            ends = (part.low, part.high) if isinstance(part, Range) else (part, part)
            low.append(study.number(ends[0]))
            high.append(study.number(ends[1]))
    return jnp.asarray(low), jnp.asarray(high)


def _gauge(symbolic: Problem, variables: tuple[str, ...]) -> Gauge:
    """Which channels measure which scale, from the scalings of the Lagrangian."""
    words, n = symbolic.words, symbolic.n
    names = list(words.slices)
    sees = {v: k for k, v in enumerate(variables)}
    width = n * len(variables)
    quantities: list[tuple[str, str]] = []

    def quantity(kind: str, name: str) -> int:
        if (kind, name) not in quantities:
            quantities.append((kind, name))
        return quantities.index((kind, name))

    place = "q" if "q" in sees else "velocity" if "velocity" in sees else None
    found, readers = [], []
    for scaling in scalings(symbolic):
        if scaling.pivot:
            if place is not None:
                found.append(scaling)
                readers.append([quantity(place, scaling.pivot)])
        elif "pi" in sees and place is not None:
            found.append(scaling)
            readers.append([quantity("pi", names[0]), quantity(place, names[0])])
    sums = np.zeros((max(len(quantities), 1), width))
    for row, (kind, name) in enumerate(quantities):
        part, offset = words.slices[name], sees[kind] * n
        count = part.stop - part.start
        sums[row, offset + part.start : offset + part.stop] = 1 / count
    if not quantities:
        sums[0] = 1 / width
    reader = np.zeros((len(found), len(sums)))
    channels = np.zeros((width, len(found)))
    exponents = np.zeros((len(symbolic.coefficients), len(found)))
    for j, (scaling, read) in enumerate(zip(found, readers, strict=True)):
        reader[j, read] = 1
        for name, part in words.slices.items():
            of_q = float(scaling.coordinates[name])
            for kind, offset in sees.items():
                power = float(scaling.action) - of_q if kind == "pi" else of_q
                channels[offset * n + part.start : offset * n + part.stop, j] = power
        exponents[:, j] = [float(scaling.coefficients[c.name]) for c in symbolic.coefficients]
    return Gauge(
        jnp.asarray(sums), jnp.asarray(reader), jnp.asarray(channels), jnp.asarray(exponents)
    )


def _encoder(study: Family, symbolic: Problem, drawn: Population, key: jax.Array) -> Encoder:
    """A fresh network with its code standardised over a survey of the population."""
    gauge = _gauge(symbolic, study.observe.variables)

    @eqx.filter_jit
    def survey(drawn, key):
        c, q, rate = (x.astype(Dtype) for x in drawn.drawn(key, SURVEY))
        series, sound = drawn.seen(c, q, drawn.momenta(c, q, rate))
        features, logs = featured(gauge, series)
        return c / gauge.units(logs), features, sound

    c, features, sound = (np.asarray(x) for x in survey(drawn, jax.random.fold_in(key, SURVEY_KEY)))
    c, features = c[:, sound].astype(float), features[:, sound].astype(float)
    positive = (np.asarray(drawn.low) > 0) & (np.asarray(drawn.zero) == 0)
    middle = np.array([np.median(np.abs(row[row != 0])) for row in c])
    soft = jnp.asarray(np.where(positive, 0.0, SOFT * middle))
    plain = Code(soft, jnp.zeros(len(c)), jnp.ones(len(c)))
    codes = np.asarray(plain.encoded(jnp.asarray(c)))
    code = Code(soft, jnp.asarray(codes.mean(axis=1)), jnp.asarray(codes.std(axis=1)))
    network = Perceptron(
        len(features),
        study.network.hidden,
        len(c),
        study.network.activation,
        key=jax.random.fold_in(key, NETWORK_KEY),
    )
    return _as_float32(
        Encoder(
            network,
            gauge,
            code,
            jnp.asarray(features.mean(axis=1)),
            jnp.asarray(np.maximum(features.std(axis=1), 1e-3)),
        )
    )


def _as_float32(tree):
    return jax.tree.map(lambda x: x.astype(Dtype) if eqx.is_inexact_array(x) else x, tree)


def _schedule(study: Family) -> optax.Schedule:
    rate = study.training.learning_rate
    if study.training.decay == "none":
        return optax.constant_schedule(rate)
    return optax.cosine_decay_schedule(rate, study.training.steps)


def _optimizer(study: Family) -> optax.GradientTransformation:
    match study.training.optimizer:
        case "adam":
            return optax.adam(_schedule(study), b2=SECOND_MOMENT)
        case "adamw":
            return optax.adamw(_schedule(study), b2=SECOND_MOMENT)
        case "nadam":
            return optax.nadam(_schedule(study), b2=SECOND_MOMENT)
        case "sgd":
            return optax.sgd(_schedule(study), momentum=0.9)
