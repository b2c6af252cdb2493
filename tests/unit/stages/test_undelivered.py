"""Nothing is lost silently: every event that is not handled comes back to its producer, once, with the reason why."""

import asyncio

import pytest
from tests.unit.stages.parts import Failing, Numbers, Push, Sink, Through, quiet, started, virtual

from tidegate.stages import (
    BroadcastDispatcher,
    Cancel,
    Consumer,
    Demand,
    Exit,
    PartitionDispatcher,
    Producer,
    Shutdown,
    Subscription,
    UnknownPartition,
    Why,
)


async def busy_pair(*, high=4, low=2, events=range(4), **options):
    """Return a producer and a consumer that stands still in its first batch of `events`."""
    producer, sink = await started(p := Push(**options), Sink(Subscription(p, max_demand=high, min_demand=low)))
    sink.gate.clear()
    producer.emit(list(events))
    await quiet()
    return producer, sink


@virtual
async def test_a_killed_consumer_gives_back_its_batch_as_interrupted_and_the_rest_untouched():
    producer, sink = await busy_pair()
    sink.kill()
    assert producer.back == [([0, 1], Why.INTERRUPTED), ([2, 3], Why.CONSUMER_GONE)]
    await producer.stop()
    assert len(producer.back) == 2


@virtual
async def test_a_crashed_consumer_gives_back_its_batch_the_rest_of_the_chunk_and_its_inbox():
    producer = await started(Push())
    sink = await started(Failing(Subscription(producer, max_demand=6, min_demand=4), on=0))
    sink.cast(lambda _: asyncio.sleep(1))
    await quiet()
    producer.emit([0, 1, 2])
    producer.emit([3, 4])
    await sink.join()
    assert producer.back == [([0, 1], Why.INTERRUPTED), ([2], Why.CONSUMER_GONE), ([3, 4], Why.CONSUMER_GONE)]
    await producer.stop()


@virtual
async def test_a_stopping_consumer_gives_back_at_once_what_it_will_not_handle_and_finishes_its_batch():
    producer, sink = await busy_pair(high=6, low=4)
    producer.emit([4, 5])
    await quiet()
    stopping = asyncio.ensure_future(sink.stop(Shutdown()))
    await asyncio.sleep(0)
    assert sorted(producer.returned) == [2, 3, 4, 5]
    assert {why for _, why in producer.back} == {Why.CONSUMER_GONE}
    sink.gate.set()
    await stopping
    assert sink.events == [0, 1]
    assert len(producer.returned) == 4
    await producer.stop()


@virtual
async def test_a_stopping_consumer_is_sent_nothing_more():
    producer, sink = await busy_pair(high=10, low=0, events=[0, 1])
    stopping = asyncio.ensure_future(sink.stop())
    await quiet()
    producer.emit([2, 3])
    assert (producer.buffered, producer.back) == (2, [])
    sink.gate.set()
    await stopping
    await producer.stop()


@virtual
async def test_what_reaches_a_consumer_in_the_moment_of_its_end_comes_straight_back():
    producer, sink = await busy_pair(high=10, low=0, events=[0, 1])
    sink.kill()
    producer.emit([2, 3])
    assert producer.back == [([0, 1], Why.INTERRUPTED), ([2, 3], Why.CONSUMER_GONE)]
    await producer.stop()


@virtual
async def test_a_consumer_whose_stop_times_out_gives_back_its_batch():
    producer, sink = await busy_pair(high=2, low=0, events=[0, 1])
    await sink.stop(Shutdown(), timeout=1)
    assert producer.back == [([0, 1], Why.INTERRUPTED)]
    await producer.stop()


@virtual
async def test_a_consumer_may_say_which_events_it_took_care_of():
    class Careful(Consumer):
        async def handle_events(self, events, sub):
            assert self.handled("b") is True
            assert self.handled("never there") is False
            self.handled_first()
            assert self.unhandled == ("c", "d")
            raise RuntimeError

    producer, sink = await started(p := Push(), Careful(Subscription(p, max_demand=4, min_demand=0)))
    producer.emit(["a", "b", "c", "d"])
    await sink.join()
    assert producer.back == [(["c", "d"], Why.INTERRUPTED)]
    await producer.stop()


@virtual
async def test_equal_events_are_marked_by_identity_first():
    one, other = [1], [1]

    class Careful(Sink):
        async def handle_events(self, events, sub):
            self.handled(other)
            raise RuntimeError

    producer, sink = await started(p := Push(), Careful(Subscription(p, max_demand=2, min_demand=0)))
    producer.emit([one, other])
    await sink.join()
    assert producer.returned[0] is one
    await producer.stop()


