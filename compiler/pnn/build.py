"""Studies of kind `pnn`: what is the simplest law behind these data?

Motions of a Lagrangian, one step apart, give a map; a table gives a law.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Findings
from actionrun.compiler.numerics.genomes.map_network import MapNetwork
from actionrun.compiler.program import Evolution, ReportedSearch, Search, Tell
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.vocabulary import Vocabulary, vocabulary
from actionrun.spec.kinds.pnn import Pnn

from .laws import findings as law_findings
from .laws.baselines import fitted_baselines
from .laws.search import LawSearch
from .laws.table import group_layout, law_groups, table_rows
from .laws.weighed_rows import weighed_laws
from .maps import findings as map_findings
from .maps.data import MovingSystem, Sampling, computed_pairs, moving_system
from .maps.measured import measured_pairs
from .maps.model import MapModel
from .maps.networks import map_networks
from .maps.search import MapSearch
from .maps.variants import trained_force
from .maps.warm_up import Precompiler
from .own_activations import own_activations
from .settings import LawProblem, NetworkSpace, Quantities, SearchSettings


def build(study: Pnn, observations: Mapping[str, np.ndarray] | None = None) -> Search:
    """The search of a study; `observations` are the columns of its [data], if it has a file.
    Raises Faults."""
    if not study.is_table:
        return map_search(study, observations)
    if observations is None:
        raise TypeError("a study of a table is built with its columns")
    return law_search(study, observations)


def search_settings(study: Pnn) -> SearchSettings:
    """How a study searches and fits."""
    search, training, paper = study.search, study.training, study.search.method == "paper"
    evolution = Evolution(
        "simple" if paper else "nsga2",
        search.population, search.generations, search.crossover, search.mutation,
        search.gene_mutation, search.tournament, study.seed,
    )  # fmt: skip
    return SearchSettings(
        evolution, paper, search.parsimony, training.optimizer, training.epochs,
        training.learning_rate, training.starts, study.search_is_asked,
    )  # fmt: skip


def network_space(study: Pnn, words: Vocabulary) -> NetworkSpace:
    """The networks that a study searches. Raises Faults for numbers that have no value."""
    weights = tuple(
        ("trainable", None) if one == "trainable" else (one.text, study.number(one))
        for one in study.search.weights
    )
    return NetworkSpace(study.search, weights, own_activations(study.search, words), words)


def law_problem(study: Pnn) -> LawProblem:
    """The problem of a study of a table. Raises Faults for numbers that have no value."""
    data, columns = study.data, study.data.columns or {}
    names = (*columns, *study.parameters, *study.define)
    measured = Quantities(columns, {name: study.dimension(name) for name in names}, study.units)
    space = network_space(study, vocabulary(study))
    return LawProblem(space, measured, data.sigma, study.test, study.seed, study.compare)


def law_search(study: Pnn, observations: Mapping[str, np.ndarray]) -> ReportedSearch[LawSearch]:
    """The search of a study of a table. Raises Faults for what does not work out."""
    problem, settings = law_problem(study), search_settings(study)
    groups = law_groups(problem)
    rows = table_rows(problem, groups, observations)
    if settings.paper and not len(rows.test):
        raise study_error(
            study, ("search", "method"), "search.method",
            "the published algorithm selects by the rows held out, and none are",
            "write fraction = 0.2 in [test]",
        )  # fmt: skip
    layout, notes = group_layout(problem, groups)
    rows, sums = (rows, ()) if settings.paper else weighed_laws(rows, groups, layout)
    search = LawSearch(
        settings, groups, rows, layout, partial(fitted_baselines, problem.rivals, groups),
        (*rows.notes, *notes), sums,
    )  # fmt: skip
    _ = search.baselines  # a rival that cannot be fitted is a fault before the search

    def report(
        genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        return law_findings.make_findings(search, genomes, history, tell)

    return ReportedSearch(search, report)


def system_of_maps(study: Pnn) -> MovingSystem:
    """What moves in a study of maps. Raises Faults for what the mathematics forbids."""
    law, dt = study.system.lagrangian or study.system.potential, study.data.dt
    if law is None or dt is None:
        raise TypeError("a study of maps has a law of motion and a step")
    return moving_system(lagrangian_system(study), law, study.number(dt))


def sampling(study: Pnn) -> Sampling:
    """The motions that a study computes. Raises Faults for numbers that have no value."""
    data, energies = study.data, study.data.energies
    if energies is None or data.points is None:
        raise TypeError("a study of maps has energies and points, or observations")
    parts = {name: getattr(energies, name) for name in ("train", "validation", "test")}
    return Sampling(
        {name: tuple(study.number(one) for one in part) for name, part in parts.items()},
        1.0 if data.energy_unit is None else study.number(data.energy_unit),
        data.points,
        data.substeps,
    )


def map_model(study: Pnn, observations: Mapping[str, np.ndarray] | None = None) -> MapModel:
    """A map study made ready. Raises Faults."""
    moving, settings = system_of_maps(study), search_settings(study)
    networks = map_networks(network_space(study, moving.problem.words), moving)
    notes = networks.notes
    if observations is not None:
        again = None
        pairs, told = measured_pairs(moving, observations, study.test.fraction)
        notes = (*notes, *told)
    else:
        again = partial(computed_pairs, moving, sampling(study))
        pairs = again(1)
    force = None if networks.layout.force is None else moving.force
    learned = study.search.force == "network"
    if learned and moving.driven:
        raise study_error(
            study, ("search", "force"), "map.force",
            "a force that is learned beforehand is a function of position, and this one is driven",
            "write the layer that feels the force, force = 2",
        )  # fmt: skip
    if learned:
        force, note = trained_force(moving, pairs, study.seed)
        notes = (*notes, note)
    net = MapNetwork(networks.layout.net, force, networks.reader, networks.places, moving.damped)
    return MapModel(settings, moving, networks, pairs, net, notes, learned, again)


def map_search(
    study: Pnn, observations: Mapping[str, np.ndarray] | None = None
) -> ReportedSearch[MapSearch]:
    """The search of a map study. Raises Faults for what the mathematics forbids."""
    ready = map_model(study, observations)
    precompiler = Precompiler(ready)

    def report(
        genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        return map_findings.make_findings(ready, precompiler, genomes, history, tell)

    return ReportedSearch(MapSearch(ready, precompiler), report)
