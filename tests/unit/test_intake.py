"""From many calls to rows: what is looked up once for many is what would be looked up for each."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support import jobs

from tidegate.client.intake import Intake
from tidegate.errors import InvalidArguments, UnknownQueue
from tidegate.handlers import Call
from tidegate.settings import Settings
from tidegate.store.bulk import BLOCK, COPY_FROM


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return reading("email: {}", tmp_path)


def reading(queue: str, folder: Path) -> Intake:
    file = folder / "queues.yaml"
    file.write_text(f"jobs: [tests.support.jobs]\nqueues:\n  {queue}\n", "utf-8")
    return Intake(Settings.load(file, database="postgresql://nowhere"))


def mixed(n: int) -> list[Call]:
    said = [
        {},
        {"priority": 3},
        {"delay": 5.0},
        {"run_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"meta": {"a": 1}},
        {"max_attempts": 2},
    ]
    some = (
        jobs.note.call,
        lambda k: jobs.slow_note.call(k, seconds=0.5),
        lambda k: Call("tests.support.jobs:note", (k,)),
        lambda k: jobs.note.call(n=k).options(**said[k % len(said)]),
    )
    return [some[k % len(some)](k) for k in range(n)]


def test_many_calls_become_what_each_of_them_becomes_alone(intake: Intake) -> None:
    calls = mixed(100)
    assert intake.many(calls, check=True) == [intake.one(call, (), {}, check=True) for call in calls]
    assert intake.many(calls, check=False) == [intake.one(call, (), {}, check=False) for call in calls]


def test_a_stream_makes_the_same_jobs_in_blocks(intake: Intake) -> None:
    calls = mixed(2 * BLOCK + 7)
    stream = intake.stream(calls, check=True, keep=False)
    assert stream is not None
    blocks = [list(block) for part in stream.parts() for block in part]
    assert [len(block) for block in blocks] == [BLOCK, BLOCK, 7]
    assert [job for block in blocks for job in block] == intake.many(calls, check=True)


def test_a_stream_is_of_the_calls_that_were_there_when_it_began(intake: Intake) -> None:
    calls = [jobs.note.call(n) for n in range(COPY_FROM)]
    stream = intake.stream(calls, check=True, keep=True)
    calls.clear()
    assert stream is not None
    assert sum(len(block) for part in stream.parts() for block in part) == COPY_FROM


def test_few_calls_and_those_of_an_iterator_are_no_stream(intake: Intake) -> None:
    few = [jobs.note.call(n) for n in range(COPY_FROM - 1)]
    assert intake.stream(few, check=True, keep=False) is None
    assert intake.stream(iter(few * 2), check=True, keep=False) is None
    assert intake.stream((call for call in few * 2), check=True, keep=False) is None


def test_a_call_like_others_is_refused_like_one_alone(intake: Intake) -> None:
    good = Call("tests.support.jobs:note", (1,))
    with pytest.raises(InvalidArguments, match="n: expected int, got str"):
        intake.many([good, Call(good.function, ("1",))], check=True)
    with pytest.raises(UnknownQueue):
        intake.many([good, good.options(queue="nowhere")], check=True)


def test_arguments_that_are_too_large_are_refused_among_others_alike(tmp_path: Path) -> None:
    small, large = jobs.leaks.call("ada", "x"), jobs.leaks.call("ada", "x" * 100)
    intake = reading("email: {max_args: 100}", tmp_path)
    assert len(intake.many([small, small], check=True)) == 2
    with pytest.raises(InvalidArguments, match=r"its arguments are 11\d bytes as JSON; max_args is 100"):
        intake.many([small, large], check=True)
