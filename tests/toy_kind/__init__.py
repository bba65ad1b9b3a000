"""A fifth kind of study as somebody would add it: two packages, and a line in each registry."""

from actionrun.compiler.kinds import Kind as Wing
from actionrun.spec.kinds.registry import Kind

SPEC = Kind("decay", "toy_kind.language.decay", "Decay", "how much is left?",
            "toy_kind.language.decay")  # fmt: skip
WING = Wing("decay", "toy_kind.wing")
