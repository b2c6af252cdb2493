"""Times and sizes as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.settings import format_duration, format_size, parse_duration, parse_size
from tidegate.settings.durations import BYTES, DURATION_PATTERN, LONGEST, SECONDS, SIZE_PATTERN

TIMES = {
    30: 30.0,
    0: 0.0,
    0.25: 0.25,
    "30": 30.0,
    "1.5": 1.5,
    "30s": 30.0,
    "1.5s": 1.5,
    "250ms": 0.25,
    "5m": 300.0,
    "2h": 7_200.0,
    "1d": 86_400.0,
    "1h30m": 5_400.0,
    "1d2h3m4s5ms": 93_784.005,
    "1m1.5s": 61.5,
    "1h5ms": 3_600.005,
    "3650d": float(LONGEST),
}


@pytest.mark.parametrize(("written", "seconds"), TIMES.items(), ids=map(str, TIMES))
def test_a_time_is_read_as_seconds(written, seconds):
    assert parse_duration(written) == seconds


NO_TIMES = [
    "", " ", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "5M", "1:30", "1m1h", "1s1s", "1.5h30m", "1h30", "1e3", ".5s", "5.s", "٣s",
    "PT5M", "5min", "5s\n", "1,5s", "1_000s", True, False, None, [], {}, b"5s", float("nan"), float("inf"), -1, -0.1, LONGEST + 1, "9" * 400,
]  # fmt: skip


@pytest.mark.parametrize("written", NO_TIMES, ids=repr)
def test_what_could_be_read_in_two_ways_is_no_time(written):
    with pytest.raises(ValueError, match="time"):
        parse_duration(written)


@given(st.integers(0, LONGEST * 1_000).map(lambda ms: ms / 1_000))
def test_a_time_is_the_same_after_it_was_written_and_read(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.floats(0, LONGEST))
def test_even_a_fraction_of_a_millisecond_is_the_same_after_it_was_written_and_read(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text("0123456789.dhms", max_size=8) | st.text(max_size=6))
def test_the_schemas_pattern_takes_exactly_the_texts_that_are_read(text):
    assert (reading_of(text) is not None) == (re.fullmatch(DURATION_PATTERN, text) is not None)


def reading_of(text):
    try:
        return parse_duration(text)
    except ValueError as error:
        return "too long" if "ten years" in str(error) else None


@given(st.lists(st.sampled_from(list(SECONDS)), min_size=1, unique=True), st.data())
def test_units_are_added_up_from_large_to_small(units, data):
    counts = {unit: data.draw(st.integers(0, 99), label=unit) for unit in SECONDS if unit in units}
    written = "".join(f"{count}{unit}" for unit, count in counts.items())
    assert parse_duration(written) == float(sum(count * SECONDS[unit] for unit, count in counts.items()))


WRITTEN = {
    0: "0s",
    0.25: "250ms",
    1.5: "1.5s",
    30: "30s",
    60: "1m",
    90.25: "1m30.25s",
    5_400: "1h30m",
    86_400: "1d",
    60.25: "1m250ms",
}


@pytest.mark.parametrize(("seconds", "written"), WRITTEN.items(), ids=map(str, WRITTEN))
def test_a_time_is_written_in_its_largest_units(seconds, written):
    assert format_duration(seconds) == written


SIZES = {
    0: 0,
    1024: 1024,
    "1024": 1024,
    "1024B": 1024,
    "1kB": 1000,
    "1KB": 1000,
    "1MB": 10**6,
    "1GB": 10**9,
    "1TB": 10**12,
    "64KiB": 65_536,
    "512MiB": 512 * 2**20,
    "2GiB": 2**31,
    "1TiB": 2**40,
    "1.5KiB": 1536,
}


@pytest.mark.parametrize(("written", "size"), SIZES.items(), ids=map(str, SIZES))
def test_a_size_is_read_as_bytes(written, size):
    assert parse_size(written) == size


NO_SIZES = [
    "",
    "B",
    "10k",
    "10K",
    "5M",
    "5mb",
    "5Mb",
    "5mib",
    "-1",
    -1,
    1.5,
    "1.5",
    "0.3KiB",
    "1 MiB",
    "1MiB ",
    "1PiB",
    True,
    None,
    [],
    "1e3",
    "٣B",
]


@pytest.mark.parametrize("written", NO_SIZES, ids=repr)
def test_what_could_be_read_in_two_ways_is_no_size(written):
    with pytest.raises(ValueError, match=r"size|read in two ways"):
        parse_size(written)


@given(st.integers(0, 2**50))
def test_a_size_is_the_same_after_it_was_written_and_read(size):
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 999), st.sampled_from(list(BYTES)))
def test_the_schemas_pattern_takes_every_unit(count, unit):
    assert parse_size(f"{count}{unit}") == count * BYTES[unit]
    assert re.search(SIZE_PATTERN, f"{count}{unit}")
