"""Experiments with the physics of least action, from Python.

    import actionrun as ar

    study = ar.load("studies/dho_ggl.toml").replace({"integrator.dt": 0.05})
    done = ar.run(study, progress=True)
    done.metrics["energy_error_max"], done.data["q"]

`load` and `loads` read a study, `Study.from_dict` takes one as a dict; `check` lists what is wrong
with it, `explain` says what it means, `run` runs it, goes on with it or reads what has run, and
gives a `Run`; `open_run` reads the run in a folder, `simulate` is its motion as a function of JAX
arrays, which may stand inside grad and vmap; `infer` names new motions by a trained network.
`Faults` are raised for a study that is at fault, `RunError` for a run that could not end.

Names come when they are asked for: `import actionrun` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actionrun.runtime.errors import RunError
    from actionrun.runtime.execution.job import Run
    from actionrun.runtime.python import check, explain, infer, open_run, run
    from actionrun.runtime.simulation import simulate
    from actionrun.spec.kinds.experiment import Experiment as Study
    from actionrun.spec.study import load, loads
    from actionrun.spec.text.source import Faults

    __version__: str

__all__ = [
    "Faults", "Run", "RunError", "Study", "__version__", "check", "explain", "infer", "load",
    "loads", "open_run", "run", "simulate",
]  # fmt: skip

HOMES = {
    "Faults": "spec.text.source", "Run": "runtime.execution.job", "RunError": "runtime.errors",
    "check": "runtime.python", "explain": "runtime.python", "infer": "runtime.python",
    "load": "spec.study", "loads": "spec.study", "open_run": "runtime.python",
    "run": "runtime.python", "simulate": "runtime.simulation",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("actionrun.runtime.storage.versions").version_of("actionrun")
    elif name == "Study":
        value = import_module("actionrun.spec.study").Experiment
    elif name in HOMES:
        value = getattr(import_module(f"actionrun.{HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
