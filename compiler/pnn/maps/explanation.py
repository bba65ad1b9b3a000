"""What a map study means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.compiler.pnn.settings import NetworkSpace
from actionrun.compiler.symbolic.equations import symbolic_equations
from actionrun.spec.kinds.pnn import MapTraining, Samples

from .data import MovingSystem
from .networks import map_networks
from .pruning import MOST_WALKED


def explain_map(
    moving: MovingSystem, space: NetworkSpace, data: Samples, training: MapTraining
) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a map study."""
    search, networks = space.search, map_networks(space, moving)
    shape, notes = networks.layout, networks.notes
    force = "feels no force"
    if shape.force is not None:
        force = f"layer {shape.force} holds the force F(q) = dL/dq"
        if search.force == "network":
            force += ", as a network of 10 and 10 tanh units trained on it beforehand and frozen"
        if shape.early:
            force += ", wired as in the earlier paper"
    size = " x ".join(
        f"{len(options)}^{count}"
        for options, count in ((shape.activations, shape.units), (shape.values, shape.weights))
    )
    network = (
        f"Inputs {', '.join(e.text for e in search.inputs)}; hidden layers of "
        f"{', '.join(map(str, search.layers))} units; {force}; outputs "
        f"{', '.join(e.text for e in search.outputs)}. {shape.genes} genes: {shape.units} "
        f"activations out of {', '.join(shape.activations)} (scores "
        f"{', '.join(map(str, shape.scores))}, counted squared) and {shape.weights} weights out of "
        f"{', '.join(shape.labels)}: {size} networks."
    )
    if notes:
        network += " " + "; ".join(notes) + "."
    if data.energies is not None:
        rows = (
            f"Velocity Verlet with dt/{data.substeps}, dt = {moving.dt:.6g} "
            f"{moving.time_unit}, from the minimum of the potential moving inward; {data.points} "
            f"pairs of states for each of {len(data.energies.train)} energies to fit, "
            f"{len(data.energies.validation)} to select (none: every fifth pair), "
            f"{len(data.energies.test)} to report."
        )
    else:
        rows = f"Pairs of rows {moving.dt:.6g} {moving.time_unit} apart in {data.file}."
    nsga2 = search.method == "nsga2"
    seeds = "all compositions of drift, kick and drift"
    if shape.weights <= MOST_WALKED:
        seeds += ", and walks that fix weights one by one"
    how = (
        f"{'NSGA-II over error, complexity and structure' if nsga2 else 'eaSimple'}"
        f", {search.population} networks, {search.generations} generations"
        f"{f' after {seeds}' if nsga2 else ''}; each fitted by "
        f"{training.optimizer} from {training.starts} starts, at most {training.epochs} iterations;"
        f" objective = 10 log10(mse_x) + 10 log10(mse_v) + {search.parsimony:g} * complexity."
    )
    return (
        Section("System", equations=symbolic_equations(moving.problem)),
        Section("Networks", network),
        Section("Data", rows),
        Section("Search", how),
    )
