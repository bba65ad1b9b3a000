"""Every key and value is found where it stands, whatever the spelling of its string."""

import json

import tomli
from actionrun.spec.resolved import key, value
from actionrun.spec.text.positions import decoded_offsets, places
from hypothesis import given
from hypothesis import strategies as st

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\r")
VALUES = st.recursive(
    st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.text(CHARACTERS, max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(CHARACTERS, max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(CHARACTERS, max_size=8), VALUES, max_size=5)


@given(DOCUMENTS)
def test_the_writer_and_tomli_are_inverse(document):
    lines = [f"{key(name)} = {value(item)}\n" for name, item in document.items()]
    assert tomli.loads("".join(lines)) == document


@given(DOCUMENTS)
def test_a_value_reads_the_same_where_it_is_found(document):
    text = "".join(f"  {key(name)}  = {value(item)} # = [\n" for name, item in document.items())
    found = places(text)

    def look(path, thing):
        start, stop = found[path].value
        assert tomli.loads(f"x = {text[start:stop]}")["x"] == thing
        start, stop = found[path].key
        if isinstance(path[-1], str):
            assert [*tomli.loads(f"{text[start:stop]} = 1")] == [path[-1]]
        below = {**dict(enumerate(thing))} if isinstance(thing, list) else thing
        for name, item in below.items() if isinstance(below, dict) else ():
            look((*path, name), item)

    for name, item in document.items():
        look((name,), item)


def spellings(text):
    """Tokens of TOML that all mean `text`."""
    yield value(text)
    yield (
        json.dumps(text).replace("\\/", "/")
        if text.isascii() and "\x7f" not in text
        else value(text)
    )
    yield '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'
    yield '"""\n' + "".join(f"\\u{ord(c):04x}" if ord(c) < 65536 else c for c in text) + '"""'
    if text.isprintable() and "'" not in text:
        yield f"'{text}'"
        yield f"'''{text}'''"


@given(st.text(CHARACTERS, max_size=20))
def test_an_offset_in_the_string_is_an_offset_in_the_file(text):
    for token in spellings(text):
        assert tomli.loads(f"x = {token}")["x"] == text
        offsets = decoded_offsets(token)
        assert offsets is not None and len(offsets) == len(text) + 1
        assert offsets == sorted(offsets) and len({*offsets}) == len(offsets)
        for position, char in enumerate(text):
            piece = token[offsets[position] : offsets[position + 1]]
            assert tomli.loads(f'x = "{piece}"' if piece != '"' else "x = '\"'")["x"] == char


def test_tables_of_every_spelling():
    text = """a.b.c = 1
[x]  # a comment with = and [
y = { z = [1, { w = "v" }] }
"quoted key" = 'v'
[x.more]
list = [
  "one",  # first
  '''two''',
]
[[many]]
n = 1
[[many]]
n = 2
"""
    found = places(text)
    for path, spelling in {
        ("a", "b", "c"): "1",
        ("x", "y", "z", 1, "w"): '"v"',
        ("x", "quoted key"): "'v'",
        ("x", "more", "list", 1): "'''two'''",
        ("many", 1, "n"): "2",
    }.items():
        start, stop = found[path].value
        assert text[start:stop] == spelling


def test_a_line_ending_backslash_is_skipped():
    token = '"""a \\\n   b"""'
    assert tomli.loads(f"x = {token}")["x"] == "a b"
    offsets = decoded_offsets(token)
    assert [token[o] for o in offsets[:-1]] == ["a", " ", "b"]
