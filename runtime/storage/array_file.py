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
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from .atomic_write import write
from .regular_files import ARRAY_BYTES
from .regular_files import content as regular_content

# Types that numpy does not know, by their names.
EXTRA = {
    np.dtype(one).name: np.dtype(one)
    for one in vars(ml_dtypes).values()
    if isinstance(one, type) and issubclass(one, np.generic)
}
MAGIC = b"actionrun arrays 1"


class Corrupt(Exception):  # noqa: N818
    """A file is cut short, altered, or not of this format; `str` says which."""


def store(
    path: Path, header: Mapping[str, Any], arrays: Sequence[np.ndarray], *,
    home: Path | None = None,
) -> str:  # fmt: skip
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
    seal = json.dumps({"sha256": digest}).encode()
    write(path, b"\n".join((MAGIC, seal, content)), home=home)
    return digest


def stored(path: Path, *, home: Path | None = None) -> tuple[dict[str, Any], list[np.ndarray], str]:
    """Header, arrays and checksum of a file made by `store`; links from `home` on are not
    followed. Raises Corrupt."""
    try:
        content = regular_content(path, home=home, limit=ARRAY_BYTES)
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
        arrays = [_array(stream, name, len(body)) for name in header["dtypes"]]
    except (ValueError, KeyError, TypeError, EOFError, RecursionError) as error:
        raise Corrupt(f"{path.name} is damaged: {error}") from error
    return header, arrays, digest


def _array(stream: io.BytesIO, name: str, most: int) -> np.ndarray:
    """The next array of a file of `most` bytes. Raises ValueError, KeyError: its own header is not
    believed, or a few bytes could ask for all memory."""
    major = np.lib.format.read_magic(stream)
    if major != (1, 0):
        raise ValueError("an array of another format")
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(stream)
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or columns_first or not 0 <= size <= most - stream.tell():
        raise ValueError("an array that does not fit its file")
    array = np.ndarray(shape, dtype, bytearray(stream.read(size)))
    if array.dtype.kind != "V":
        return array
    return array.view(EXTRA[name])
