"""The bus: whoever listens costs the emitter nothing but what `subscribe` says."""

import logging
import threading
import time

import pytest

from tidegate import listeners
from tidegate.errors import UsageError
from tidegate.events import Enqueued, Events, NodeLost, QueueMended, announce, announce_all, emitting
from tidegate.listeners import Listener

MINUTE = 60  # far longer than anything here takes: a wait that ends only where it must


@pytest.fixture
def events():
    bus = Events()
    yield bus
    bus.close(MINUTE)


def test_an_attached_handler_is_told_everything_in_order(events):
    seen = []
    events.attach(seen.append)
    told = [NodeLost(str(n)) for n in range(1_000)]
    for event in told:
        events.emit(event)
    events.close(MINUTE)
    assert seen == told


def test_an_attached_handler_runs_in_a_thread_of_its_own(events):
    seen = []
    for _ in range(2):
        events.attach(lambda _: seen.append(threading.current_thread()))
    events.emit(NodeLost("a"))
    events.close(MINUTE)
    assert len({threading.current_thread(), *seen}) == 3
    assert all(thread.daemon for thread in seen)


def test_a_handler_that_blocks_delays_nobody_and_misses_nothing(events):
    going_on, slow, quick = threading.Event(), [], []
    events.attach(lambda event: (going_on.wait(MINUTE), slow.append(event)))
    events.attach(quick.append)
    started = time.monotonic()
    for n in range(100):
        events.emit(NodeLost(str(n)))
    assert time.monotonic() - started < MINUTE / 2
    while len(quick) < 100:
        time.sleep(0.001)
    assert slow == []
    going_on.set()
    events.close(MINUTE)
    assert len(slow) == 100


def test_a_handler_that_raises_goes_on_and_costs_one_line_a_minute(events, caplog):
    seen = []

    def raising(event):
        seen.append(event)
        raise ValueError("no")

    events.attach(raising)
    for n in range(50):
        events.emit(NodeLost(str(n)))
    events.close(MINUTE)
    assert len(seen) == 50
    [record] = [each for each in caplog.records if each.name == "tidegate.events"]
    assert (record.levelname, record.exc_info[0]) == ("ERROR", ValueError)
    assert "raising raised on NodeLost(node='0')" in record.message


