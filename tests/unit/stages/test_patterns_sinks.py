"""Stages that filter and transform, and consumers that write to a database, a file, a server."""

import asyncio
import json
import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.unit.stages.parts import Push, Sink, quiet, started, virtual

from tidegate.backoff import constant
from tidegate.stages import BadOption, BroadcastDispatcher, Cancel, Crash, Subscription, Why, patterns
from tidegate.stages.patterns import BatchWriter, DatabaseWriter, FileWriter, Filter, HttpPoster, Transform
from tidegate.store.connection import connect, sqlalchemy_url


async def between(stage_of, *, high=10):
    producer = await Push().start()
    stage = await stage_of(Subscription(producer, max_demand=high, min_demand=0)).start()
    return producer, stage, await started(Sink(Subscription(stage, max_demand=10)))


@virtual
async def test_a_filter_lets_through_what_is_to_be_kept_and_tells_of_the_rest():
    class Telling(Filter):
        left_out = ()

        def on_filtered(self, events):
            self.left_out = events

    producer, stage, sink = await between(lambda sub: Telling(sub, keep=lambda n: n % 2))
    producer.emit(range(5))
    await quiet()
    assert (sink.events, stage.left_out) == ([1, 3], [0, 2, 4])


@virtual
async def test_a_filter_tells_nobody_by_itself_and_asks_on():
    producer, _, sink = await between(lambda sub: Filter(sub, keep=lambda n: n == 29), high=3)
    producer.emit(range(30))
    await quiet()
    assert sink.events == [29]


