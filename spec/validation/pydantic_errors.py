"""pydantic's errors in our words, and which keys the language has."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from actionrun.spec.kinds.registry import KINDS
from actionrun.spec.tables.common import field_keys
from actionrun.spec.tables.leaves import described
from actionrun.spec.text.source import Fault, Source, nearest, quoted, shown
from actionrun.spec.text.span import Key
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_FAULTS = 100  # each unknown key looks for a suggestion


def translate_pydantic_errors(
    error: ValidationError,
    source: Source,
    raw: dict[str, Any],
    model: type[BaseModel],
    broken: bool,
) -> list[Fault]:
    """The faults of a document that does not fit its model. With `broken` some lines could not be
    read, and what is missing may have stood there."""
    faults: list[Fault] = []
    errors = error.errors(include_url=False, include_input=True)[:MAX_FAULTS]
    within = {one["loc"][:-1] for one in errors}  # whose entries are at fault themselves
    for details in errors:
        if details["type"] == "too_short" and details["loc"] in within:
            continue
        key = _key(details["loc"], raw, details["type"] == "missing")
        if details["type"] == "missing":
            if not broken:
                faults.append(_missing(source, key, model))
        elif details["type"] == "extra_forbidden":
            faults.append(_unknown(source, key, model))
        else:
            faults.append(_misfit(source, key, details))
    return faults


def _key(loc: tuple[int | str, ...], raw: Any, missing: bool) -> Key:
    """The document's key of a pydantic location, without the tags of unions."""
    key: list[int | str] = []
    at: Any = raw
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        below: dict[Any, Any] = dict(enumerate(at)) if isinstance(at, list) else at
        if isinstance(below, dict) and part in below:
            at = below[part]
        elif part == "range" and isinstance(at, list):
            continue  # the short form of a coefficient
        elif not (last and missing):
            continue
        key.append(part)
    return tuple(key)


def fields_at(model: type[BaseModel], key: Key) -> type[BaseModel] | None:
    """The model of the table at a key; None where keys are free."""
    table: type[BaseModel] | None = model
    entries: Any = None  # the annotation of the entries of a table whose keys are free
    for part in key:
        if entries is not None:
            table, entries = _table_of(entries), None
        elif table is None or (field := field_keys(table).get(str(part))) is None:
            return None
        else:
            annotation = table.model_fields[field].annotation
            free = get_origin(annotation) is dict
            entries = get_args(annotation)[1] if free else None
            table = None if free else _table_of(annotation)
    return table


def _table_of(annotation: Any) -> type[BaseModel] | None:
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def key_complaint(model: type[BaseModel] | None, key: Key) -> str | None:
    """Why a key cannot be set from the command line; None if it can."""
    if model is None:
        return None
    for size in range(1, len(key) + 1):
        table = fields_at(model, key[: size - 1])
        part = str(key[size - 1])
        if table is not None and part not in field_keys(table):
            where = f" in [{'.'.join(map(str, key[: size - 1]))}]" if size > 1 else ""
            home = _home(model, part) if size == 1 else None
            close = f"{home}.{part}" if home else nearest(part, field_keys(table))
            advice = f'; did you mean "{close}"?' if close else ""
            return f'there is no key "{shown(part)}"{where}{advice}'
    return None


def _home(model: type[BaseModel], name: str) -> str | None:
    """The table that has a key of this name, the first of several."""
    for table in field_keys(model):
        inner = fields_at(model, (table,))
        if inner is not None and name in field_keys(inner):
            return table
    return None


def _missing(source: Source, key: Key, model: type[BaseModel]) -> Fault:
    *above, name = key
    examples = {
        "system": '[system]\ncoordinates = ["q"]\nlagrangian = "m*q\'^2/2 - k*q^2/2"',
        "integrator": "[integrator]\nr = 2\ndt = 0.1\nsteps = 1000",
        "start": "[start]\nposition = { q = 1.0 }\nvelocity = { q = 0.0 }",
        "coefficients": "[coefficients]\nc1 = [0.01, 20.0]",
        "dt": "write dt = 0.1",
        "position": "write position = { q = 1.0 }",
        "file": 'write file = "motion.csv"',
        "columns": 'write columns = { t = "t", q = "q" }',
        "ends": '[ends]\nstart = "a.xyz"\nend = "b.xyz"',
        "path": "[path]\nduration = 0.5\npoints = 32",
        "duration": "write duration = 0.5",
        "points": "write points = 32",
        "data": '[data]\nfile = "data/elements.csv"\n\n[data.columns]\nrho = "density [g/cm^3]"',
        "search": '[search]\ninputs = ["x"]\noutputs = ["y"]\nlayers = [3]',
        "inputs": 'write inputs = ["x", "x\'"]',
        "outputs": 'write outputs = ["x(t+dt)", "x\'(t+dt)"]',
        "layers": "write layers = [3]",
    }
    hint = examples.get(str(name))
    if not above:
        return Fault("key.missing", f"the table [{name}] is missing", source.name, key=str(name),
                     hint=f"add\n{hint}" if hint else None)  # fmt: skip
    table = ".".join(map(str, above))
    return source.fault(tuple(above), "key.missing", f'"{name}" is missing in [{table}]',
                        hint=hint, on_key=True)  # fmt: skip


