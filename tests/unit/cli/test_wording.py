"""Values in words."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tidegate.cli.wording import count, moment, span, value


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (-0.001, "0 ms"),
        (0, "0 ms"),
        (0.0951, "95 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (2.14, "2.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1m"),
        (190, "3m10s"),
        (3600, "1h"),
        (8040, "2h14m"),
        (97_200, "1d3h"),
    ],
)
def test_a_duration_has_the_units_that_matter(seconds, shown):
    assert span(seconds) == shown


def test_a_time_is_shown_in_utc():
    assert moment(datetime(2030, 12, 24, 19, 30, 5, tzinfo=timezone(timedelta(hours=1)))) == "2030-12-24 18:30:05Z"
    assert moment(None) == "-"


def test_a_count_has_its_thousands_apart():
    assert count(1200) == "1,200"
    assert count(None) == "-"


def test_values_are_json_on_one_line():
    assert value({"a": ["Zoë\n"]}) == '{"a": ["Zoë\\n"]}'
    assert value(None) == "-"
    assert moment(datetime(2030, 1, 1, tzinfo=UTC)) == "2030-01-01 00:00:00Z"
