"""Producers that poll, that are pushed into, that empty a queue, and the limit on their pace."""

import asyncio
import logging
from random import Random

import pytest
from tests.unit.stages.parts import Push, Sink, quiet, started, virtual

from tidegate.backoff import constant
from tidegate.stages import BadOption, Cancel, Demand, Normal, StageGone, Subscription, Why
from tidegate.stages.patterns import FixedWindow, Full, PollingProducer, PushProducer, QueueProducer, RateLimited
from tidegate.supervision import Crash


def now():
    return asyncio.get_running_loop().time()


async def behind(producer, *, high=2, low=0, cancel=Cancel.TEMPORARY, closed=False):
    sink = Sink(Subscription(producer, max_demand=high, min_demand=low, cancel=cancel))
    if closed:
        sink.gate.clear()
    await started(producer, sink)
    return sink


class Table:
    """Rows that are claimed `n` at a time; each fetch takes `pause` seconds."""

    def __init__(self, rows=0, *, pause=0.0):
        self.rows = list(range(rows))
        self.pause = pause
        self.fetches = []
        self.error = None

    async def fetch(self, n):
        self.fetches.append((now(), n))
        await asyncio.sleep(self.pause)
        if self.error is not None:
            raise self.error
        taken, self.rows = self.rows[:n], self.rows[n:]
        return taken


class Poller(PollingProducer):
    def __init__(self, fetch, **options):
        super().__init__(fetch, **{"rng": Random(1), **options})
        self.back = []

    def on_undelivered(self, events, why):
        self.back += events


@virtual
async def test_polling_fetches_what_is_wanted_and_nothing_without_demand():
    table = Table(5)
    producer = await started(Poller(table.fetch))
    assert table.fetches == []
    sink = await started(Sink(Subscription(producer, max_demand=2, min_demand=0)))
    await asyncio.sleep(0.5)
    assert sink.events == [0, 1, 2, 3, 4]
    assert [n for _, n in table.fetches] == [2, 2, 2, 1]


@virtual
async def test_polling_asks_again_after_every_seconds_give_or_take_a_tenth():
    table = Table()
    await behind(Poller(table.fetch, every=10.0))
    await asyncio.sleep(100)
    gaps = [late - early for (early, _), (late, _) in zip(table.fetches, table.fetches[1:], strict=False)]
    assert gaps
    assert all(9 <= gap <= 11 for gap in gaps)
    assert len(set(gaps)) > 1


@virtual
async def test_polling_is_woken_by_a_notification():
    table = Table()
    producer = Poller(table.fetch, every=60)
    sink = await behind(producer)
    table.rows = [7]
    producer.wake()
    await quiet()
    assert sink.events == [7]


@virtual
async def test_polling_waits_out_weather_and_tells_of_it_once(caplog):
    caplog.set_level(logging.WARNING, "tidegate.stages")
    table = Table(1)
    table.error = OSError("away")
    producer = Poller(table.fetch, retry_on=(OSError,), backoff=constant(5))
    sink = await behind(producer)
    await asyncio.sleep(12)
    assert [at for at, _ in table.fetches] == pytest.approx([0, 5, 10], abs=0.01)
    table.error = None
    await asyncio.sleep(5)
    assert sink.events == [0]
    assert [record.message.split(": ")[1] for record in caplog.records] == [
        "its source does not answer (away); it goes on asking",
        "its source answers again",
    ]


@virtual
async def test_polling_crashes_with_any_other_error():
    table = Table(1)
    table.error = ValueError("no such table")
    producer = Poller(table.fetch)
    await behind(producer)
    assert isinstance((await producer.join()).error, ValueError)


@virtual
async def test_b30_a_drain_delivers_the_fetch_under_way_and_polls_no_more():
    table = Table(4, pause=3)
    producer = Poller(table.fetch)
    sink = await behind(producer, high=2, cancel=Cancel.PERMANENT)
    await producer.drain(10)
    assert (sink.events, table.rows, now()) == ([0, 1], [2, 3], pytest.approx(3, abs=0.1))


@virtual
async def test_a_stop_waits_for_the_fetch_under_way_and_hands_back_what_it_brings():
    table = Table(4, pause=3)
    producer = Poller(table.fetch)
    await behind(producer)
    await producer.stop()
    assert (producer.back, now()) == ([0, 1], pytest.approx(3, abs=0.1))


@virtual
async def test_a_stop_does_not_wait_for_the_next_poll():
    producer = Poller(Table().fetch, every=100)
    await behind(producer)
    await producer.stop()
    assert now() < 1