# What other programs and textbooks call it.
LAGRANGIAN = 'write lagrangian = "q\'^2/2 - ..."; momenta and energy follow from it'
ELSEWHERE = {
    "hamiltonian": LAGRANGIAN,
    "hamilton": LAGRANGIAN,
    "kinetic": 'write lagrangian = "kinetic - potential" as one formula, or mass and potential',
    "t_end": "write steps = t_end/dt, a whole number",
    "tmax": "write steps = tmax/dt, a whole number",
    "t_max": "write steps = t_max/dt, a whole number",
    "t_span": "write steps = (end - start)/dt, a whole number",
    "t_final": "write steps = t_final/dt, a whole number",
    "n_steps": "write steps = ...",
    "nsteps": "write steps = ...",
    "time_step": "write dt = ...",
    "timestep": "write dt = ...",
    "initial": "write [start] with position = { q = ... } and velocity = { q = ... }",
    "initial_conditions": "write [start] with position = { q = ... } and velocity = { q = ... }",
}


def _unknown(source: Source, key: Key, model: type[BaseModel]) -> Fault:
    *above, name = key
    table = fields_at(model, tuple(above))
    known = [*field_keys(table)] if table else []
    close = nearest(str(name), known)
    where = f"[{'.'.join(map(str, above))}]" if above else "a study of this kind"
    hint = ELSEWHERE.get(str(name).lower())
    if hint:
        close = None
    elif not close:
        home = _home(model, str(name))
        if home and not above:
            hint = f"it belongs into [{home}]"
        elif home:
            hint = f"in [{home}] there is one"
        elif not above and (kinds := _kinds_with(str(name))):
            hint = f"[{name}] belongs to a study of kind {quoted(kinds)}"
        else:
            hint = "known here: " + " ".join(known)
    return source.fault(key, "key.unknown", f'there is no key "{shown(str(name)[:60])}" in {where}',
                        suggestion=close, hint=hint, on_key=True)  # fmt: skip


def _kinds_with(name: str) -> list[str]:
    """The kinds of study that have a key at the top of the file."""
    return [kind.name for kind in KINDS.values() if name in kind.model().model_fields]


def _misfit(source: Source, key: Key, details: ErrorDetails) -> Fault:
    kind, context = details["type"], details.get("ctx") or {}
    name = next((str(part) for part in reversed(key) if isinstance(part, str)), "the study")
    what = described(details["input"])
    code, hint = "value.type", None
    match kind:
        case "int_type" | "int_from_float" | "int_parsing":
            given = details["input"]
            message = f"{name} is a whole number, not {given if isinstance(given, float) else what}"
            hint = f"write {name} = {_whole(details['input'])}"
        case "float_type" | "float_parsing":
            message, hint = (
                f"{name} is a number, not {what}",
                f"write {name} = {_float(details['input'])}",
            )
        case "finite_number":
            code, message = "value.finite", f"{name} is a finite number"
        case "string_type":
            message, hint = f"{name} is text, not {what}", f'write {name} = "..."'
        case "bool_type" | "bool_parsing":
            message, hint = f"{name} is true or false, not {what}", f"write {name} = true"
        case "tuple_type" | "list_type":
            message, hint = f"{name} is a list, not {what}", f"write {name} = [...]"
        case "dict_type" | "model_type" | "model_attributes_type":
            message = f"{name} is a table, not {what}"
            hint = (
                f"write [{name}] and its keys below"
                if len(key) == 1
                else f"write {name} = {{ ... }}"
            )
        case "literal_error":
            return _choice(source, key, name, details)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            code, message = "value.range", _bound(name, kind, context)
        case "too_short" | "too_long":
            code = "value.size"
            message = f"{name} has {context.get('actual_length', 'this many')} entries"
            if "min_length" in context:
                hint = f"at least {context['min_length']} wanted"
            else:
                hint = f"at most {context.get('max_length')} wanted"
        case "missing_argument" | "unexpected_positional_argument":
            code, message, hint = "value.size", f"{name} has two entries", "write [low, high]"
        case "string_too_long" | "string_too_short":
            code, message = "value.size", f"{name} is too " + kind.rpartition("_")[2]
        case "int_parsing_size":
            code, message = "value.range", f"{name} is out of range"
        case _ if "hint" in context or "." in kind:
            code, message, hint = kind, details["msg"], context.get("hint")
        case _:
            message = f"{name}: {details['msg'][:1].lower()}{details['msg'][1:]}"
    return source.fault(key, code, message, hint=hint)


def _whole(given: Any) -> str:
    if isinstance(given, float) and abs(given) < 1e15:
        return str(round(given))
    text = str(given).strip() if isinstance(given, str) else ""
    return text if text.isdecimal() and len(text) < 16 else "10"


def _float(given: Any) -> str:
    try:
        return repr(float(given)) if isinstance(given, str) and len(given) < 40 else "0.1"
    except ValueError:
        return "0.1"


def _bound(name: str, kind: str, context: dict[str, Any]) -> str:
    words = {"greater_than": "greater than {gt}", "greater_than_equal": "at least {ge}",
             "less_than": "less than {lt}", "less_than_equal": "at most {le}"}  # fmt: skip
    text = words[kind].format(
        **{k: f"{v:g}" for k, v in context.items() if k in ("gt", "ge", "lt", "le")}
    )
    return f"{name} has to be {text}"


def _choice(source: Source, key: Key, name: str, details: ErrorDetails) -> Fault:
    expected = str((details.get("ctx") or {}).get("expected", "")).replace("'", '"')
    given = details["input"]
    words = [word.strip(' "') for word in expected.replace(" or ", ", ").split(", ")]
    close = nearest(given, words) if isinstance(given, str) else None
    shown_given = f'"{shown(given[:40])}"' if isinstance(given, str) else described(given)
    return source.fault(
        key,
        "value.choice",
        f"{name} has no choice {shown_given}",
        suggestion=close,
        hint=f"choices are {quoted(words)}",
    )
