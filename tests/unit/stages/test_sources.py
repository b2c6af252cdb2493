"""Rules G70 and G71: between stages and plain Python."""

import asyncio
from contextlib import aclosing

import pytest
from tests.unit.stages.parts import Numbers, Push, Sink, quiet, started, virtual

from tidegate.stages import (
    BadOption,
    BroadcastDispatcher,
    Cancel,
    Demand,
    Normal,
    StageGone,
    Subscription,
    from_iterable,
    stream,
)


async def numbers(count, pause=0.0):
    for n in range(count):
        await asyncio.sleep(pause)
        yield n


@pytest.fixture(params=["iterable", "async iterable"])
def ten(request):
    return range(10) if request.param == "iterable" else numbers(10)


async def wired(source, *, high=4, low=2, **options):
    """Start a consumer before its source, which ends quickly, as a supervisor of both could not."""
    sink = Sink()
    if not source.alive:
        await source.start()
    await sink.start()
    await sink.subscribe(Subscription(source, max_demand=high, min_demand=low, **options))
    await quiet()
    return sink


@virtual
async def test_g71_ten_items_come_in_order_and_then_the_normal_end():
    source = from_iterable(range(10))
    sink = await wired(source)
    assert sink.batches == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert await source.join() == Normal()
    assert await sink.join() == Normal()


def test_g71_both_kinds_of_iterables_are_delivered_completely(ten):
    @virtual
    async def scenario():
        source = from_iterable(ten)
        sink = await wired(source)
        assert sink.events == list(range(10))
        assert await source.join() == Normal()

    scenario()


@virtual
async def test_g71_no_more_is_pulled_than_was_asked_for():
    pulled = []
    source = from_iterable(pulled.append(n) or n for n in range(100))
    sink = Sink()
    sink.gate.clear()
    await started(source, sink)
    await sink.subscribe(Subscription(source, max_demand=4, min_demand=2))
    await quiet()
    assert pulled == [0, 1, 2, 3]
    sink.kill()
    await source.stop()


@virtual
async def test_g71_the_end_waits_until_the_buffer_is_drained():
    source = from_iterable(range(3), dispatcher=BroadcastDispatcher())
    sink = await wired(source, high=2, low=0)
    assert sink.events == [0, 1, 2]
    assert await source.join() == Normal()


@virtual
async def test_g71_without_consumers_it_goes_on():
    source = from_iterable(range(10))
    first = await wired(source, cancel=Cancel.TEMPORARY, manual=True)
    await first.stop()
    await quiet()
    assert source.alive
    second = await wired(source)
    assert second.events == list(range(10))


@virtual
async def test_g71_it_can_be_told_to_stop_with_its_last_consumer():
    source = from_iterable(range(10), on_cancel="stop")
    first = await wired(source, manual=True)
    second = await wired(source, manual=True)
    await first.stop()
    await quiet()
    assert source.alive
    await second.stop()
    assert await source.join() == Normal()


@virtual
async def test_g71_an_iterable_that_raises_crashes_its_stage_after_what_it_yielded():
    def broken():
        yield 1
        yield 2
        raise OSError("unreadable")

    source = from_iterable(broken())
    sink = await wired(source, high=10)
    assert sink.events == [1, 2]
    assert isinstance((await source.join()).error, OSError)


@virtual
async def test_g71_an_async_iterable_that_raises_crashes_its_stage_after_what_it_yielded():
    async def broken():
        yield 1
        raise OSError("unreadable")

    source = from_iterable(broken())
    sink = await wired(source, high=10, low=0, cancel=Cancel.TEMPORARY)
    assert isinstance((await source.join()).error, OSError)
    assert sink.events == [1]
    await sink.stop()


@virtual
async def test_a_slow_async_iterable_keeps_nobody_from_being_heard():
    source = from_iterable(numbers(10, pause=100))
    sink = await wired(source)
    await asyncio.sleep(250)
    assert sink.events == [0, 1]
    before = asyncio.get_running_loop().time()
    await source.stop()
    assert asyncio.get_running_loop().time() == before
    await sink.join()


@virtual
async def test_a_slow_async_iterable_is_not_pulled_for_demand_that_was_taken_back():
    pulled = []

    async def slow():
        async for n in numbers(10, pause=1):
            pulled.append(n)
            yield n

    source = from_iterable(slow())
    sink = Sink()
    await started(source, sink)
    sub = await sink.subscribe(Subscription(source, max_demand=5))
    assert await sink.retract(sub, 5) == 5
    await asyncio.sleep(100)
    assert pulled == [0]
    await sink.stop()
    await source.stop()


