"""Laws from a table, put together: the search, and what is said of its archive."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Findings
from actionrun.compiler.pnn.settings import search_settings
from actionrun.compiler.program import ReportedSearch, Tell
from actionrun.spec.kinds.pnn import Pnn

from .baselines import fitted_baselines
from .findings import make_findings
from .search import LawSearch
from .solved import solved_laws
from .table import group_layout, law_groups, table_rows


def law_search(study: Pnn, observations: Mapping[str, np.ndarray]) -> ReportedSearch[LawSearch]:
    """The search of a study of a table. Raises Faults for what does not work out."""
    relation = law_groups(study)
    table = table_rows(study, relation, observations)
    if study.search.method == "paper" and not len(table.test):
        raise study_error(
            study, ("search", "method"), "search.method",
            "the published algorithm selects by the rows held out, and none are",
            "write fraction = 0.2 in [test]",
        )  # fmt: skip
    space, notes = group_layout(study, relation)
    search = LawSearch(
        search_settings(study),
        relation,
        table,
        space,
        partial(fitted_baselines, study, relation),
        (*table.notes, *notes),
        () if study.search.method == "paper" else solved_laws(table, space),
    )

    _ = search.baselines  # a rival that cannot be fitted is a fault before the search

    def report(
        genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        return make_findings(search, genomes, history, tell)

    return ReportedSearch(search, report)
