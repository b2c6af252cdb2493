"""Rules G10 to G18: how a consumer comes to its producers."""

import asyncio

import pytest
from tests.unit.stages.parts import Numbers, Owing, Push, Sink, quiet, started, virtual

from tidegate.stages import (
    BroadcastDispatcher,
    Cancel,
    Crash,
    Exit,
    NoProc,
    NotAProducer,
    PartitionDispatcher,
    Rejected,
    Shutdown,
    StageGone,
    SubRef,
    Subscription,
)


@virtual
async def test_g10_the_consumer_hears_of_its_subscription_before_any_event_and_asks_max_at_once():
    log = []

    class Talkative(Sink):
        async def handle_subscribe(self, sub):
            log.append(("consumer subscribed", sub.consumer is self))

        async def handle_events(self, events, sub):
            log.append(("events", len(events)))
            await asyncio.sleep(1000)

    class Listening(Numbers):
        async def handle_subscribe(self, sub):
            log.append(("producer subscribed", sub.producer is self))

        async def handle_demand(self, demand):
            log.append(("demand", demand))
            return await super().handle_demand(demand)

    producer, consumer = await started(p := Listening(), Talkative(Subscription(p, max_demand=4)))
    assert log == [("consumer subscribed", True), ("producer subscribed", True), ("demand", 4), ("events", 2)]
    consumer.kill()
    await producer.stop()


@virtual
async def test_g12_bad_numbers_leave_the_consumer_alive():
    producer, sink = await started(p := Push(), Sink(p))
    with pytest.raises(ValueError, match="greater than 1, got: 0"):
        await sink.subscribe(Subscription(producer, max_demand=0))
    assert sink.alive
    await sink.stop()
    await producer.stop()


@pytest.mark.parametrize("mode", [Cancel.PERMANENT, Cancel.TRANSIENT])
@virtual
async def test_g13_a_missing_producer_ends_the_consumer_after_subscribe_has_returned(mode):
    sink = await started(Sink())
    assert isinstance(await sink.subscribe(Subscription("nobody", cancel=mode)), SubRef)
    assert await sink.join() == NoProc()


@virtual
async def test_g13_a_temporary_subscription_to_nobody_does_nothing_and_is_not_retried():
    sink = await started(Sink())
    await sink.subscribe(Subscription("late", cancel=Cancel.TEMPORARY))
    producer = await started(Numbers(name="late"))
    await asyncio.sleep(1000)
    assert sink.alive
    assert producer.demands == []
    await sink.stop()
    await producer.stop()


@virtual
async def test_g13_a_consumer_whose_own_producer_is_missing_does_not_start():
    sink = Sink("nobody")
    with pytest.raises(Exit) as caught:
        await sink.start()
    assert caught.value.reason == NoProc()
    assert await sink.join() == NoProc()


@virtual
async def test_g13_a_producer_that_has_ended_is_missing_too():
    producer = await started(Push())
    await producer.stop()
    sink = await started(Sink())
    await sink.subscribe(Subscription(producer))
    assert await sink.join() == NoProc()


@virtual
async def test_g14_subscribe_returns_before_the_producer_has_accepted():
    producer = await started(Push())
    producer.cast(lambda _: asyncio.sleep(10))
    await quiet()
    sink = await started(Sink())
    await sink.subscribe(Subscription(producer))
    assert asyncio.get_running_loop().time() < 1
    sink.kill()
    await producer.stop()


@virtual
async def test_g14_a_consumer_is_not_a_producer():
    target, sink = await started(Sink(), Sink())
    with pytest.raises(NotAProducer):
        await sink.subscribe(Subscription(target))
    assert sink.alive
    await sink.stop()
    await target.stop()


@virtual
async def test_g14_subscribing_a_dead_consumer_raises_in_the_caller():
    producer, sink = await started(Push(), Sink())
    await sink.stop()
    with pytest.raises(StageGone):
        await sink.subscribe(Subscription(producer))
    await producer.stop()


@virtual
async def test_a_name_is_as_good_as_the_stage():
    producer, sink = await started(Numbers(name="counter"), Sink(Subscription("counter", max_demand=1, min_demand=0)))
    assert sink.events[:3] == [0, 1, 2]
    await sink.stop()
    await producer.stop()


@virtual
async def test_a_consumer_may_subscribe_from_its_own_callbacks():
    producer, sink = await started(Push(), Sink())
    sink.cast(lambda stage: stage.subscribe(Subscription(producer, max_demand=7)))
    await quiet()
    assert producer.demands == [7]
    await sink.stop()
    await producer.stop()


@virtual
async def test_g15_the_dispatcher_hears_of_a_subscription_after_the_producer():
    log = []

    class Listening(Push):
        async def handle_subscribe(self, sub):
            log.append(len(self._dispatcher._surplus))

    producer, sink = await started(p := Listening(dispatcher=BroadcastDispatcher()), Sink(p))
    assert log == [0]
    assert len(producer._dispatcher._surplus) == 1
    await sink.stop()
    await producer.stop()


@virtual
async def test_g15_a_refused_subscription_costs_only_itself():
    producer = Push(dispatcher=PartitionDispatcher(2))
    good = Sink(Subscription(producer, partition=0, max_demand=3))
    bad = Sink(Subscription(producer, max_demand=3))
    producer, good, bad = await started(producer, good, bad)
    reason = await bad.join()
    assert isinstance(reason.error, Rejected)
    assert reason.error.reason == "no_partition"
    assert producer.alive
    assert good.alive
    assert producer.cancelled == [reason]
    assert producer.demands == [3]
    await good.stop()
    await producer.stop()


