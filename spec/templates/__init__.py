"""Starter studies for `actionrun new`."""

from importlib.resources import files

from actionrun.spec.text.source import UsageFault, quoted


def kinds() -> list[str]:
    """The kinds that have a starter study."""
    return sorted(
        f.name.removesuffix(".toml") for f in files(__name__).iterdir() if f.name.endswith(".toml")
    )


def template(kind: str) -> str:
    """A commented starter study of a kind. Raises UsageFault where there is none."""
    if kind not in kinds():
        raise UsageFault(f"there is no starter study of kind {kind}: choose {quoted(kinds())}")
    return files(__name__).joinpath(f"{kind}.toml").read_text(encoding="utf-8")
