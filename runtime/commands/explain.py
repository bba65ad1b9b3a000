"""`actionrun explain`."""

from __future__ import annotations

from argparse import Namespace

from actionrun.runtime.environment.jax_setup import set_switches
from actionrun.runtime.explanation import explanation
from actionrun.runtime.report.latex import explained_tex, explained_text
from actionrun.runtime.storage.atomic_write import json_text
from actionrun.runtime.storage.findings_file import section_data
from actionrun.spec import resolved_toml

from .arguments import study_of


def explain(options: Namespace) -> int:
    """Show all that a short study means."""
    study = study_of(options)
    set_switches()
    sections, whole = explanation(study), resolved_toml(study)
    if options.json:
        print(json_text({"study": whole, "sections": [section_data(one) for one in sections]}))
        return 0
    print(explained_tex(sections, whole) if options.latex else explained_text(sections, whole))
    return 0
