"""Rule B30: ending a pipeline from its source without losing or repeating anything."""

import asyncio

import pytest
from tests.unit.stages.parts import Numbers, Push, Sink, Through, quiet, started, virtual

from tidegate.stages import DRAINED, BroadcastDispatcher, Cancel, Demand, PartitionDispatcher, Subscription, TaskConsumer


class Slow(Sink):
    """Takes a second for each batch."""

    async def handle_events(self, events, sub):
        await asyncio.sleep(1)
        await super().handle_events(events, sub)


@virtual
async def test_b30_what_was_emitted_is_handled_and_then_the_consumers_end():
    source, sink = await started(s := Push(), Slow(Subscription(s, max_demand=2, min_demand=0)))
    source.emit(range(5))
    await source.drain(timeout=60)
    assert sink.events == [0, 1, 2, 3, 4]
    assert await sink.join() == DRAINED
    assert (source.alive, source.back) == (True, [])
    await source.stop()


@virtual
async def test_b30_a_producer_that_drains_is_told_and_asked_for_nothing_more():
    class Polling(Push):
        told = False

        async def handle_drain(self):
            self.told = True
            self.emit(["the last one"])

    source, sink = await started(s := Polling(), Slow(Subscription(s, max_demand=2, min_demand=0)))
    source.emit([1, 2, 3])
    await source.drain(timeout=60)
    assert source.told
    assert source.demands == [2]
    assert sink.events == [1, 2, 3, "the last one"]
    await source.stop()


@virtual
async def test_b30_draining_goes_through_the_whole_pipeline():
    source = await started(Push())
    middle = await started(Through(Subscription(source, max_demand=4), function=lambda n: [n, n]))
    sinks = await started(*(Slow(Subscription(middle, max_demand=1, min_demand=0)) for _ in range(2)))
    source.emit(range(6))
    await source.drain(timeout=60)
    assert sorted(event for sink in sinks for event in sink.events) == sorted([*range(6)] * 2)
    assert (source.back, middle.back) == ([], [])
    assert [await stage.join() for stage in (middle, *sinks)] == [DRAINED] * 3
    await source.stop()


@virtual
async def test_b30_a_stage_in_the_middle_may_flush_what_it_gathered():
    class Gathering(Through):
        def __init__(self, *subs):
            super().__init__(*subs)
            self.gathered = []

        async def handle_events(self, events, sub):
            self.gathered += events
            return ()

        async def handle_drain(self):
            self.emit([tuple(self.gathered)])

    source = await started(Push())
    middle = await started(Gathering(Subscription(source, max_demand=2, min_demand=0)))
    sink = await started(Slow(Subscription(middle, max_demand=1, min_demand=0)))
    source.emit([1, 2, 3])
    await source.drain(timeout=60)
    assert sink.events == [(1, 2, 3)]
    await source.stop()


@virtual
async def test_b30_running_tasks_are_waited_for():
    done = []

    async def handle(event):
        await asyncio.sleep(event)
        done.append(event)

    source = await started(Push())
    pool = await started(TaskConsumer(source, handler=handle, slots=2))
    source.emit([5, 1, 3])
    await source.drain(timeout=60)
    assert sorted(done) == [1, 3, 5]
    assert not pool.alive
    await source.stop()


@virtual
async def test_b30_a_drain_that_takes_too_long_says_so_and_the_rest_comes_back_with_stop():
    source, sink = await started(s := Push(), Sink(Subscription(s, max_demand=1, min_demand=0)))
    sink.gate.clear()
    source.emit([1, 2, 3])
    with pytest.raises(TimeoutError, match="was not drained within 5 s"):
        await source.drain(timeout=5)
    await source.stop()
    assert source.returned == [2, 3]
    sink.kill()


@virtual
async def test_b30_a_temporary_consumer_outlives_the_drain_and_does_not_come_back():
    source = await started(Push(name="source"))
    sink = await started(Slow(Subscription("source", max_demand=2, min_demand=0, cancel=Cancel.TEMPORARY, resubscribe=1)))
    source.emit([1, 2, 3])
    await source.drain(timeout=60)
    await asyncio.sleep(10)
    assert sink.events == [1, 2, 3]
    assert sink.alive
    assert len(sink.subs) == 1
    await sink.stop()
    await source.stop()


@virtual
async def test_b30_nobody_can_subscribe_to_what_is_drained():
    source = await started(Push())
    await source.drain(timeout=1)
    sink = await started(Sink(source))
    assert await sink.join() == DRAINED
    await source.stop()


@virtual
async def test_b30_what_was_accumulated_is_delivered():
    source, sink = await started(s := Push(demand=Demand.ACCUMULATE), Slow(Subscription(s, max_demand=2, min_demand=0)))
    source.emit([1, 2, 3])
    await source.drain(timeout=60)
    assert sink.events == [1, 2, 3]
    await source.stop()


@pytest.mark.parametrize(
    "dispatcher", [BroadcastDispatcher(), PartitionDispatcher(2, hash=lambda n: (n, n % 2))], ids=["broadcast", "partition"]
)
@virtual
async def test_b30_every_dispatcher_is_emptied(dispatcher):
    source = await started(Push(dispatcher=dispatcher))
    sinks = await started(*(Slow(Subscription(source, max_demand=2, min_demand=0, partition=n)) for n in range(2)))
    source.emit(range(7))
    await source.drain(timeout=60)
    assert sorted({event for sink in sinks for event in sink.events}) == list(range(7))
    assert source.back == []
    await source.stop()


@virtual
async def test_draining_twice_is_draining_once():
    source, sink = await started(s := Push(), Slow(Subscription(s, max_demand=1, min_demand=0)))
    source.emit([1, 2])
    await asyncio.gather(source.drain(timeout=60), source.drain(timeout=60))
    await source.drain(timeout=60)
    assert sink.events == [1, 2]
    await source.stop()


@virtual
async def test_a_second_drain_does_not_end_before_the_first():
    source = await started(Push())
    source.emit([1, 2])
    first, second = asyncio.ensure_future(source.drain(timeout=5)), asyncio.ensure_future(source.drain(timeout=5))
    await asyncio.wait({first, second})
    assert isinstance(first.exception(), TimeoutError)  # nobody takes what is buffered
    assert isinstance(second.exception(), TimeoutError)
    await source.stop()
    assert source.returned == [1, 2]


@virtual
async def test_draining_what_has_ended_returns():
    source = await started(Numbers())
    await source.stop()
    await source.drain(timeout=1)
    assert not source.alive
    await quiet()
