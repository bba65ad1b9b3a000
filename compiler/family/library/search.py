"""Sparse identification of a law by maximum likelihood, from a weak form on.

The weak form, linear in the coefficients, gives first candidates. Each is fitted to short segments
of the motions, which no law can leave; there all terms are weighed at once by the likelihood,
linearized in the coefficients with the starts taken out, and its best subsets are the next
candidates. Then the segments are made longer, until they are the trials. Terms come and go by the
extended Bayesian information criterion (Chen & Chen, Biometrika 95, 759, 2008), which knows how
many terms there were to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import comb, log

import numpy as np
from actionrun.compiler.family.measured.starts import SmoothMotion, initial_states
from actionrun.compiler.family.observations import ObservedMotions, noise_without_model
from actionrun.compiler.numerics.genomes.term_selection import best_subsets, eliminated
from actionrun.compiler.numerics.inference.segment_shooting import (
    LinearLaw,
    SegmentFit,
    Segments,
    linearized,
    segment_fit,
)

from .equations import LibraryEquations

MOST_TERMS = 16  # of a law
BEAM = 30  # subsets of a size that grow
TRIED = 3  # subsets a round that are fitted anew
FIRST = 2  # subsets a size from the weak form
ROUNDS = 5  # a length of segments
EXACT = 1e-5  # of a channel's size: residuals below are steps' errors and digits
STEP = 0.12  # radians of the fastest swing that a Runge-Kutta step goes
SHORT = 1.5  # radians of the fastest swing that the first segments last
LEAST = 8  # samples of a segment
GROWTH = 3  # by which segments grow
QUICK, THOROUGH = 6, 30  # iterations
MOST_SAMPLES = 12000  # that are looked at until the last length
WINDOW = 2.0  # radians that a test function reaches to each side

Subset = tuple[int, ...]
Tell = Callable[[str, int, int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Candidate:
    """A law of some terms, fitted, and its criterion."""

    terms: Subset
    fit: SegmentFit
    criterion: float


@dataclass(frozen=True)
class LibraryLaw:
    """The best candidate, the front of the best ones by number of terms, the states (2 n, trials)
    that the trials begin with by the best, and for each term of the library how much higher the
    criterion is without it: below zero where the law is better without."""

    best: Candidate
    front: tuple[Candidate, ...]
    starts: np.ndarray
    evidence: np.ndarray


@dataclass
class LibrarySearch:
    """Which terms of a library made these motions; `motions` are the samples smoothed, `needed` the
    terms that have to be in the law."""

    equations: LibraryEquations
    observed: ObservedMotions
    motions: Mapping[int, SmoothMotion]
    scales: np.ndarray
    tell: Tell
    needed: Subset = ()
    _laws: dict[Subset, LinearLaw] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return self.equations.n

    @cached_property
    def rate(self) -> float:
        return max((m.rate for m in self.motions.values()), default=0.0)

    @cached_property
    def trials(self) -> list[int]:
        return [*self.motions]

    @cached_property
    def deviations(self) -> np.ndarray:
        """Of the noise by channel, as samples show it without a law; not below EXACT."""
        variance, freedom = noise_without_model(self.observed)
        total = np.maximum(freedom.sum(axis=1), 1e-9)
        share = np.nansum(np.nan_to_num(variance) * freedom, axis=1) / total
        return self.observed.size * np.maximum(np.sqrt(share), EXACT)

    def law(self, terms: Subset) -> LinearLaw:
        if terms not in self._laws:
            self._laws[terms] = self.equations.law(terms)
        return self._laws[terms]

    def result(self) -> LibraryLaw | None:
        """The law, and its rivals; None where no candidate fits even short segments."""
        lengths = self._lengths()
        some = self._some(MOST_SAMPLES)
        found: list[Candidate] = []
        self.tell("library", 0, len(lengths), {})
        of, starts = self._segments(some, lengths[0])
        for subset, c in self._weak_candidates():
            found.append(self._fitted(subset, SegmentFit(c, starts, np.inf), of, QUICK))
        best = min(found, key=lambda one: one.criterion, default=None)
        if best is None or not np.isfinite(best.criterion):
            return None
        tried: dict[Subset, Candidate] = {}
        for place, length in enumerate(lengths):
            if place:
                trials = self.trials if place == len(lengths) - 1 else some
                of, starts = self._segments(trials, length, best, some, lengths[place - 1])
                best = self._fitted(
                    best.terms, SegmentFit(best.fit.c, starts, np.inf), of, THOROUGH
                )
                if not np.isfinite(best.criterion):
                    return None
            best, tried = self._improved(best, of)
            self.tell("library", place + 1, len(lengths), {"terms": len(best.terms)})
        front = self._front(best, tried, of)
        return LibraryLaw(best, front, best.fit.starts, self._evidence(best, of))

    def _lengths(self) -> list[int]:
        """Samples of segments, from short ones to whole trials."""
        o = self.observed
        rows = int(np.max(np.sum(o.there.any(axis=1), axis=0)))
        spacing = float(np.median(np.diff(o.t, axis=0)[np.diff(o.t, axis=0) > 0]))
        first = int(np.clip(SHORT / max(self.rate * spacing, 1e-12), LEAST, rows))
        lengths = [first]
        while lengths[-1] * GROWTH < rows:
            lengths.append(lengths[-1] * GROWTH)
        return lengths if lengths[-1] == rows else [*lengths, rows]

    def _some(self, most: int) -> list[int]:
        total = int(self.observed.there.any(axis=1).sum())
        return self.trials[:: max(1, min(-(-total // most), len(self.trials)))]

    def _segments(
        self, trials: list[int], length: int, before: Candidate | None = None,
        seen: Iterable[int] = (), last: int = 0,
    ) -> tuple[Segments, np.ndarray]:  # fmt: skip
        """Trials in segments of so many samples, and their starts: those of a candidate that was
        fitted to shorter ones of trials `seen`, else of the smoothed samples."""
        o = self.observed
        pieces = []
        for trial in trials:
            rows = np.flatnonzero(o.there[..., trial].any(axis=1))
            parts = max(len(rows) // length, 1)
            cuts = [(len(rows) * i) // parts for i in range(parts + 1)]
            pieces += [(trial, rows[a:b]) for a, b in pairwise(cuts)]
        most = max(len(rows) for _, rows in pieces)
        t = np.zeros((most, len(pieces)))
        values = np.zeros((most, o.values.shape[1], len(pieces)))
        weight = np.zeros_like(values)
        for k, (trial, rows) in enumerate(pieces):
            t[: len(rows), k] = o.t[rows, trial]
            t[len(rows) :, k] = o.t[rows[-1], trial]
            values[: len(rows), :, k] = o.values[rows, :, trial]
            weight[: len(rows), :, k] = o.there[rows, :, trial] / self.deviations
        starts = np.zeros((2 * self.n, len(pieces)))
        for k, (trial, _) in enumerate(pieces):
            one = initial_states(
                o, self.motions, self.n, np.repeat(t[:1, k : k + 1], o.t.shape[1], 1)
            )
            starts[:, k] = one[:, 0, trial]
        if before is not None:
            known = {}
            old, _ = self._pieces([*seen], last)
            for k, key in enumerate(old):
                known[key] = before.fit.starts[:, k]
            for k, (trial, rows) in enumerate(pieces):
                if (trial, int(rows[0])) in known:
                    starts[:, k] = known[trial, int(rows[0])]
        longest = float(np.max(np.diff(t, axis=0), initial=0.0))
        steps = max(1, int(np.ceil(longest * self.rate / STEP)))
        channels = self._channels()
        return Segments(t, values, weight, channels, steps, self.scales), starts

    def _pieces(self, trials: list[int], length: int) -> tuple[list[tuple[int, int]], int]:
        """The trial and first row of each segment."""
        o, result = self.observed, []
        for trial in trials:
            rows = np.flatnonzero(o.there[..., trial].any(axis=1))
            parts = max(len(rows) // length, 1)
            result += [(trial, int(rows[(len(rows) * i) // parts])) for i in range(parts)]
        return result, length

    def _channels(self) -> tuple[int, ...]:
        o = self.observed
        of = {k: i for i, k in o.places("position").items()}
        of |= {k: self.n + i for i, k in o.places("velocity").items()}
        return tuple(of[k] for k in range(len(o.names)))

    def _weak_candidates(self) -> list[tuple[Subset, np.ndarray]]:
        """Subsets that the weak form of the smoothed motions takes, with their coefficients."""
        design = np.concatenate([self._weak_rows(k) for k in self._some(MOST_SAMPLES)])
        design = design[np.isfinite(design).all(axis=1)]
        whole: np.ndarray = np.asarray(np.linalg.qr(design, mode="r"))
        terms, aim = whole[:, 1:], -whole[:, 0]
        found: dict[int, list[tuple[float, Subset, np.ndarray]]] = {}
        most = min(MOST_TERMS, terms.shape[1])
        free = min(most, 10) - len(self.needed)
        subsets = [*best_subsets(terms, aim, free, BEAM, self.needed), *eliminated(terms, aim)]
        every: set[Subset] = {*subsets, *([self.needed] if self.needed else [])}
        for subset in sorted(every):
            if not {*self.needed} <= {*subset}:
                continue
            c, rest = _least(terms, aim, subset)
            if len(subset) <= most:
                found.setdefault(len(subset), []).append((rest, subset, c))
        result = []
        for each in found.values():
            result += [(s, c) for _, s, c in sorted(each, key=lambda one: (one[0], one[1]))[:FIRST]]
        return result

    def _weak_rows(self, trial: int) -> np.ndarray:
        """The weak form of one trial, (rows, 1 + terms), the known part first."""
        m = self.motions[trial]
        times = m.times
        q = np.stack([f(times) for f in m.smooth])
        v = np.stack([f(times, 1) for f in m.smooth])
        p, force = self.equations.weak_parts(*q, *v)
        spacing = np.gradient(times)
        reach = np.clip(WINDOW / max(self.rate, 1e-12), 4 * np.median(spacing), np.ptp(times) / 2)
        centres = np.linspace(times[0] + reach, times[-1] - reach,
                              max(int(np.ptp(times) / reach * 2), 1))  # fmt: skip
        s = (times - centres[:, None]) / reach
        inside = np.abs(s) < 1
        bump = np.where(inside, (1 - s**2) ** 3, 0.0) * spacing
        slope = np.where(inside, -6 * s * (1 - s**2) ** 2, 0.0) / reach * spacing
        rows = -(np.einsum("wt,knt->wnk", slope, p) + np.einsum("wt,knt->wnk", bump, force))
        return rows.reshape(-1, rows.shape[-1])

    def _fitted(self, terms: Subset, first: SegmentFit, of: Segments, most: int) -> Candidate:
        fit = segment_fit(self.law(terms), first, of, most)
        return Candidate(terms, fit, self._criterion(fit.cost, len(terms), of))

    def _count(self, of: Segments) -> int:
        return int((of.weight > 0).sum())

    def _criterion(self, cost: float, terms: int, of: Segments) -> float:
        rows, choice = self._count(of), len(self.equations.names)
        exact = bool(np.all(self.deviations <= EXACT * self.observed.size * 1.0001))
        least = 1.0 if exact else 1e-12
        if not np.isfinite(cost):
            return np.inf
        return (
            rows * log(max(cost / rows, least)) + terms * log(rows) + 2 * log(comb(choice, terms))
        )

    def _improved(self, best: Candidate, of: Segments) -> tuple[Candidate, dict[Subset, Candidate]]:
        """The candidate that no exchange of terms improves, and all that were fitted on the way."""
        tried = {best.terms: best}
        for _ in range(ROUNDS):
            before = best
            for subset, c in self._next(best, of, tried):
                one = self._fitted(subset, SegmentFit(c, best.fit.starts, np.inf), of, QUICK)
                tried[subset] = one
            best = min(tried.values(), key=lambda one: one.criterion)
            if best is before:
                break
            again = self._fitted(best.terms, best.fit, of, THOROUGH)
            tried[best.terms] = best = again
        return best, tried

    def _next(
        self, best: Candidate, of: Segments, tried: Mapping[Subset, Candidate]
    ) -> list[tuple[Subset, np.ndarray]]:
        """The subsets that the linearized likelihood takes, with their coefficients: the best by
        the criterion, and the best of each size near."""
        terms, target, usable = self._linear_likelihood(best, of)
        count = len(usable)
        size = len(best.terms)
        most = min(MOST_TERMS, size + 2, count)
        subsets = {*best_subsets(terms, target, most - len(self.needed), BEAM, self.needed)}
        subsets |= {*best_subsets(terms, target, min(2, count - size), 4, best.terms)}
        subsets |= {tuple(k for k in best.terms if k != j) for j in best.terms
                    if size > 1 and j not in self.needed}  # fmt: skip
        rated = []
        for subset in sorted(subsets):
            if subset in tried or len({*subset}) < len(subset) or not usable[list(subset)].all():
                continue
            c, cost = _least(terms, target, subset)
            rated.append((self._criterion(cost, len(subset), of), subset, c))
        rated.sort(key=lambda one: one[:2])
        chosen = rated[:TRIED]
        for near in (size - 1, size, size + 1):
            chosen += [one for one in rated if len(one[1]) == near][:1]
        return list({subset: (subset, c) for _, subset, c in chosen}.values())

    def _linear_likelihood(
        self, best: Candidate, of: Segments
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Least squares in the coefficients of all terms about a candidate, its starts taken out:
        a triangle (terms + 1, terms), its aim, and which terms (terms,) have finite rows."""
        every, count = self.equations.all_residuals, len(self.equations.names)
        with np.errstate(all="ignore"):
            miss, slopes = linearized(
                self.law(best.terms), best.fit, of, lambda *state: every(*state)[1:], count
            )
        usable: np.ndarray = np.asarray(np.isfinite(slopes).all(axis=0))
        slopes = np.where(usable, slopes, 0.0)
        at = np.zeros(count)
        at[list(best.terms)] = best.fit.c
        both = np.column_stack([slopes, slopes @ at - miss])
        whole: np.ndarray = np.asarray(np.linalg.qr(both, mode="r"))
        return whole[:, :-1], whole[:, -1], usable

    def _evidence(self, best: Candidate, of: Segments) -> np.ndarray:
        terms, target, usable = self._linear_likelihood(best, of)

        def criterion(subset: Subset) -> float:
            cost = _least(terms, target, subset)[1] if subset else float(target @ target)
            return self._criterion(cost, len(subset), of)

        now, result = criterion(best.terms), np.full(len(usable), -np.inf)
        for k in np.flatnonzero(usable):
            if k in best.terms:
                result[k] = criterion(tuple(j for j in best.terms if j != k)) - now
            else:
                result[k] = now - criterion(tuple(sorted((*best.terms, int(k)))))
        return result

    def _front(
        self, best: Candidate, tried: Mapping[Subset, Candidate], of: Segments
    ) -> tuple[Candidate, ...]:
        """Of each number of terms the best candidate, the law found among them."""
        front: dict[int, Candidate] = {}
        for one in tried.values():
            held = front.get(len(one.terms))
            if np.isfinite(one.criterion) and (held is None or one.criterion < held.criterion):
                front[len(one.terms)] = one
        front[len(best.terms)] = best
        return tuple(front[k] for k in sorted(front))


def _least(terms: np.ndarray, target: np.ndarray, subset: Subset) -> tuple[np.ndarray, float]:
    """Coefficients of some terms by least squares, and the sum of squares that they leave."""
    c = np.linalg.lstsq(terms[:, list(subset)], target, rcond=1e-12)[0]
    return c, float(np.sum((terms[:, list(subset)] @ c - target) ** 2))
