"""Small studies as text, for the compiler's tests."""

from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.spec import Ggl, loads


def of(system: str, parameters: str = "", **coordinates: int | None) -> LagrangianSystem:
    """The problem of a [system] table; coordinates: name -> dimension, None for a scalar."""
    return lagrangian_system(study(system, parameters, **coordinates))


def study(system: str, parameters: str = "", **coordinates: int | None) -> Ggl:
    result = loads(text(system, parameters, **coordinates))
    assert isinstance(result, Ggl)
    return result


def text(system: str, parameters: str = "", **coordinates: int | None) -> str:
    """A ggl study; one scalar q where no coordinates are named."""
    sizes = coordinates or {"q": None}
    start = ", ".join(f"{q} = {0.5 if n is None else [0.5] * n}" for q, n in sizes.items())
    if any(sizes.values()):
        declared = "{ " + ", ".join(f"{q} = {n}" for q, n in sizes.items()) + " }"
    else:
        declared = "[" + ", ".join(f'"{q}"' for q in sizes) + "]"
    return (
        f'study = "ggl"\n[system]\ncoordinates = {declared}\n{system}\n'
        f"[parameters]\n{parameters}\n"
        f"[start]\nposition = {{ {start} }}\nmomentum = {{ {start} }}\n"
        "[integrator]\nr = 2\ndt = 0.1\nsteps = 10\n"
    )
