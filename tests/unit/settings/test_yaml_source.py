"""queues.yaml as text: what a scalar means, where it stands, and that no text can keep the reader busy."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.settings.problems import Place
from tidegate.settings.yaml_source import DEEPEST, MOST_VALUES, read_yaml, resolve

SCALARS = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "False": False,
    "TRUE": True,
    "30": 30,
    "-1": -1,
    "007": 7,
    "1.5": 1.5,
    "1e3": 1000.0,
    ".5": 0.5,
    "on": "on",
    "no": "no",
    "yes": "yes",
    "tRue": "tRue",
    "1:30": "1:30",
    "1_000": "1_000",
    "0x10": "0x10",
    "2026-01-01": "2026-01-01",
    ".inf": ".inf",
    ".nan": ".nan",
    ".": ".",
    "5m": "5m",
    "9" * 31: "9" * 31,
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=map(repr, SCALARS))
def test_an_unquoted_scalar_means_what_yaml_1_2_says(text, value):
    assert repr(resolve(text)) == repr(value)


def as_it_stands(text):
    return text


def test_quotes_make_a_text_of_everything():
    assert read_yaml("a: '30'\nb: \"true\"\nc: |\n  30\n", "f", as_it_stands).values == {"a": "30", "b": "true", "c": "30\n"}


def test_keys_and_values_know_their_line_and_column():
    document = read_yaml("queues:\n  email: {timeout: 30}\njobs:\n- shop\n", "f", as_it_stands)
    assert document.keys[("queues", "email", "timeout")] == Place("f", 2, 11)
    assert document.places[("queues", "email", "timeout")] == Place("f", 2, 20)
    assert document.places[("jobs", 0)] == Place("f", 4, 3)


def test_columns_count_characters_not_bytes():
    document = read_yaml('{"ä": "ö", poll: 1}', "f", as_it_stands)
    assert document.places[("poll",)] == Place("f", 1, 18)


@pytest.mark.parametrize("breaks", ["\n", "\r\n"])
def test_both_kinds_of_line_ends_are_read(breaks):
    assert read_yaml(breaks.join(["a: 1", "b:", "  c: 2"]), "f", as_it_stands).values == {"a": 1, "b": {"c": 2}}


def test_an_alias_repeats_what_its_anchor_names_with_the_places_of_the_original():
    document = read_yaml("a: &x {b: 1}\nc: *x\n", "f", as_it_stands)
    assert document.values == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.places[("c", "b")] == Place("f", 1, 11)


def test_an_anchor_may_be_given_anew():
    assert read_yaml("a: &x 1\nb: &x 2\nc: *x\n", "f", as_it_stands).values == {"a": 1, "b": 2, "c": 2}


def test_a_quoted_merge_sign_is_a_key_like_any_other():
    assert read_yaml('"<<": 1\n', "f", as_it_stands).values == {"<<": 1}


def test_a_reference_is_replaced_before_its_value_is_understood():
    document = read_yaml("a: NUMBER\nb: 'NUMBER'\n", "f", lambda text: text.replace("NUMBER", "5"))
    assert document.values == {"a": 5, "b": "5"}


def bomb() -> str:
    """Nine levels of nine: 387 million values in ten lines."""
    return "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{above}: &{above} [{','.join([f'*{below}'] * 9)}]\n" for below, above in zip("abcdefgh", "bcdefghi", strict=True)
    )


HEAVY = {
    "an alias bomb": (bomb(), f"holds more than {MOST_VALUES:,} values once its aliases are followed"),
    "brackets": ("[" * 100_000, f"nested more than {DEEPEST} levels deep"),
    "braces": ("{" * 100_000, f"nested more than {DEEPEST} levels deep"),
    "dashes": ("- " * 100_000, f"nested more than {DEEPEST} levels deep"),
    "question marks": ("? " * 100_000, f"nested more than {DEEPEST} levels deep"),
    "aliases, one in the other": ("a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 500)), "values"),
    "a long list": ("a: [" + "x," * 50_000 + "]", f"holds more than {MOST_VALUES:,} values"),
}


@pytest.mark.parametrize(("text", "sentence"), HEAVY.values(), ids=HEAVY.keys())
def test_a_heavy_text_is_refused_before_it_costs_much(text, sentence):
    before = time.process_time()
    document = read_yaml(text, "f", as_it_stands)
    assert document.values is None
    assert sentence in document.problems[-1].sentence
    assert time.process_time() - before < 10  # it would be hours


@given(st.text(st.sampled_from("ab: -[]{}\n\t'\"&*!?|>#%@,<~0.$"), max_size=40) | st.text(max_size=30))
def test_no_text_at_all_makes_the_reader_fail(text):
    document = read_yaml(text, "f", as_it_stands)
    assert document.values is not None or document.problems
    assert all(problem.place.line >= 1 and problem.place.column >= 1 for problem in document.problems)
