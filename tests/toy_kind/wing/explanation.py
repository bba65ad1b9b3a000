"""What a decay study means."""

from actionrun.compiler.findings import Equation, Section


def explain(study) -> tuple[Section, ...]:
    return (Section("Decay", "", (Equation("Law", r"\dot{a} = -k \, a", "a' = -k*a"),)),)