@virtual
async def test_a_slow_fetch_keeps_nobody_from_being_heard():
    class Answering(Poller):
        async def handle_call(self, request):
            return request

    producer = Answering(Table(pause=50).fetch)
    await behind(producer)
    assert await producer.call("there?") == "there?"
    assert now() < 1
    producer.kill()


@virtual
async def test_polling_for_demand_that_was_taken_back_ends():
    table = Table()
    producer, sink = Poller(table.fetch, every=1), Sink()
    await started(producer, sink)
    sub = await sink.subscribe(Subscription(producer, max_demand=3, manual=True))
    sink.ask(sub, 3)
    await asyncio.sleep(3)
    assert await sink.retract(sub, 3) == 3
    before = len(table.fetches)
    await asyncio.sleep(10)
    assert len(table.fetches) <= before + 1
    assert producer.describe()["owed"] == 0


def test_polling_options_that_cannot_hold_are_refused():
    with pytest.raises(BadOption, match="expected every to be a number of seconds above 0, got: 0"):
        PollingProducer(Table().fetch, every=0)


@virtual
async def test_put_waits_for_room():
    producer = PushProducer(buffer_size=2)
    sink = await behind(producer, high=1)
    sink.gate.clear()
    for n in range(3):  # one is being handled, two are buffered
        await producer.put(n)
    waiting = asyncio.ensure_future(producer.put(3))
    await quiet()
    assert (waiting.done(), producer.buffered) == (False, 2)
    sink.gate.set()
    await waiting
    await quiet()
    assert sink.events == [0, 1, 2, 3]


@virtual
async def test_offer_refuses_where_there_is_no_room():
    producer = await started(PushProducer(buffer_size=1))
    producer.offer(1)
    with pytest.raises(Full, match="buffers 1 events and has no room") as caught:
        producer.offer(2)
    assert (caught.value.size, caught.value.exit_code) == (1, 4)
    sink = await started(Sink(Subscription(producer, max_demand=5)))
    producer.offer(3)
    await quiet()
    assert sink.events == [1, 3]


@virtual
async def test_what_is_accumulated_counts_as_buffered():
    producer = await started(PushProducer(buffer_size=1, demand=Demand.ACCUMULATE))
    producer.offer(1)
    with pytest.raises(Full):
        producer.offer(2)
    waiting = asyncio.ensure_future(producer.put(2))
    sink = await started(Sink(producer))
    producer.set_demand(Demand.FORWARD)
    await waiting
    await quiet()
    assert sink.events == [1, 2]


@pytest.mark.parametrize("end", ["stop", "kill", "drain"])
@virtual
async def test_who_waits_for_room_is_told_of_the_end(end):
    producer = await started(PushProducer(buffer_size=1))
    producer.offer(1)
    waiting = asyncio.ensure_future(producer.put(2))
    await quiet()
    match end:
        case "stop":
            await producer.stop()
        case "kill":
            producer.kill()
        case "drain":
            with pytest.raises(TimeoutError):
                await producer.drain(1)
    with pytest.raises(StageGone):
        await waiting
    with pytest.raises(StageGone):
        producer.offer(3)


@virtual
async def test_a_queue_is_emptied_as_fast_as_events_are_wanted():
    queue = asyncio.Queue()
    for n in range(10):
        queue.put_nowait(n)
    producer = QueueProducer(queue)
    sink = await behind(producer, high=3, closed=True)
    assert queue.qsize() == 7
    sink.gate.set()
    await quiet()
    assert sink.events == list(range(10))
    queue.put_nowait(10)
    await quiet()
    assert sink.events[-1] == 10


@virtual
async def test_a_queue_may_say_that_it_is_over():
    queue = asyncio.Queue()
    for item in (1, 2, None, 3):
        queue.put_nowait(item)
    producer = QueueProducer(queue, end=None)
    sink = await behind(producer, high=10, low=9)
    assert await producer.join() == Normal()
    assert (sink.events, queue.qsize()) == ([1, 2], 1)


@virtual
async def test_what_comes_back_is_put_into_the_queue_again():
    queue = asyncio.Queue(3)
    for n in range(3):
        queue.put_nowait(n)
    producer = QueueProducer(queue)
    sink = await behind(producer, high=3, closed=True)
    for n in (3, 4):
        queue.put_nowait(n)
    sink.kill()
    await quiet()
    assert [queue.get_nowait() for _ in range(3)] == [3, 4, 0]
    await quiet()
    assert [queue.get_nowait() for _ in range(2)] == [1, 2]
    await producer.stop()


