"""Covariance of shared and local unknowns at a least-squares solution, and leverages of the rows.

The local unknowns are projected out of the Jacobian trial by trial, so that memory and time are
linear in the trials. Sandwich: Huber (Proc. Fifth Berkeley Symp. 1, 221, 1967), with correlations
over time as Newey and West have them (Econometrica 55, 703, 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

EDGE = 1e-12  # singular values of a trial's local Jacobian below this share of the largest are none


@dataclass(frozen=True)
class ProjectedJacobian:
    """d(residuals)/d(shared), the local unknowns projected out: rows (rows, k, trials); `local`
    (rows, m, trials), orthonormal columns that span what the local unknowns reach, zero beyond;
    `of_local` (m, m, trials) and `of_shared` (m, k, trials): the local ones of a change of
    residuals, local = of_local @ local^T r - of_shared @ shared."""

    rows: Float[np.ndarray, "rows k trials"]
    local: Float[np.ndarray, "rows m trials"]
    of_local: Float[np.ndarray, "m m trials"]
    of_shared: Float[np.ndarray, "m k trials"]

    @property
    def normal(self) -> Float[np.ndarray, "k k"]:
        return np.einsum("rit,rjt->ij", self.rows, self.rows)

    def leverages(self, shared: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "rows trials"]:
        """By how much each fitted value follows its own sample, for a covariance of the shared
        unknowns in units of the residuals."""
        alone = np.sum(self.local**2, axis=1)
        return alone + np.einsum("rit,ij,rjt->rt", self.rows, shared, self.rows)

    def lagged_leverages(
        self, shared: Float[np.ndarray, "k k"], rows: list[np.ndarray], lags: int
    ) -> Float[np.ndarray, " lags"]:
        """Sums of the hat matrix between rows of a trial that are 1, 2, ... apart in `rows`, the
        row numbers of each trial's series in order."""
        result = np.zeros(lags)
        for trial, index in enumerate(rows):
            local = self.local[index, :, trial]
            own = self.rows[index, :, trial]
            reach = own @ shared
            for lag in range(1, min(lags, len(index) - 1) + 1):
                result[lag - 1] += np.sum(local[lag:] * local[:-lag])
                result[lag - 1] += np.sum(reach[lag:] * own[:-lag])
        return result

    def local_covariance(self, shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the local unknowns (m, m, trials), and of the shared with them (k, m, trials)."""
        alone = np.einsum("iat,jat->ijt", self.of_local, self.of_local)
        cross = -np.einsum("ij,mjt->imt", shared, self.of_shared)
        return alone - np.einsum("nit,imt->nmt", self.of_shared, cross), cross


def project(jacobian: Float[np.ndarray, "rows unknowns trials"], k: int) -> ProjectedJacobian:
    """A Jacobian by trial, its first k unknowns shared, the others local."""
    shared, local = jacobian[:, :k], jacobian[:, k:]
    rows, m, trials = local.shape
    basis = np.zeros((rows, m, trials))
    of_local, of_shared = np.zeros((m, m, trials)), np.zeros((m, k, trials))
    kept = shared.copy()
    for trial in range(trials if m else 0):
        size = np.linalg.norm(local[..., trial], axis=0)
        unit = local[..., trial] / np.where(size > 0, size, 1)
        U, s, Vt = np.linalg.svd(unit, full_matrices=False)
        good = s > EDGE * max(s[0], np.finfo(float).tiny)
        U = np.where(good, U, 0)
        basis[:, : U.shape[1], trial] = U
        back = (Vt.T * np.where(good, 1 / np.where(good, s, 1), 0)) / np.where(size > 0, size, 1)[
            :, None
        ]
        of_local[:, : back.shape[1], trial] = back
        of_shared[..., trial] = back @ (U.T @ shared[..., trial])
        kept[..., trial] -= U @ (U.T @ shared[..., trial])
    before = np.linalg.norm(shared, axis=(0, 2))
    after = np.linalg.norm(kept, axis=(0, 2))
    kept[:, after < 1e-10 * before] = 0
    return ProjectedJacobian(kept, basis, of_local, of_shared)


def inverse_information(
    normal: Float[np.ndarray, "k k"], free: np.ndarray, normals: np.ndarray | None = None
) -> Float[np.ndarray, "k k"]:
    """The inverse of J^T J over the `free` unknowns (k,), across no active constraint (i, k); zero
    for the others, and infinite nowhere: directions without information have none in it."""
    k = len(normal)
    result = np.zeros((k, k))
    index = np.flatnonzero(free)
    if not len(index):
        return result
    A = normal[np.ix_(index, index)]
    scale = np.sqrt(np.where(np.diag(A) > 0, np.diag(A), 1))
    span = np.eye(len(index))
    if normals is not None and np.any(normals != 0):
        walls = normals[np.any(normals != 0, axis=1)][:, index] / scale
        _, s, Vt = np.linalg.svd(walls)
        span = Vt[int(np.sum(s > 1e-12 * s.max())) :].T
    inner = span.T @ (A / np.outer(scale, scale)) @ span
    values, vectors = np.linalg.eigh(inner)
    good = values > 1e-15 * max(values.max(initial=0.0), np.finfo(float).tiny)
    vectors = span @ vectors
    inverse = (vectors * np.where(good, 1 / np.where(good, values, 1), 0)) @ vectors.T
    result[np.ix_(index, index)] = inverse / np.outer(scale, scale)
    return result


def sandwich(
    scores: Float[np.ndarray, "samples k trials"],
    inverse: Float[np.ndarray, "k k"],
    lags: int,
) -> Float[np.ndarray, "k k"]:
    """Covariance where residuals are neither white nor of one variance: `scores` are the gradients
    of the cost, a row a time, `inverse` the inverse of its curvature; correlations over up to
    `lags` samples count, with Bartlett's weights."""
    middle = np.einsum("sit,sjt->ij", scores, scores)
    for lag in range(1, min(lags, len(scores) - 1) + 1):
        product = np.einsum("sit,sjt->ij", scores[lag:], scores[:-lag])
        middle += (1 - lag / (lags + 1)) * (product + product.T)
    return inverse @ middle @ inverse