@virtual
async def test_exit_from_a_batch_gives_it_back_and_stop_does_not():
    class Leaving(Sink):
        async def handle_events(self, events, sub):
            if events == ["leave"]:
                raise Exit(Shutdown())
            await self.stop(Shutdown())

    first, second = await started(Push(), Push())
    leaver, stopper = await started(Leaving(first), Leaving(second))
    first.emit(["leave"])
    second.emit(["stop"])
    assert (await leaver.join(), await stopper.join()) == (Shutdown(), Shutdown())
    assert (first.back, second.back) == ([(["leave"], Why.INTERRUPTED)], [])
    await first.stop()
    await second.stop()


@virtual
async def test_events_of_a_cancelled_subscription_that_were_on_their_way_come_back():
    producer, sink = await started(p := Push(), Sink(Subscription(p, max_demand=4, cancel=Cancel.TEMPORARY)))
    sink.cast(lambda _: asyncio.sleep(1))
    await quiet()
    sink.cancel(sink.subs[0])
    await quiet()  # the producer has let go; the consumer does not know yet
    sink._deliver(sink.subs[0], ["late"])
    await asyncio.sleep(2)
    assert producer.back == [(["late"], Why.CANCELLED)]
    await sink.stop()
    await producer.stop()


@pytest.mark.parametrize("end", ["stop", "kill", "crash"])
@virtual
async def test_a_producer_hands_itself_back_what_is_in_its_buffer(end):
    producer = await started(Push())
    producer.emit([1, 2, 3])
    if end == "stop":
        await producer.stop()
    elif end == "kill":
        producer.kill()
    else:
        producer.cast(lambda _: 1 / 0)
    await producer.join()
    assert producer.back == [([1, 2, 3], Why.PRODUCER_GONE)]


@virtual
async def test_events_go_back_before_terminate_is_called():
    class Closing(Push):
        async def terminate(self, reason):
            self.returned_by_then = list(self.returned)

    producer = await started(Closing())
    producer.emit([1])
    await producer.stop()
    assert producer.returned_by_then == [1]


@virtual
async def test_accumulated_events_go_back_at_the_end():
    producer = await started(Push(demand=Demand.ACCUMULATE))
    producer.emit([1])
    producer.emit([2])
    await producer.stop()
    assert producer.returned == [1, 2]


@virtual
async def test_infos_behind_the_buffer_are_dropped_by_name_at_the_end():
    producer = await started(Push())
    producer.emit([1])
    producer.info("behind 1")
    await quiet()
    await producer.stop()
    assert producer.dropped == ["behind 1"]


@virtual
async def test_events_that_are_emitted_after_the_end_come_straight_back():
    producer = await started(Push())
    await producer.stop()
    producer.emit([1, 2])
    assert producer.back == [([1, 2], Why.PRODUCER_GONE)]


@virtual
async def test_events_that_handle_demand_returns_while_the_producer_stops_come_back():
    class Claiming(Push):
        async def handle_demand(self, demand):
            await asyncio.sleep(1)
            return ["claimed"]

    producer, sink = await started(p := Claiming(), Sink(Subscription(p, max_demand=1, min_demand=0)))
    await producer.stop()
    assert producer.back == [(["claimed"], Why.PRODUCER_GONE)]
    assert sink.events == []
    await sink.join()


@virtual
async def test_a_consumer_gives_back_to_a_producer_that_is_gone():
    producer, sink = await busy_pair(high=2, low=0, events=[0, 1])
    producer.kill()
    await quiet()
    assert producer.back == []
    sink.kill()
    assert producer.back == [([0, 1], Why.INTERRUPTED)]


@virtual
async def test_a_queued_partition_goes_back_with_its_consumer():
    dispatcher = PartitionDispatcher(2, hash=lambda n: (n, n % 2))
    producer = await started(Push(dispatcher=dispatcher))
    even = await started(Sink(Subscription(producer, partition=0, max_demand=10)))
    odd = await started(Sink(Subscription(producer, partition=1, max_demand=1, min_demand=0)))
    odd.gate.clear()
    producer.emit([1, 3, 5])
    await quiet()
    odd.kill()
    await quiet()
    assert sorted(producer.back) == [([1], Why.INTERRUPTED), ([3, 5], Why.CANCELLED)]
    assert producer.demands[-1] == 2
    await even.stop()
    await producer.stop()


@virtual
async def test_a_queued_partition_goes_back_with_its_producer():
    dispatcher = PartitionDispatcher(2, hash=lambda n: (n, n % 2))
    producer = await started(Push(dispatcher=dispatcher))
    even = await started(Sink(Subscription(producer, partition=0, max_demand=10)))
    producer.emit([1, 3])
    await quiet()
    await producer.stop()
    assert producer.back == [([1, 3], Why.PRODUCER_GONE)]
    await even.join()


@pytest.mark.parametrize("from_outside", [True, False])
@virtual
async def test_pd5_a_hash_that_fails_ends_the_producer_and_its_events_come_back(from_outside):
    producer = await started(Push(dispatcher=PartitionDispatcher(1, hash=lambda n: (n, 7))))
    sink = await started(Sink(Subscription(producer, partition=0)))
    if from_outside:
        producer.emit([1, 2])
    else:
        producer.cast(lambda stage: stage.emit([1, 2]))
    reason = await producer.join()
    assert isinstance(reason.error, UnknownPartition)
    assert producer.back == [([1, 2], Why.PRODUCER_GONE)]
    await sink.join()


