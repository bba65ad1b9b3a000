"""What a map study means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.compiler.symbolic.equations import symbolic_equations
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.spec.kinds.pnn import Pnn

from .data import moving_system
from .networks import map_networks


def explain_map(study: Pnn) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a map study."""
    symbolic = lagrangian_system(study)
    moving = moving_system(study)
    search, data = study.search, study.data
    space = map_networks(study, moving)
    shape, notes = space.layout, space.notes
    force = "feels no force"
    if shape.force is not None:
        force = f"layer {shape.force} holds the force F(q) = dL/dq"
        if search.force == "network":
            force += ", as a network of 10 and 10 tanh units trained on it beforehand and frozen"
        if shape.early:
            force += ", wired as in the earlier paper"
    space = " x ".join(
        f"{len(options)}^{count}"
        for options, count in ((shape.activations, shape.units), (shape.values, shape.weights))
    )
    network = (
        f"Inputs {', '.join(e.text for e in search.inputs)}; hidden layers of "
        f"{', '.join(map(str, search.layers))} units; {force}; outputs "
        f"{', '.join(e.text for e in search.outputs)}. {shape.genes} genes: {shape.units} "
        f"activations out of {', '.join(shape.activations)} (scores "
        f"{', '.join(map(str, shape.scores))}, counted squared) and {shape.weights} weights out of "
        f"{', '.join(shape.labels)}: {space} networks."
    )
    if notes:
        network += " " + "; ".join(notes) + "."
    if data.energies is not None:
        rows = (
            f"Velocity Verlet with dt/{data.substeps}, dt = {moving.dt:.6g} "
            f"{study.unit('t')}, from the minimum of the potential moving inward; {data.points} "
            f"pairs of states for each of {len(data.energies.train)} energies to fit, "
            f"{len(data.energies.validation)} to select (none: every fifth pair), "
            f"{len(data.energies.test)} to report."
        )
    else:
        rows = f"Pairs of rows {moving.dt:.6g} {study.unit('t')} apart in {data.file}."
    training = study.training
    nsga2 = search.method == "nsga2"
    how = (
        f"{'NSGA-II over error, complexity and structure' if nsga2 else 'eaSimple'}"
        f", {search.population} networks, {search.generations} generations; each fitted by "
        f"{training.optimizer} from {training.starts} starts, at most {training.epochs} iterations;"
        f" objective = 10 log10(mse_x) + 10 log10(mse_v) + {search.parsimony:g} * complexity."
    )
    return (
        Section("System", equations=symbolic_equations(symbolic)),
        Section("Networks", network),
        Section("Data", rows),
        Section("Search", how),
    )
