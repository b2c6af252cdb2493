"""Rules B10 and B30 through the shell: a stage that gathers, times, flushes, and loses nothing."""

import asyncio

import pytest
from tests.unit.stages.parts import Push, Sink, quiet, started, virtual

from tidegate.stages import Batcher, Cancel, Normal, Subscription, Trigger, Why, by_weight


async def line(*, sink=None, **options):
    producer = await Push().start()
    batcher = await Batcher(Subscription(producer, max_demand=4, min_demand=2), **options).start()
    sink = sink or Sink(Subscription(batcher, max_demand=1, min_demand=0))
    return producer, batcher, await started(sink)


def batches(sink):
    return [(batch.key, list(batch), batch.trigger) for batch in sink.events]


@virtual
async def test_b10_batches_are_emitted_by_size_and_the_rest_by_timeout_since_its_first_event():
    producer, _, sink = await line(size=3, timeout=1.0)
    producer.emit(range(5))
    await quiet()
    assert batches(sink) == [(None, [0, 1, 2], Trigger.SIZE)]
    await asyncio.sleep(0.9)
    assert len(sink.events) == 1
    await asyncio.sleep(0.2)
    assert batches(sink)[1] == (None, [3, 4], Trigger.TIMEOUT)


@virtual
async def test_b10_keys_are_timed_one_by_one():
    producer, _, sink = await line(size=3, timeout=1.0, key=lambda n: n % 2)
    producer.emit([0])
    await asyncio.sleep(0.5)
    producer.emit([1, 2])
    await asyncio.sleep(0.6)
    assert batches(sink) == [(0, [0, 2], Trigger.TIMEOUT)]
    await asyncio.sleep(0.5)
    assert batches(sink)[1] == (1, [1], Trigger.TIMEOUT)


@virtual
async def test_b10_a_flushing_event_does_not_wait():
    producer, _, sink = await line(size=10, timeout=60, flush_on=lambda n: n == 1)
    producer.emit([0, 1])
    await quiet()
    assert batches(sink) == [(None, [0, 1], Trigger.FLUSH)]


@virtual
async def test_b11_batches_may_be_as_large_as_their_events_are():
    producer, _, sink = await line(size=by_weight(5, lambda n: n), timeout=60)
    producer.emit([1, 4, 5, 2])
    await quiet()
    assert batches(sink) == [(None, [1, 4], Trigger.SIZE), (None, [5], Trigger.SIZE)]


@virtual
async def test_more_is_asked_for_while_a_batch_grows():
    producer, batcher, sink = await line(size=10, timeout=60)
    for n in range(10):
        producer.emit([n])
        await quiet()
    assert len(sink.events) == 1
    assert batcher.describe()["gathered"] == 0


@virtual
async def test_it_can_be_flushed_by_hand():
    producer, batcher, sink = await line(size=10, timeout=60)
    producer.emit([1, 2])
    await quiet()
    batcher.flush()
    await quiet()
    assert batches(sink) == [(None, [1, 2], Trigger.FLUSH)]


@virtual
async def test_b30_a_drain_flushes_what_is_gathered():
    producer, batcher, sink = await line(size=10, timeout=60)
    producer.emit(range(3))
    await quiet()
    await producer.drain(5)
    assert batches(sink) == [(None, [0, 1, 2], Trigger.FLUSH)]
    assert (producer.returned, batcher.alive) == ([], False)


@pytest.mark.parametrize("end", ["stop", "kill", "crash"])
@virtual
async def test_any_other_end_gives_back_what_is_gathered(end):
    producer, batcher, _ = await line(size=10, timeout=60)
    producer.emit(range(3))
    await quiet()
    match end:
        case "stop":
            await batcher.stop()
        case "kill":
            batcher.kill()
        case "crash":
            batcher._post(batcher._fail, None, RuntimeError("told to"))
    await quiet()
    assert producer.back == [([0], Why.CONSUMER_GONE), ([1], Why.CONSUMER_GONE), ([2], Why.CONSUMER_GONE)]


@virtual
async def test_batches_that_nobody_takes_go_back_event_by_event_to_whom_they_came_from():
    one, two = await Push().start(), await Push().start()
    batcher = await Batcher(one, two, size=2, timeout=60).start()
    sink = Sink(Subscription(batcher, max_demand=1, min_demand=0))
    sink.gate.clear()
    await started(sink)
    one.emit(["a"])
    await quiet()
    two.emit(["b"])
    await quiet()
    assert sink.began == 1
    sink.kill()
    await quiet()
    assert (one.back, two.back) == ([(["a"], Why.INTERRUPTED)], [(["b"], Why.INTERRUPTED)])


@virtual
async def test_an_event_without_a_key_costs_its_chunk_and_no_event_comes_back_twice():
    producer = await Push().start()
    batcher = await Batcher(Subscription(producer, max_demand=10, min_demand=0), key=lambda n: 1 // n, timeout=60).start()
    await started(Sink(Subscription(batcher, max_demand=1, min_demand=0, cancel=Cancel.TEMPORARY)))
    producer.emit([1])
    await quiet()
    producer.emit([2, 0])
    await quiet()
    assert not batcher.alive
    assert sorted(producer.returned) == [0, 1, 2]


@virtual
async def test_its_alarm_ends_with_it():
    producer, batcher, _ = await line(size=10, timeout=1.0)
    producer.emit([1])
    await quiet()
    await batcher.stop(Normal())
    await asyncio.sleep(5)
    assert producer.returned == [1]
