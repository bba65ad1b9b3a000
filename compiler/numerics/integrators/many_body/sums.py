"""Sums over one body, over all bodies and over pairs of bodies, as array functions.

A program of a sum does not grow with the bodies: arrays are (components, ..., bodies), neighbours
are slices of them, and pairs a square of bodies by bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from jaxtyping import Array, Float


class KernelArgument(NamedTuple):
    """What an argument of a summand is: `what` "q", "v" (then `of` is a component), "list" (then
    `of` counts the lists) or "number"; of body i + number, j, or of a body by its number."""

    what: str
    of: int
    letter: str
    number: int


class SumDomain(Protocol):
    """What a sum runs over: how the numbers of its bodies are gathered from those of all, how its
    summands are added up, and where in the numbers of all bodies a share of it belongs."""

    def time(self, t: jax.Array) -> jax.Array:
        """Times (..., 1) as they stand beside summands."""
        ...

    def gather(self, x: jax.Array, at: KernelArgument) -> jax.Array:
        """An argument of the summands out of the numbers x (..., bodies) of all bodies."""
        ...

    def shape(self, count: int) -> tuple[int, ...]:
        """Of the summands of `count` bodies."""
        ...

    def reduce(self, values: jax.Array) -> jax.Array:
        """The sum (...) of summands."""
        ...

    def scatter(self, values: jax.Array, to: KernelArgument, count: int) -> jax.Array:
        """Summands added up at the bodies that they belong to, (..., bodies)."""
        ...


@dataclass(frozen=True)
class Single:
    """No sum: a term of bodies by their numbers."""

    def time(self, t):
        return t[..., 0]

    def gather(self, x, at):
        return x[..., at.number - 1]

    def shape(self, count):
        return ()

    def reduce(self, values):
        return values

    def scatter(self, values, to, count):
        return _padded(values[..., None], to.number - 1, count)


@dataclass(frozen=True)
class Bodies:
    """A sum over bodies from number `first` to `last` (from 0, the last one not included)."""

    first: int
    last: int

    def time(self, t):
        return t

    def gather(self, x, at):
        if not at.letter:
            return x[..., at.number - 1 : at.number]
        return x[..., self.first + at.number : self.last + at.number]

    def shape(self, count):
        return (self.last - self.first,)

    def reduce(self, values):
        return jnp.sum(values, axis=-1)

    def scatter(self, values, to, count):
        if to.letter:
            return _padded(values, self.first + to.number, count)
        return _padded(jnp.sum(values, axis=-1, keepdims=True), to.number - 1, count)


@dataclass(frozen=True)
class Pairs:
    """A sum over pairs i < j; where a pair may be exchanged, half of one over all i != j."""

    symmetric: bool

    def time(self, t):
        return t[..., None]

    def gather(self, x, at):
        if not at.letter:
            return x[..., at.number - 1 : at.number, None]
        if at.letter == "i":
            return x[..., :, None]
        # a body has no distance from itself: there its next one stands in, and is left out
        number = jnp.arange(x.shape[-1])
        same = number[:, None] == number
        return jnp.where(same, jnp.roll(x, -1, axis=-1)[..., :, None], x[..., None, :])

    def shape(self, count):
        return count, count

    def _counted(self, values):
        i, j = (jnp.arange(values.shape[-1]).reshape(shape) for shape in ((-1, 1), (1, -1)))
        return jnp.where(i != j if self.symmetric else i < j, values, 0)

    def reduce(self, values):
        total = jnp.sum(self._counted(values), axis=(-2, -1))
        return total / 2 if self.symmetric else total

    def scatter(self, values, to, count):
        x = jnp.sum(self._counted(values), axis=-2 if to.letter == "j" else -1)
        if to.letter:
            return x
        return _padded(jnp.sum(x, axis=-1, keepdims=True), to.number - 1, count)


def _padded(x: jax.Array, first: int, count: int) -> jax.Array:
    """x (..., k) from body number `first` (from 0) on among zeros (..., count)."""
    behind = count - first - x.shape[-1]
    if not (first or behind):
        return x
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(first, behind)])


class SumKernel(eqx.Module):
    """Functions of one summand's arguments, and the components and bodies that each belongs to."""

    domain: SumDomain = eqx.field(static=True)
    arguments: tuple[KernelArgument, ...] = eqx.field(static=True)
    values: ArrayFunction
    targets: tuple[KernelArgument, ...] = eqx.field(static=True)

    def summands(
        self, q: Rows, v: Rows, t: jax.Array | float, scalars: Scalars, lists: Scalars
    ) -> list[jax.Array]:
        """Each function at every summand; q, v are components (..., bodies)."""
        count, shape, dtype = q[0].shape[-1], q[0].shape[:-1], q[0].dtype
        numbers = jnp.arange(1, count + 1, dtype=dtype)
        sources = {"q": q, "v": v, "list": lists}
        arguments = [
            self.domain.gather(numbers if at.what == "number" else sources[at.what][at.of], at)
            for at in self.arguments
        ]
        time = self.domain.time(jnp.asarray(t)) if jnp.ndim(t) else t
        values = self.values(*arguments, time, *scalars)
        shape = (*shape, *self.domain.shape(count))
        return [jnp.broadcast_to(jnp.asarray(x, dtype), shape) for x in values]

    def total(
        self, q: Rows, v: Rows, t: jax.Array | float, scalars: Scalars, lists: Scalars
    ) -> Float[Array, "..."]:
        """The sum (...) of the one function."""
        (values,) = self.summands(q, v, t, scalars, lists)
        return self.domain.reduce(values)

    def shares(
        self, q: Rows, v: Rows, t: jax.Array | float, scalars: Scalars, lists: Scalars
    ) -> list[tuple[int, Float[Array, "... bodies"]]]:
        """Component and share (..., bodies) of every body, for each function."""
        count, values = q[0].shape[-1], self.summands(q, v, t, scalars, lists)
        return [
            (to.of, self.domain.scatter(x, to, count))
            for to, x in zip(self.targets, values, strict=True)
        ]


Rows = jax.Array | Sequence[jax.Array]  # of each component (..., bodies)
Scalars = Sequence[Float[Array, "..."]]


def split_parameters(theta: Scalars, scalars: int) -> tuple[Scalars, Scalars]:
    """The numbers of theta and the lists (bodies,) behind them."""
    return theta[:scalars], theta[scalars:]
