"""The printed law, evaluated by Python's own arithmetic: what our reader of formulas is held to."""

from __future__ import annotations

import re

import numpy as np

NUMPY = {
    "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "exp": np.exp, "log": np.log,
    "abs": np.abs, "sign": np.sign, "tanh": np.tanh, "sinh": np.sinh, "cosh": np.cosh,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "pi": np.pi,
    "min": lambda *x: np.minimum.reduce(x), "max": lambda *x: np.maximum.reduce(x),
    "Heaviside": lambda x: np.heaviside(x, 0.5),
}  # fmt: skip


def as_python(text: str) -> str:
    """q'[2] is qdot_2, as documented; ^ is **."""
    text = re.sub(r"([A-Za-z]\w*)('{0,2})\[(\d+)\]", r"\1\2_\3", text.replace("^", "**"))
    text = re.sub(r"([A-Za-z]\w*)''", r"\1ddot", text)
    text = re.sub(r"([A-Za-z]\w*)'", r"\1dot", text)
    return text


def value_of(text: str, at: dict[str, np.ndarray]) -> np.ndarray:
    """The value of an expression, of an equation left side minus right side."""
    left, _, right = as_python(text).partition(" = ")
    scope = {"__builtins__": {}, **NUMPY, **at}
    with np.errstate(all="ignore"):
        value = eval(left, scope) - (eval(right, scope) if right else 0.0)
    return np.asarray(value, float)
