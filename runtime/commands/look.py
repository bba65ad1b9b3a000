"""`actionrun look`: what a data file holds, before any study."""

from __future__ import annotations

from argparse import Namespace
from typing import Literal

from actionrun.runtime.data.dialect import Asked
from actionrun.runtime.data.measured import MOST_BYTES, table_at
from actionrun.runtime.data.survey import starter_study, survey, survey_figure, survey_text
from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.atomic_write import write
from actionrun.spec.text.files import is_file
from actionrun.spec.text.source import shown

FORMATS: dict[str, Literal["svg", "pdf", "png"]] = {".svg": "svg", ".pdf": "pdf", ".png": "png"}


def look(options: Namespace) -> int:
    """Print a survey of a data file and a study to start from; draw its columns to --out."""
    path, out = options.file, options.out
    if not is_file(path):
        raise Refused(f"there is no file {path}")
    if path.stat().st_size > MOST_BYTES:
        raise Refused(f"{path} has more than {MOST_BYTES // 2**20} MB")
    if out is not None and out.suffix not in FORMATS:
        raise Refused(f"--out {out}: the figure is an {', '.join(FORMATS)}")
    one = survey(table_at(path, Asked()))
    print(shown(survey_text(one)))
    if one.channels:
        print("A study to start from:\n\n" + shown(starter_study(one)), end="")
    if out is not None:
        from actionrun.runtime.report.figures import drawn  # at start-up: Matplotlib, if asked

        write(out, drawn(survey_figure(one), FORMATS[out.suffix]))
        print(f"\nfigure  {out}")
    return 0