@virtual
async def test_generators_are_closed_with_their_stage():
    closed = []

    def plain():
        try:
            yield from range(100)
        finally:
            closed.append("plain")

    async def asynchronous():
        try:
            for n in range(100):
                yield n
        finally:
            closed.append("async")

    for source in (from_iterable(plain()), from_iterable(asynchronous())):
        sink = await wired(source, manual=True)
        sink.ask(sink.subs[0], 1)
        await quiet()
        await source.stop()
    assert closed == ["plain", "async"]


@virtual
async def test_g70_a_stream_yields_the_events_one_by_one():
    source = await started(Numbers(limit=7, name="numbers"))
    asyncio.get_running_loop().call_later(1, lambda: asyncio.ensure_future(source.stop()))
    got = [n async for n in stream(Subscription("numbers", max_demand=4))]
    assert got == list(range(7))


@virtual
async def test_g70_a_stream_of_a_source_that_ends_is_complete():
    source = await started(from_iterable(range(10)))
    assert [n async for n in stream(Subscription(source, max_demand=3, min_demand=1))] == list(range(10))
    assert await source.join() == Normal()


@virtual
async def test_g70_a_stream_tells_its_producers_to_forward():
    source = await started(Numbers(limit=3, demand=Demand.ACCUMULATE))
    async with aclosing(stream(source)) as events:
        assert await anext(events) == 0
    await source.stop()


@virtual
async def test_g70_leaving_a_stream_gives_back_what_was_not_yielded():
    source = await started(Numbers(limit=1000))
    got = []
    async with aclosing(stream(Subscription(source, max_demand=1000))) as events:
        async for event in events:
            got.append(event)
            if len(got) == 10:
                break
    await quiet()
    assert got == list(range(10))
    assert sorted(source.returned) == list(range(10, 1000))
    assert {why for _, why in source.back} == {"consumer_gone"}
    assert source.cancelled == [Normal()]
    await source.stop()


@virtual
async def test_g70_more_is_asked_for_only_when_what_came_was_taken():
    source = await started(Numbers(limit=1000))
    async with aclosing(stream(Subscription(source, max_demand=4, min_demand=2))) as events:
        await anext(events)
        await quiet()
        assert source.demands == [4]
        await anext(events)
        await anext(events)
        await quiet()
        assert source.demands == [4, 2]
    await source.stop()


@pytest.mark.parametrize("mode", [Cancel.PERMANENT, Cancel.TRANSIENT])
@virtual
async def test_g70_a_stream_fails_with_its_producer(mode):
    source = await started(Numbers(limit=2))
    asyncio.get_running_loop().call_later(1, source.cast, lambda _: 1 / 0)
    events = stream(Subscription(source, cancel=mode))
    assert [await anext(events), await anext(events)] == [0, 1]
    with pytest.raises(StageGone) as caught:
        await anext(events)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@virtual
async def test_g70_a_temporary_stream_ends_with_its_last_producer():
    one, other = await started(Numbers(limit=2), Numbers(limit=3))
    loop = asyncio.get_running_loop()
    loop.call_later(1, one.cast, lambda _: 1 / 0)
    loop.call_later(2, other.kill)
    got = [n async for n in stream(*(Subscription(each, cancel=Cancel.TEMPORARY) for each in (one, other)))]
    assert sorted(got) == [0, 0, 1, 1, 2]


@virtual
async def test_g70_a_stream_of_nobody_fails():
    with pytest.raises(StageGone, match="NoProc"):
        await anext(stream("nobody"))


@virtual
async def test_a_stream_whose_reader_is_cancelled_gives_back_what_it_had():
    source = await started(p := Push())

    async def read():
        async with aclosing(stream(Subscription(source, max_demand=10))) as events:
            async for _ in events:
                await asyncio.sleep(1000)

    reading = asyncio.ensure_future(read())
    await quiet()
    p.emit([1, 2, 3])
    await quiet()
    reading.cancel()
    await asyncio.wait({reading})
    assert source.returned == [2, 3]
    await source.stop()


def test_g71_on_cancel_says_one_of_two_things():
    with pytest.raises(BadOption, match="expected on_cancel to be continue or stop, got: 'explode'"):
        from_iterable([], on_cancel="explode")