@virtual
async def test_a_filter_that_raises_loses_no_event_and_tells_of_none():
    producer, stage, _ = await between(lambda sub: Filter(sub, keep=lambda n: 1 // n))
    producer.emit([1, 0])
    await stage.join()
    assert producer.back == [([1, 0], Why.INTERRUPTED)]


@pytest.mark.parametrize("at_once", [1, 3])
@virtual
async def test_a_transformation_keeps_the_order(at_once):
    async def slower_for_small(n):
        await asyncio.sleep(1 / (n + 1))
        return n * 10

    producer, _, sink = await between(lambda sub: Transform(sub, function=slower_for_small, at_once=at_once))
    producer.emit(range(7))
    await asyncio.sleep(10)
    assert sink.events == [0, 10, 20, 30, 40, 50, 60]


@virtual
async def test_a_transformation_may_be_a_plain_function():
    producer, _, sink = await between(lambda sub: Transform(sub, function=str))
    producer.emit([1, 2])
    await quiet()
    assert sink.events == ["1", "2"]


@virtual
async def test_enrichment_looks_up_several_at_once_and_no_more():
    running = Counter()

    async def look_up(n):
        running["now"] += 1
        running["most"] = max(running["most"], running["now"])
        await asyncio.sleep(1)
        running["now"] -= 1
        return n

    producer, _, sink = await between(lambda sub: Transform(sub, function=look_up, at_once=4))
    producer.emit(range(10))
    await asyncio.sleep(3.5)
    assert (running["most"], len(sink.events)) == (4, 10)


@virtual
async def test_one_look_up_that_fails_crashes_the_stage_and_cancels_the_others():
    ended = []

    async def look_up(n):
        try:
            await asyncio.sleep(n)
            if n == 1:
                raise OSError(n)
        finally:
            ended.append(n)

    producer, stage, _ = await between(lambda sub: Transform(sub, function=look_up, at_once=3))
    producer.emit([5, 1, 9])
    assert isinstance((await stage.join()).error, OSError)
    await quiet()
    assert (sorted(ended), producer.back) == ([1, 5, 9], [([5, 1, 9], Why.INTERRUPTED)])


@virtual
async def test_two_look_ups_that_fail_at_once_are_one_crash():
    async def fails(n):
        await asyncio.sleep(1)
        raise OSError(n)

    producer, stage, _ = await between(lambda sub: Transform(sub, function=fails, at_once=3))
    producer.emit([1, 2, 3])
    assert isinstance(await stage.join(), Crash)
    await quiet()


def test_a_transformation_runs_one_at_once_at_least():
    with pytest.raises(BadOption, match="at_once"):
        Transform("p", function=str, at_once=0)


class Flaky(BatchWriter):
    """Fails as often as it is told to, then writes."""

    def __init__(self, *subs, failures=0, error=OSError, **options):
        super().__init__(*subs, retry_on=(OSError,), backoff=constant(5), rng=Random(0), **options)
        self.failures = failures
        self.error = error
        self.tries = []
        self.written = []

    async def write(self, events):
        self.tries.append((asyncio.get_running_loop().time(), list(events)))
        if self.failures:
            self.failures -= 1
            raise self.error("no")
        self.written.append(list(events))


async def written_by(writer_of, *, high=3, dispatcher=None):
    producer = await Push(dispatcher=dispatcher).start()
    writer = writer_of(Subscription(producer, max_demand=high, min_demand=0, cancel=Cancel.TEMPORARY))
    return producer, await started(writer)


@virtual
async def test_a_batch_that_met_weather_is_written_again_and_told_of_twice(caplog):
    caplog.set_level(logging.WARNING, "tidegate.stages")
    producer, writer = await written_by(lambda sub: Flaky(sub, failures=2))
    producer.emit(range(5))
    await asyncio.sleep(11)
    assert writer.tries == [(pytest.approx(at, abs=0.1), [0, 1, 2]) for at in (0, 5, 10)] + [(pytest.approx(10, abs=0.1), [3, 4])]
    assert [re.sub("<.*?>: ", "", record.message) for record in caplog.records] == [
        "what it writes to does not answer (no); it goes on trying",
        "a batch went through at its attempt 3",
    ]


@virtual
async def test_any_other_error_is_a_crash_and_the_batch_goes_back():
    producer, writer = await written_by(lambda sub: Flaky(sub, failures=1, error=ValueError))
    producer.emit([1, 2])
    assert isinstance((await writer.join()).error, ValueError)
    assert producer.back == [([1, 2], Why.INTERRUPTED)]


@virtual
async def test_a_stop_ends_the_trying_and_the_batch_goes_back():
    producer, writer = await written_by(lambda sub: Flaky(sub, failures=9))
    producer.emit([1, 2])
    await asyncio.sleep(7)
    await writer.stop()
    assert asyncio.get_running_loop().time() == pytest.approx(7, abs=0.1)
    assert (producer.back, writer.written) == ([([1, 2], Why.INTERRUPTED)], [])


async def test_a_file_gets_a_line_for_each_event(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    path.write_text("before\n")
    producer, writer = await written_by(lambda sub: FileWriter(sub, path=path, line=json.dumps, sync=True))
    producer.emit([{"n": n} for n in range(5)])
    await producer.drain(10)
    await writer.stop()
    assert path.read_text().splitlines() == ["before", *(f'{{"n": {n}}}' for n in range(5))]


async def test_a_batch_that_could_not_be_written_whole_is_not_in_the_file_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "out"
    path.write_text("before\n")
    monkeypatch.setattr("os.fsync", full_disk)
    producer, writer = await written_by(lambda sub: FileWriter(sub, path=path, sync=True))
    producer.emit([1, 2])
    assert isinstance(await writer.join(), Crash)
    assert (path.read_text(), producer.back) == ("before\n", [([1, 2], Why.INTERRUPTED)])


@dataclass(frozen=True)
class Visit:
    id: int
    page: str


INSERT = "INSERT INTO visits (id, page) VALUES (:id, :page) ON CONFLICT DO NOTHING"


@pytest.fixture
async def engine(database):
    engine = create_async_engine(sqlalchemy_url(database))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE visits (id integer PRIMARY KEY, page text NOT NULL)"))
    yield engine
    await engine.dispose()


async def pages(engine):
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text("SELECT id, page FROM visits ORDER BY id"))]


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([Visit(1, "a"), Visit(2, "b")], None),
        ([{"id": 1, "page": "a"}, {"id": 2, "page": "b"}], None),
        ([(1, "a"), (2, "b")], lambda pair: dict(zip(("id", "page"), pair, strict=True))),
    ],
    ids=["dataclasses", "mappings", "a function"],
)
async def test_a_database_gets_a_row_for_each_event(engine, events, row):
    producer, writer = await written_by(lambda sub: DatabaseWriter(sub, engine=engine, statement=INSERT, row=row))
    producer.emit(events)
    await producer.drain(10)
    await writer.stop()
    assert await pages(engine) == [(1, "a"), (2, "b")]


