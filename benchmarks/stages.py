"""What a stage costs: events through a producer, its dispatcher and its consumers, beside a plain asyncio.Queue.

Both move the same number of events to the same number of consumers that do nothing with them; a queue is as long as all consumers'
demand together. Printed are microseconds of CPU per event, the median of several runs that take turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from ground import machine, parser

from tidegate.stages import Consumer, Producer, Subscription

CASES = [(1, 1), (1, 50), (10, 1), (10, 50), (100, 1), (100, 50)]  # (demand, consumers)
EVENTS = 20_000


class Counter(Producer[int]):
    def __init__(self, events: int) -> None:
        super().__init__()
        self.given, self.events = 0, events

    async def handle_demand(self, demand: int) -> range:
        events = range(self.given, min(self.given + demand, self.events))
        self.given = events.stop
        return events


class Sink(Consumer[int]):
    done: asyncio.Event
    left = 0

    async def handle_events(self, events: Sequence[int], sub: object) -> None:
        Sink.left -= len(events)
        if Sink.left <= 0:
            Sink.done.set()


async def stages(demand: int, consumers: int, events: int) -> float:
    Sink.done, Sink.left = asyncio.Event(), events
    producer = await Counter(events).start()
    sinks = [Sink(Subscription(producer, max_demand=demand, min_demand=0)) for _ in range(consumers)]
    begin = time.process_time()
    for sink in sinks:
        await sink.start()
    await Sink.done.wait()
    seconds = time.process_time() - begin
    for stage in (*sinks, producer):
        await stage.stop()
    return seconds


async def queue(demand: int, consumers: int, events: int) -> float:
    line: asyncio.Queue[int] = asyncio.Queue(demand * consumers)
    done = asyncio.Event()
    left = events

    async def produce() -> None:
        for n in range(events):
            await line.put(n)

    async def consume() -> None:
        nonlocal left
        while True:
            await line.get()
            left -= 1
            if left == 0:
                done.set()

    begin = time.process_time()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(consume()) for _ in range(consumers)]
        group.create_task(produce())
        await done.wait()
        seconds = time.process_time() - begin
        for task in tasks:
            task.cancel()
    return seconds


def measure(run: Callable[[int, int, int], Awaitable[float]], demand: int, consumers: int, events: int) -> float:
    async def main() -> float:
        return await run(demand, consumers, events)

    return asyncio.run(main()) / events * 1e6


def main() -> None:
    size = parser(__doc__).parse_args().size
    events, runs = size.pick(EVENTS, EVENTS, 1_000), size.pick(7, 3, 1)
    print(f"{events:,} events, median of {runs} runs; {machine()}")
    print(f"{'demand':>7} {'consumers':>10} {'stages us':>10} {'queue us':>10} {'ratio':>7}")
    for demand, consumers in CASES:
        turns = [(measure(stages, demand, consumers, events), measure(queue, demand, consumers, events)) for _ in range(runs)]
        ours, plain = (statistics.median(column) for column in zip(*turns, strict=True))
        print(f"{demand:>7} {consumers:>10} {ours:>10.2f} {plain:>10.2f} {ours / plain:>7.2f}")


if __name__ == "__main__":
    main()
