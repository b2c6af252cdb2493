"""An asyncio.Queue and an asynchronous iterator as sources: no more is taken from either than is wanted.

wanted two, and the queue still holds 8 of 10
from the queue: 45
from the iterator: [0, 1, 4, 9]
"""

import asyncio

from tidegate.stages import Consumer, Subscription, from_iterable, stream
from tidegate.stages.patterns import QueueProducer


class Adder(Consumer[int]):
    total = 0

    async def handle_events(self, numbers, sub):
        await asyncio.sleep(0.01)
        self.total += sum(numbers)


async def squares():
    for n in range(4):
        await asyncio.sleep(0.01)
        yield n * n


async def main():
    queue = asyncio.Queue()
    for n in range(10):
        queue.put_nowait(n)
    numbers = await QueueProducer(queue, end="the end").start()
    adder = await Adder(Subscription(numbers, max_demand=2, min_demand=0)).start()
    while queue.qsize() == 10:  # noqa: ASYNC110 - it has no event for that
        await asyncio.sleep(0)
    print("wanted two, and the queue still holds", queue.qsize(), "of 10")
    queue.put_nowait("the end")
    await adder.join()
    print("from the queue:", adder.total)

    source = await from_iterable(squares()).start()
    print("from the iterator:", [n async for n in stream(Subscription(source, max_demand=2))])


asyncio.run(main())
