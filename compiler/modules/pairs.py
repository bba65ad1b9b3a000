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

BY_BODY = 1500  # numbers of a row (N T) from which one body at a time keeps a row in the cache

Kernel = Callable[..., jax.Array]


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

    `theta` is (P,), or (P, K, K) where K species have their own parameters, `kind` (N,) then the
    species of each body. `cutoff` and `switch` are distances.
    """

    terms: Lowered
    theta: jax.Array
    kind: jax.Array | None
    cutoff: jax.Array | None
    switch: jax.Array | None
    edge: jax.Array | None

    def energy(self, q: jax.Array, near: Near) -> jax.Array:
        """Potential energy (T,) of each image."""

        def kernel(theta, active, d):
            return jnp.expand_dims(self._terms(d, theta, active)[1], 0)

        return 0.5 * jnp.sum(self._summed(kernel, near, 1, q), axis=(0, 1))

    def forces(self, q: jax.Array, near: Near) -> jax.Array:
        """-dV/dq (dim, N, T)."""

        def kernel(theta, active, d):
            d, _, e1, _ = self._terms(d, theta, active)
            return (-2 * e1) * d

        return self._summed(kernel, near, len(q), q)

    def hessian_product(self, q: jax.Array, v: jax.Array, near: Near) -> jax.Array:
        """(d2V/dq dq) v (dim, N, T)."""

        def kernel(theta, active, d, w):
            d, _, e1, e2 = self._terms(d, theta, active)
            along = jnp.sum(d * w, axis=0)
            return (2 * e1) * w + (4 * e2 * along) * d

        return self._summed(kernel, near, len(q), q, v)

    def _terms(self, d, theta, active):
        """d by the nearest image, e, e', e'' with the switch."""
        d = nearest_image(d, self.edge)
        s = jnp.sum(d * d, axis=0)
        if self.cutoff is None:
            e, e1, e2 = self._bare(s, theta)
            return d, e, e1, e2
        assert self.switch is not None
        stop, start = self.cutoff**2, self.switch**2
        s = jnp.minimum(jnp.where(active, s, stop), stop)
        e, e1, e2 = self._bare(s, theta)
        S, S1, S2 = switched(s, start, stop)
        return d, e * S, e1 * S + e * S1, e2 * S + 2 * e1 * S1 + e * S2

    def _bare(self, s, theta) -> tuple[jax.Array, ...]:
        return tuple(map(jnp.asarray, self.terms(s, 1 / s, jnp.sqrt(s), *theta)))

    def _summed(self, kernel: Kernel, near: Near, rows: int, *fields: jax.Array) -> jax.Array:
        """sum_j kernel(theta_ij, active, x_i - x_j for x of fields) -> (rows, N, T)."""
        _, n, images = fields[0].shape
        longest = near.others.shape[1]
        out = jnp.zeros((rows, n, images), fields[0].dtype)
        if longest == 0:
            return out

        def by_body(i, out):
            others = near.others[i]
            active = (jnp.arange(longest) < near.counts[i])[:, None]
            parts = [x[:, i, None] - x.at[:, others].get(mode="clip") for x in fields]
            own = None if self.kind is None else self.kind[i]
            value = kernel(self._parameters(own, others), active, *parts)
            return out.at[:, i].set(jnp.sum(value, axis=1))

        def by_slot(m, out):
            others = jax.lax.dynamic_index_in_dim(near.others, m, axis=1, keepdims=False)
            active = (m < near.counts)[:, None]
            parts = [x - x.at[:, others].get(mode="clip") for x in fields]
            return out + kernel(self._parameters(self.kind, others), active, *parts)

        if n * images >= BY_BODY and images > 1:
            return jax.lax.fori_loop(0, n, by_body, out)
        return jax.lax.fori_loop(0, longest, by_slot, out)

    def _parameters(self, own, others):
        if self.kind is None:
            return self.theta
        return self.theta[:, own, self.kind[others]][..., None]
