"""`actionrun schema` and `actionrun new`: the study language for editors and beginners."""

from __future__ import annotations

import json
from argparse import Namespace

from actionrun import spec


def schema(options: Namespace) -> int:
    """Print the JSON Schema of the study language."""
    print(json.dumps(spec.schema(), indent=2, ensure_ascii=False))
    return 0


def new(options: Namespace) -> int:
    """Print a commented starter study."""
    print(spec.template(options.kind), end="")
    return 0
