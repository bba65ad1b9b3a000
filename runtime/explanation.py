"""What a study means, in sections: its law and method, its files, its sweep."""

from __future__ import annotations

from actionrun import compiler, spec
from actionrun.compiler.findings import Section
from actionrun.spec.kinds.registry import Study

from .data.description import file_sections
from .sweep.findings import described


def explanation(study: Study) -> tuple[Section, ...]:
    """What `explain` says of a study. Raises Faults."""
    sections = (*compiler.explain(study), *file_sections(study))
    if study.sweep:
        sections = (*sections, Section("Sweep", described(spec.swept(study))))
    return sections
