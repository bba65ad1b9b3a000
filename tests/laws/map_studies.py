"""Map studies for the tests: the shipped ones made small, and genomes by what their weights are."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from actionrun.compiler.pnn.build import map_model
from actionrun.compiler.pnn.maps.model import MapModel
from actionrun.spec import load, loads

STUDIES = Path(__file__).parents[2] / "studies"
HALF = Fraction(1, 2)
FREE = None


@cache
def shipped(name: str, *overrides: str) -> MapModel:
    """The model of a shipped study, with fewer points unless told."""
    return map_model(load(STUDIES / f"{name}.toml", overrides=overrides), None)


def genome(found: MapModel, weights: dict[int, object], activations: dict[int, str] | None = None):
    """A row: weights by place (the others 0), activations by place (the others linear)."""
    layout = found.layout
    row = np.zeros(layout.genes, dtype=np.int32)
    for place, name in (activations or {}).items():
        row[place] = layout.activations.index(name)
    for place in range(layout.weights):
        value = weights.get(place, 0)
        named = isinstance(value, str)
        code = layout.labels.index(value) if named else layout.code(value)
        assert code is not None
        row[layout.units + place] = code
    return row


# Places of the 26-gene network: first layer 0-3, the force's argument 4-5, second layer 6-9, third
# layer 10-15 (two units, the force last), outputs 16-19.
VERLET = {0: 1, 1: HALF, 3: 1, 4: 1, 6: 1, 9: 1, 10: 1, 14: 1, 15: FREE, 16: 1, 17: HALF, 19: 1}
# in ps, which the unit of gamma brings in, dt/2 is no half
DAMPED = {**VERLET, 1: "dt/2", 17: "dt/2", 14: FREE}
SYMPLECTIC_EULER = {0: 1, 3: 1, 4: 1, 6: 1, 9: 1, 10: 1, 14: 1, 15: FREE, 16: 1, 17: 1, 19: 1}
EULER = {0: 1, 3: 1, 4: 1, 6: 1, 9: 1, 10: 1, 11: 1, 14: 1, 15: FREE, 16: 1, 19: 1}
# The published winner: v+ = v + c F(x + v/2) and x+ = x + b v + g F(x + v/2) with all the edges
# that leave that so: 16 weights of which 3 are trainable, complexity 19.
PUBLISHED = {0: 2, 1: HALF, 3: HALF, 4: HALF, 5: HALF, 6: HALF, 7: FREE, 9: 1, 10: 1, 11: HALF,
             12: FREE, 14: 1, 15: FREE, 16: 1, 17: HALF, 19: 2}  # fmt: skip


def oscillator(**more: str):
    """A study of a harmonic oscillator in plain numbers, small; `more`: text of further tables."""
    text = {
        "system": 'coordinates = ["q"]\nlagrangian = "m*q\'^2/2 - k*q^2/2"',
        "parameters": "m = 2.0\nk = 3.0",
        "data": "energies = { train = [0.1, 0.4], test = [0.3] }\ndt = 0.1\npoints = 300",
        "search": (
            'inputs = ["q", "q\'"]\noutputs = ["q(t+dt)", "q\'(t+dt)"]\nlayers = [2, 2, 2]\n'
            'force = 2\nweights = ["0", "1/2", "1", "2", "dt/2", "dt", "2*dt", "trainable"]\n'
            "population = 8\ngenerations = 1"
        ),
        **more,
    }
    tables = "\n".join(f"[{name}]\n{body}\n" for name, body in text.items())
    return loads(f'study = "pnn"\n{tables}', name="oscillator.toml")
