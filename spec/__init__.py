"""What may be written: words and numbers, no mathematics.

`load(path)` gives a checked, frozen `Study` or raises `Faults`, every fault of the file at once,
each pointing at its place. Expressions are parsed by the project's own grammar (`grammar`), never
evaluated; units are checked (`quantities`); nothing here imports an array or algebra library.

Names come when they are asked for: `check` runs at each save in an editor, and imports are nearly
all of its time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .source import Fault, Faults, Source, Span, UsageFault

if TYPE_CHECKING:
    from .experiment import Experiment
    from .family import Coefficient, Family
    from .ggl import Ggl
    from .json_schema import schema
    from .kinds import Study
    from .learning import Network, Refine, Test, Training
    from .leaves import Column, Expression, Range, Value
    from .om import Om
    from .pnn import Pnn
    from .quantities import Unit, Units
    from .resolved import keyed, resolved_toml
    from .start import Start
    from .study import check, load, loads
    from .sweep import Point, Swept, points, swept
    from .system import System
    from .tables import Compare, Data, Integrator, Observe
    from .templates import template

__all__ = [
    "Coefficient", "Column", "Compare", "Data", "Experiment", "Expression", "Family", "Fault",
    "Faults", "Ggl", "Integrator", "Network", "Observe", "Om", "Pnn", "Point", "Range", "Refine",
    "Source", "Span", "Start", "Study", "Swept", "System", "Test", "Training", "Unit", "Units",
    "UsageFault", "Value", "check", "keyed", "load", "loads", "points", "resolved_toml", "schema",
    "swept", "template",
]  # fmt: skip

HOMES = {
    "experiment": "Experiment", "family": "Coefficient Family", "ggl": "Ggl", "kinds": "Study",
    "learning": "Network Refine Test Training", "leaves": "Column Expression Range Value",
    "om": "Om", "pnn": "Pnn", "quantities": "Unit Units", "resolved": "keyed resolved_toml",
    "json_schema": "schema", "study": "check load loads", "sweep": "Point Swept points swept",
    "start": "Start", "system": "System", "tables": "Compare Data Integrator Observe",
    "templates": "template",
}  # fmt: skip
HOME = {name: module for module, names in HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{HOME[name]}", __name__), name)
    globals()[name] = found
    return found