async def test_a_batch_is_one_transaction_and_one_that_cannot_be_goes_back(engine):
    producer, writer = await written_by(lambda sub: DatabaseWriter(sub, engine=engine, statement=INSERT))
    producer.emit([Visit(1, "a"), Visit(2, None)])
    assert isinstance(await writer.join(), Crash)
    assert (await pages(engine), producer.returned) == ([], [Visit(1, "a"), Visit(2, None)])


async def test_what_is_no_row_says_what_to_do(engine):
    _, writer = await written_by(lambda sub: DatabaseWriter(sub, engine=engine, statement=text(INSERT)))
    with pytest.raises(TypeError, match="int is no row: give the DatabaseWriter a row= that makes one of it"):
        await writer.write([1])
    await writer.stop()


async def test_a_lost_connection_is_weather_for_a_database_writer(engine, database):
    producer, writer = await written_by(lambda sub: DatabaseWriter(sub, engine=engine, statement=INSERT, backoff=constant(0.01)))
    await pages(engine)
    with connect(database) as killer:
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert killer.execute(others).fetchall()
    producer.emit([Visit(1, "a")])
    await producer.drain(10)
    await writer.stop()
    assert await pages(engine) == [(1, "a")]


class Server:
    """A server that answers as it is told, and writes down what it got."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = []

    def __call__(self, request):
        self.got.append(request)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)


async def posting(server, **options):
    client = httpx.AsyncClient(transport=httpx.MockTransport(server))
    options = {"client": client, "url": "http://shop/events", "backoff": constant(0.001), "rng": Random(0), **options}
    producer, poster = await written_by(lambda sub: HttpPoster(sub, **options))
    return client, producer, poster


async def test_a_batch_is_one_post():
    server = Server()
    client, producer, poster = await posting(server, headers={"X-Shop": "1"}, body=lambda events: {"events": events})
    producer.emit([1, 2])
    await producer.drain(10)
    assert [json.loads(request.content) for request in server.got] == [{"events": [1, 2]}]
    assert server.got[0].headers["X-Shop"] == "1"
    await poster.stop()
    await client.aclose()


@pytest.mark.parametrize("answer", [503, 429, httpx.ConnectError("nobody there")], ids=["503", "429", "nobody"])
async def test_a_server_that_says_later_gets_the_batch_again_under_the_same_key(answer):
    server = Server(answer, answer, 200)
    client, producer, poster = await posting(server)
    producer.emit([1, 2])
    await producer.drain(10)
    assert len({request.headers["Idempotency-Key"] for request in server.got}) == 1
    assert [json.loads(request.content) for request in server.got] == [[1, 2]] * 3
    producer, poster = await written_by(lambda sub: HttpPoster(sub, client=client, url="http://shop/events"))
    producer.emit([3])
    await producer.drain(10)
    assert len({request.headers["Idempotency-Key"] for request in server.got}) == 2
    await poster.stop()
    await client.aclose()


async def test_a_server_that_says_no_crashes_the_poster_and_the_batch_goes_back():
    client, producer, poster = await posting(Server(422))
    producer.emit([1, 2])
    reason = await poster.join()
    assert isinstance(reason.error, httpx.HTTPStatusError)
    assert producer.back == [([1, 2], Why.INTERRUPTED)]
    await client.aclose()


@virtual
async def test_fan_out_writes_everything_to_everyone():
    producer = await Push(dispatcher=BroadcastDispatcher()).start()
    writers = [Flaky(Subscription(producer, max_demand=3, min_demand=0)) for _ in range(2)]
    await started(*writers)
    producer.emit(range(3))
    await quiet()
    assert [writer.written for writer in writers] == [[[0, 1, 2]], [[0, 1, 2]]]


def test_the_patterns_are_found_and_others_are_not():
    assert {name for name in patterns.__all__ if getattr(patterns, name).__doc__} == set(patterns.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Oracle'"):
        _ = patterns.Oracle