@virtual
async def test_waiting_for_a_queue_loses_nothing_at_the_end():
    queue = asyncio.Queue()
    producer = QueueProducer(queue)
    await behind(producer)
    stopping = asyncio.ensure_future(producer.stop())
    queue.put_nowait("late")
    await stopping
    await quiet()
    assert queue.get_nowait() == "late"


def test_b20_a_window_allows_so_many_and_then_none_until_it_is_over():
    limit = FixedWindow(3, 10.0)
    assert [limit.take(2, 0.0), limit.take(2, 1.0), limit.take(1, 9.9)] == [2, 1, 0]
    assert limit.opens_in(4.0) == 6.0
    assert (limit.take(5, 10.0), repr(limit)) == (3, "<FixedWindow 3 in 10 s, 0 left>")


def test_b20_a_window_opens_with_the_first_event_after_the_last_one_is_over():
    limit = FixedWindow(1, 10.0)
    limit.take(1, 0.0)
    assert limit.opens_in(100.0) == 0.0
    assert limit.take(1, 100.0) == 1
    assert limit.opens_in(101.0) == 9.0


def test_b20_an_update_holds_from_the_next_window_on_and_with_reset_from_now_on():
    limit = FixedWindow(1, 10.0)
    limit.take(1, 0.0)
    limit.update(5, 2.0)
    assert [limit.take(9, 9.0), limit.take(9, 10.0), limit.opens_in(11.0)] == [0, 5, 1.0]
    limit.update(7, 2.0, reset=True)
    assert limit.take(9, 11.0) == 7


@pytest.mark.parametrize(("numbers", "option"), [((0, 1), "allowed"), ((1, 0), "interval")])
def test_b20_a_limit_that_cannot_hold_is_refused(numbers, option):
    with pytest.raises(BadOption) as caught:
        FixedWindow(*numbers)
    assert caught.value.option == option


async def limited(limit, *, high=4, sink_high=10):
    producer = await Push().start()
    stage = await RateLimited(Subscription(producer, max_demand=high, min_demand=0), limit=limit).start()
    return producer, stage, await started(Sink(Subscription(stage, max_demand=sink_high)))


@virtual
async def test_b20_no_more_than_allowed_passes_in_a_window_and_the_order_stays():
    producer, _, sink = await limited(FixedWindow(2, 1.0))
    producer.emit(range(7))
    seen = []
    for _ in range(4):
        await asyncio.sleep(0.5)
        seen.append(len(sink.events))
        await asyncio.sleep(0.5)
    assert (seen, sink.events) == ([2, 4, 6, 7], list(range(7)))


@virtual
async def test_b20_two_stages_share_one_limit():
    limit = FixedWindow(2, 1.0)
    one, _, left = await limited(limit)
    two, _, right = await limited(limit)
    one.emit([1, 2, 3])
    two.emit([4, 5, 6])
    await asyncio.sleep(0.5)
    assert len(left.events + right.events) == 2
    await asyncio.sleep(2.5)
    assert len(left.events + right.events) == 6


@virtual
async def test_b20_an_update_is_felt_by_who_waits():
    limit = FixedWindow(1, 100.0)
    producer, _, sink = await limited(limit)
    producer.emit([1, 2, 3])
    await quiet()
    limit.update(5, 1.0, reset=True)
    await quiet()
    assert sink.events == [1, 2, 3]


@virtual
async def test_b20_a_stop_gives_back_what_waits_and_a_drain_lets_it_through():
    producer, stage, sink = await limited(FixedWindow(2, 1.0))
    producer.emit([1, 2, 3, 4])
    await quiet()
    await stage.stop()
    assert (sink.events, producer.back) == ([1, 2], [([3, 4], Why.CONSUMER_GONE)])
    producer, _, sink = await limited(FixedWindow(2, 1.0))
    producer.emit([1, 2, 3, 4])
    await producer.drain(10)
    assert (sink.events, producer.back) == ([1, 2, 3, 4], [])


@virtual
async def test_b20_it_says_how_much_is_left():
    _, stage, _ = await limited(FixedWindow(2, 1.0))
    assert stage.describe()["limit"] == "<FixedWindow 2 in 1 s, 0 left>"


@virtual
async def test_a_pull_that_calls_sys_exit_crashes_its_stage_only():
    class Leaving(PollingProducer):
        async def pull(self, demand):
            raise SystemExit(3)

    producer = Leaving(Table().fetch)
    await behind(producer)
    assert isinstance(await producer.join(), Crash)
