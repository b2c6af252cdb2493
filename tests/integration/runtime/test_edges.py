"""Faults at the edges of a job: whatever a row or a handler may be, it costs that job, and the queue goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import bad_jobs, jobs
from tests.support.stand import Stand, write_settings
from tidegate import Tidegate
from tidegate.errors import InvalidArguments, UnknownKind
from tidegate.handlers import Call
from tidegate.settings import Settings

KIND = "tests.support.jobs:note"
MEGABYTES = 10 * 2**20


@pytest.fixture
async def stand(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    config = write_settings(tmp_path, consumers=2)
    text = config.read_text("utf-8").replace("[tests.support.jobs]", "[tests.support.jobs, tests.support.bad_jobs]")
    config.write_text(text.replace("queues:\n", "queues:\n  heavy: {executor: thread}\n  batches: {consumers: 1}\n"), "utf-8")
    async with Tidegate.connect(database, config=config) as tide:
        yield Stand(database, tmp_path, tide, config)


def insert(stand: Stand, **columns: Any) -> int:
    """Put a row into the table by hand, as somebody with psql does."""
    row = {"queue": "email", "kind": KIND, "state": "ready", "args": '{"args":[1]}', "run_at": "now", **columns}
    names, values = ", ".join([*row, "seq"]), ", ".join(["%s"] * len(row) + ["nextval('tidegate.job_seq')"])
    [made] = stand.rows(f"INSERT INTO tidegate.jobs ({names}) VALUES ({values}) RETURNING id", *row.values())
    return int(made["id"])


async def goes_on(stand: Stand, node: Any) -> None:
    """The queue works, and nothing of the node was restarted."""
    assert (await stand.end(await stand.tide.enqueue(jobs.note, 7)))["state"] == "completed"
    assert node.supervisor.broken == ()
    restarts = {info.id: info.restarts for manager in node.supervisor.managers.values() for info in manager.which_children()}
    assert set(restarts.values()) == {0}, restarts


DAMAGED = [
    "5", "null", "[]", '"text"', '{"args": 5}', '{"kwargs": [1]}', '{"args": ["x"]}', "{}", '{"args": [1, 2, 3]}',
    '{"kwargs": {"n": {"deep": [1]}}}', '{"kwargs": {"m": 1}}', '{"args": [1e999]}', '{"args": [' + "9" * 5_000 + "]}",
    '{"args": ' + "[" * 3_000 + "]" * 3_000 + "}", '{"args": ["\\ud800\\u0000"]}',
]  # fmt: skip


async def test_arguments_that_were_damaged_are_dead_as_invalid(stand: Stand) -> None:
    ids = [insert(stand, args=args) for args in DAMAGED]
    async with stand.node() as node:
        ends = {args: await stand.end(job_id) for args, job_id in zip(DAMAGED, ids, strict=True)}
        await goes_on(stand, node)
    told = {args[:40]: (row["state"], row.get("reason"), row["attempt"]) for args, row in ends.items()}
    assert told == {args[:40]: ("dead", "invalid", 1) for args in DAMAGED}
    assert all(row["error_message"] for row in ends.values())
    assert stand.traces() == ["7"]


ODD = [
    {"meta": '{"traceparent": 5, "x": [null]}'}, {"run_at": "0001-01-02"}, {"enqueued_at": "9999-12-30"},
    {"attempt": 30_000, "lease": 2_000_000_000}, {"max_attempts": 32_767}, {"crashes": 32_767}, {"progress": "5"}, {"unique_key": "x"},
    {"cancel_requested": True},
]  # fmt: skip


UNREADABLE = [
    {"meta": '{"x": 1e999}'},
    {"meta": '{"x": ' + "9" * 5_000 + "}"},
    {"meta": '{"x": ' + "[" * 3_000 + "]" * 3_000 + "}"},
]


async def test_other_damage_to_a_row_costs_no_other_job(stand: Stand) -> None:
    ids = [insert(stand, **columns) for columns in ODD]
    async with stand.node() as node:
        for columns, job_id in zip(ODD, ids, strict=True):
            assert (await stand.end(job_id, what=str(columns)))["state"] in {"completed", "cancelled", "dead"}
        await goes_on(stand, node)


@pytest.mark.parametrize("executor", ["async", "process"])
async def test_a_meta_that_cannot_be_read_makes_a_job_invalid(stand: Stand, executor: str) -> None:
    text = stand.config.read_text("utf-8").replace("email: {", f"email: {{executor: {executor}, ")
    stand.config.write_text(text, "utf-8")
    ids = [insert(stand, **columns) for columns in UNREADABLE]
    async with stand.node() as node:
        ends = [await stand.end(job_id) for job_id in ids]
        await goes_on(stand, node)
    assert {(row["state"], row["reason"], row["error_message"]) for row in ends} == {("dead", "invalid", "its meta cannot be read")}


@pytest.mark.parametrize(
    "columns",
    [
        {"args": "{"}, {"args": "{'a': 1}"}, {"meta": "x"}, {"meta": "5"}, {"meta": "[1]"}, {"meta": "null"},
        {"run_at": "-infinity"}, {"run_at": "infinity"}, {"run_at": "1000-01-01 BC"}, {"enqueued_at": "-infinity"},
        {"enqueued_at": "290000-01-01"}, {"attempt": -1}, {"lease": -1}, {"attempt": 5, "lease": 4},
        {"crashes": -1}, {"priority": 101}, {"priority": -101}, {"max_attempts": 0}, {"max_attempts": -3}, {"state": "done"},
        {"state": "running"}, {"state": "ready", "node": "n1"}, {"permit_circuit": "smtp"}, {"kind": None}, {"queue": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused_by_the_table_itself(stand: Stand, columns: dict[str, Any]) -> None:
    with pytest.raises((psycopg.IntegrityError, psycopg.DataError)):
        insert(stand, **columns)


async def test_a_kind_that_left_is_dead_as_invalid_once_nobody_has_known_it_for_a_minute(stand: Stand) -> None:
    kinds = ["tests.support.jobs:gone", "os:system", "", "nonsense", "tests.support.jobs:_private", "x" * 5_000]
    ids = [insert(stand, kind=kind, run_at="2020-01-01") for kind in kinds]
    async with stand.node() as node:
        for job_id, kind in zip(ids, kinds, strict=True):
            row = await stand.end(job_id)
            assert (row["state"], row["reason"], row["attempt"]) == ("dead", "invalid", 0)
            assert row["error_message"] == f"no live node has known the kind {kind} for 60 seconds"
        await goes_on(stand, node)


async def test_an_unknown_kind_is_refused_at_enqueue_with_the_nearest(stand: Stand) -> None:
    with pytest.raises(UnknownKind) as refused:
        await stand.tide.enqueue("tests.support.jobs:noet", 1)
    assert "tests.support.jobs:note" in f"{refused.value} {refused.value.hint}"


async def test_arguments_that_do_not_fit_are_refused_at_enqueue(stand: Stand) -> None:
    with pytest.raises(InvalidArguments, match="n"):
        await stand.tide.enqueue(jobs.note, "seven")
    assert stand.rows("SELECT 1 FROM tidegate.jobs") == []


@pytest.mark.parametrize(
    ("call", "word", "message"),
    [
        (bad_jobs.unserialisable.call(), "failed", "its result: "),
        (bad_jobs.holds_itself.call(), "failed", "nested too deeply, or holds itself"),
        (bad_jobs.returns_too_much.call(), "failed", "returned a result of 2097154 bytes; max_result is 1048576"),
        (bad_jobs.raises_what_cannot_be_told.call(), "failed", "<its __str__ raised ValueError>"),
        (bad_jobs.exits.call(3), "failed", "3"),
        (jobs.hangs.call().options(max_attempts=1), "timed_out", "ran longer than its time-out of 0.1 s"),
        (jobs.hangs_in_a_thread.call(), "timed_out", "ran longer than its time-out of 0.1 s"),
        (jobs.fails_until.call(1).options(max_attempts=1), "failed", "not yet: attempt 1"),
    ],
    ids=lambda value: value.function.__name__ if isinstance(value, Call) else None,
)
async def test_whatever_a_handler_does_costs_its_attempt(stand: Stand, call: Call, word: str, message: str) -> None:
    async with stand.node() as node:
        row = await stand.end(await stand.tide.enqueue(call))
        assert (row["state"], row["reason"]) == ("dead", "attempts_exhausted")
        assert [attempt["outcome"] for attempt in row["attempts"]] == [word]
        assert message in row["error_message"]
        await goes_on(stand, node)


async def test_an_argument_of_ten_megabytes_is_refused_unless_the_limit_says_otherwise(stand: Stand) -> None:
    call = Call("tests.support.bad_jobs:size_of", ("x" * MEGABYTES,))
    with pytest.raises(InvalidArguments, match=r"its arguments are 10\d+ bytes as JSON; max_args is 1048576"):
        await stand.tide.enqueue(call)
    text = stand.config.read_text("utf-8").replace("heavy: {", "heavy: {max_args: 11MiB, max_result: 11MiB, ")
    stand.config.write_text(text, "utf-8")
    async with Tidegate.connect(stand.database, config=stand.config) as tide, stand.node():
        ids = [await tide.enqueue(call), await tide.enqueue("tests.support.bad_jobs:of_size", MEGABYTES)]
        ends = [await stand.end(job_id) for job_id in ids]
    assert [end["state"] for end in ends] == ["completed"] * 2
    assert (ends[0]["result"], len(ends[1]["result"])) == (MEGABYTES, MEGABYTES)
    assert Settings.load(stand.config, database=stand.database).queue("heavy").max_args == 11 * 2**20
