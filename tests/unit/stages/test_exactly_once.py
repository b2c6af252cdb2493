"""Invariant I7: whatever crashes, is killed, cancelled, drained or resized, every event is handled once or comes back once."""

import asyncio
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.stages.parts import quiet

from tidegate.stages import (
    Cancel,
    Consumer,
    Demand,
    DemandDispatcher,
    Exit,
    PartitionDispatcher,
    Producer,
    ProducerConsumer,
    Shutdown,
    Subscription,
    TaskConsumer,
)
from tidegate.testing import run_virtual


class Ledger:
    """What became of each event."""

    def __init__(self):
        self.emitted = 0
        self.handled = []
        self.returned = []

    def new(self, count):
        first, self.emitted = self.emitted, self.emitted + count
        return list(range(first, self.emitted))

    def check(self):
        assert sorted(self.handled + self.returned) == list(range(self.emitted))


class Source(Producer):
    def __init__(self, ledger, **options):
        super().__init__(**options)
        self.ledger = ledger

    async def handle_demand(self, demand):
        if demand % 3 == 2:
            await asyncio.sleep(0.5)
        return self.ledger.new(demand // 2) if self.ledger.emitted < 200 else ()

    async def handle_cast(self, request):
        request()

    def on_undelivered(self, events, why):
        self.ledger.returned += events


class Retracting(Source):
    async def handle_retract(self, demand):
        await asyncio.sleep(0)


class Handler(Consumer):
    """Marks every event as handled after a while; a stubborn one does not end when it is cancelled."""

    def __init__(self, *subs, ledger, pace, stubborn, **options):
        super().__init__(*subs, **options)
        self.ledger, self.pace, self.stubborn = ledger, pace, stubborn
        self.subs = []

    async def handle_subscribe(self, sub):
        self.subs.append(sub)

    async def handle_events(self, events, sub):
        for event in events:
            try:
                await asyncio.sleep(self.pace)
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
            if self.handled(event):
                self.ledger.handled.append(event)

    async def handle_cast(self, request):
        request()


class Pool(TaskConsumer):
    def __init__(self, *subs, ledger, pace, stubborn, **options):
        super().__init__(*subs, **options)
        self.ledger, self.pace, self.stubborn = ledger, pace, stubborn
        self.subs = []

    async def handle_subscribe(self, sub):
        self.subs.append(sub)

    async def handler(self, event):
        await asyncio.sleep(self.pace)
        if event % 11 == 7:
            raise RuntimeError(f"no luck with {event}")
        self.ledger.handled.append(event)

    async def handle_cast(self, request):
        request()


class Middle(ProducerConsumer):
    def __init__(self, *subs, ledger, **options):
        super().__init__(*subs, **options)
        self.ledger = ledger

    async def handle_events(self, events, sub):
        await asyncio.sleep(0.3)
        return events

    async def handle_cast(self, request):
        request()

    def on_undelivered(self, events, why):
        self.ledger.returned += events


def crash():
    raise RuntimeError("told to crash")


class World:
    """A source, perhaps a stage in the middle, and consumers that come and go."""

    def __init__(self, retracting, partitioned, size, mode):
        self.ledger = Ledger()
        dispatcher = PartitionDispatcher(3, hash=lambda n: (n, n % 3)) if partitioned else DemandDispatcher()
        make = Retracting if retracting else Source
        self.source = make(self.ledger, dispatcher=dispatcher, buffer_size=size, demand=mode, name="source")
        self.middle = None
        self.consumers = []

    async def do(self, verb, who, n):
        consumer = self.consumers[who % len(self.consumers)] if self.consumers else None
        match verb:
            case "emit":
                self.source.emit(self.ledger.new(n))
            case "join":
                await self.join(who, n)
            case "wait":
                await asyncio.sleep(n / 4)
            case "forward":
                self.source.set_demand(Demand.FORWARD)
            case "accumulate":
                self.source.set_demand(Demand.ACCUMULATE)
            case "insert" if self.middle is None and self.source.alive:
                sub = Subscription("source", max_demand=n + 1, cancel=Cancel.TEMPORARY, partition=2)
                self.middle = await Middle(sub, ledger=self.ledger, name="middle", buffer_size=5 * n).start()
            case "crash source":
                self.source.cast(crash)
            case "kill source":
                self.source.kill()
            case "crash middle" if self.middle is not None:
                self.middle.cast(crash)
            case "kill middle" if self.middle is not None:
                self.middle.kill()
            case "stop middle" if self.middle is not None:
                await self.middle.stop(timeout=n)
            case "drain":
                self.background.append(asyncio.ensure_future(self.drain(n)))
            case _ if consumer is not None:
                await self.do_to(consumer, verb, n)

    background = ()

    async def drain(self, n):
        try:
            await self.source.drain(n)
        except TimeoutError:
            return

    async def join(self, who, n):
        to = "middle" if who % 2 and self.middle is not None else "source"
        mode = list(Cancel)[n % 3]
        sub = Subscription(to, max_demand=n + 1, min_demand=n // 2, cancel=mode, partition=who % 3, resubscribe=(None, 1)[who % 2])
        options = {"ledger": self.ledger, "pace": who / 4, "stubborn": n % 2 == 0}
        consumer = Pool(sub, slots=n, **options) if who % 4 == 3 else Handler(sub, **options)
        consumer.kill_grace = 0.5
        self.consumers.append(consumer)
        try:
            await consumer.start()
        except Exit:  # there was nobody to subscribe to
            assert not consumer.alive

    async def do_to(self, consumer, verb, n):
        match verb:
            case "stop":
                await consumer.stop(Shutdown(), timeout=n / 2)
            case "stop without waiting":
                self.background.append(asyncio.ensure_future(consumer.stop(Shutdown())))
            case "kill":
                consumer.kill()
            case "crash":
                consumer.cast(crash)
            case "cancel" if consumer.subs:
                consumer.cancel(consumer.subs[-1])
            case "retract" if consumer.subs:
                self.background.append(asyncio.ensure_future(consumer.retract(consumer.subs[-1], n)))
            case "resize" if isinstance(consumer, Pool):
                self.background.append(asyncio.ensure_future(consumer.resize(n)))
            case "interrupt" if consumer._task is not None:
                consumer._task.cancel()

    async def run(self, script):
        self.background = []
        await self.source.start()
        for verb, who, n in (*BEGINNING, *script):
            await self.do(verb, who, n)
            if who % 3 == 0:
                await quiet()
        for stage in (*self.consumers, self.middle, self.source):
            if stage is not None:
                await stage.stop(timeout=3)
        await asyncio.sleep(100)
        for task in self.background:
            await task
        await asyncio.sleep(100)  # zombies come to their senses
        self.ledger.check()


VERBS = ["emit"] * 6 + ["interrupt"] * 3 + ["join"] * 4 + ["wait"] * 3
VERBS += ["forward", "accumulate", "insert", "crash source", "kill source", "crash middle", "kill middle", "stop middle", "drain"]
VERBS += ["stop", "stop without waiting", "kill", "crash", "cancel", "retract", "resize", "interrupt"]

BEGINNING = [("join", 1, 7), ("join", 2, 4), ("join", 3, 3), ("emit", 0, 9)]

scripts = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 7), st.integers(1, 9)), min_size=5, max_size=40)


@pytest.fixture(autouse=True)
def _quiet_log():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.booleans(), st.none() | st.integers(0, 20), st.sampled_from(Demand), scripts)
def test_i7_every_event_is_handled_or_comes_back_exactly_once(retracting, partitioned, size, mode, script):
    run_virtual(World(retracting, partitioned, size, mode).run(script))
