"""The kinds of study: each by its name, with its model and its rules, imported when asked for.

`check` reads one kind and imports no other: pydantic takes a millisecond for each table. A new kind
is a line of `KINDS`: its model, and a module that has `check_tables(RuleContext)`,
`check_units(UnitContext)` or `column_dimensions(UnitContext)`, as many as it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .experiment import Experiment

if TYPE_CHECKING:
    from .family import Family
    from .ggl import Ggl
    from .om import Om
    from .pnn import Pnn

    Study = Ggl | Family | Om | Pnn
else:
    Study = Experiment


@dataclass(frozen=True)
class Kind:
    """A kind of study: the class of its model in a module, what it answers, its module of rules,
    and the papers that a report of it cites."""

    name: str
    module: str
    class_name: str
    question: str
    rules: str | None = None
    references: tuple[str, ...] = ()  # keys of runtime/report/references.bib

    def model(self) -> type[Experiment]:
        """The pydantic model of a study of this kind."""
        return getattr(import_module(self.module), self.class_name)

    def apply(self, rule: str, context: Any) -> None:
        """Apply a rule of this kind, where it has one of that name."""
        if self.rules is not None:
            getattr(import_module(self.rules), rule, lambda context: None)(context)


HERE, RULES = __package__, "actionrun.spec.validation"
KINDS = {
    kind.name: kind
    for kind in (
        Kind("ggl", f"{HERE}.ggl", "Ggl", "how does it move?", f"{RULES}.ggl_rules",
             ("galley2013", "tsang2015", "roberts")),
        Kind("family", f"{HERE}.family", "Family", "which law made this motion?",
             f"{RULES}.family_rules", ("galley2013", "tsang2015", "roberts")),
        Kind("om", f"{HERE}.om", "Om", "which path joins two states?", f"{RULES}.om_rules",
             ("onsager1953", "wang2022")),
        Kind("pnn", f"{HERE}.pnn", "Pnn", "what is the simplest law behind data?",
             f"{RULES}.pnn_rules", ("desai2021",)),
    )
}  # fmt: skip


def kind_of(name: object) -> Kind | None:
    """The kind of study of a name; None where there is none."""
    return KINDS.get(name) if isinstance(name, str) else None
