"""The fuzzer of whole files: `python tests/spec/fuzz.py --seconds 60 --seed WORD`.

Good and broken studies are cut, spliced, mutated character by character and byte by byte. Each
must come back as a study that survives being written out, or as faults that can be shown, in
bounded time: a file that takes a second is reported as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from actionrun.spec import Fault, Faults, check, loads, resolved_toml, template
from language_page import STUDIES

GOLDEN = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("golden/*.toml")]
TEXTS = [*STUDIES.values(), *(template(kind) for kind in ("ggl", "family", "om", "pnn")), *GOLDEN]
SLOW = 1.0  # seconds of CPU
PIECES = [
    *"\"'[]{}=.,#\n\\²β\u0307\x00\x1b質|()^*/+-<>_ \t",
    *("[[", "]]", "'''", '"""', "q_plus", "q'", "nan", "inf", "true", "1e999", "-1", "0"),
    *("2 m", " kg", "\\f", "\\u0041", "{ q = [0, 1] }", "[]", "{}", "1979-05-27", "study", "t"),
    *("sum(i<j, ", "__import__('os')", "range", "fixed", "e", "..", "/", "system.", "0.5 eV"),
    *("x(t+dt)", "dt", "r[i,j]", "trainable", "exact", "[K]", "C*", "om", "pnn", "md", "from"),
    *("pi", "9" * 400, "(" * 70, "-" * 50, "1/3^", "**", "§", "\u202e", "\ufeff", "\r\n", "mass"),
]  # fmt: skip


def answered(text: str) -> bool:
    """Whether the text is a study (one that survives being written out); else it has faults that
    can be shown. Raises AssertionError, or whatever went wrong, for anything else."""
    try:
        study = loads(text)
    except Faults as faults:
        assert faults.faults
        for fault in faults.faults:
            shows(fault, text)
        return False
    written = resolved_toml(study)
    assert loads(written) == study
    assert resolved_toml(loads(written)) == written
    return True


def shows(fault: Fault, text: str) -> None:
    assert isinstance(fault, Fault) and fault.message
    assert "." in fault.code or fault.code == "not-built"
    shown = fault.render(color=False)
    assert not any(ord(char) < 32 and char != "\n" for char in shown)
    if fault.line:
        assert fault.line_text == text.replace("\r\n", "\n").split("\n")[fault.line - 1]
        assert 1 <= fault.column <= len(fault.line_text) + 1


def spliced(dice: random.Random) -> str:
    """Two files cut and joined, a few lines repeated or damaged."""
    one, two = dice.choice(TEXTS), dice.choice(TEXTS)
    lines = [*one.split("\n")[: dice.randrange(40)], *two.split("\n")[dice.randrange(20) :], ""]
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(lines))
        damaged = lines[at] + dice.choice(PIECES)
        lines[at] = damaged if dice.random() < 0.5 else dice.choice(lines)
    return "\n".join(lines)


def mutated(dice: random.Random) -> str:
    """One file with pieces put in, taken out, doubled or swapped."""
    text = dice.choice(TEXTS)
    for _ in range(1 + dice.randrange(5)):
        at, size = dice.randrange(len(text) + 1), dice.randrange(12)
        match dice.randrange(4):
            case 0:
                text = text[:at] + dice.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + dice.choice(PIECES) + text[at + size :]
            case 2:
                text = text[:at] + text[at : at + size] * 2 + text[at + size :]
            case _:
                text = text[:at] + chr(dice.randrange(1, 0x2FFF)) + text[at + 1 :]
    return text


def noise(dice: random.Random) -> str:
    """No file at all: pieces in any order."""
    return "".join(dice.choice(PIECES) for _ in range(dice.randrange(60)))


def bytes_answered(text: str, dice: random.Random, folder: Path) -> None:
    """The same with bytes that are no text, through a file."""
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(raw) + 1)
        raw[at:at] = bytes([dice.randrange(256)])
    if raw:
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    file = folder / "fuzz.toml"
    file.write_bytes(raw)
    for fault in check(file):
        assert fault.render(color=False)
    assert [one.name for one in folder.iterdir()] == ["fuzz.toml"]


MAKERS: list[Callable[[random.Random], str]] = [spliced, mutated, mutated, mutated, noise]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--seed", default="0")
    options = parser.parse_args()
    dice, end = random.Random(options.seed), time.monotonic() + options.seconds
    done = studies = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        while done < options.count and time.monotonic() < end:
            text = dice.choice(MAKERS)(dice)
            begun = time.process_time()
            try:
                studies += answered(text)
                if done % 10 == 0:
                    bytes_answered(text, dice, Path(folder))
                took = time.process_time() - begun
                assert took < SLOW, f"{took:.2f} s of CPU"
            except BaseException:
                print(f"fuzz: file {done} of seed {options.seed!r} was not answered:\n{text!r}")
                raise
            slowest, done = max(slowest, took), done + 1
    print(
        f"fuzz: {done} files of seed {options.seed!r}: {studies} studies, {done - studies} with "
        f"faults, slowest {1e3 * slowest:.0f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
