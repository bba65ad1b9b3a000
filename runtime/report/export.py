"""Results for other tools: NetCDF, CSV, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5netcdf
import numpy as np
from actionrun.compiler.findings import Array, Equation


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


def csv_files(source: Path) -> dict[str, str]:
    """The text of a CSV file for each set of dimensions in a data.nc, by the file's name.

    Each row is one point of the dimensions, whose indices or coordinates come first.
    """
    with h5netcdf.File(source, "r") as file:
        groups: dict[tuple[str, ...], list[str]] = {}
        for name, variable in file.variables.items():
            if variable.dimensions and variable.dimensions != (name,):
                groups.setdefault(tuple(variable.dimensions), []).append(name)
        return {f"{'_'.join(dims)}.csv": _csv(file, dims, names) for dims, names in groups.items()}


def _csv(file, dims: tuple[str, ...], names: list[str]) -> str:
    shape = tuple(file.dimensions[dim].size for dim in dims)
    axes = [
        np.asarray(file.variables[dim][...]) if dim in file.variables else np.arange(length)
        for dim, length in zip(dims, shape, strict=True)
    ]
    grids = np.meshgrid(*axes, indexing="ij") if shape else []
    columns = [grid.ravel() for grid in grids]
    columns += [np.asarray(file.variables[name][...]).ravel() for name in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_headed(file, name) for name in (*dims, *names)])
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return text.getvalue()


def _headed(file, name: str) -> str:
    """A column's name, with its unit in brackets as the study language reads it."""
    unit = file.variables[name].attrs.get("units", "1") if name in file.variables else "1"
    return name if unit == "1" else f"{name} [{unit}]"


def equations_tex(equations: Sequence[Equation]) -> str:
    """Display equations, each after a comment with its name, for `\\input`."""
    return "\n".join(
        f"% {' '.join(equation.name.split())}\n\\[\n{equation.latex}\n\\]\n"
        for equation in equations
    )
