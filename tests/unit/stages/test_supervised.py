"""Stages under a real supervisor: example (a) of the design, restarts by name, order of ends (G64)."""

import asyncio

from tests.unit.stages.parts import quiet, virtual

from tidegate.stages import Cancel, Consumer, Producer, Subscription, Why, names
from tidegate.supervision import ChildSpec, Restart, Strategy, Supervisor


class Counter(Producer[int]):
    def __init__(self, log):
        super().__init__(name="counter")
        self.n = 0
        self.log = log

    async def handle_demand(self, demand):
        events = range(self.n, self.n + demand)
        self.n += demand
        return events

    async def handle_cast(self, request):
        request()

    async def terminate(self, reason):
        self.log.append("counter")

    def on_undelivered(self, events, why: Why):
        self.log.append((why, len(events)))


class Printer(Consumer[int]):
    def __init__(self, name, log, cancel=Cancel.PERMANENT):
        super().__init__(Subscription("counter", max_demand=10, min_demand=5, cancel=cancel), name=name)
        self.printed = []
        self.log = log

    async def handle_events(self, events, sub):
        await asyncio.sleep(0.1)
        self.printed += events

    async def terminate(self, reason):
        self.log.append(self.name)


def tree(log, **options):
    printers = [ChildSpec(f"printer-{n}", lambda n=n: Printer(f"p{n}", log, **options)) for n in range(3)]
    return [ChildSpec("counter", lambda: Counter(log)), ChildSpec("printers", lambda: Supervisor(printers))]


@virtual
async def test_three_printers_share_the_numbers_of_a_counter():
    log = []
    async with Supervisor(tree(log), strategy=Strategy.REST_FOR_ONE):
        await asyncio.sleep(5)
        printers = [names.whereis(f"p{n}") for n in range(3)]
        printed = sorted(n for printer in printers for n in printer.printed)
        assert printed == list(range(len(printed)))
        assert len(printed) > 500
        assert all(len(printer.printed) > 150 for printer in printers)
    assert [entry for entry in log if isinstance(entry, str)] == ["p2", "p1", "p0", "counter"]


@virtual
async def test_g64_a_crashed_producer_takes_those_behind_it_along_and_all_come_back():
    log = []
    async with Supervisor(tree(log), strategy=Strategy.REST_FOR_ONE):
        await asyncio.sleep(1)
        first = names.whereis("counter")
        first.cast(lambda: 1 / 0)
        await asyncio.sleep(1)
        second = names.whereis("counter")
        assert second is not first
        assert second.alive
        printed = sorted(n for index in range(3) for n in names.whereis(f"p{index}").printed)
        assert printed == list(range(len(printed)))


@virtual
async def test_a_crashed_consumer_is_started_again_and_its_batch_is_not_lost():
    log = []
    async with Supervisor(tree(log), strategy=Strategy.REST_FOR_ONE):
        await quiet()
        before = names.whereis("p1")
        before._task.cancel()
        await asyncio.sleep(1)
        after = names.whereis("p1")
        assert after is not before
        assert len(after.printed) > 0
        assert (Why.INTERRUPTED, 5) in log


@virtual
async def test_a_stage_that_hangs_is_killed_after_its_shutdown_time_and_its_events_come_back():
    class Hanging(Printer):
        async def handle_events(self, events, sub):
            await asyncio.sleep(10**6)

    log = []
    children = [
        ChildSpec("counter", lambda: Counter(log)),
        ChildSpec("hanging", lambda: Hanging("h", log), shutdown=2, restart=Restart.TRANSIENT),
    ]
    loop = asyncio.get_running_loop()
    async with Supervisor(children, strategy=Strategy.REST_FOR_ONE):
        await quiet()
        before = loop.time()
    assert 2 <= loop.time() - before < 4
    assert (Why.INTERRUPTED, 5) in log
    assert (Why.CONSUMER_GONE, 5) in log
