"""Checks of a cluster's transformation, and notes on what the reader must know."""

from __future__ import annotations

from actionrun.compiler.findings import Check

from .pathway_search import STATIONARY
from .result import TransformationResult


def checks(result: TransformationResult) -> tuple[Check, ...]:
    """Whether the path settled, and the pathway consists of what it should."""
    fit, ends, path = result.fit, result.ends, result.path
    ended, count = int(fit.ended), int(fit.iterations)
    settled = {1: "the minimisation settled", 2: "no further step lowers the action"}.get(
        ended, "the minimisation was stopped before it settled"
    )
    passed = [
        Check("path", ended == 1, f"{settled} ({count} iterations)"),
        Check("equation of motion", path.force_error < 0.05,
              f"m q'' = F holds along the path within {path.force_error:.1e} of the largest force"),
        Check("energy", path.energy_error < 1e-4,
              f"the path's energy stays within {path.energy_error:.1e} of its first value"),
    ]  # fmt: skip
    if not result.search:
        return tuple(passed)
    if not result.chain:
        searches = int(result.search["searches"])
        return (*passed, Check("barrier", False, f"no way was found in {searches} searches"))
    bar = STATIONARY * ends.scale / ends.length
    worst = max(stop.point.gradient for stop in result.chain)
    inner = [s for s in result.chain if not s.name.startswith(("start", "end"))]
    wrong = [s.name for s in inner if s.point.negative != int(s.is_saddle)]
    loose = [
        s.name
        for k, s in enumerate(result.chain)
        if s.is_saddle
        and ((k > 0 and s.back is None) or (s is not result.chain[-1] and s.on is None))
    ]
    passed += [
        Check("stationary points", worst <= bar,
              f"the largest component of a gradient along the chain is {worst:.1e}"),
        Check("negative modes", not wrong,
              "minima have none and saddles have one" if not wrong else
              f"not as they should be at {', '.join(wrong[:5])}"),
        Check("steepest descent", not loose,
              "each saddle of the chain was left by steepest descent, which ended in the minima "
              "beside it" if not loose else
              f"it does not end in the minima beside {', '.join(loose[:5])}"),
    ]  # fmt: skip
    return tuple(passed)


def notes(result: TransformationResult) -> tuple[str, ...]:
    """Warnings in plain words."""
    ends, search, said = result.ends, result.search, []
    for name, end in (("start", ends.start), ("end", ends.end)):
        if end.point.negative == 1:
            said.append(f"the {name} is a saddle with one negative mode, not a minimum")
        elif end.point.negative > 1:
            said.append(f"the {name} has {end.point.negative} negative modes: it is no minimum")
        if end.moved > 1e-3 * ends.length:
            said.append(f"the {name} was relaxed: it moved by {end.moved:.3g}")
    said.append(
        "positions at the ends do not make the path of least action unique: others may join them "
        "with other energies"
    )
    if int(result.fit.ended) == 0:
        said.append(
            "the path of least action did not settle: it is no motion of Newton's. A longer "
            "path.duration may help. The chain of minima and saddles does not rest on it"
        )
    if result.lid is not None and search:
        if result.lid <= ends.floor + 1e-9 * ends.scale:
            said.append("no barrier can be lower: the highest point of the way is one of its ends")
        else:
            said.append(
                f"the barrier is the lowest of {int(search['searches'])} searches; another budget "
                "or seed may find a lower one"
            )
    if search and not result.chain and ends.labelled:
        said.append(
            "copies that differ by what align does not list are different structures here: where "
            "labels or handedness do not matter, list permutation or inversion in align"
        )
    if search:
        if int(search["corrected"]):
            said.append(
                f"of {int(search['verified'])} saddles that were verified, "
                f"{int(search['corrected'])} join other minima by steepest descent than by L-BFGS"
            )
        if int(search["lost"]):
            said.append(f"{int(search['lost'])} stationary points had no room and were not kept")
    return tuple(said)
