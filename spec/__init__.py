"""What may be written: words and numbers, no mathematics.

`load(path)` gives a checked, frozen `Study` or raises `Faults`, every fault of the file at once,
each pointing at its place. Expressions are parsed by the project's own grammar (`grammar`), never
evaluated; units are checked (`quantities`); nothing here imports an array or algebra library.
"""

from .experiment import Experiment
from .family import Coefficient, Family
from .ggl import Ggl
from .learning import Network, Refine, Test, Training
from .leaves import Column, Expression, Range, Value
from .om import Om
from .pnn import Pnn
from .quantities import Unit, Units
from .resolved import resolved_toml
from .schema import schema
from .source import Fault, Faults, Source, Span, UsageFault
from .study import Study, check, load, loads
from .tables import Compare, Data, Integrator, Observe, Start, System
from .templates import template

__all__ = [
    "Coefficient", "Column", "Compare", "Data", "Experiment", "Expression", "Family", "Fault",
    "Faults", "Ggl", "Integrator", "Network", "Observe", "Om", "Pnn", "Range", "Refine", "Source",
    "Span", "Start", "Study", "System", "Test", "Training", "Unit", "Units", "UsageFault", "Value", 
    "check", "load", "loads", "resolved_toml", "schema", "template",
]  # fmt: skip
