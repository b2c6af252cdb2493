"""Traces out of text: what is read, how it is stretched, and what is refused."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.scaling import Arrival, BadTrace, Reading, read_trace


def read(text: str, **reading):
    return read_trace(text.splitlines(), Reading(**reading), rng=Random(1))


JOBS = [
    "arrival,service\n10,0.5\n12.5,1\n",
    "10,0.5\n12.5,1\n",
    "\n\nArrived_At , Duration\n10, 0.5\n\n12.5, 1\n",
    '{"arrival": 10, "service": 0.5}\n{"arrival": 12.5, "service": 1}\n',
    "enqueued_at,queue,run_seconds\n2030-01-01T00:00:10Z,email,0.5\n2030-01-01T01:00:12.5000000+01:00,email,1\n",
    "service,at\n1,12.5\n0.5,10\n",
]


@pytest.mark.parametrize("text", JOBS, ids=["csv", "no header", "spaces", "ndjson", "dates", "unsorted"])
def test_jobs_are_read_in_order_from_zero_on(text):
    assert read(text) == [Arrival(0.0, 0.5), Arrival(2.5, 1.0)]


def test_speed_moves_arrivals_together_and_leaves_service_times():
    assert read(JOBS[0], speed=5) == [Arrival(0.0, 0.5), Arrival(0.5, 1.0)]


def test_arrivals_alone_get_service_times_of_the_distribution():
    jobs = read("\n".join(str(n) for n in range(2000)), service=0.5, variation=1.0)
    assert [job.at for job in jobs] == list(range(2000))
    assert sum(job.service for job in jobs) / 2000 == pytest.approx(0.5, rel=0.1)
    assert {job.service for job in read("1\n2\n3\n", service=0.5, variation=0.0)} == {0.5}


def test_sizes_become_service_times():
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4000,10\n2023-11-16 18:17:04.9799600,100,100\n"
    jobs = read(text, service=0.1, per={"ContextTokens": 0.001, "GeneratedTokens": 0.01})
    assert [job.service for job in jobs] == pytest.approx([4.2, 1.2])
    assert jobs[1].at == pytest.approx(1.0)


BUCKETS = "timestamp,value\n2030-01-01 00:00:00,300\n2030-01-01 00:05:00,0\n2030-01-01 00:10:00,600\n"


def test_counts_by_bucket_are_spread_over_their_buckets():
    jobs = read(BUCKETS, service=0.5)
    first, second, third = (sum(start <= job.at < start + 300 for job in jobs) for start in (0, 300, 600))
    assert second == 0
    assert first == pytest.approx(300, rel=0.2)
    assert third == pytest.approx(600, rel=0.2)


def test_counts_can_be_scaled_to_a_load_and_sped_up():
    jobs = read(BUCKETS, service=0.5, load=3.0, speed=10)
    assert max(job.at for job in jobs) < 90
    assert sum(job.service for job in jobs) / 90 == pytest.approx(3.0, rel=0.2)
    assert len(read(BUCKETS, speed=10)) == pytest.approx(900, rel=0.2)


def test_a_rate_is_per_second():
    assert len(read("time,rate\n0,2\n100,2\n")) == pytest.approx(400, rel=0.2)


WRONG = {
    "": "empty",
    "\n\n": "empty",
    "name,colour\na,b\n": "time of arrival",
    "arrival,service\n1,x\n": "line 2 .* number",
    "arrival,service\nnoon,1\n": "line 2 .* no time",
    "arrival,service\ninf,1\n": "line 2 .* finite",
    "arrival,service\n1,nan\n": "line 2 .* number",
    "arrival,service\n1,-1\n": "below 0",
    "arrival,service\n1\n": "line 2 .* 1 columns",
    '{"arrival": 1\n': "line 1 .* JSON",
    '{"arrival": 1, "service": 1}\n[1]\n': "line 2 .* object",
    "timestamp,value\n0,5\n": "two or more",
    "timestamp,value\n0,5\n0,6\n": "line 3 .* not after the one before",
    "timestamp,value\n60,5\n0,6\n": "line 3 .* not after the one before",
    "timestamp,value\n0,5\n1,-6\n": "line 3 .* fewer than 0",
    "arrival,service\n1,1\n-5,1\n": "line 3 .* time below 0: -5",
    "-5,1\n": "line 1 .* time below 0",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_trace_is_refused_with_its_line(text):
    with pytest.raises(BadTrace, match=WRONG[text]):
        read(text)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(BadTrace, match="no column 'Tokens'") as error:
        read("arrival,tokens\n1,5\n", per={"Tokens": 1.0})
    assert "arrival, tokens" in str(error.value.hint)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4)), min_size=1, max_size=50))
def test_whatever_was_written_is_read_back(jobs):
    text = "arrival,service\n" + "".join(f"{at!r},{service!r}\n" for at, service in jobs)
    first = min(at for at, _ in jobs)
    assert read(text) == sorted(Arrival(at - first, service) for at, service in jobs)
