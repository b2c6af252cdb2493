"""A stage in the middle that fetches nothing ahead: demand goes through it, both ways."""

import asyncio

import pytest
from tests.unit.stages.parts import Owing, Remembering, Sink, quiet, started, virtual

from tidegate.stages import BadOption, Cancel, Relay, Subscription, Why


class Middle(Remembering, Relay):
    """Passes on what `keep` says."""

    def __init__(self, *subs, keep=lambda _: True, **options):
        super().__init__(*subs, **options)
        self.keep = keep
        self.batches = []

    async def handle_events(self, events, sub):
        self.batches.append(list(events))
        return [event for event in events if self.keep(event)]


async def wired(*, keep=lambda _: True, **options):
    producer = await Owing(buffer_size=0).start()
    middle = await Middle(Subscription(producer, cancel=Cancel.TEMPORARY), keep=keep, **options).start()
    sink = await started(Sink())
    return producer, middle, sink


async def joined(middle, sink, n):
    sub = await sink.subscribe(Subscription(middle, manual=True, cancel=Cancel.TEMPORARY))
    sink.ask(sub, n)
    await quiet()
    return sub


@virtual
async def test_nothing_is_asked_for_before_somebody_asks():
    producer, middle, sink = await wired()
    assert producer.owed == 0
    await joined(middle, sink, 3)
    assert producer.owed == 3


@virtual
async def test_events_go_through_and_each_ask_once():
    producer, middle, sink = await wired()
    sub = await joined(middle, sink, 3)
    producer.pay([1, 2])
    await quiet()
    assert (sink.events, producer.owed) == ([1, 2], 1)
    sink.ask(sub, 2)
    await quiet()
    assert producer.owed == 3


@virtual
async def test_what_it_keeps_for_itself_is_asked_for_again():
    producer, middle, sink = await wired(keep=lambda n: n % 2)
    await joined(middle, sink, 2)
    producer.pay([0, 2])
    await quiet()
    assert (sink.events, producer.owed) == ([], 2)
    producer.pay([1, 4])
    await quiet()
    assert (sink.events, producer.owed) == ([1], 1)


@virtual
async def test_demand_that_is_taken_back_is_taken_back_upstream():
    producer, middle, sink = await wired()
    sub = await joined(middle, sink, 5)
    assert await sink.retract(sub, 2) == 2
    await quiet()
    assert (producer.owed, producer.retracted) == (3, [2])


@pytest.mark.parametrize("end", ["stop", "kill", "cancel"])
@virtual
async def test_the_demand_of_a_consumer_that_leaves_is_taken_back_upstream(end):
    producer, middle, sink = await wired()
    sub = await joined(middle, sink, 5)
    if end == "cancel":
        sink.cancel(sub)
    elif end == "kill":
        sink.kill()
    else:
        await sink.stop()
    await quiet()
    assert producer.owed == 0


@virtual
async def test_the_demand_of_its_other_consumers_stays():
    producer, middle, sink = await wired()
    await joined(middle, sink, 5)
    other = await started(Sink())
    await joined(middle, other, 2)
    sink.kill()
    await quiet()
    assert producer.owed == 2
    producer.pay([1, 2])
    await quiet()
    assert other.events == [1, 2]


@virtual
async def test_what_comes_for_nobody_goes_straight_back():
    producer, middle, sink = await wired()
    await joined(middle, sink, 2)
    sink.kill()
    producer.emit([1, 2])
    await quiet()
    assert producer.returned == [1, 2]
    assert (middle.describe()["buffered"], middle.describe()["queued"]) == (0, 0)


@virtual
async def test_what_it_made_of_an_event_and_nobody_wants_comes_back_to_it():
    class Slow(Middle):
        async def handle_events(self, events, sub):
            await asyncio.sleep(1)
            return [str(event) for event in events]

    producer = await Owing(buffer_size=0).start()
    middle, sink = await Slow(producer).start(), await started(Sink())
    await joined(middle, sink, 1)
    producer.pay([1])
    await asyncio.sleep(0.5)
    sink.kill()
    await asyncio.sleep(1)
    assert (middle.back, producer.back) == ([(["1"], Why.CONSUMER_GONE)], [])


@virtual
async def test_relays_may_be_chained():
    producer, first, sink = await wired(keep=lambda n: n % 2)
    second = await Middle(first, keep=lambda n: n % 3).start()
    sub = await joined(second, sink, 2)
    assert producer.owed == 2
    producer.pay([2, 3])
    await quiet()
    assert producer.owed == 2
    producer.pay([5, 7])
    await quiet()
    assert (sink.events, producer.owed) == ([5, 7], 0)
    sink.ask(sub, 4)
    await quiet()
    sink.kill()
    await quiet()
    assert producer.owed == 0


@virtual
async def test_its_drain_asks_for_nothing_more():
    producer, middle, sink = await wired(keep=lambda n: n > 1)
    await joined(middle, sink, 2)
    producer.pay([1])
    await quiet()
    await producer.drain(5)
    await sink.stop()
    assert producer.demands == [2, 1]


@virtual
async def test_it_has_one_producer():
    producer, middle, _ = await wired()
    with pytest.raises(BadOption, match="a relay has one producer"):
        await middle.subscribe(Subscription(producer))
    assert middle.alive
    producer.kill()
    await quiet()
    other = await Owing().start()
    await middle.subscribe(Subscription(other))


@virtual
async def test_it_asks_its_next_producer_for_what_is_wanted():
    producer, middle, sink = await wired()
    await joined(middle, sink, 2)
    producer.kill()
    await quiet()
    other = await Owing().start()
    await middle.subscribe(Subscription(other))
    await quiet()
    assert other.owed == 2
