"""`actionrun explain`."""

from __future__ import annotations

from argparse import Namespace

from actionrun import compiler, spec
from actionrun.compiler.findings import Section
from actionrun.runtime.data.description import file_sections
from actionrun.runtime.environment.jax_setup import set_switches
from actionrun.runtime.report.latex import explained_tex, explained_text
from actionrun.runtime.storage.atomic_write import json_text
from actionrun.runtime.storage.findings_file import section_data
from actionrun.runtime.sweep.findings import described

from .arguments import study_of


def explain(options: Namespace) -> int:
    """Show all that a short study means."""
    study = study_of(options)
    set_switches()
    sections, whole = compiler.explain(study), spec.resolved_toml(study)
    sections = (*sections, *file_sections(study))
    if study.sweep:
        sections = (*sections, Section("Sweep", described(spec.swept(study))))
    if options.json:
        print(json_text({"study": whole, "sections": [section_data(one) for one in sections]}))
        return 0
    print(explained_tex(sections, whole) if options.latex else explained_text(sections, whole))
    return 0
