"""The language reference, made from the source of the JSON Schema: the models of the language.

    python docs/language_reference.py        # prints the page

Every key of every kind, with its type, default and description; then the functions, constants and
units. Nothing here is written by hand but the sentences between the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from actionrun.spec.expressions.syntax_tree import FUNCTIONS
from actionrun.spec.json_schema import schema
from actionrun.spec.kinds.registry import KINDS
from actionrun.spec.units.unit_table import CONSTANTS, PLAIN, PREFIXED, PREFIXES, SI

LONGEST_DEFAULT = 40
MOST_SHOWN = 1e6  # bounds beyond it guard the machine and are no part of the meaning
NAMES = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
}


def reference() -> str:
    """The page, in Markdown."""
    tables = schema()["$defs"]
    models = {kind.name: kind.model().__name__ for kind in KINDS.values()}
    places = _places(tables, models)
    lines = [
        "# The study language",
        "",
        "A study is one TOML file. This page is made by a script from the models that read it, as "
        "the JSON Schema of `actionrun schema` is: each key here is a key that works. What the "
        "tables mean together, with examples, stands in `studies/README.md`; "
        "`actionrun explain STUDY.toml` says what a file of yours means.",
        "",
        "A *formula* is an expression of the language, as text. A text that stands where a number "
        'may is a quantity (`"2 fs"`) or a constant expression (`"2*pi/80"`).',
        "",
        "## Kinds of study",
    ]
    for name, model in models.items():
        question = KINDS[name].question
        lines += [
            "",
            f"### {name}",
            "",
            f"{_sentence(tables[model])} *{question.capitalize()}*",
            "",
        ]
        lines += _rows(tables[model], places)
    lines += ["", "## Tables", "", "A table is a `[name]` of the file, or a value in braces."]
    for name, at in places.items():
        lines += ["", f"### `{at.title}` of {', '.join(at.kinds)} {{#{_anchor(name)}}}"]
        for form in _tables_of(tables[name]):
            if said := _sentence(form):
                lines += ["", said]
            lines += ["", *_rows(form, places)]
    lines += _words()
    return "\n".join(lines) + "\n"


@dataclass
class Place:
    """Where a table stands in a file, `data.observables.NAME`, and the kinds that have it there."""

    path: str
    kinds: list[str]

    @property
    def title(self) -> str:
        return f"[{self.path}]"


def _places(tables: dict[str, Any], models: dict[str, str]) -> dict[str, Place]:
    """Every table that a kind can hold, at its first place."""
    places: dict[str, Place] = {}
    for kind, model in models.items():
        waiting = [("", model)]
        seen = set()
        while waiting:
            path, name = waiting.pop(0)
            for form in _tables_of(tables[name]):
                for key, field in form["properties"].items():
                    by_name = ".NAME" if field.get("additionalProperties") else ""
                    for inner in dict.fromkeys(_mentions(field)):
                        at = f"{path}.{key}{by_name}".lstrip(".")
                        if inner not in seen:
                            seen.add(inner)
                            waiting.append((at, inner))
                            places.setdefault(inner, Place(at, [])).kinds.append(kind)
    return places


def _tables_of(form: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The forms of a definition that are tables with keys of their own."""
    if "properties" in form:
        yield form
    for one in form.get("anyOf", ()):
        yield from _tables_of(one)


def _rows(form: dict[str, Any], places: dict[str, Place]) -> list[str]:
    needed = form.get("required", ())
    rows = ["| key | type | default | what it says |", "| --- | --- | --- | --- |"]
    for key, field in form["properties"].items():
        default = "*required*" if key in needed else _default(field)
        said = field.get("description", "")
        rows.append(f"| `{key}` | {_type(field, places)} | {default} | {_cell(said)} |")
    return rows


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", {}, []):
        return ""
    text = _toml(value)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "a table"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(field: dict[str, Any], places: dict[str, Place]) -> str:
    """The type of a field in words, with its bounds."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[`{places[name].title}`](#{_anchor(name)})"
    if "const" in field:
        return f"`{_cell(_toml(field['const']))}`"
    if "enum" in field:
        return ", ".join(f"`{_cell(_toml(one))}`" for one in field["enum"])
    for several in ("anyOf", "oneOf"):
        if several in field and "properties" not in field:
            return " or ".join(dict.fromkeys(_type(one, places) for one in field[several]))
    kind = field.get("type")
    if isinstance(kind, list):  # a formula may be a bare number
        return "formula" if {*kind} == {"string", "number"} else " or ".join(NAMES[k] for k in kind)
    if kind == "array":
        items = field.get("items") or (field.get("prefixItems") or [{}])[0]
        count = field.get("minItems")
        many = f"{count} of" if count is not None and count == field.get("maxItems") else "list of"
        return f"{many} {_type(items, places) or 'values'}"
    if kind == "object" or "properties" in field:
        inner = field.get("additionalProperties")
        of = _type(inner, places) if isinstance(inner, dict) else ""
        return f"table by name: {of}" if of else "table"
    return NAMES.get(str(kind), "") + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    signs = (
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("exclusiveMaximum", "<"),
    )
    said = [
        f"{sign} {field[key]:g}"
        for key, sign in signs
        if key in field and abs(field[key]) < MOST_SHOWN
    ]
    return f" {', '.join(said)}" if said else ""


def _mentions(form: Any) -> Iterator[str]:
    """The definitions that a form refers to, in its order."""
    if isinstance(form, dict):
        if "$ref" in form:
            yield form["$ref"].rpartition("/")[2]
        for one in form.values():
            yield from _mentions(one)
    elif isinstance(form, list):
        for one in form:
            yield from _mentions(one)


def _anchor(name: str) -> str:
    return f"table-{name.lower()}"


def _sentence(form: dict[str, Any]) -> str:
    return _cell(form.get("description", ""))


def _cell(text: str) -> str:
    """A text in a cell of a table of Markdown: what would be markup there is escaped."""
    text = " ".join(text.split())
    for sign in "\\|*_[":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("<", "&lt;")


def _words() -> list[str]:
    lines = ["", "## Functions", "", "| function | arguments |", "| --- | --- |"]
    for name, (least, most) in FUNCTIONS.items():
        lines.append(f"| `{name}` | {least if least == most else f'{least} to {most}'} |")
    lines += [
        "| `sum` | `sum(i<j, formula)` over pairs, `sum(i, formula)` over bodies |",
        "| `D` | `D(q, t)`: the time derivative, as `q'` |",
        "", "## Constants", "",
        "`pi` (or `π`) always; where a study uses units, those of the SI of 2019 too:", "",
        "| name | value | unit |", "| --- | --- | --- |",
    ]  # fmt: skip
    for name, known in CONSTANTS.items():
        unit = "·".join(
            base + (f"^{power}" if power != 1 else "")
            for base, power in zip(SI, known.dimension, strict=True) if power
        )  # fmt: skip
        lines.append(f"| `{name}` | {float(known.factor):.10g} | `{unit}` |")
    lines += [
        "", "## Units", "",
        f"With any SI prefix (`{' '.join(PREFIXES)}`): {_listed(PREFIXED)}.", "",
        f"Without: {_listed(PLAIN)}.",
    ]  # fmt: skip
    return lines


def _listed(names: dict[str, Any]) -> str:
    return " ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(reference(), end="")
