"""data.nc: arrays as NetCDF, written and read back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import h5netcdf
import h5py
import numpy as np
from actionrun.compiler.findings import Array


def netcdf(arrays: Mapping[str, Array], attributes: Mapping[str, str]) -> bytes:
    """The arrays as a NetCDF4 file. An array named as its only dimension is its coordinate.

    It is made in memory, so that it reaches the disk by the same atomic way as all else.
    """
    stream = io.BytesIO()
    with h5netcdf.File(stream, "w") as file:
        file.attrs.update({"Conventions": "CF-1.11", **attributes})
        for array in arrays.values():
            for name, length in zip(array.dims, array.data.shape, strict=True):
                if name not in file.dimensions:
                    file.dimensions[name] = length
        for name, array in arrays.items():
            variable = file.create_variable(name, array.dims, data=np.asarray(array.data))
            variable.attrs["units"] = array.unit or "1"
            if array.long_name:
                variable.attrs["long_name"] = array.long_name
    return stream.getvalue()


def arrays(content: bytes) -> dict[str, Array]:
    """What `netcdf` wrote. Raises ValueError for what it cannot have written: HDF5 can name other
    files whose bytes are then read, and numbers that take no room until they are read."""
    try:
        with h5py.File(io.BytesIO(content), "r") as raw:
            for name in raw:
                _require_plain(raw, name, len(content))
        with h5netcdf.File(io.BytesIO(content), "r") as file:
            return {name: _array(variable) for name, variable in file.variables.items()}
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError, UnicodeError) as error:
        raise ValueError(f"no NetCDF of ours: {error}") from error


def _require_plain(file: h5py.File, name: str, most: int) -> None:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} leads to another file")
    item: Any = file[name]
    if not isinstance(item, h5py.Dataset) or item.external is not None or item.is_virtual:
        raise ValueError(f"{name} is no array of ours")
    if item.size is None or item.size * item.dtype.itemsize > most:
        raise ValueError(f"{name} is larger than its file")


def _array(variable: h5netcdf.Variable) -> Array:
    unit, words = (variable.attrs.get(name, "") for name in ("units", "long_name"))
    data = np.asarray(variable[...])
    if data.dtype.kind == "O":
        data = np.array([str(one) for one in data.ravel()]).reshape(data.shape)
    unit = "" if unit == "1" else str(unit)
    return Array(data, tuple(map(str, variable.dimensions)), unit, str(words))
