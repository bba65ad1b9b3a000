"""Arrays for other tools: CSV and NumPy."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from zipfile import ZipFile, ZipInfo

import numpy as np
from actionrun.compiler.findings import Array


def csv_files(every: Mapping[str, Array]) -> dict[str, str]:
    """The text of a CSV file for each set of dimensions of some arrays, by the file's name.

    Each row is one point of the dimensions, whose indices or coordinates come first.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, array in every.items():
        if array.dims and array.dims != (name,):
            groups.setdefault(array.dims, []).append(name)
    return {f"{_stem('_'.join(dims))}.csv": _csv(every, dims, of) for dims, of in groups.items()}


def npz_file(every: Mapping[str, Array]) -> bytes:
    """The arrays as NumPy's own archive, for `numpy.load`; nothing in it is pickled."""
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        for name, one in every.items():
            data = np.asarray(one.data)
            if data.dtype != object:  # each with the date of its format's first day
                with archive.open(ZipInfo(f"{_stem(name)}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, data, allow_pickle=False)
    return content.getvalue()


def _stem(name: str) -> str:
    """A file's stem that stays in its folder, whatever a dimension is called."""
    return "".join(char if char.isalnum() or char in "-_.+" else "-" for char in name)[:80]


def _csv(every: Mapping[str, Array], dims: tuple[str, ...], names: list[str]) -> str:
    shape = every[names[0]].data.shape
    axes = [
        every[dim].data if dim in every and every[dim].dims == (dim,) else np.arange(length)
        for dim, length in zip(dims, shape, strict=True)
    ]
    grids = np.meshgrid(*axes, indexing="ij") if shape else []
    columns = [grid.ravel() for grid in grids]
    columns += [every[name].data.ravel() for name in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_headed(every, name) for name in (*dims, *names)])
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return text.getvalue()


def _headed(every: Mapping[str, Array], name: str) -> str:
    """A column's name, with its unit in brackets as the study language reads it."""
    unit = every[name].unit if name in every else ""
    return f"{name} [{unit}]" if unit else name
