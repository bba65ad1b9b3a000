"""How far a cluster's transformation is to be trusted: checks, and what the reader must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actionrun.compiler.findings import Check

from .pathway_search import STATIONARY

if TYPE_CHECKING:
    from .findings import Result


def checks(result: Result) -> tuple[Check, ...]:
    program, path = result.program, result.path
    fit = result.state["path"]["fit"]
    ended, count = int(fit.ended), int(fit.iterations)
    settled = {1: "the minimisation settled", 2: "no further step lowers the action"}.get(
        ended, "the minimisation was stopped before it settled"
    )
    found = [
        Check("path", ended == 1, f"{settled} ({count} iterations)"),
        Check("equation of motion", path.force_error < 0.05,
              f"m q'' = F holds along the path within {path.force_error:.1e} of the largest force"),
        Check("energy", path.energy_error < 1e-4,
              f"the path's energy stays within {path.energy_error:.1e} of its first value"),
    ]  # fmt: skip
    if program.hunt is None:
        return tuple(found)
    if not result.chain:
        searches = int(result.state["hunt"]["searches"])
        return (*found, Check("barrier", False, f"no way was found in {searches} searches"))
    bar = STATIONARY * program.hunt.scale / program.ends.length
    worst = max(stop.point.gradient for stop in result.chain)
    inner = [s for s in result.chain if not s.name.startswith(("start", "end"))]
    wrong = [s.name for s in inner if s.point.negative != int(s.is_saddle)]
    loose = [
        s.name
        for k, s in enumerate(result.chain)
        if s.is_saddle
        and ((k > 0 and s.back is None) or (s is not result.chain[-1] and s.on is None))
    ]
    found += [
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
    return tuple(found)


def notes(result: Result) -> tuple[str, ...]:
    program, hunt, found = result.program, result.state["hunt"], []
    for name, end in (("start", program.ends.start), ("end", program.ends.end)):
        if end.point.negative == 1:
            found.append(f"the {name} is a saddle with one negative mode, not a minimum")
        elif end.point.negative > 1:
            found.append(f"the {name} has {end.point.negative} negative modes: it is no minimum")
        if end.moved > 1e-3 * program.ends.length:
            found.append(f"the {name} was relaxed: it moved by {end.moved:.3g}")
    found.append(
        "positions at the ends do not make the path of least action unique: others may join them "
        "with other energies"
    )
    if int(result.state["path"]["fit"].ended) == 0:
        found.append(
            "the path of least action did not settle: it is no motion of Newton's. A longer "
            "path.duration may help. The chain of minima and saddles does not rest on it"
        )
    if result.lid is not None and program.hunt is not None:
        if result.lid <= program.hunt.floor + 1e-9 * program.hunt.scale:
            found.append("no barrier can be lower: the highest point of the way is one of its ends")
        else:
            found.append(
                f"the barrier is the lowest of {int(hunt['searches'])} searches; another budget or "
                "seed may find a lower one"
            )
    if program.hunt is not None:
        if int(hunt["corrected"]):
            found.append(
                f"of {int(hunt['verified'])} saddles that were verified, {int(hunt['corrected'])} "
                "join other minima by steepest descent than by L-BFGS"
            )
        if int(hunt["lost"]):
            found.append(f"{int(hunt['lost'])} stationary points had no room and were not kept")
    return tuple(found)
