"""Random studies beside independent codes: does actionrun say a wrong number without a word?

    python tests/differential/run.py --count 300 --seed S [--kinds ggl om pnn family] [--log FILE]

Study number n of a seed is always the same. Each is run and compared (`ggl.py`, ...) in a worker
process; verdicts are right, refused (a located fault), stopped (a run that ended with a word), and
WRONG, crashed, hung, of which there should be none. Every verdict goes to the log at once, and the
same command goes on where it was stopped. The table at the end counts them; faulty studies are
written beside the log. Exit code 1 where any is WRONG, crashed or hung.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KINDS = ("ggl", "om", "pnn", "family")
WORDS = ("right", "refused", "stopped", "WRONG", "crashed", "hung")
BAD = ("WRONG", "crashed", "hung")
MOST_SECONDS = 300.0  # of wall time for one study, then it counts as hung
MOST_STUDIES = 20  # in a process: each compiles its own programs, which stay in memory


class Worker:
    """A process that judges studies one at a time, replaced when it dies or hangs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._done = 0

    def verdict(self, task: dict[str, Any]) -> dict[str, Any]:
        process = self._ready()
        assert process.stdin is not None and process.stdout is not None
        clock = time.monotonic()
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], MOST_SECONDS)[0]:
            self.close()
            return task | {"word": "hung", "what": f"over {MOST_SECONDS:.0f} s"}
        line = process.stdout.readline()
        self._done += 1
        if not line:
            code = process.wait()
            self._process = None
            took = round(time.monotonic() - clock, 2)
            return task | {"word": "crashed", "what": f"the process, {code}", "seconds": took}
        if self._done >= MOST_STUDIES:
            self.close()
        return json.loads(line)

    def _ready(self) -> subprocess.Popen:
        if self._process is None:
            self._done = 0
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert self._process.stdout is not None
            if not self._process.stdout.readline():
                raise SystemExit("the worker does not start")
        return self._process

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def verdicts(
    kinds: list[str], seed: str, count: int, log: Path | None = None
) -> Iterator[dict[str, Any]]:
    """`count` verdicts, kinds in turn; those in the log are not made again."""
    known = {}
    if log is not None and log.exists():
        for line in log.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            known[entry["kind"], entry["seed"], entry["index"]] = entry
    worker = Worker()
    try:
        for number in range(count):
            kind, index = kinds[number % len(kinds)], number // len(kinds)
            if (entry := known.get((kind, seed, index))) is None:
                entry = worker.verdict({"kind": kind, "seed": seed, "index": index})
                if log is not None:
                    with log.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(entry) + "\n")
            yield entry
    finally:
        worker.close()


def table(entries: list[dict[str, Any]]) -> str:
    """Counts by kind and word, then each class of fault with its count and an example."""
    kinds = sorted({entry["kind"] for entry in entries})
    lines = [f"| kind | studies | {' | '.join(WORDS)} | CPU s each |", "| --- " * 9 + "|"]
    for kind in kinds:
        mine = [entry for entry in entries if entry["kind"] == kind]
        counts = Counter(entry["word"] for entry in mine)
        mean = sum(entry.get("seconds", 0.0) for entry in mine) / len(mine)
        cells = " | ".join(str(counts[word]) for word in WORDS)
        lines.append(f"| {kind} | {len(mine)} | {cells} | {mean:.1f} |")
    lines += ["", "| kind | verdict | what | count | smallest, and what was said |",
              "| --- | --- | --- | --- | --- |"]  # fmt: skip
    classes: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        if entry["word"] not in ("right",):
            classes.setdefault((entry["kind"], entry["word"], entry["what"]), []).append(entry)
    order = sorted(classes, key=lambda key: (-WORDS.index(key[1]), -len(classes[key])))
    for kind, word, what in order:
        mine = classes[kind, word, what]
        least = min(mine, key=lambda entry: len(entry.get("study", "")) or 10**9)
        said = least.get("detail", "").replace("|", "\\|").replace("\n", " ")[:160]
        what = what.replace("|", "\\|")
        lines.append(f"| {kind} | {word} | {what} | {len(mine)} | {least['index']}: {said} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--log", type=Path, help="default: differential-SEED.jsonl")
    options = parser.parse_args()
    log = options.log or Path(f"differential-{options.seed}.jsonl")
    entries = []
    for entry in verdicts(options.kinds, options.seed, options.count, log):
        entries.append(entry)
        if entry["word"] in BAD:
            name = f"{log.stem}-{entry['kind']}-{entry['index']}.toml"
            words = f"# {entry['word']}: {entry['what']}\n# {entry.get('detail', '')}\n"
            (log.parent / name).write_text(words + entry.get("study", ""), encoding="utf-8")
            print(f"{entry['kind']} {entry['index']}: {entry['word']}: {entry['what']}: "
                  f"{entry.get('detail', '')}", flush=True)  # fmt: skip
    print(table(entries))
    return 1 if any(entry["word"] in BAD for entry in entries) else 0


if __name__ == "__main__":
    sys.exit(main())
