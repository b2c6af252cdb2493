"""Many jobs by one call, checked while the database takes those before: what a caller sees is as if all had been checked first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from tests.support import jobs
from tests.support.stand import Stand
from tidegate import Tidegate
from tidegate.errors import InvalidArguments, UnknownQueue
from tidegate.events import Enqueued
from tidegate.handlers import Call

MANY = 1_100
WRONG = 700  # in the third block


def stored(stand: Stand) -> list[tuple[int, str]]:
    return [(row["id"], row["args"]) for row in stand.rows("SELECT id, args::text AS args FROM tidegate.jobs ORDER BY id")]


def calls(wrong: object = None) -> list[Call]:
    made: list[Any] = [jobs.note.call(n) for n in range(MANY)]
    if wrong is not None:
        made[WRONG] = wrong
    return made


async def enqueue_many(stand: Stand, blocking: bool, many: Any) -> list[int]:
    if not blocking:
        return await stand.tide.enqueue_many(many)

    def enqueue() -> list[int]:
        with Tidegate.connect_sync(stand.database, config=stand.config, events=stand.tide.events) as tide:
            return tide.enqueue_many(many)

    return await asyncio.to_thread(enqueue)


both_clients = pytest.mark.parametrize("blocking", [False, True], ids=["async", "blocking"])


@both_clients
@pytest.mark.parametrize("many", [list, tuple, iter])
async def test_ids_come_in_the_order_of_the_calls(stand: Stand, blocking: bool, many: Any) -> None:
    ids = await enqueue_many(stand, blocking, many(calls()))
    assert stored(stand) == [(job_id, f'{{"args":[{n}]}}') for n, job_id in enumerate(ids)]


@both_clients
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (jobs.note.call("no number"), InvalidArguments),  # type: ignore[arg-type]
        (jobs.note.call(1).options(queue="nowhere"), UnknownQueue),
        (Call("nobody:knows"), Exception),
        (42, AttributeError),
    ],
    ids=["arguments", "queue", "kind", "no call"],
)
async def test_one_wrong_call_in_the_third_block_enqueues_none(
    stand: Stand, blocking: bool, wrong: object, error: type[Exception]
) -> None:
    heard: list[object] = []
    stand.tide.events.subscribe(heard.append)
    with pytest.raises(error):
        await enqueue_many(stand, blocking, calls(wrong))
    assert stored(stand) == []
    assert heard == []
    assert len(await enqueue_many(stand, blocking, calls())) == MANY


@both_clients
async def test_whoever_listens_hears_of_each_job_in_order(stand: Stand, blocking: bool) -> None:
    heard: list[Any] = []
    stand.tide.events.subscribe(heard.append, Enqueued)
    many = [*calls(), jobs.blocking_note.call(1), *calls()]
    await enqueue_many(stand, blocking, many)
    assert [event.kind for event in heard] == [f"tests.support.jobs:{call.function.__name__}" for call in many]  # type: ignore[union-attr]


async def test_a_callers_transaction_stays_as_it_was_after_a_refused_call(stand: Stand) -> None:
    async with await psycopg.AsyncConnection.connect(stand.database) as connection:
        await connection.execute("CREATE TABLE orders (id integer)")
        with pytest.raises(InvalidArguments):
            await stand.tide.enqueue_many(calls(jobs.note.call("no number")), connection=connection)  # type: ignore[arg-type]
        assert connection.info.transaction_status == TransactionStatus.INTRANS
        await connection.execute("INSERT INTO orders VALUES (1)")
        await stand.tide.enqueue_many(calls(), connection=connection)
        await connection.commit()
    assert stand.rows("SELECT id FROM orders") == [{"id": 1}]
    assert len(stored(stand)) == MANY


def test_a_blocking_callers_transaction_does_so_too(stand: Stand) -> None:
    with (
        Tidegate.connect_sync(stand.database, config=stand.config) as tide,
        psycopg.connect(stand.database) as connection,
    ):
        connection.execute("CREATE TABLE orders (id integer)")
        with pytest.raises(InvalidArguments):
            tide.enqueue_many(calls(jobs.note.call("no number")), connection=connection)  # type: ignore[arg-type]
        assert connection.info.transaction_status == TransactionStatus.INTRANS
        connection.commit()
    assert stand.rows("SELECT count(*) AS n FROM orders") == [{"n": 0}]


async def test_an_iterator_is_asked_for_no_call_behind_a_wrong_one(stand: Stand) -> None:
    asked: list[int] = []

    def given() -> Iterator[Call]:
        for n, call in enumerate(calls(jobs.note.call("no number"))):  # type: ignore[arg-type]
            asked.append(n)
            yield call

    with pytest.raises(InvalidArguments):
        await stand.tide.enqueue_many(given())
    assert asked == list(range(WRONG + 1))


async def test_a_batch_of_many_tasks_takes_a_long_list_along(stand: Stand) -> None:
    async with stand.tide.batching() as tide:
        ids, one = await asyncio.gather(tide.enqueue_many(calls()), tide.enqueue(jobs.note, 1))
    assert sorted([*ids, one]) == [job_id for job_id, _ in stored(stand)]
