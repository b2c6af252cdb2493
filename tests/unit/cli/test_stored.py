"""Whatever lies in the table can be shown as standard JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.introspection.stored import call_parts, readable


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ("null", None),
        ('{"a": [1, 2.5, "x"]}', {"a": [1, 2.5, "x"]}),
        ("1e400", "1e400"),
        ("[-1e999]", ["-1e999"]),
        ("not json", "not json"),
        ("1" * 4_000, int("1" * 4_000)),
        ("1" * 5_000, "1" * 5_000),
        ("[" * 150 + "]" * 150, json.loads("[" * 150 + "]" * 150)),
        ("[" * 100_000 + "]" * 100_000, "[" * 100_000 + "]" * 100_000),
        ('["]",' * 2_000 + "1" + "]" * 2_000, '["]",' * 2_000 + "1" + "]" * 2_000),
    ],
)
def test_json_is_read_and_what_python_cannot_hold_stays_text(text, value):
    assert readable(text) == value


@given(st.text())
def test_any_text_can_be_written_as_json_again(text):
    json.dumps(readable(text), allow_nan=False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_json_has_comes_back(value):
    assert readable(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"args": [1], "kwargs": {"a": 2}}', ([1], {"a": 2})),
        ('{"args": [1]}', ([1], {})),
        ("{}", ([], {})),
        ("[1, 2]", (None, None)),
        ('{"args": {}}', (None, None)),
        ('{"args": [], "more": 1}', (None, None)),
        ("5", (None, None)),
    ],
)
def test_a_call_is_split_into_its_arguments(text, parts):
    assert call_parts(text) == parts
