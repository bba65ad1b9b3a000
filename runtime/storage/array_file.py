"""Arrays in one file, without pickles: a JSON header, then each array as numpy's own format.

actionrun arrays 1\\n
{"sha256": "…of all that follows this line…", …}\\n
header JSON\\n
npy npy npy …
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from .atomic_write import write

MAGIC = b"actionrun arrays 1"


class Corrupt(Exception):  # noqa: N818
    """A file is cut short, altered, or not of this format; `str` says which."""


def store(path: Path, header: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> str:
    """Write header and arrays atomically; returns the checksum. Raises CannotWrite."""
    body = io.BytesIO()
    kinds = [array.dtype.name for array in arrays]
    body.write(json.dumps({**header, "dtypes": kinds}, allow_nan=False).encode() + b"\n")
    for array in arrays:
        # Types that numpy does not know (bfloat16) are stored as raw bytes, named in `dtypes`.
        raw = array if array.dtype.kind in "biufcSU" else array.view(f"V{array.dtype.itemsize}")
        np.save(body, np.asarray(raw, order="C"), allow_pickle=False)
    content = body.getbuffer()
    digest = hashlib.sha256(content).hexdigest()
    write(path, b"\n".join((MAGIC, json.dumps({"sha256": digest}).encode(), content)))
    return digest


def stored(path: Path) -> tuple[dict[str, Any], list[np.ndarray], str]:
    """Header, arrays and checksum of a file made by `store`. Raises Corrupt."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Corrupt(f"{path.name} cannot be read ({error.strerror})") from error
    magic, _, rest = content.partition(b"\n")
    seal, _, body = rest.partition(b"\n")
    if magic != MAGIC:
        raise Corrupt(f"{path.name} is not a file of arrays")
    digest = hashlib.sha256(body).hexdigest()
    try:
        if json.loads(seal)["sha256"] != digest:
            raise Corrupt(f"{path.name} is damaged: its checksum differs")
        stream = io.BytesIO(body)
        header = json.loads(stream.readline())
        arrays = [_array(stream, name) for name in header["dtypes"]]
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise Corrupt(f"{path.name} is damaged: {error}") from error
    return header, arrays, digest


def _array(stream: io.BytesIO, name: str) -> np.ndarray:
    array = np.load(stream, allow_pickle=False)
    if array.dtype.kind != "V":
        return array
    return array.view(getattr(ml_dtypes, name))
