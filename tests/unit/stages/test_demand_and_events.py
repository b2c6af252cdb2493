"""Rules G20 to G43 through the shell: consumers that ask, producers that answer, the buffer between them."""

import asyncio

import pytest
from tests.unit.stages.parts import Numbers, Owing, Push, Sink, quiet, started, virtual

from tidegate.stages import BadReturn, BroadcastDispatcher, Cancel, Demand, Keep, Subscription


async def pushing(*, high, low=None, manual=False, **options):
    """Return a producer that only delivers what is pushed into it, and a consumer with these limits."""
    return await started(p := Push(**options), Sink(Subscription(p, max_demand=high, min_demand=low, manual=manual)))


async def stop(*stages):
    for stage in stages:
        await stage.stop()


# What a consumer does with events


@virtual
async def test_g20_events_are_handled_in_order_in_batches_of_max_minus_min():
    producer, sink = await pushing(high=10, low=7)
    producer.emit(range(8))
    await quiet()
    assert sink.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]
    await stop(sink, producer)


@virtual
async def test_g21_what_was_handled_is_asked_for_again_when_min_is_reached():
    producer, sink = await pushing(high=10, low=5)
    producer.emit(range(4))
    await quiet()
    assert producer.demands == [10]
    producer.emit(range(3))
    await quiet()
    assert producer.demands == [10, 7]
    await stop(sink, producer)


@virtual
async def test_g22_the_ask_follows_the_handling():
    producer, sink = await pushing(high=2, low=0)
    sink.gate.clear()
    producer.emit([1, 2])
    await quiet()
    assert producer.demands == [2]
    sink.gate.set()
    await quiet()
    assert producer.demands == [2, 2]
    await stop(sink, producer)


@virtual
async def test_g22_one_at_a_time_asks_one_handles_one_asks_one():
    log = []

    class Counted(Push):
        async def handle_demand(self, demand):
            log.append(f"asked {demand}")
            return [len(log)] if len(log) < 6 else []

    class One(Sink):
        async def handle_events(self, events, sub):
            log.append(f"handled {len(events)}")

    producer, sink = await started(p := Counted(), One(Subscription(p, max_demand=1, min_demand=0)))
    assert log == ["asked 1", "handled 1", "asked 1", "handled 1", "asked 1", "handled 1", "asked 1"]
    await stop(sink, producer)


@virtual
async def test_g23_events_that_nobody_asked_for_are_handled_all_the_same(caplog):
    producer, sink = await pushing(high=2, low=0)
    sink._deliver(sink.subs[0], [1, 2, 3])
    await quiet()
    assert sink.events == [1, 2, 3]
    assert "received 1 events in excess" in caplog.text
    await stop(sink, producer)


@virtual
async def test_g24_an_empty_message_calls_nobody():
    producer = await started(Push(dispatcher=BroadcastDispatcher()))
    sink = await started(Sink(Subscription(producer, selector=lambda _: False)))
    producer.emit([1, 2])
    await quiet()
    assert sink.began == 0
    await stop(sink, producer)


@virtual
async def test_g25_max_1000_min_750_three_arrivals_of_100_are_one_ask_of_300():
    producer, sink = await pushing(high=1000, low=750)
    for _ in range(3):
        producer.emit(range(100))
        await quiet()
    assert [len(batch) for batch in sink.batches] == [100, 100, 100]
    assert producer.demands == [1000, 300]
    await stop(sink, producer)


@virtual
async def test_g26_manual_demand_is_asked_by_hand_and_delivered_in_one_call():
    producer, sink = await pushing(high=4, low=2, manual=True)
    assert producer.demands == []
    sink.ask(sink.subs[0], 7)
    await quiet()
    producer.emit(range(7))
    await quiet()
    assert sink.batches == [list(range(7))]
    assert producer.demands == [7]
    await stop(sink, producer)


@virtual
async def test_g26_asking_for_nothing_does_nothing_and_for_less_is_an_error():
    producer, sink = await pushing(high=4, manual=True)
    sink.ask(sink.subs[0], 0)
    await quiet()
    assert producer.demands == []
    with pytest.raises(ValueError, match="expected demand to be equal to or greater than 0, got: -1"):
        sink.ask(sink.subs[0], -1)
    await stop(sink, producer)


@virtual
async def test_g27_a_producer_that_delivers_less_is_not_asked_again():
    producer, sink = await pushing(high=10, low=5)
    producer.emit([1, 2])
    await asyncio.sleep(1000)
    assert producer.demands == [10]
    producer.emit([3, 4, 5])
    await quiet()
    assert sink.events == [1, 2, 3, 4, 5]
    await stop(sink, producer)


# What a producer does with demand


