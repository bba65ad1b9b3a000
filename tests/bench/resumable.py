"""Tables of many data sets, made in pieces: sets that a file of lines of JSON holds stay as they
are, and the next run goes on behind them."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Made = dict[str, Any]
Make = Callable[[np.random.Generator], Made]  # one data set, from its dice


def parser_of(text: str | None, sets: int) -> argparse.ArgumentParser:
    """What every such bench is asked for; `sets` of each kind by default."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--sets", type=int, default=sets)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file of lines of JSON: sets in it are kept")
    parser.add_argument("--seconds", type=float, default=np.inf, help="stop after so long")
    return parser


def made_sets(
    asked: argparse.Namespace, key: str, kinds: Mapping[str, Callable[[], Make]],
    chosen: Iterable[str],
) -> dict[str, list[Made]]:  # fmt: skip
    """The sets of each kind: those of the file, which names the kind under `key`, and of the
    `chosen` kinds new ones up to the number asked for. Dice are of seed, kind and number."""
    begun, done = time.monotonic(), dict[str, list[Made]]()
    if asked.out and asked.out.exists():
        for line in asked.out.read_text().splitlines():
            one = json.loads(line)
            done.setdefault(one[key], []).append(one)
    places = {name: place for place, name in enumerate(kinds)}
    for name in chosen:
        make = None
        for number in range(len(done.get(name, [])), asked.sets):
            if time.monotonic() - begun > asked.seconds:
                break
            make = make or kinds[name]()
            dice = np.random.default_rng([asked.seed, places[name], number])
            one = {key: name, "number": number, **make(dice)}
            done.setdefault(name, []).append(one)
            if asked.out:
                with asked.out.open("a") as file:
                    file.write(json.dumps(one) + "\n")
    return done
