"""Rules G60 to G65: what the end of one stage means for those that it is connected to."""

import asyncio

import pytest
from tests.unit.stages.parts import Failing, Numbers, Owing, Push, Sink, Through, quiet, started, virtual

from tidegate.stages import Cancel, Crash, Exit, Killed, Normal, Shutdown, Subscription, names

BOOM = ZeroDivisionError("boom")
EXPECTED = [Normal(), Shutdown(), Shutdown("x")]
ABNORMAL = [Crash(BOOM), Killed()]


async def pair(mode):
    return await started(p := Push(), Sink(Subscription(p, max_demand=5, cancel=mode)))


async def end(producer, reason):
    def leave(_):
        raise Exit(reason) if not isinstance(reason, Crash) else reason.error

    if reason == Killed():
        producer.kill()
    elif isinstance(reason, Crash):
        producer.cast(leave)
    else:
        await producer.stop(reason)
    assert await producer.join() == reason
    await quiet()


@pytest.mark.parametrize("reason", EXPECTED + ABNORMAL, ids=repr)
@virtual
async def test_g60_a_permanent_consumer_ends_as_its_producer_did(reason):
    producer, sink = await pair(Cancel.PERMANENT)
    await end(producer, reason)
    assert sink.cancelled == [reason]
    assert await sink.join() == reason
    assert sink.terminated == [reason]


class Doom(BaseException):
    """No Exception, so that most code lets it through."""


@virtual
async def test_whatever_a_callback_raises_is_a_crash_with_its_cause(caplog):
    producer, sink = await pair(Cancel.PERMANENT)
    doom = Doom("came")
    await end(producer, Crash(doom))
    assert (await sink.join(), sink.cancelled) == (Crash(doom), [Crash(doom)])
    assert "Doom: came" in caplog.text


@pytest.mark.parametrize("reason", EXPECTED, ids=repr)
@virtual
async def test_g60_a_transient_consumer_outlives_an_expected_end(reason):
    producer, sink = await pair(Cancel.TRANSIENT)
    await end(producer, reason)
    assert sink.cancelled == [reason]
    assert sink.alive
    await sink.stop()


@pytest.mark.parametrize("reason", ABNORMAL, ids=repr)
@virtual
async def test_g60_a_transient_consumer_ends_with_a_failure(reason):
    producer, sink = await pair(Cancel.TRANSIENT)
    await end(producer, reason)
    assert await sink.join() == reason


@pytest.mark.parametrize("reason", EXPECTED + ABNORMAL, ids=repr)
@virtual
async def test_g60_a_temporary_consumer_outlives_everything(reason):
    producer, sink = await pair(Cancel.TEMPORARY)
    await end(producer, reason)
    assert sink.cancelled == [reason]
    assert sink.alive
    await sink.stop()


@pytest.mark.parametrize("reason", [Shutdown("x"), Crash(BOOM)], ids=repr)
@pytest.mark.parametrize(
    ("mode", "lives"),
    [
        (Cancel.PERMANENT, lambda _: False),
        (Cancel.TRANSIENT, lambda r: isinstance(r, Shutdown)),
        (Cancel.TEMPORARY, lambda _: True),
    ],
)
@virtual
async def test_g60_the_same_holds_for_a_subscription_that_the_consumer_cancels(mode, lives, reason):
    producer, sink = await pair(mode)
    sink.cancel(sink.subs[0], reason)
    await quiet()
    assert (producer.cancelled, sink.cancelled) == ([reason], [reason])
    assert sink.alive is lives(reason)
    assert producer.alive
    await sink.stop()
    await producer.stop()


@virtual
async def test_g60_events_that_were_sent_before_the_end_are_handled_before_it():
    log = []

    class Logging(Sink):
        async def handle_events(self, events, sub):
            log.append(list(events))

        async def handle_cancel(self, sub, reason):
            log.append(reason)

    producer, sink = await started(p := Push(), Logging(Subscription(p, max_demand=5)))
    producer.emit([1, 2])
    await producer.stop(Shutdown())
    await sink.join()
    assert log == [[1, 2], Shutdown()]


