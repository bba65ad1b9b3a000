"""Energy, forces and Hessian-vector products of a sum over pairs, for many images at once.

V = sum_{i<j} e(s_ij),  s = |q_i - q_j|^2 by the nearest image.  With d = q_i - q_j, w = v_i - v_j:

    -F_i   = sum_j 2 e'(s) d
    (Hv)_i = sum_j 2 e'(s) w + 4 e''(s) (d.w) d

so no root is taken where e needs none, and no derivative is left to autodiff. Beyond the cut-off
the quintic switch S has e S = 0 with two derivatives, exactly: pairs beyond it, and the padding of
a neighbour list, are clipped to the cut-off, where every term is a finite zero. (Numbers: the
node's size does not grow with N; 20 atoms unrolled took 30 s to compile.)

Shapes: q, v (dim, N, T); the T images are the contiguous axis.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from ..lower import Lowered
from .neighbours import Near, nearest_image

FEW = 4  # images below which a loop over neighbours serves all bodies at once

Coefficients = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, ...]]
Combined = Callable[..., jax.Array]


def switched(s: jax.Array, start, stop) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The quintic that falls from 1 at s = start to 0 at s = stop, and two derivatives by s.

    All three are continuous; at s = stop they are exactly zero.
    """
    scale = 1 / (stop - start)
    x = jnp.clip((s - start) * scale, 0, 1)
    x = jnp.where(s >= stop, 1, x)  # whatever the rounding of scale
    y = 1 - x
    value = y * y * y * (1 + x * (3 + 6 * x))
    return value, -30 * scale * (x * y) ** 2, -60 * scale * scale * x * y * (y - x)


class Pairs(eqx.Module):
    """A pair potential. `terms` gives (e, e', e'') by s, 1/s, sqrt(s) and the parameters theta.

    `theta` is (P,), or (P, K, K) where K species have their own, `kind` (N,) then the species of
    each body. `cutoff` and `switch` are distances.
    """

    terms: Lowered
    theta: jax.Array
    kind: jax.Array | None
    cutoff: jax.Array | None
    switch: jax.Array | None
    edge: jax.Array | None

    def energy(self, q: jax.Array, near: Near) -> jax.Array:
        """Potential energy (T,) of each image."""
        each = self._summed(lambda e, e1, e2: (e,), lambda e, d: e[None], near, 1, q)
        return 0.5 * jnp.sum(each, axis=(0, 1))

    def forces(self, q: jax.Array, near: Near) -> jax.Array:
        """-dV/dq (dim, N, T)."""
        return self._summed(lambda e, e1, e2: (-2 * e1,), lambda a, d: a * d, near, len(q), q)

    def hessian_product(self, q: jax.Array, v: jax.Array, near: Near) -> jax.Array:
        """(d2V/dq dq) v (dim, N, T)."""

        def combined(a, c, d, w):
            return a * w + (c * jnp.sum(d * w, axis=0)) * d

        return self._summed(lambda e, e1, e2: (2 * e1, 4 * e2), combined, near, len(q), q, v)

    def energies(self, r: jax.Array, theta: jax.Array) -> jax.Array:
        """Energy of single pairs at distances r, with the switch; theta (P,)."""
        return self._terms(r * r, theta)[0]

    def between(self, i, j) -> jax.Array:
        """The parameters (P, ...) of the pairs of bodies i and j."""
        if self.kind is None or self.theta.ndim == 1:
            return self.theta
        return self.theta[:, self.kind[i], self.kind[j]]

    def _terms(self, s: jax.Array, theta) -> tuple[jax.Array, jax.Array, jax.Array]:
        """e, e', e'' with the switch; zeros where s is at the cut-off or beyond."""
        if self.cutoff is None:
            return self._bare(s, theta)
        assert self.switch is not None
        start, stop = self.switch**2, self.cutoff**2
        s = jnp.minimum(s, stop)
        e, e1, e2 = self._bare(s, theta)
        S, S1, S2 = switched(s, start, stop)
        return e * S, e1 * S + e * S1, e2 * S + 2 * e1 * S1 + e * S2

    def _bare(self, s, theta):
        e, e1, e2 = map(jnp.asarray, self.terms(s, 1 / s, jnp.sqrt(s), *theta))
        return e, e1, e2

    def _summed(
        self, coefficients: Coefficients, combined: Combined, near: Near, rows: int,
        *fields: jax.Array,
    ) -> jax.Array:  # fmt: skip
        """sum_j combined(*coefficients(e, e', e'')_ij, x_i - x_j for x of fields), (rows, N, T).

        The first field is the place. One body after the other, its neighbours one by one: what is
        at work then stays in the nearest cache, and a pair that is apart in all images is skipped.
        Where there are few images, one neighbour of every body after the other.
        """
        fields = tuple(map(jnp.asarray, fields))
        q = fields[0]
        _, n, images = q.shape
        longest = near.others.shape[1]
        out = jnp.zeros((rows, n, images), q.dtype)
        if longest == 0:
            return out
        reach = jnp.inf if self.cutoff is None else self.cutoff**2

        def of(s, theta):
            return coefficients(*(jnp.broadcast_to(x, s.shape) for x in self._terms(s, theta)))

        def by_body(i, out):
            def add(m, total):
                j = near.others[i, m]
                d, *more = (x[:, i] - x[:, j] for x in fields)
                d = nearest_image(d, self.edge)
                s = jnp.sum(d * d, axis=0)
                theta = self.between(i, j)
                zeros = jax.eval_shape(of, s, theta)
                found = jax.lax.cond(
                    jnp.min(s) < reach,
                    lambda: of(s, theta),
                    lambda: tuple(jnp.zeros(x.shape, x.dtype) for x in zeros),
                )
                return total + combined(*found, d, *more)

            none = jnp.zeros((rows, images), q.dtype)
            return out.at[:, i].set(jax.lax.fori_loop(0, near.counts[i], add, none))

        def by_slot(m, out):
            j = near.others[:, m]
            d, *more = (x - x.at[:, j].get(mode="promise_in_bounds") for x in fields)
            d = nearest_image(d, self.edge)
            active = (m < near.counts)[:, None]
            far = 1.0 if self.cutoff is None else self.cutoff**2
            s = jnp.where(active, jnp.sum(d * d, axis=0), far)
            theta = self.between(jnp.arange(n), j)
            theta = theta if theta.ndim == 1 else theta[..., None]
            return out + combined(*of(s, theta), d, *more)

        if images < FEW:
            return jax.lax.fori_loop(0, longest, by_slot, out)
        return jax.lax.fori_loop(0, n, by_body, out)
