"""The stages that the tests are made of: real ones that write down what happened to them."""

import asyncio
from functools import wraps

from tidegate.stages import Consumer, Producer, ProducerConsumer, Why
from tidegate.testing import run_virtual


def virtual(test):
    """Run an async test on a loop of its own whose time jumps."""

    @wraps(test)
    def run(*args, **kwargs):
        return run_virtual(test(*args, **kwargs))

    return run


async def quiet():
    """Return when nothing is left to be done: time moves on only then."""
    await asyncio.sleep(0.001)


class Remembering:
    """What came back, what was said at the end, and which subscriptions ended."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.back = []
        self.cancelled = []
        self.terminated = []
        self.infos = []
        self.dropped = []

    @property
    def returned(self):
        return [event for events, _ in self.back for event in events]

    def on_undelivered(self, events, why: Why):
        self.back.append((list(events), why))

    async def handle_cancel(self, sub, reason):
        self.cancelled.append(reason)

    async def handle_info(self, message):
        self.infos.append(message)

    async def handle_cast(self, request):
        if callable(request):
            result = request(self)
            if asyncio.iscoroutine(result):
                await result

    async def handle_call(self, request):
        return request(self) if callable(request) else request

    async def terminate(self, reason):
        self.terminated.append(reason)

    def on_dropped(self, request):
        self.dropped.append(request)


class Numbers(Remembering, Producer):
    """Counts up to `limit`: as many numbers as are demanded, plus `extra`."""

    def __init__(self, *, extra=0, limit=100, **options):
        super().__init__(**options)
        self.extra = extra
        self.limit = limit
        self.next = 0
        self.demands = []

    async def handle_demand(self, demand):
        self.demands.append(demand)
        events = range(self.next, min(self.next + demand + self.extra, self.limit))
        self.next = events.stop
        return events


class Push(Remembering, Producer):
    """Gives nothing by itself: events are pushed into it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.demands = []

    async def handle_demand(self, demand):
        self.demands.append(demand)
        return ()


class Owing(Push):
    """Remembers what it owes, as a producer does whose events come from elsewhere."""

    def __init__(self, **options):
        super().__init__(**options)
        self.owed = 0
        self.retracted = []

    async def handle_demand(self, demand):
        self.owed += demand
        return await super().handle_demand(demand)

    async def handle_retract(self, demand):
        self.owed -= demand
        self.retracted.append(demand)

    def pay(self, events):
        self.owed -= len(events)
        self.emit(events)


class Sink(Remembering, Consumer):
    """Writes down its batches; while `gate` is closed it stands still in the first one."""

    def __init__(self, *subs, **options):
        super().__init__(*subs, **options)
        self.batches = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.subs = []
        self.began = 0

    @property
    def events(self):
        return [event for batch in self.batches for event in batch]

    async def handle_subscribe(self, sub):
        self.subs.append(sub)

    async def handle_events(self, events, sub):
        self.began += 1
        await self.gate.wait()
        self.batches.append(list(events))


class Failing(Sink):
    """Crashes on the event `on`."""

    def __init__(self, *subs, on, **options):
        super().__init__(*subs, **options)
        self.on = on

    async def handle_events(self, events, sub):
        if self.on in events:
            raise RuntimeError(f"cannot handle {self.on}")
        await super().handle_events(events, sub)


class Through(Remembering, ProducerConsumer):
    """Emits `function(event)`, a list, for each event."""

    def __init__(self, *subs, function=lambda event: [event], **options):
        super().__init__(*subs, **options)
        self.function = function
        self.batches = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle_events(self, events, sub):
        await self.gate.wait()
        self.batches.append(list(events))
        return [out for event in events for out in self.function(event)]


async def started(*stages):
    """Start stages in order, and let everything come to rest."""
    for stage in stages:
        await stage.start()
    await quiet()
    return stages if len(stages) > 1 else stages[0]
