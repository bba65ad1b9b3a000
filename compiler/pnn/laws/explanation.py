"""What a study of a table means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Equation, Section
from actionrun.compiler.pnn.settings import LawProblem
from actionrun.compiler.symbolic.printing import latex, text

from .table import group_layout, law_groups


def explain_law(problem: LawProblem) -> tuple[Section, ...]:
    """Groups, the space of networks, and how laws are judged."""
    relation = law_groups(problem)
    space, notes = group_layout(problem, relation)
    words = relation.words
    shown = [
        ("Output", relation.output),
        *((f"Input {k}", x) for k, x in enumerate(relation.inputs, 1)),
    ]
    equations = [Equation(name, latex(one, words), text(one, words)) for name, one in shown]
    definitions = [
        Equation(
            f"Definition of {name}",
            f"{latex(words.constants[name], words)} = {latex(words.scalar(one), words)}",
            f"{name} = {text(words.scalar(one), words)}",
        )
        for name, one in words.define.items()
    ]
    search, test = problem.space.search, problem.test
    origin = "" if search.inputs else "Found from the dimensions of the columns (Buckingham).\n"
    back = (
        f"Laws are read back as {relation.target} = ..."
        if relation.target is not None
        else "Laws are shown for the output as it stands."
    )
    scores = ", ".join(
        f"{n} costs {s**2}" for n, s in zip(space.activations, space.scores, strict=True)
    )
    weights = ", ".join(
        f"{label} costs {0 if value == 0 else 2 if value is None else 1}"
        for label, value in zip(space.labels, space.values, strict=True)
    )
    selection = (
        "The published algorithm: fitted to the rows that are not held out, selected by the error "
        "on those that are (which cross-validation then puts to the test)."
        if search.method == "paper"
        else f"Selected by the error over {test.folds} folds, drawn {test.repeats} times, and by "
        f"complexity; {test.fraction:.0%} of the rows are held out and looked at once, at the end."
    )
    return (
        Section("Dimensionless groups", origin + back, (*equations, *definitions)),
        Section(
            "Networks",
            f"Layers of {', '.join(map(str, space.layers))} units: {space.genes} genes.\n"
            f"Complexity of activations: {scores}.\nOf weights: {weights}.\n" + "\n".join(notes),
        ),
        Section("Judgement", selection),
    )
