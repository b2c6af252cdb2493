"""What other people's text may do to a terminal: nothing."""

import json

import pytest

from tidegate.cli.output import data, emit_json, neutral, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zoë 漢字 🌊", "Zoë 漢字 🌊"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\rb\nc\td", r"a\rb\nc\td"),
        ("\x9b31m", r"\x9b31m"),
        ("\x00", r"\x00"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("a\u200bb", r"a\u200bb"),
        ("\ud800", r"\ud800"),
        ("\x7f", r"\x7f"),
    ],
)
def test_what_would_act_on_a_terminal_is_written_out(text, shown):
    assert neutral(text) == shown


def test_lines_are_kept_where_they_are_wanted():
    assert neutral("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"


def test_words_go_to_standard_error_and_data_to_standard_output(capsys):
    say("words")
    data("data")
    assert capsys.readouterr() == ("data\n", "words\n")


def test_json_is_one_ascii_value(capsys):
    emit_json({"name": "Zoë\x1b\ud800"})
    written = capsys.readouterr().out
    assert written.isascii()
    assert "\x1b" not in written
    assert json.loads(written) == {"name": "Zoë\x1b\ud800"}


def test_json_has_no_infinities():
    with pytest.raises(ValueError, match="JSON compliant"):
        emit_json(float("inf"))