@virtual
async def test_g15_a_refused_temporary_subscription_leaves_its_consumer_alive():
    producer, sink = await started(
        p := Push(dispatcher=PartitionDispatcher(2)), Sink(Subscription(p, cancel=Cancel.TEMPORARY, partition=9))
    )
    assert sink.alive
    assert isinstance(sink.cancelled[0].error, Rejected)
    await sink.stop()
    await producer.stop()


@virtual
async def test_g15_a_dispatcher_that_raises_something_else_costs_only_the_subscription():
    class Broken(BroadcastDispatcher):
        def subscribe(self, sub, opts):
            raise ZeroDivisionError

    producer, sink = await started(p := Push(dispatcher=Broken()), Sink(p))
    assert isinstance((await sink.join()).error, ZeroDivisionError)
    assert producer.alive
    await producer.stop()


@virtual
async def test_g16_resubscribing_replaces_a_temporary_subscription_with_nothing_in_between():
    producer, sink = await started(p := Push(), Sink(Subscription(p, max_demand=10, cancel=Cancel.TEMPORARY)))
    (old,) = sink.subs
    await sink.resubscribe(old, Subscription(producer, max_demand=12, cancel=Cancel.TEMPORARY), Shutdown("retune"))
    await quiet()
    assert sink.alive
    assert (sink.cancelled, producer.cancelled) == ([Shutdown("retune")], [Shutdown("retune")])
    assert producer.demands == [10, 2]  # what the old one had asked for is still owed
    await sink.stop()
    await producer.stop()


@virtual
async def test_g16_resubscribing_a_permanent_subscription_ends_the_consumer():
    producer, sink = await started(p := Push(), Sink(Subscription(p, max_demand=10)))
    await sink.resubscribe(sink.subs[0], Subscription(producer, max_demand=3), Shutdown("retune"))
    assert await sink.join() == Shutdown("retune")
    await producer.stop()


@virtual
async def test_g17_each_subscription_has_a_demand_of_its_own():
    one, other = await started(Push(), Push())
    sink = await started(Sink(Subscription(one, max_demand=10), Subscription(other, max_demand=20)))
    assert (one.demands, other.demands) == ([10], [20])
    one.emit(range(5))
    await quiet()
    assert (one.demands, other.demands) == ([10, 5], [20])
    await sink.stop()
    await one.stop()
    await other.stop()


@virtual
async def test_g18_an_ask_of_a_stranger_is_answered_with_a_cancel():
    producer, sink = await started(p := Push(), Sink(Subscription(p, cancel=Cancel.TEMPORARY)))
    (sub,) = sink.subs
    del producer._outflows[sub]
    sink.ask(sub, 3)
    await quiet()
    assert sink.cancelled[0].error.reason == "unknown_subscription"
    assert producer.demands == [1000]
    await sink.stop()
    await producer.stop()


@virtual
async def test_g18_events_for_a_subscription_that_is_over_go_back():
    producer, sink = await started(p := Push(), Sink(Subscription(p, cancel=Cancel.TEMPORARY)))
    (sub,) = sink.subs
    del sink._inflows[sub]
    producer.emit([1, 2])
    await quiet()
    assert sink.events == []
    assert producer.back == [([1, 2], "cancelled")]
    await sink.stop()
    await producer.stop()


@virtual
async def test_a_consumer_with_resubscribe_comes_back_to_the_next_producer_of_that_name():
    first = await started(Push(name="phoenix"))
    sink = await started(Sink(Subscription("phoenix", max_demand=5, cancel=Cancel.TEMPORARY, resubscribe=0.1)))
    first.kill()
    await asyncio.sleep(0.35)  # nobody there, and it goes on trying
    second = await started(Push(name="phoenix"))
    await asyncio.sleep(0.2)
    assert second.demands == [5]
    assert len(sink.subs) == 2
    await sink.stop()
    await second.stop()


@virtual
async def test_resubscribing_ends_with_the_consumer():
    sink = await started(Sink(Subscription("never", cancel=Cancel.TEMPORARY, resubscribe=0.1)))
    await sink.stop()
    producer = await started(Push(name="never"))
    await asyncio.sleep(1)
    assert producer.demands == []
    await producer.stop()


@virtual
async def test_two_equal_subscriptions_are_two():
    producer = await started(Push())
    sub = Subscription(producer, max_demand=3, cancel=Cancel.TEMPORARY, resubscribe=1)
    sink = await started(Sink(sub, sub))
    assert producer.demands == [3, 3]
    await sink.stop()
    await producer.stop()


@virtual
async def test_a_producer_that_ends_before_it_saw_the_subscription_is_noticed():
    producer = await started(Push())
    producer.cast(lambda _: asyncio.sleep(10))
    await quiet()
    sink = await started(Sink(producer))
    producer.kill()
    await quiet()
    assert not sink.alive


@virtual
async def test_a_consumer_that_ends_before_its_subscription_was_seen_leaves_no_demand():
    producer = await started(Owing())
    producer.cast(lambda _: asyncio.sleep(10))
    await quiet()
    sink = await started(Sink(Subscription(producer, max_demand=4)))
    sink.kill()
    await asyncio.sleep(20)
    assert producer.owed == 0
    assert repr(producer) == "<Owing demand=0 buffered=0>"
    await producer.stop()


@virtual
async def test_a_broadcast_refuses_the_second_subscription_of_one_consumer_which_lives():
    producer = await started(Push(dispatcher=BroadcastDispatcher()))
    sink = await started(Sink(Subscription(producer, max_demand=2), Subscription(producer, max_demand=9)))
    assert sink.alive
    assert isinstance(sink.cancelled[0], Crash)
    assert sink.cancelled[0].error.reason == "already_subscribed"
    assert producer.demands == [2]
    await sink.stop()
    await producer.stop()