@virtual
async def test_g61_the_producer_hears_of_a_consumers_end_before_its_dispatcher_does():
    seen = []

    class Listening(Push):
        async def handle_cancel(self, sub, reason):
            seen.append((reason, self._dispatcher.wanted))

    producer, sink = await started(p := Listening(), Sink(Subscription(p, max_demand=5)))
    sink.kill()
    await quiet()
    assert seen == [(Killed(), 5)]
    assert producer._dispatcher.wanted == 0
    await producer.stop()


@pytest.mark.parametrize("how", ["stop", "kill", "crash", "cancel"])
@virtual
async def test_g62_demand_of_a_consumer_that_left_is_used_up_first(how):
    producer, first = await started(p := Push(), Sink(Subscription(p, max_demand=10, cancel=Cancel.TEMPORARY)))
    if how == "stop":
        await first.stop()
    elif how == "kill":
        first.kill()
    elif how == "crash":
        first.cast(lambda _: 1 / 0)
    else:
        first.cancel(first.subs[0])
    await quiet()
    second = await started(Sink(Subscription(producer, max_demand=15)))
    assert producer.demands == [10, 5]
    await first.stop()
    await second.stop()
    await producer.stop()


@pytest.mark.parametrize("how", ["stop", "kill", "crash", "cancel"])
@virtual
async def test_g62_a_producer_that_takes_demand_back_owes_nothing_for_consumers_that_left(how):
    producer, first = await started(p := Owing(), Sink(Subscription(p, max_demand=10, cancel=Cancel.TEMPORARY)))
    producer.pay([1, 2, 3])
    await quiet()
    if how == "stop":
        await first.stop()
    elif how == "kill":
        first.kill()
    elif how == "crash":
        first.cast(lambda _: 1 / 0)
    else:
        first.cancel(first.subs[0])
    await quiet()
    assert producer.owed == 0
    assert producer.retracted == [7]
    second = await started(Sink(Subscription(producer, max_demand=15)))
    assert producer.owed == 15
    await first.stop()
    await second.stop()
    await producer.stop()


@virtual
async def test_g63_what_a_crashed_consumer_held_goes_back_and_the_next_one_gets_what_follows():
    producer = await started(Numbers(limit=8))
    first = await started(Failing(Subscription(producer, max_demand=4, min_demand=0), on=2))
    assert isinstance((await first.join()).error, RuntimeError)
    second = await started(Sink(Subscription(producer, max_demand=4, min_demand=0)))
    assert producer.returned == [0, 1, 2, 3]
    assert second.events == [4, 5, 6, 7]
    await second.stop()
    await producer.stop()


@virtual
async def test_g64_nobody_subscribes_again_by_itself():
    first = await started(Push(name="source"))
    sink = await started(Sink(Subscription("source", cancel=Cancel.TEMPORARY)))
    await first.stop()
    second = await started(Push(name="source"))
    await asyncio.sleep(1000)
    assert second.demands == []
    await sink.stop()
    await second.stop()


@virtual
async def test_g64_a_consumer_that_is_started_again_finds_its_producer_by_name():
    first = await started(Push(name="source"))
    await started(Sink("source"))
    await first.stop()
    second, sink = await started(Push(name="source"), Sink("source"))
    assert second.demands == [1000]
    assert names.whereis("source") is second
    await sink.stop()
    await second.stop()


@virtual
async def test_g65_a_crash_in_the_middle_is_a_consumers_crash_upstream_and_a_producers_downstream():
    source = await started(Numbers(limit=4))
    middle = await started(Through(Subscription(source, max_demand=4, min_demand=0), function=lambda n: [1 / n]))
    sink = await started(Sink(Subscription(middle, max_demand=10)))
    reason = await middle.join()
    assert isinstance(reason.error, ZeroDivisionError)
    assert await sink.join() == reason
    assert source.cancelled == [reason]
    assert source.back == [([0, 1, 2, 3], "interrupted")]
    assert source.alive
    await source.stop()
