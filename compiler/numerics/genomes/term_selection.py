"""Sparse linear regression over many candidate terms: which few of them, by least squares.

All pairs are looked through by their Gram matrix; larger subsets grow from the best smaller ones by
orthogonal projection (orthogonal least squares; Chen, Billings & Luo, Int. J. Control 50, 1873,
1989). Where all terms together leave nothing, terms are taken away as long as nothing is left.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

ALIKE = 1e-9  # 1 - r^2 of two terms that are one
NOTHING = 1e-6  # of the target's size: a residual that digits may have left
LEAST = 1e-12  # of the target's size: what sums in double precision leave
MORE = 3.0  # times what all terms leave, which fewer may
Subset = tuple[int, ...]


def unit_columns(terms: Float[np.ndarray, "rows terms"]) -> Float[np.ndarray, "rows terms"]:
    """Columns of length one; zero columns stay."""
    length = np.linalg.norm(terms, axis=0)
    return terms / np.where(length > 0, length, 1.0)


def best_subsets(
    terms: Float[np.ndarray, "rows terms"],
    target: Float[np.ndarray, " rows"],
    most: int,
    kept: int,
    always: Subset = (),
) -> list[Subset]:
    """Of each size up to `most` the `kept` subsets of the least sums of squares, all of which hold
    the terms `always`; the smallest first."""
    columns = unit_columns(terms)
    aim = target / max(np.linalg.norm(target), 1e-300)
    if always:
        basis = np.linalg.qr(columns[:, list(always)])[0]
        columns = columns - basis @ (basis.T @ columns)
        length = np.linalg.norm(columns, axis=0)
        columns = np.where(length > np.sqrt(ALIKE), columns / np.maximum(length, 1e-300), 0.0)
        aim = aim - basis @ (basis.T @ aim)
    along = columns.T @ aim
    singles = [(int(k),) for k in np.argsort(-(along**2), kind="stable")[:kept]]
    found = [*singles]
    beam = singles
    if most >= 2 and columns.shape[1] > 1:
        beam = _best_pairs(columns, along, kept)
        found += beam
    for _ in range(2, most):
        beam = _extended(columns, aim, beam, kept)
        found += beam
    return [tuple(sorted((*always, *one))) for one in found]


def _best_pairs(columns: np.ndarray, along: np.ndarray, kept: int) -> list[Subset]:
    gram = columns.T @ columns
    apart = 1 - gram**2
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = (along[:, None] ** 2 + along[None] ** 2 - 2 * gram * along[:, None] * along) / apart
    gain[(apart < ALIKE) | ~np.isfinite(gain)] = -1.0
    rows, others = np.triu_indices(len(along), 1)
    gains = gain[rows, others]
    several = min(kept, len(gains))
    chosen = np.argpartition(-gains, several - 1)[:several]
    chosen = chosen[np.lexsort((others[chosen], rows[chosen], -gains[chosen]))]
    return [(int(rows[k]), int(others[k])) for k in chosen if gains[k] >= 0]


def _extended(columns: np.ndarray, aim: np.ndarray, beam: list[Subset], kept: int) -> list[Subset]:
    """Each subset of a beam with the one more term that leaves least, for several such terms."""
    gains: dict[Subset, float] = {}
    for subset in beam:
        basis = np.linalg.qr(columns[:, list(subset)])[0]
        left = aim - basis @ (basis.T @ aim)
        length = 1 - np.square(basis.T @ columns).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(length > ALIKE, (columns.T @ left) ** 2 / length, -1.0)
        gain[list(subset)] = -1.0
        rest = left @ left
        for k in np.argsort(-gain, kind="stable")[: max(3, kept // 10)]:
            if gain[k] > 0:
                gains[tuple(sorted((*subset, int(k))))] = float(rest - gain[k])
    return sorted(gains, key=lambda one: (gains[one], one))[:kept]


def best_triples(
    terms: Float[np.ndarray, "rows terms"],
    target: Float[np.ndarray, " rows"],
    simple: Subset,
    kept: int,
) -> list[Subset]:
    """The `kept` subsets of three of the least sums of squares, two of which are among `simple`:
    all of them are looked through, by the Gram matrix."""
    columns = unit_columns(terms)
    aim = target / max(np.linalg.norm(target), 1e-300)
    along = columns.T @ aim
    gram = columns[:, list(simple)].T @ columns
    found: dict[Subset, float] = {}
    for k, first in enumerate(simple[:-1]):
        others = simple[k + 1 :]
        beside = gram[k + 1 :, first]
        length = 1 - beside**2
        fine = length > ALIKE
        if not fine.any():
            continue
        others = np.array(others)[fine]
        root = np.sqrt(length[fine])
        across = (gram[k + 1 :][fine] - beside[fine, None] * gram[k]) / root[:, None]
        own = (along[others] - beside[fine] * along[first]) / root
        left = along - gram[k] * along[first] - across * own[:, None]
        length = 1 - gram[k] ** 2 - across**2
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(length > ALIKE, left**2 / length, -1.0)
        gain += (along[first] ** 2 + own**2)[:, None]
        several = min(kept, gain.size)
        for place in np.argpartition(-gain.ravel(), several - 1)[:several]:
            second, third = divmod(int(place), gain.shape[1])
            if gain[second, third] > 0:
                one = tuple(sorted({first, int(others[second]), third}))
                found[one] = float(gain[second, third])
        if len(found) > 20 * kept:
            found = dict(sorted(found.items(), key=lambda one: (-one[1], one[0]))[:kept])
    triples = [one for one in found if len(one) == 3]
    return sorted(triples, key=lambda one: (-found[one], one))[:kept]


def exact_subset(
    terms: Float[np.ndarray, "rows terms"], target: Float[np.ndarray, " rows"]
) -> Subset | None:
    """The terms that are left when those that are not needed are taken away, one after the other;
    None where all together leave something, or the rows are too few to tell."""
    rows, count = terms.shape
    if count * 5 > rows * 3:
        return None
    columns = unit_columns(terms)
    aim = target / max(np.linalg.norm(target), 1e-300)

    def rest(kept: list[int]) -> tuple[float, np.ndarray]:
        solved = np.linalg.lstsq(columns[:, kept], aim, rcond=1e-13)[0]
        return float(np.linalg.norm(columns[:, kept] @ solved - aim)), solved

    kept = list(range(count))
    left, solved = rest(kept)
    if left > NOTHING:
        return None
    most = max(MORE * left, LEAST)
    while len(kept) > 1:
        for k in np.argsort(np.abs(solved), kind="stable")[:3]:
            fewer = [*kept[: int(k)], *kept[int(k) + 1 :]]
            left, trial = rest(fewer)
            if left <= most:
                kept, solved = fewer, trial
                break
        else:
            break
    return tuple(kept)


def eliminated(
    terms: Float[np.ndarray, "rows terms"], target: Float[np.ndarray, " rows"]
) -> list[Subset]:
    """What is left of all terms as the one that matters least is taken away, one after the other:
    the subsets from four terms on (smaller ones are looked through) up to the one at which the
    Bayesian information criterion (Schwarz, Ann. Stat. 6, 461, 1978) is least."""
    rows, count = terms.shape
    if count >= rows // 2:
        return []
    columns = unit_columns(terms)

    def rest(kept: list[int]) -> float:
        solved = np.linalg.lstsq(columns[:, kept], target, rcond=1e-13)[0]
        return float(np.sum((columns[:, kept] @ solved - target) ** 2))

    kept = list(range(count))
    path = [(rows * np.log(max(rest(kept), 1e-300)) + count * np.log(rows), tuple(kept))]
    while len(kept) > 3:
        left, place = min((rest([*kept[:k], *kept[k + 1 :]]), k) for k in range(len(kept)))
        kept = [*kept[:place], *kept[place + 1 :]]
        path.append((rows * np.log(max(left, 1e-300)) + len(kept) * np.log(rows), tuple(kept)))
    best = min(range(len(path)), key=lambda k: path[k][0])
    return [subset for _, subset in path[best:] if len(subset) > 3]
