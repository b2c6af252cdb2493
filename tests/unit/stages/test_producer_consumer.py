"""Rules G50 to G54, and G20, G42, G53 for a stage in the middle."""

import asyncio

import pytest
from tests.unit.stages.parts import Numbers, Push, Sink, Through, quiet, started, virtual

from tidegate.stages import BadReturn, Cancel, Crash, Demand, Normal, Shutdown, Subscription


async def stop(*stages):
    for stage in stages:
        await stage.stop()


async def middle_of(*, high, low=None, limit=100, function=lambda n: [n], **options):
    """Return a counting source, a stage in the middle, and a consumer behind it that asks by hand."""
    source = await started(Numbers(limit=limit))
    middle = await started(Through(Subscription(source, max_demand=high, min_demand=low, **options), function=function))
    sink = await started(Sink(Subscription(middle, manual=True, cancel=Cancel.TEMPORARY)))
    return source, middle, sink


def ask(sink, n):
    sink.ask(sink.subs[0], n)
    return quiet()


@virtual
async def test_g50_it_asks_upstream_at_once_and_handles_nothing_until_somebody_asks_it():
    source, middle, sink = await middle_of(high=10, low=5)
    assert source.demands == [10]
    assert middle.batches == []
    assert middle.describe()["queued"] == 10
    await stop(sink, middle, source)


@virtual
async def test_g51_one_ask_has_a_whole_chunk_handled_and_the_rest_buffered():
    source, middle, sink = await middle_of(high=10, low=5)
    await ask(sink, 1)
    assert middle.batches == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert (sink.events, middle.buffered) == ([0], 9)
    assert source.demands == [10, 5, 5]
    await stop(sink, middle, source)


@virtual
async def test_g51_a_stage_that_discards_keeps_its_demand_and_goes_on():
    source, middle, sink = await middle_of(high=4, low=0, limit=12, function=lambda n: [n] if n == 9 else [])
    await ask(sink, 1)
    assert middle.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert sink.events == [9]
    await stop(sink, middle, source)


@virtual
async def test_g52_fan_out_is_buffered_and_serves_later_asks_before_more_is_handled():
    source, middle, sink = await middle_of(high=4, low=2, function=lambda n: [n, n])
    await ask(sink, 3)
    assert (sink.events, middle.buffered) == ([0, 0, 1], 5)
    handled = len(middle.batches)
    await ask(sink, 5)
    assert (sink.events, middle.buffered) == ([0, 0, 1, 1, 2, 2, 3, 3], 0)
    assert len(middle.batches) == handled
    await stop(sink, middle, source)


@virtual
async def test_g52_events_that_it_emits_by_itself_count_as_well():
    source, middle, sink = await middle_of(high=4, low=0, limit=0)
    await ask(sink, 2)
    middle.emit(["a", "b", "c"])
    await quiet()
    assert (sink.events, middle.buffered) == (["a", "b"], 1)
    await stop(sink, middle, source)


@pytest.mark.parametrize("mode", [Cancel.PERMANENT, Cancel.TEMPORARY])
@virtual
async def test_g53_the_end_of_a_producer_waits_behind_the_chunks_that_it_sent(mode):
    source, middle, sink = await middle_of(high=4, low=0, limit=4, cancel=mode)
    await source.stop()
    await quiet()
    assert (middle.alive, middle.cancelled, middle.batches) == (True, [], [])
    await ask(sink, 4)
    assert sink.events == [0, 1, 2, 3]
    assert middle.cancelled == [Normal()]
    assert middle.alive is (mode is Cancel.TEMPORARY)
    await stop(sink, middle)


@virtual
async def test_g54_a_stalled_consumer_has_exactly_what_it_asked_for_pulled():
    class Asleep(Sink):
        async def handle_events(self, events, sub):
            await asyncio.sleep(10**9)

    source = await started(Numbers())
    middle = await started(Through(Subscription(source, max_demand=10, min_demand=8)))
    sink = await started(Asleep(Subscription(middle, max_demand=10, min_demand=5)))
    await asyncio.sleep(1000)
    # ten asked for at the start, and two for each two that went out, until ten had
    assert sum(len(batch) for batch in middle.batches) == 10
    sink.kill()
    await stop(middle, source)