def test_after_a_minute_it_is_heard_of_again_with_how_often_it_raised(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(listeners, "monotonic", lambda: now[0])

    def raising(event):
        now[0] += 25
        raise ValueError(event)

    listener = Listener(raising)
    for n in range(5):
        listener(n)
    listener.end()
    assert listener.join(MINUTE)
    assert [record.message.partition("raised ")[2] for record in caplog.records] == ["on 0", "on 3 (and on 2 more)"]


def test_one_that_is_too_far_behind_misses_what_comes_and_the_log_says_how_much(caplog):
    going_on, seen = threading.Event(), []
    listener = Listener(lambda n: (going_on.wait(MINUTE), seen.append(n)), backlog=10)
    listener(0)
    while listener._waiting.qsize():
        time.sleep(0.001)
    for n in range(1, 100):
        listener(n)
    assert listener.dropped == 89
    going_on.set()
    while len(seen) < 11:
        time.sleep(0.001)
    listener.end()
    assert listener.join(MINUTE)
    assert seen == list(range(11))
    said = [record.message.partition("<locals>.<lambda> ")[2] for record in caplog.records]
    assert said == ["is 10 events behind; it misses what comes now", "has caught up; it missed 89 events"]


def test_a_detached_handler_is_told_what_happened_before_and_nothing_after(events):
    seen = []
    detach = events.attach(seen.append)
    events.emit(NodeLost("before"))
    detach()
    events.emit(NodeLost("after"))
    detach()  # may be said twice
    while not seen:
        time.sleep(0.001)
    assert seen == [NodeLost("before")]
    assert not events.attached


def test_a_handler_that_never_returns_does_not_hold_up_the_end(events, caplog):
    forever = threading.Event()
    events.attach(lambda _: forever.wait(MINUTE))
    events.emit(NodeLost("a"))
    events.close(0.01)
    assert "did not end in time; it is left behind" in caplog.text
    forever.set()


def test_a_handler_may_close_the_bus_itself(events):
    closed = threading.Event()
    events.attach(lambda _: (events.close(MINUTE), closed.set()))
    events.emit(NodeLost("a"))
    assert closed.wait(MINUTE)


@pytest.mark.parametrize("wrong", [None, "handler", 7])
def test_what_cannot_be_called_is_refused(events, wrong):
    with pytest.raises(UsageError, match="a handler of events is a plain function"):
        events.attach(wrong)


def test_a_coroutine_function_is_refused_with_the_way_out(events):
    async def handler(event): ...

    with pytest.raises(UsageError) as refused:
        events.attach(handler)
    assert "call_soon_threadsafe" in refused.value.hint
    assert not events.attached


def test_a_subscriber_is_called_in_the_emitters_turn(events):
    seen = []
    leave = events.subscribe(lambda event: seen.append((event, threading.current_thread())))
    events.emit(NodeLost("a"))
    leave()
    events.emit(NodeLost("b"))
    leave()
    assert seen == [(NodeLost("a"), threading.current_thread())]


def test_a_subscriber_that_raises_costs_a_line(events, caplog):
    seen = []
    events.subscribe(lambda _: 1 / 0)
    events.subscribe(seen.append)
    events.emit(QueueMended("email"))
    assert seen == [QueueMended("email")]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_subscriber_hears_of_the_kinds_it_named_and_of_no_others(events):
    some, everything = [], []
    events.subscribe(some.append, NodeLost, Enqueued)
    leave = events.subscribe(everything.append)
    told = [NodeLost("a"), QueueMended("email"), Enqueued("email", "k")]
    for event in told:
        events.emit(event)
    leave()
    events.emit(NodeLost("b"))
    assert some == [told[0], told[2], NodeLost("b")]
    assert everything == told


def test_a_subscriber_that_comes_later_hears_what_comes_then(events):
    early, late = [], []
    events.subscribe(early.append)
    events.emit(QueueMended("email"))
    events.subscribe(late.append, QueueMended)
    events.emit(QueueMended("email"))
    assert (len(early), len(late)) == (2, 1)


def test_a_subscriber_may_leave_while_it_is_told(events):
    seen = []

    def once(event):
        seen.append(event)
        leave()

    leave = events.subscribe(once)
    events.subscribe(seen.append)
    events.emit(NodeLost("a"))
    events.emit(NodeLost("b"))
    assert seen == [NodeLost("a"), NodeLost("a"), NodeLost("b")]


def test_what_a_handler_of_jobs_enqueues_is_told_its_node_too():
    client, node = Events(), Events()
    told = []
    client.subscribe(lambda event: told.append(("client", event)))
    node.subscribe(lambda event: told.append(("node", event)))
    event = Enqueued("email", "mail:send")
    announce(event, client)
    token = emitting.set(node.emit)
    try:
        announce(event, client)
        announce(event, node)  # a client that shares the node's bus: once
    finally:
        emitting.reset(token)
    assert told == [("client", event), ("client", event), ("node", event), ("node", event)]


def test_many_events_are_made_only_where_somebody_listens(events):
    made, told = [], []

    def many():
        for n in range(3):
            made.append(n)
            yield NodeLost(str(n))

    announce_all(many(), events)
    assert made == []
    events.subscribe(told.append)
    announce_all(many(), events)
    assert told == [NodeLost("0"), NodeLost("1"), NodeLost("2")]
    token = emitting.set(told.append)
    try:
        announce_all(many(), Events())
    finally:
        emitting.reset(token)
    assert len(told) == 6
