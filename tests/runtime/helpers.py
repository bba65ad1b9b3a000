"""What several tests of the runtime use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("oscillator.py")
TIMES = ("seconds", "nanoseconds", "per_second")


def started(*words: object, **options: Any) -> subprocess.Popen:
    """The oscillator as a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def timeless(value: Any) -> Any:
    """A result without the numbers that are times."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if not key.endswith(TIMES)}
    return value


def result(folder: Path) -> dict[str, Any]:
    """result.json but for times; NaN and Infinity in it are an error."""

    def refuse(word: str) -> float:
        raise AssertionError(f"{word} in result.json")

    text = (folder / "result.json").read_text(encoding="utf-8")
    return timeless(json.loads(text, parse_constant=refuse))


def same(one: Path, other: Path) -> None:
    """Both runs found the same, bit for bit."""
    assert result(one) == result(other)
    for name in ("data.nc", "equations.tex", "equations.json", "findings.json", "resolved.toml"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
