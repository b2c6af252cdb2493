"""Options and arguments: what is taken, and the sentence for what is not."""

import io

import click
import pytest

from tidegate.cli.params import JOB_ID, PORT, PRIORITY, QUEUE_NAMES, SECONDS, TEXT, TIME


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (JOB_ID, "42", 42),
        (JOB_ID, str(2**63 - 1), 2**63 - 1),
        (PRIORITY, "-100", -100),
        (PORT, "0", 0),
        (SECONDS, "1h30m", 5400.0),
        (SECONDS, "0.5", 0.5),
        (QUEUE_NAMES, "email, ml,email", ("email", "ml")),
        (TEXT, '{"a": 1}', '{"a": 1}'),
    ],
)
def test_a_value_is_read(kind, text, value):
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["2030-12-24T18:00Z", "2030-12-24 19:00+01:00"])
def test_a_time_is_read_with_its_zone(text):
    assert TIME.convert(text, None, None).timestamp() == 1924365600


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        (JOB_ID, "abc", "'abc' is not the id of a job, which is a number such as 42"),
        (JOB_ID, "0", "'0' is not the id of a job, which is a number such as 42"),
        (JOB_ID, "-1", "'-1' is not the id of a job, which is a number such as 42"),
        (JOB_ID, str(2**63), "'9223372036854775808' is not the id of a job, which is a number such as 42"),
        (JOB_ID, "٣", "'٣' is not the id of a job, which is a number such as 42"),
        (PRIORITY, "101", "a priority is a whole number from -100 to 100; got '101'"),
        (PRIORITY, "1_0", "a priority is a whole number from -100 to 100; got '1_0'"),
        (PORT, "70000", "a port is a whole number from 0 to 65,535; got '70000'"),
        (SECONDS, "soon", 'expected a time such as 30, 30s, 1.5s, 250ms, 5m, 2h, 1d or 1h30m; got "soon"'),
        (TIME, "tomorrow", "expected a time such as 2030-12-24T18:00Z or 2030-12-24T18:00+01:00; got 'tomorrow'"),
        (
            TIME,
            "2030-12-24T18:00",
            "'2030-12-24T18:00' has no time zone; write 2030-12-24T18:00Z for UTC, or its offset such as +01:00",
        ),
        (QUEUE_NAMES, " , ", "expected names of queues such as email,ml"),
        (TEXT, "@nosuch.json", "nosuch.json cannot be read: No such file or directory"),
    ],
)
def test_what_is_not_one_costs_one_sentence(kind, text, sentence):
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert caught.value.message == sentence


def test_text_comes_from_a_file_or_standard_input(tmp_path, monkeypatch):
    (tmp_path / "args.json").write_text("[1]")
    monkeypatch.setattr("sys.stdin", io.StringIO("[2]"))
    assert TEXT.convert(f"@{tmp_path / 'args.json'}", None, None) == "[1]"
    assert TEXT.convert("-", None, None) == "[2]"
