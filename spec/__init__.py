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

from actionrun.spec.text.source import Fault, Faults, Source, UsageFault
from actionrun.spec.text.span import Span

if TYPE_CHECKING:
    from actionrun.spec.kinds.experiment import Experiment
    from actionrun.spec.kinds.family import Coefficient, Family
    from actionrun.spec.kinds.ggl import Ggl
    from actionrun.spec.kinds.om import Om
    from actionrun.spec.kinds.pnn import Pnn
    from actionrun.spec.kinds.registry import Study
    from actionrun.spec.sweep.points import Point, points
    from actionrun.spec.sweep.sweep import Swept, swept
    from actionrun.spec.tables.common import Compare, Integrator, Observe
    from actionrun.spec.tables.data import Data
    from actionrun.spec.tables.learning import Network, Refine, Test, Training
    from actionrun.spec.tables.leaves import Column, Expression, Range, Value
    from actionrun.spec.tables.start import Start
    from actionrun.spec.tables.system import System
    from actionrun.spec.units.quantities import Unit, Units

    from .json_schema import schema
    from .resolved import keyed, resolved_toml
    from .study import check, checked_study, load, loads
    from .templates import template

__all__ = [
    "Coefficient", "Column", "Compare", "Data", "Experiment", "Expression", "Family", "Fault",
    "Faults", "Ggl", "Integrator", "Network", "Observe", "Om", "Pnn", "Point", "Range", "Refine",
    "Source", "Span", "Start", "Study", "Swept", "System", "Test", "Training", "Unit", "Units",
    "UsageFault", "Value", "check", "checked_study", "keyed", "load", "loads", "points",
    "resolved_toml", "schema", "swept", "template",
]  # fmt: skip

HOMES = {
    "kinds.experiment": "Experiment", "kinds.family": "Coefficient Family", "kinds.ggl": "Ggl",
    "kinds.om": "Om", "kinds.pnn": "Pnn", "kinds.registry": "Study",
    "tables.learning": "Network Refine Test Training",
    "tables.leaves": "Column Expression Range Value",
    "tables.common": "Compare Integrator Observe", "tables.data": "Data", "tables.start": "Start",
    "tables.system": "System", "units.quantities": "Unit Units",
    "resolved": "keyed resolved_toml", "json_schema": "schema",
    "study": "check checked_study load loads",
    "sweep.points": "Point points", "sweep.sweep": "Swept swept", "templates": "template",
}  # fmt: skip
HOME = {name: module for module, names in HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{HOME[name]}", __name__), name)
    globals()[name] = value
    return value
