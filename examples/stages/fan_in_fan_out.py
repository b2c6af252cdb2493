"""Many into one, one into many: shared, by key, or everything to everybody.

fan-in: one consumer got [0, 1, 2, 10, 11, 12]
shared: together they got [0, 1, 2, 3, 4, 5], each event once
by key: even got [0, 2, 4], odd got [1, 3, 5]
broadcast: audit got [0, 1, 2, 3, 4, 5], alerts got [4, 5]
"""

import asyncio
from contextlib import suppress

from tidegate.stages import (
    BroadcastDispatcher,
    Cancel,
    Consumer,
    Demand,
    PartitionDispatcher,
    StageGone,
    Subscription,
    from_iterable,
)


class Collector(Consumer[int]):
    def __init__(self, *subs):
        super().__init__(*subs)
        self.got = []

    async def handle_call(self, request):
        return self.got

    async def handle_events(self, events, sub):
        await asyncio.sleep(0.01)
        self.got += events


async def numbers(*more, **options):
    return await from_iterable(more or range(6), demand=Demand.ACCUMULATE, **options).start()


async def collect(producers, *subscriptions):
    """Wire everything first, then let events flow: so nobody misses the first of them."""
    collectors = [await Collector(*subs).start() for subs in subscriptions]
    for producer in producers:
        producer.set_demand(Demand.FORWARD)
    for producer in producers:
        await producer.join()
    for collector in collectors:
        with suppress(StageGone):  # it has ended with its producer
            await collector.call("all?")  # answered behind all events before it
        await collector.stop()
    return [collector.got for collector in collectors]


async def main():
    one, two = await numbers(0, 1, 2), await numbers(10, 11, 12)
    [got] = await collect([one, two], [Subscription(each, cancel=Cancel.TEMPORARY) for each in (one, two)])
    print("fan-in: one consumer got", sorted(got))

    source = await numbers()
    halves = await collect([source], [Subscription(source, max_demand=2)], [Subscription(source, max_demand=2)])
    print(f"shared: together they got {sorted(halves[0] + halves[1])}, each event once")

    source = await numbers(dispatcher=PartitionDispatcher(["even", "odd"], hash=lambda n: (n, "odd" if n % 2 else "even")))
    even, odd = await collect([source], *([Subscription(source, partition=name)] for name in ("even", "odd")))
    print(f"by key: even got {even}, odd got {odd}")

    source = await numbers(dispatcher=BroadcastDispatcher())
    audit, alerts = await collect([source], [source], [Subscription(source, selector=lambda n: n > 3)])
    print(f"broadcast: audit got {audit}, alerts got {alerts}")


asyncio.run(main())