@virtual
async def test_a_broadcast_event_comes_back_for_the_one_that_did_not_handle_it():
    producer = await started(Push(dispatcher=BroadcastDispatcher()))
    good = Sink(Subscription(producer, max_demand=2, min_demand=0))
    bad = Failing(Subscription(producer, max_demand=2, min_demand=0), on=1)
    await started(good, bad)
    producer.emit([0, 1])
    await quiet()
    assert good.events == [0, 1]
    assert producer.back == [([0, 1], Why.INTERRUPTED)]
    await good.stop()
    await producer.stop()


@virtual
async def test_a_stage_in_the_middle_gives_back_upstream_what_it_had_not_handled_and_itself_what_it_had_made():
    source = await started(Push())
    middle = await started(Through(Subscription(source, max_demand=4, min_demand=2), function=lambda n: [n * 10, n * 10 + 1]))
    sink = await started(Sink(Subscription(middle, max_demand=1, min_demand=0)))
    sink.gate.clear()
    source.emit([1, 2])
    source.emit([3, 4])
    await quiet()
    await middle.stop()
    assert source.back == [([3, 4], Why.CONSUMER_GONE)]
    assert middle.back == [([11, 20, 21], Why.PRODUCER_GONE)]
    sink.kill()
    await source.stop()


@virtual
async def test_on_undelivered_may_be_a_coroutine_and_the_producers_end_waits_for_it():
    class Releasing(Producer):
        released = ()

        async def handle_demand(self, demand):
            return ()

        async def on_undelivered(self, events, why):
            await asyncio.sleep(5)
            self.released = (*self.released, *events)

    producer = await started(Releasing())
    producer.emit([1, 2])
    await producer.stop()
    assert producer.released == (1, 2)
    assert asyncio.get_running_loop().time() >= 5


@virtual
async def test_on_undelivered_may_put_events_back_into_line():
    class Stubborn(Push):
        def on_undelivered(self, events, why):
            super().on_undelivered(events, why)
            if why is not Why.PRODUCER_GONE:
                self.emit(events)

    producer = await started(Stubborn())
    first = await started(Failing(Subscription(producer, max_demand=4, min_demand=0), on=1))
    producer.emit([0, 1, 2])
    await first.join()
    second = await started(Sink(Subscription(producer, max_demand=4, min_demand=0)))
    assert sorted(second.events) == [0, 1, 2]
    await second.stop()
    await producer.stop()


@pytest.mark.parametrize("asynchronous", [True, False])
@virtual
async def test_an_on_undelivered_that_raises_is_logged_and_does_no_harm(asynchronous, caplog):
    class Clumsy(Push):
        def on_undelivered(self, events, why):
            async def fail():
                raise OSError("cannot release")

            if asynchronous:
                return fail()
            raise OSError("cannot release")

    producer = await started(Clumsy())
    sink = await started(Sink(Subscription(producer, max_demand=2, min_demand=0)))
    sink.gate.clear()
    producer.emit([1, 2])
    await quiet()
    sink.kill()
    await quiet()
    assert producer.alive
    assert "cannot release" in caplog.text
    await producer.stop()


@virtual
async def test_a_producer_without_on_undelivered_says_in_the_log_what_was_lost(caplog):
    class Plain(Producer):
        async def handle_demand(self, demand):
            return ()

    producer = await started(Plain(name="plain"))
    producer.emit([1, 2])
    await producer.stop()
    assert "<Plain plain demand=0 buffered=0 stopping>: 2 events were not delivered (producer_gone)" in caplog.text


@virtual
async def test_a_zombie_that_comes_to_its_senses_touches_nothing_any_more():
    class Zombie(Sink):
        async def handle_events(self, events, sub):
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await asyncio.sleep(1000)
            self.handled_first(len(events))
            self.batches.append(list(events))

    producer = await started(Push())
    zombie = await started(Zombie(Subscription(producer, max_demand=4, min_demand=2)))
    producer.emit([0, 1, 2, 3])
    await quiet()
    zombie.kill()
    assert sorted(producer.returned) == [0, 1, 2, 3]
    await zombie.join()
    assert zombie.batches == [[0, 1]]
    assert sorted(producer.returned) == [0, 1, 2, 3]
    assert producer.demands == [4]
    await producer.stop()


@virtual
async def test_handled_events_never_come_back():
    producer = await started(Numbers(limit=50))
    sink = await started(Sink(Subscription(producer, max_demand=7, min_demand=3)))
    await sink.stop()
    await producer.stop()
    assert sink.events == list(range(50))
    assert producer.back == []


def test_reasons_to_come_back_are_told_apart():
    assert [str(why) for why in Why] == ["overflow", "cancelled", "consumer_gone", "interrupted", "producer_gone"]
