"""What only the symbolic stage sees of a pnn study."""

from __future__ import annotations

from actionrun.spec import Fault
from actionrun.spec.kinds.pnn import Pnn


def check(study: Pnn) -> list[Fault]:
    message = f"nothing of study kind '{study.study}' is checked more deeply yet"
    return [study.fault(("study",), None, "deep.unbuilt", message, severity="note")]