@virtual
async def test_g30_demand_is_served_from_the_buffer_first():
    producer, sink = await pushing(high=10, manual=True)
    (sub,) = sink.subs
    producer.emit(range(5))
    sink.ask(sub, 4)
    await quiet()
    assert (producer.demands, sink.events, producer.buffered) == ([], [0, 1, 2, 3], 1)
    sink.ask(sub, 3)
    await quiet()
    assert (producer.demands, sink.events, producer.buffered) == ([2], [0, 1, 2, 3, 4], 0)
    await stop(sink, producer)


@virtual
async def test_g31_a_surplus_is_buffered_and_serves_the_next_asks():
    producer = await started(Numbers(extra=3))
    sink = await started(Sink(Subscription(producer, manual=True)))
    (sub,) = sink.subs
    sink.ask(sub, 2)
    await quiet()
    assert (producer.demands, sink.events, producer.buffered) == ([2], [0, 1], 3)
    sink.ask(sub, 3)
    await quiet()
    assert (producer.demands, sink.events, producer.buffered) == ([2], [0, 1, 2, 3, 4], 0)
    sink.ask(sub, 2)
    await quiet()
    assert (producer.demands, sink.events[5:]) == ([2, 2], [5, 6])
    await stop(sink, producer)


@virtual
async def test_g32_events_emitted_from_anywhere_go_out_at_once_as_far_as_they_are_wanted():
    producer = await started(Owing())
    sink = await started(Sink(Subscription(producer, manual=True)))
    sink.ask(sink.subs[0], 5)
    await quiet()
    producer.emit([1, 2])
    producer.cast(lambda stage: stage.emit([3, 4, 5, 6]))
    await quiet()
    assert (sink.events, producer.buffered) == ([1, 2, 3, 4, 5], 1)
    await stop(sink, producer)


@virtual
async def test_g32_events_emitted_while_a_callback_runs_do_not_wait_for_it():
    producer, sink = await pushing(high=10)
    producer.cast(lambda _: asyncio.sleep(10))
    await quiet()
    producer.emit([1, 2])
    await quiet()
    assert sink.events == [1, 2]
    await stop(sink, producer)


@virtual
async def test_g33_demand_of_several_consumers_is_not_merged():
    producer = Push()
    await started(producer)
    one, other = Sink(Subscription(producer, max_demand=5)), Sink(Subscription(producer, max_demand=7))
    await asyncio.gather(one.start(), other.start())
    await quiet()
    assert producer.demands == [5, 7]
    await stop(one, other, producer)


@virtual
async def test_handle_demand_must_return_events():
    class Forgetful(Push):
        async def handle_demand(self, demand):
            return None

    producer, sink = await started(p := Forgetful(), Sink(Subscription(p)))
    error = (await producer.join()).error
    assert isinstance(error, BadReturn)
    assert "Forgetful.handle_demand returned None; it must return a sequence of events, () for none" in str(error)
    assert not sink.alive


# Accumulate and forward


@virtual
async def test_g34_accumulated_demand_is_replayed_in_order_and_not_merged():
    producer = await started(Numbers(demand=Demand.ACCUMULATE))
    one, other = await started(Sink(Subscription(producer, max_demand=5)), Sink(Subscription(producer, max_demand=7)))
    assert producer.demands == []
    assert producer.demand_mode is Demand.ACCUMULATE
    producer.set_demand(Demand.FORWARD)
    await quiet()
    assert producer.demands[:2] == [5, 7]
    assert producer.demand_mode is Demand.FORWARD
    await stop(one, other, producer)


@virtual
async def test_g34_events_emitted_meanwhile_are_held_outside_the_buffer_and_replayed_in_order():
    producer, sink = await pushing(high=10, demand=Demand.ACCUMULATE)
    producer.emit([1, 2])
    producer.emit([3])
    await quiet()
    assert (sink.events, producer.buffered) == ([], 0)
    producer.set_demand(Demand.FORWARD)
    await quiet()
    assert sink.events == [1, 2, 3]
    await stop(sink, producer)


@virtual
async def test_g34_demand_and_events_are_replayed_as_they_came():
    log = []

    class Logging(Push):
        async def handle_demand(self, demand):
            log.append(("demand", demand, self.buffered))
            return ()

    producer = await started(Logging(demand=Demand.ACCUMULATE))
    producer.emit([1, 2])
    sink = await started(Sink(Subscription(producer, max_demand=5, min_demand=0)))
    producer.set_demand(Demand.FORWARD)
    await quiet()
    assert sink.events == [1, 2]
    assert log == [("demand", 5, 0)]
    await stop(sink, producer)


@virtual
async def test_g34_accumulating_twice_changes_nothing():
    producer, sink = await pushing(high=3, demand=Demand.ACCUMULATE)
    producer.set_demand(Demand.ACCUMULATE)
    await quiet()
    producer.set_demand(Demand.FORWARD)
    await quiet()
    assert producer.demands == [3]
    await stop(sink, producer)


