"""Explanation of a cluster's transformation beyond its path."""

from __future__ import annotations

from actionrun.compiler.findings import Equation, Section
from actionrun.compiler.om.path_problem import PathProblem

from .parallel_tasks import LANES


def transformation(problem: PathProblem) -> tuple[Section, ...]:
    """Sections on the alignment of the ends and the search for the lowest barrier."""
    settings = problem.settings
    result = []
    names = settings.align
    if names and settings.many:
        deeds = {"rotation": "turned", "inversion": "mirrored",
                 "permutation": "its equal bodies relabelled"}  # fmt: skip
        how = ", ".join(deeds[name] for name in names)
        result.append(
            Section(
                "Alignment",
                f"The end is brought to the copy nearest to the start: {how}, as far as that "
                "leaves the energy as it is. Rotations by singular value decomposition and labels "
                "by the assignment problem in turn, from many rotations. "
                f"{settings.refine.alignments} of the nearest copies are kept.",
            )
        )
    if settings.refine.barrier:
        result.append(Section("Barrier", _barrier(problem), (_lid(),)))
    return tuple(result)


def _barrier(problem: PathProblem) -> str:
    refine = problem.settings.refine
    return (
        "Ends that are not stationary are relaxed. A graph of minima and saddles grows by "
        f"{refine.searches} searches for saddles, in batches of "
        f"{min(LANES, max(1, refine.searches))} or more: the first from "
        f"strings of {refine.images} images between the aligned ends, later ones from strings "
        "across the narrowest gaps between groups of minima that saddles join, and from minima, "
        "pushed along soft modes: of the start's group, of the end's, and of those between, the "
        "least tried first. The lid is the highest saddle of the best way found. Each saddle of a "
        "way that would lower it is first refined to a stationary point with one negative mode, "
        "and left by true steepest descent, which names the two minima it joins. The budget is "
        "counted in searches, so a run can be repeated." + _identity(problem)
    )


def _identity(problem: PathProblem) -> str:
    """Which copies are different structures."""
    settings = problem.settings
    apart = [word for name, word in (("inversion", "by their handedness"),
             ("permutation", "by the labels of equal bodies")) if name not in settings.align
             ]  # fmt: skip
    if not settings.many or not apart:
        return ""
    return (
        f" Copies of a structure are told apart {' and '.join(apart)}: each saddle leads from each "
        "copy of a minimum to a copy of another, and the way is one through copies."
    )


def _lid() -> Equation:
    return Equation(
        "Barrier",
        r"\Delta V = \min_{\text{ways}} \max_{\text{saddles } s} V(s) - V(\text{start})",
        "barrier = least over ways of the largest over saddles of V(saddle) - V(start)",
    )
