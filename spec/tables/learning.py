"""The tables of a study that learns: network, training, refinement, held-out test."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from .common import Layer, Table, read_hidden
from .leaves import Value

HIDDEN_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "array", "items": {"type": "integer", "minimum": 1}},
    ]
}


Activation = Literal["silu", "relu", "gelu", "elu", "tanh", "sigmoid", "softplus"]


class Network(Table):
    """The network that reads a motion and names its coefficients."""

    kind: Literal["mlp", "conv", "lstm", "none"] = Field(
        default="mlp", description='Architecture; "none": no training, fit this one motion.'
    )
    hidden: Annotated[
        tuple[Layer, ...], BeforeValidator(read_hidden), WithJsonSchema(HIDDEN_SCHEMA)
    ] = Field(default=(192, 192, 192), max_length=100, description="Units of the hidden layers.")
    activation: Activation = Field(default="silu", description="Activation of the hidden layers.")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Share of units dropped in training."
    )
    scaled: bool = Field(
        default=True,
        description="Motions are read in units of their own size, and coefficients named in the "
        "units that go with it; false: the numbers as they are, as in the paper.",
    )
    scoring: int = Field(
        default=3,
        ge=0,
        le=20,
        description="Last layers where the noise is given, which learn nothing: each is a step of "
        "Fisher scoring through the integrator, to the mean of the posterior; 0: none.",
    )


class Training(Table):
    """How the network is trained. A budget in steps is reproducible, one in minutes is not."""

    steps: int = Field(default=20000, ge=1, le=10**9, description="Steps, each on a fresh batch.")
    epochs: int | None = Field(
        default=None, ge=1, le=10**9, description="Instead of steps: passes over `systems`."
    )
    systems: int | None = Field(
        default=None,
        ge=1,
        le=10**9,
        description="A fixed set of so many systems (in whole batches) to train on, as in the "
        "paper; without it every step draws fresh ones.",
    )
    batch: int = Field(default=512, ge=1, le=10**7, description="Systems a step.")
    learning_rate: float = Field(default=1e-2, gt=0, le=100, description="Largest learning rate.")
    decay: Literal["cosine", "none"] = Field(
        default="cosine", description="How the learning rate falls."
    )
    optimizer: Literal["adam", "adamw", "nadam", "sgd"] = Field(
        default="adam", description="Optimiser."
    )
    loss: Literal["gauge", "rms", "mae", "huber", "ln"] = Field(
        default="gauge",
        description='"gauge": error of the scaled coefficients; the others compare motions: root '
        "mean square, mean absolute, Huber, and the mean of n-th powers.",
    )
    alpha: float = Field(
        default=1.0, ge=0, description="Weight of the positions where motions are compared."
    )
    beta: float = Field(
        default=1.0, ge=0, description="Weight of the momenta where motions are compared."
    )
    exponent: float = Field(default=8.0, ge=1, le=64, description='n of the loss "ln".')
    embedding: tuple[tuple[str, ...], ...] = Field(
        default=(),
        max_length=16,
        description="Groups of coefficients that have a factor in common, which the network names "
        'as well: [["c2", "c3"]] is eq. 30a of the paper, [["c1", "c2", "c3"], ["c2", "c3"]] 30b.',
    )
    minutes: float | None = Field(
        default=None, gt=0, description="Cap in wall time; a cut run says so."
    )

    @property
    def rounds(self) -> int | None:
        """Batches of a fixed set of systems; None where every batch is fresh."""
        return None if self.systems is None else max(1, round(self.systems / self.batch))

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.steps if self.epochs is None else self.epochs * (self.rounds or 1)


class Posterior(Table):
    """Chains of the posterior of a fit of measured motions, through the integrator."""

    draws: int = Field(default=1000, ge=100, le=100_000, description="Draws of each chain.")
    chains: int = Field(default=4, ge=2, le=64, description="Chains.")


class Refine(Table):
    """The refinement of what the network or the linear fit found."""

    method: Literal["levenberg-marquardt", "none"] = Field(
        default="levenberg-marquardt", description="Method of least squares."
    )
    start: Literal["better", "network"] = Field(
        default="better",
        description="Where the refinement of unseen systems starts: at the network's answer, or "
        "at that of the weak form where it leaves less of the motion.",
    )
    iterations: int = Field(default=60, ge=0, le=100_000, description="Most iterations.")
    sparse: bool = Field(
        default=False,
        description="Drop the terms that the data do not support: coefficients whose range holds "
        "zero, by the Bayesian information criterion.",
    )
    tolerance: float = Field(
        default=1e-14, ge=0, le=1, description="Relative change at which to stop."
    )
    loss: Literal["gauss", "student"] = Field(
        default="gauss",
        description='What a misfit of a measured motion costs: its square, or "student": that of '
        "Student's distribution, by which outliers count less.",
    )
    posterior: Posterior | None = Field(
        default=None, description="Sample the posterior of the coefficients."
    )


class Test(Table):
    """The held-out evaluation."""

    __test__ = False  # pytest: no test class

    systems: int = Field(default=1000, ge=0, le=10**7, description="Unseen systems.")
    cases: tuple[dict[str, Value], ...] = Field(
        default=(), max_length=1000, description="Systems by name: [{ c1 = 2.0, c2 = 4.0 }]."
    )
    folds: int = Field(
        default=5,
        ge=2,
        le=100,
        description="Blocks of time in which motions are left out, one after the other, where laws "
        "are compared.",
    )
