"""Training a network that reads the coefficients of a family off a motion."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from actionrun.compiler.numerics.inference.encoder import Encoder
from actionrun.compiler.numerics.inference.losses import TrainingLoss
from actionrun.compiler.numerics.inference.observables import OBSERVABLES
from actionrun.compiler.numerics.inference.population import Population
from actionrun.compiler.numerics.inference.training import Dtype, Progress, Trainer
from actionrun.compiler.numerics.sharding import replicate
from actionrun.compiler.program import Report
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import parameters
from actionrun.spec.tables.learning import Training as TrainingTable

from .bounds import Ranges
from .constraints import integrator, require_starts
from .encoder import fresh_encoder
from .settings import Settings

SECOND_MOMENT = 0.95  # of Adam: fresh systems every step let it forget fast; 0.999 was twice worse
LARGEST_WEIGHT = 1e4  # of a network that has been trained well
TRAIN_KEY, TEST_KEY = 2, 3  # 0 and 1: the survey and the network


class Training:
    """The solver that trains a network on systems drawn from a population (see `program`)."""

    stage = "train"
    quantum = 1

    def __init__(self, settings: Settings, symbolic: LagrangianSystem, population: Population):
        self.settings, self.symbolic, self.population = settings, symbolic, population
        asked = settings.training
        self.total = asked.total
        self.key = jax.random.key(settings.seed)
        encoder = fresh_encoder(settings, symbolic, self.population, self.key)
        self.trainer = Trainer(
            self.population,
            encoder,
            asked.batch,
            _optimizer(asked),
            training_loss(settings, symbolic.n),
        )
        self.step = eqx.filter_jit(self.trainer.step)

    def start(self) -> Progress:
        return eqx.filter(self.trainer.start(), eqx.is_array)

    def advance(self, state: Progress, done: int, count: int) -> tuple[Progress, Report]:
        """One compiled call a step: XLA runs a step's matrix products on all cores, which it does
        not inside of a compiled loop."""
        still = eqx.filter(self.trainer.start(), eqx.is_array, inverse=True)
        progress = eqx.combine(replicate(state), still)
        key = jax.random.fold_in(self.key, TRAIN_KEY)
        rounds = self.settings.training.rounds or self.total
        for n in range(done, done + count):
            progress = self.step(progress, key, jnp.asarray(n % rounds))
        loss = float(progress.loss)
        diverged = None
        if not np.isfinite(loss):
            diverged = self._trouble(replicate(state), key, done)
        rate = float(_schedule(self.settings.training)(done + count))
        report = Report({"loss": loss, "learning_rate": rate}, diverged=diverged)
        return eqx.filter(progress, eqx.is_array), report

    def _trouble(self, state: Progress, key: jax.Array, n: int) -> str:
        """Why the loss of step n + 1, with the network of `state`, is not finite."""
        population, count = self.population, self.settings.training.batch
        text = f"step {n + 1}: the loss of training is not finite"
        weights = [float(jnp.max(jnp.abs(x))) for x in jax.tree.leaves(state.network) if x.size]
        c, q, rate = population.draw(jax.random.fold_in(key, n), count)
        series, _ = population.series(c, q, population.momenta(c, q, rate))
        sizes = jnp.sum(series.astype(Dtype) ** 2, axis=(0, 1))  # as the training sees them
        bad = ~np.isfinite(np.asarray(sizes))
        if max(weights) > LARGEST_WEIGHT or not bad.any():
            return (
                f"{text}. The term is the network's answer, whose weights reach "
                f"{max(weights):.3g}. Likely cause: steps of training that are too long. "
                "Make training.learning_rate smaller"
            )
        first, names = int(np.argmax(bad)), [one.name for one in self.symbolic.coefficients]
        values = [f"{float(x):.4g}" for x in c[:, first]]
        member = ", ".join(f"{name} = {x}" for name, x in zip(names, values, strict=True))
        return (
            f"{text}, nor are {int(bad.sum())} of {count} motions of the Lagrangian drawn for it, "
            f"the first with {member}. Likely cause: integrator.dt is too long for such members. "
            "Make it smaller, or the ranges of [coefficients]"
        )

    def encoder(self, state: Progress) -> Encoder:
        """The network as a state of this training has it."""
        still = eqx.filter(self.trainer.start(), eqx.is_array, inverse=True)
        progress = eqx.combine(replicate(state), still)
        return self.trainer.with_network(progress.network)


def population(of: Settings, symbolic: LagrangianSystem, within: Ranges, steps: int) -> Population:
    """What training and test systems are drawn from, with motions of so many steps."""
    start = of.start
    assert start is not None  # [start] is there where systems are drawn
    q_low, q_high = jnp.asarray(start.q_low), jnp.asarray(start.q_high)
    rate_low, rate_high = jnp.asarray(start.rate_low), jnp.asarray(start.rate_high)
    drawn = Population(
        ggl=integrator(symbolic, of.r),
        fixed=parameters(symbolic),
        low=jnp.asarray(within.low),
        high=jnp.asarray(within.high),
        log=jnp.asarray([c.log for c in of.coefficients]),
        zero=jnp.asarray([c.zero for c in of.coefficients]),
        q_low=q_low,
        q_high=q_high,
        rate_low=rate_low,
        rate_high=rate_high,
        by_velocity=start.by_velocity,
        h=jnp.asarray(of.h),
        steps=steps,
        every=of.every,
        variables=of.variables,
        contracts=False,
        noise=of.noise or 0.0,
        inequalities=within.inequalities,
        known_start=bool(jnp.all(q_low == q_high) & jnp.all(rate_low == rate_high)),
    )
    require_starts(symbolic, drawn, of.seed)
    return drawn


def _schedule(training: TrainingTable) -> optax.Schedule:
    rate = training.learning_rate
    if training.decay == "none":
        return optax.constant_schedule(rate)
    return optax.cosine_decay_schedule(rate, training.total)


def _optimizer(training: TrainingTable) -> optax.GradientTransformation:
    match training.optimizer:
        case "adam":
            return optax.adam(_schedule(training), b2=SECOND_MOMENT)
        case "adamw":
            return optax.adamw(_schedule(training), b2=SECOND_MOMENT)
        case "nadam":
            return optax.nadam(_schedule(training), b2=SECOND_MOMENT)
        case "sgd":
            return optax.sgd(_schedule(training), momentum=0.9)


def training_loss(of: Settings, n: int) -> TrainingLoss:
    """The loss of training; how the channels weigh in one that compares motions."""
    training = of.training
    weights = {"position": training.alpha}
    channels = [
        weights.get(OBSERVABLES[key].state or "", training.beta)
        for key in of.variables
        for _ in range(n)
    ]
    return TrainingLoss(
        training.loss, jnp.asarray(channels), training.exponent, not of.network.scaled
    )
