"""`actionrun check`: every fault of studies, without an array or algebra library."""

from __future__ import annotations

import gc
import json
import sys
from argparse import Namespace

from actionrun import spec
from actionrun.runtime.errors import DATA
from actionrun.spec.text.source import Fault

from .arguments import require_study
from .faults import print_faults


def check(options: Namespace) -> int:
    """Show every fault of studies."""
    gc.disable()  # editors run this at each save, and imports are nearly all of its time
    changes = {"overrides": options.overrides, "seed": options.seed, "data": options.data}
    faults: list[Fault] = []
    for path in options.study:
        require_study(path)
        study, of_study = spec.checked_study(path, **changes)
        faults += of_study
        if study is None or _wrong(of_study) or not study.file_tables:
            continue
        # at start-up: for studies that name files
        from actionrun.runtime.data.observations import every_file_fault

        faults += every_file_fault(study)
    if options.deep and not _wrong(faults):
        from actionrun.runtime.check_subprocess import deep_faults  # at start-up: --deep alone

        for path in options.study:
            faults += deep_faults(path, **changes)
    if options.format == "json":
        print(json.dumps([fault.as_dict() for fault in faults], indent=2, ensure_ascii=False))
    elif faults:
        print_faults(faults, sys.stdout)
    if options.format == "text" and not _wrong(faults):
        count = len(options.study)
        print("no faults" if count == 1 else f"no faults in {count} studies")
    return DATA if _wrong(faults) else 0


def _wrong(faults: list[Fault]) -> bool:
    return any(fault.severity == "error" for fault in faults)
