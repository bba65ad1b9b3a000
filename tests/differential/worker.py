"""Judges studies in a process of its own: lines `{"kind", "seed", "index"}` in, verdicts out."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path


def main() -> None:
    from actionrun.runtime.environment.jax_setup import set_switches

    set_switches()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        judge = import_module(task["kind"]).judge
        clock = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            verdict, text = judge(task["seed"], task["index"], Path(folder))
        answer = task | {
            "word": verdict.word, "what": verdict.what, "detail": verdict.detail,
            "tags": verdict.tags, "seconds": round(time.process_time() - clock, 2),
        }  # fmt: skip
        if verdict.word not in ("right", "refused"):
            answer["study"] = text
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
