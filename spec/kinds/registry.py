"""The kinds of study: a tagged union, and each by its name.

`check` reads one kind and imports no other: pydantic takes a millisecond for each table.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .experiment import Experiment

if TYPE_CHECKING:
    from typing import Annotated

    from pydantic import Field

    from .family import Family
    from .ggl import Ggl
    from .om import Om
    from .pnn import Pnn

    Study = Annotated[Ggl | Family | Om | Pnn, Field(discriminator="study")]

KINDS = {"ggl": "Ggl", "family": "Family", "om": "Om", "pnn": "Pnn"}


def model_of(kind: object) -> type[Experiment] | None:
    """The model of a kind of study; None where there is no such kind."""
    if not isinstance(kind, str) or kind not in KINDS:
        return None
    return getattr(import_module(f".{kind}", __package__), KINDS[kind])


def models() -> dict[str, type[Experiment]]:
    """Every kind with its model."""
    found = {kind: model_of(kind) for kind in KINDS}
    return {kind: one for kind, one in found.items() if one is not None}


def __getattr__(name: str) -> object:
    if name != "Study":
        raise AttributeError(name)
    from typing import Annotated, Union

    from pydantic import Field

    return Annotated[Union[tuple(models().values())], Field(discriminator="study")]  # noqa: UP007