@virtual
async def test_g34_what_was_buffered_before_keeps_its_place():
    producer = await started(Push())
    producer.emit([1, 2])
    producer.set_demand(Demand.ACCUMULATE)
    await quiet()
    producer.emit([3, 4])
    sink = await started(Sink(Subscription(producer, max_demand=10, min_demand=0)))
    assert sink.events == []
    producer.set_demand(Demand.FORWARD)
    await quiet()
    assert sink.events == [1, 2, 3, 4]
    assert sum(producer.demands) <= 10 + 4
    await stop(sink, producer)


@virtual
async def test_g34_events_that_arrive_during_the_replay_come_after_it():
    class Slow(Push):
        async def handle_demand(self, demand):
            await asyncio.sleep(1)
            return ()

    producer, sink = await started(p := Slow(demand=Demand.ACCUMULATE), Sink(Subscription(p, max_demand=10)))
    producer.emit([1, 2])
    producer.set_demand(Demand.FORWARD)
    await quiet()
    producer.emit([3])
    await asyncio.sleep(2)
    assert sink.events == [1, 2, 3]
    await stop(sink, producer)


@virtual
async def test_g35_the_first_broadcast_reaches_both_branches_that_were_wired_before_forwarding():
    producer = await started(Numbers(demand=Demand.ACCUMULATE, dispatcher=BroadcastDispatcher(), limit=3))
    first = await started(Sink(Subscription(producer, max_demand=10)))
    second = await started(Sink(Subscription(producer, max_demand=10)))
    producer.set_demand(Demand.FORWARD)
    await quiet()
    assert first.events == second.events == [0, 1, 2]
    await stop(first, second, producer)


# The buffer


@virtual
async def test_g40_keep_last_hands_back_the_oldest(caplog):
    producer = await started(Push(buffer_size=3))
    producer.emit(range(5))
    assert producer.back == [([0, 1], "overflow")]
    assert producer.buffered == 3
    assert len(caplog.messages) == 1
    assert "2 events do not fit" in caplog.text
    await stop(producer)


@virtual
async def test_g40_keep_first_hands_back_the_newcomers():
    producer = await started(Push(buffer_size=3, buffer_keep=Keep.FIRST))
    producer.emit(range(5))
    assert producer.back == [([3, 4], "overflow")]
    await stop(producer)


@virtual
async def test_g40_the_line_in_the_log_can_be_suppressed(caplog):
    class Quiet(Push):
        def format_discarded(self, count):
            return False

    producer = await started(Quiet(buffer_size=1))
    producer.emit([1, 2])
    assert producer.returned == [1]
    assert caplog.messages == []
    await stop(producer)


@virtual
async def test_g41_only_the_buffer_counts_as_buffered():
    producer, sink = await pushing(high=4, low=0)
    sink.gate.clear()
    producer.emit(range(6))
    await quiet()
    assert producer.buffered == 2
    await stop(producer)
    sink.kill()


@virtual
async def test_g42_an_info_comes_at_once_when_nothing_is_buffered():
    producer, sink = await pushing(high=5)
    producer.info("now")
    sink.info("and here")
    await quiet()
    assert (producer.infos, sink.infos) == (["now"], ["and here"])
    await stop(sink, producer)


@pytest.mark.parametrize("size", [100, None])
@virtual
async def test_g42_an_info_comes_behind_the_events_that_are_buffered_now(size):
    producer, sink = await pushing(high=100, manual=True, buffer_size=size)
    (sub,) = sink.subs
    producer.emit([1, 2])
    producer.info("behind 2")
    await quiet()
    producer.emit([3])
    sink.ask(sub, 1)
    await quiet()
    assert producer.infos == []
    sink.ask(sub, 1)
    await quiet()
    assert producer.infos == ["behind 2"]
    await stop(sink, producer)


@virtual
async def test_g42_an_info_whose_event_was_dropped_comes_then():
    producer = await started(Push(buffer_size=1))
    producer.emit([1])
    producer.info("behind 1")
    await quiet()
    assert producer.infos == []
    producer.emit([2])
    await quiet()
    assert producer.infos == ["behind 1"]
    await stop(producer)


@virtual
async def test_g43_consumers_see_two_messages_where_an_info_was():
    producer, sink = await pushing(high=100, manual=True)
    producer.emit(["a", "b", "c"])
    producer.info("between")
    await quiet()
    producer.emit(["g", "h"])
    sink.ask(sink.subs[0], 5)
    await quiet()
    assert sink.batches == [["a", "b", "c"], ["g", "h"]]
    assert producer.infos == ["between"]
    await stop(sink, producer)


