"""The network of a family: its scales from the Lagrangian, its code from a survey."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.inference.encoder import (
    CoefficientTransform,
    Encoder,
    ScalingTransform,
    motion_features,
)
from actionrun.compiler.numerics.inference.observables import OBSERVABLES
from actionrun.compiler.numerics.inference.population import Population
from actionrun.compiler.numerics.inference.training import Dtype
from actionrun.compiler.numerics.networks.architectures import (
    Convolution,
    Network,
    Perceptron,
    Recurrent,
)
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.scaling import scalings
from actionrun.spec.tables.learning import Network as NetworkTable

from .settings import Settings

SURVEY = 20000  # systems from which the code of the coefficients is standardised
SOFT = 0.4  # of the median: where the code of a coefficient that may vanish turns linear
STRAIGHT = 1e4  # of the spread: a code so soft is linear
AUDIBLE = 1e-2  # power over that of the noise that an axis has to be read
QUIETEST = 1e-6  # noise of a feature over its spread, at least
LEAST = 1e-2  # of the survey: with fewer sound motions there is nothing to train on
SURVEY_KEY, NETWORK_KEY = 0, 1


def _gauge(symbolic: LagrangianSystem, variables: tuple[str, ...]) -> ScalingTransform:
    """Which channels measure which scale, from the scalings of the Lagrangian."""
    words, n = symbolic.words, symbolic.n
    names = list(words.slices)
    scaled = {key: OBSERVABLES[key].homogeneity for key in variables}
    width = n * len(variables)
    quantities: list[tuple[str, str]] = []

    def quantity(kind: str, name: str) -> int:
        if (kind, name) not in quantities:
            quantities.append((kind, name))
        return quantities.index((kind, name))

    place, momentum = (
        next((key for key in OBSERVABLES if scaled.get(key) == powers), None)
        for powers in ((0, 1), (1, -1))
    )
    result, readers = [], []
    for scaling in scalings(symbolic):
        if scaling.pivot:
            if place is not None:
                result.append(scaling)
                readers.append([quantity(place, scaling.pivot)])
        elif momentum is not None and place is not None:
            result.append(scaling)
            readers.append([quantity(momentum, names[0]), quantity(place, names[0])])
    sums = np.zeros((max(len(quantities), 1), width))
    for row, (kind, name) in enumerate(quantities):
        part, offset = words.slices[name], variables.index(kind) * n
        count = part.stop - part.start
        sums[row, offset + part.start : offset + part.stop] = 1 / count
    if not quantities:
        sums[0] = 1 / width
    reader = np.zeros((len(result), len(sums)))
    channels = np.zeros((width, len(result)))
    exponents = np.zeros((len(symbolic.coefficients), len(result)))
    for j, (scaling, read) in enumerate(zip(result, readers, strict=True)):
        reader[j, read] = 1
        for name, part in words.slices.items():
            of_q = float(scaling.coordinates[name])
            for offset, key in enumerate(variables):
                action, coordinate = scaled[key]
                power = action * float(scaling.action) + coordinate * of_q
                channels[offset * n + part.start : offset * n + part.stop, j] = power
        exponents[:, j] = [float(scaling.coefficients[c.name]) for c in symbolic.coefficients]
    return ScalingTransform(
        jnp.asarray(sums), jnp.asarray(reader), jnp.asarray(channels), jnp.asarray(exponents)
    )


def fresh_encoder(
    of: Settings, symbolic: LagrangianSystem, drawn: Population, key: jax.Array
) -> Encoder:
    """A fresh network with its code standardised over a survey of the population."""
    scaled = of.network.scaled
    gauge = (_gauge if scaled else _raw)(symbolic, of.variables)
    if scaled and drawn.noise and drawn.known_start:
        gauge = replace(gauge, absolute=True)

    @eqx.filter_jit
    def survey(drawn, key):
        c, q, rate = (x.astype(Dtype) for x in drawn.draw(key, SURVEY))
        clean, finite = drawn.observed(c, q, drawn.momenta(c, q, rate))
        series = drawn.add_noise(clean, jax.random.fold_in(key, 1))
        features, logs = motion_features(gauge, series)
        return c / gauge.units(logs), features, motion_features(gauge, clean)[0], finite

    *result, finite = (np.asarray(x) for x in survey(drawn, jax.random.fold_in(key, SURVEY_KEY)))
    if finite.sum() < LEAST * SURVEY:
        raise study_error(
            symbolic.words, ("integrator", "dt"), "family.unsound",
            f"of {SURVEY} systems drawn {finite.sum()} have a motion that the integrator follows",
            "take a smaller dt, a larger r, or narrower ranges in [coefficients] and [start]",
        )  # fmt: skip
    c, features, clean = (x[:, finite].astype(float) for x in result)
    mean, spread = features.mean(axis=1), np.maximum(features.std(axis=1), 1e-3)
    turns = bool(drawn.noise) and scaled and of.network.kind == "mlp"
    axes = _axes((clean - mean[:, None]) / spread[:, None],
                 (features - clean) / spread[:, None]) if turns else None  # fmt: skip
    positive = (np.asarray(drawn.low) > 0) & (np.asarray(drawn.zero) == 0)
    middle = np.array([np.median(np.abs(row[row != 0])) for row in c])
    soft = jnp.asarray(np.where(positive, 0.0, SOFT * middle))
    if not scaled:
        soft = jnp.asarray(STRAIGHT * np.abs(c).max(axis=1))
    plain = CoefficientTransform(soft, jnp.zeros(len(c)), jnp.ones(len(c)))
    codes = np.asarray(plain.encoded(jnp.asarray(c)))
    code = CoefficientTransform(
        soft, jnp.asarray(codes.mean(axis=1)), jnp.asarray(codes.std(axis=1))
    )
    channels = symbolic.n * len(of.variables)
    samples = drawn.steps // drawn.every + 1
    names = [one.name for one in symbolic.coefficients]
    shared = tuple(tuple(map(names.index, group)) for group in of.training.embedding)
    width = len(features) if axes is None else axes.shape[1]
    network = _network(of.network, samples, channels, width, len(c) + len(shared),
                       jax.random.fold_in(key, NETWORK_KEY))  # fmt: skip
    return _as_float32(
        Encoder(
            network,
            gauge,
            code,
            jnp.asarray(mean),
            jnp.asarray(spread),
            shared,
            None if axes is None else jnp.asarray(axes),
        )
    )


def _axes(clean: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Axes (width, kept) of features whose clean part and noise are (width, systems): principal
    components in units of the noise (minimum noise fraction: Green et al., IEEE Trans. Geosci.
    Remote Sens. 26, 65, 1988), each with a spread of one. What is mostly noise is left out.

    The steps of Adam go by axes: along those of the samples as many steps leave 1.3 to 1.8 times
    the variance about the ideal answer (oscillators at 5 % noise)."""
    unit = np.sqrt(np.mean(noise**2, axis=1)) + QUIETEST
    power, axes = np.linalg.eigh(np.cov(clean / unit[:, None]))
    kept = power > AUDIBLE
    return axes[:, kept] / unit[:, None] / np.sqrt(power[kept] + 1)


def _as_float32(tree):
    return jax.tree.map(lambda x: x.astype(Dtype) if eqx.is_inexact_array(x) else x, tree)


def _network(
    asked: NetworkTable, samples: int, channels: int, width: int, outputs: int, key: jax.Array
) -> Network:
    rest = width - samples * channels
    match asked.kind:
        case "conv":
            return Convolution(
                samples, channels, rest, asked.hidden, outputs, asked.activation, asked.dropout,
                key=key,
            )  # fmt: skip
        case "lstm":
            return Recurrent(samples, channels, rest, asked.hidden, outputs, asked.dropout, key=key)
        case _:
            return Perceptron(
                width, asked.hidden, outputs, asked.activation, asked.dropout, key=key
            )


def _raw(symbolic: LagrangianSystem, variables: tuple[str, ...]) -> ScalingTransform:
    """No scales at all: the network sees the numbers of the motion as they are."""
    width = symbolic.n * len(variables)
    return ScalingTransform(
        jnp.ones((1, width)),
        jnp.zeros((0, 1)),
        jnp.zeros((width, 0)),
        jnp.zeros((len(symbolic.coefficients), 0)),
        raw=True,
    )