@virtual
async def test_g42_an_info_waits_behind_the_queue_and_then_behind_the_buffer():
    source, middle, sink = await middle_of(high=4, low=0, limit=4)
    middle.info("behind 3")
    await quiet()
    assert middle.infos == []
    await ask(sink, 2)
    assert middle.infos == []
    await ask(sink, 2)
    assert middle.infos == ["behind 3"]
    await stop(sink, middle, source)


@virtual
async def test_g41_what_it_has_not_handled_is_not_buffered():
    source, middle, sink = await middle_of(high=4, low=0)
    assert (middle.buffered, middle.describe()["queued"]) == (0, 4)
    await stop(sink, middle, source)


@virtual
async def test_g34_it_only_forwards_demand(caplog):
    source, middle, sink = await middle_of(high=4, low=0)
    middle.set_demand(Demand.FORWARD)
    assert caplog.messages == []
    middle.set_demand(Demand.ACCUMULATE)
    assert "can only forward demand" in caplog.text
    assert middle.demand_mode is Demand.FORWARD
    await stop(sink, middle, source)


@virtual
async def test_g4_its_buffer_has_no_limit_unless_given_one():
    assert Through()._buffer.size is None
    assert Through(buffer_size=3)._buffer.size == 3


@virtual
async def test_it_must_return_what_it_emits_and_its_batch_comes_back_if_it_does_not():
    class Forgetful(Through):
        async def handle_events(self, events, sub):
            return None

    source = await started(Numbers(limit=4))
    middle = await started(Forgetful(Subscription(source, max_demand=4, min_demand=0)))
    sink = await started(Sink(middle))
    reason = await middle.join()
    assert isinstance(reason.error, BadReturn)
    assert source.back == [([0, 1, 2, 3], "interrupted")]
    await sink.join()
    await source.stop()


@virtual
async def test_a_pipeline_keeps_order_and_loses_nothing():
    source = await started(Numbers(limit=50))
    first = await started(Through(Subscription(source, max_demand=7, min_demand=3), function=lambda n: [n, -n]))
    second = await started(Through(Subscription(first, max_demand=5), function=lambda n: [n] if n >= 0 else []))
    sink = await started(Sink(Subscription(second, max_demand=3, min_demand=1)))
    assert sink.events == [0, *range(50)]
    await stop(sink, second, first, source)


@virtual
async def test_fan_in_takes_from_both():
    one, other = await started(Numbers(limit=5), Push())
    middle = await started(Through(Subscription(one, max_demand=3), Subscription(other, max_demand=3)))
    sink = await started(Sink(Subscription(middle, max_demand=100)))
    other.emit(["a", "b"])
    await quiet()
    assert sorted(map(str, sink.events)) == ["0", "1", "2", "3", "4", "a", "b"]
    await stop(sink, middle, one, other)


@virtual
async def test_its_end_is_seen_on_both_sides():
    source, middle, sink = await middle_of(high=4, low=0)
    await middle.stop(Shutdown("enough"))
    await quiet()
    assert (source.cancelled, sink.cancelled) == ([Shutdown("enough")], [Shutdown("enough")])
    await stop(sink, source)


@virtual
async def test_a_consumer_behind_it_may_take_back_demand():
    source, middle, sink = await middle_of(high=4, low=0, limit=0)
    await ask(sink, 5)
    assert await sink.retract(sink.subs[0], 3) == 3
    middle.emit(range(5))
    await quiet()
    assert (sink.events, middle.buffered) == ([0, 1], 3)
    await stop(sink, middle, source)


@virtual
async def test_what_it_queues_is_nobodys_any_more_when_it_is_killed():
    source, middle, sink = await middle_of(high=4, low=0)
    middle.info("never seen")
    await quiet()
    middle.kill()
    assert source.back == [([0, 1, 2, 3], "consumer_gone")]
    assert middle.dropped == ["never seen"]
    await quiet()
    assert not isinstance(sink.cancelled[0], Crash)
    await stop(sink, source)