@virtual
async def test_what_is_buffered_is_delivered_before_what_comes_later():
    # One consumer left demand behind; what it asked for came too late for it and too early for the next one.
    producer = await started(Push())
    first = await started(Sink(Subscription(producer, max_demand=5)))
    first.kill()
    await quiet()
    producer.emit([1, 2, 3])
    assert producer.buffered == 3
    second = await started(Sink(Subscription(producer, max_demand=4, manual=True)))
    second.ask(second.subs[0], 4)
    await quiet()
    producer.emit([4, 5])
    await quiet()
    assert second.events == [1, 2, 3, 4]
    await stop(second, producer)


@virtual
async def test_a_broadcast_buffered_for_consumers_that_left_reaches_the_next_one():
    producer = await started(Push(dispatcher=BroadcastDispatcher()))
    first = await started(Sink(Subscription(producer, max_demand=5)))
    first.kill()
    await quiet()
    producer.emit([1, 2, 3, 4, 5])
    second = await started(Sink(Subscription(producer, max_demand=5)))
    assert second.events == [1, 2, 3, 4, 5]
    await stop(second, producer)


# Taking demand back


@virtual
async def test_retract_takes_back_what_was_not_served_and_the_producer_hears_of_it():
    producer = await started(Owing())
    sink = await started(Sink(Subscription(producer, manual=True)))
    (sub,) = sink.subs
    sink.ask(sub, 5)
    await quiet()
    producer.pay([1, 2])
    assert await sink.retract(sub, 2) == 2
    assert await sink.retract(sub, 9) == 1
    assert await sink.retract(sub, 9) == 0
    assert (producer.retracted, producer.owed) == ([2, 1], 0)
    await stop(sink, producer)


@virtual
async def test_retract_comes_behind_the_asks_before_it():
    producer = await started(Owing())
    producer.cast(lambda _: asyncio.sleep(1))
    sink = await started(Sink(Subscription(producer, max_demand=5)))
    assert await sink.retract(sink.subs[0], 5) == 5
    assert producer.owed == 0
    await stop(sink, producer)


@virtual
async def test_what_was_retracted_while_demand_accumulates_is_never_told():
    producer = await started(Owing(demand=Demand.ACCUMULATE))
    sink = await started(Sink(Subscription(producer, max_demand=5)))
    assert await sink.retract(sink.subs[0], 3) == 3
    producer.set_demand(Demand.FORWARD)
    await quiet()
    assert (producer.demands, producer.retracted, producer.owed) == ([2], [], 2)
    await stop(sink, producer)


@virtual
async def test_what_was_retracted_can_be_asked_for_again():
    producer = await started(Owing())
    sink = await started(Sink(Subscription(producer, max_demand=1, min_demand=0)))
    (sub,) = sink.subs
    assert await sink.retract(sub, 1) == 1
    producer.emit(["waits"])
    await quiet()
    assert sink.events == []
    sink.ask(sub, 1)
    await quiet()
    assert sink.events == ["waits"]
    assert producer.owed == 1  # the consumer asked again after it had handled it
    await stop(sink, producer)


@virtual
async def test_a_producer_that_takes_nothing_back_is_asked_for_less_the_next_time():
    producer, sink = await pushing(high=10, manual=True)
    (sub,) = sink.subs
    sink.ask(sub, 5)
    await quiet()
    assert await sink.retract(sub, 5) == 5
    sink.ask(sub, 7)
    await quiet()
    assert producer.demands == [5, 2]
    await stop(sink, producer)


@virtual
async def test_retracted_demand_that_was_met_by_the_buffer_is_not_subtracted_again():
    producer, sink = await pushing(high=10, manual=True)
    (sub,) = sink.subs
    sink.ask(sub, 5)
    await quiet()
    await sink.retract(sub, 5)
    producer.emit(range(5))
    sink.ask(sub, 8)
    await quiet()
    assert (sink.events, producer.demands) == ([0, 1, 2, 3, 4], [5, 3])
    await stop(sink, producer)


@virtual
async def test_retracting_from_a_producer_that_is_gone_takes_nothing():
    producer = await started(Push())
    sink = await started(Sink(Subscription(producer, cancel=Cancel.TEMPORARY)))
    (sub,) = sink.subs
    producer.kill()
    assert await sink.retract(sub, 5) == 0
    await quiet()
    assert await sink.retract(sub, 5) == 0
    await stop(sink)


@virtual
async def test_a_producer_that_dies_while_it_is_asked_to_take_back_takes_nothing():
    producer = await started(Push())
    sink = await started(Sink(Subscription(producer, cancel=Cancel.TEMPORARY)))
    producer.cast(lambda _: asyncio.sleep(5))
    await quiet()
    retracting = asyncio.ensure_future(sink.retract(sink.subs[0], 5))
    await quiet()
    producer.kill()
    assert await retracting == 0
    await stop(sink)
