"""Batches by key: full ones at once, the others after a while, and all of them at the end.

eu: 1 3 5 (size)
us: 2 4 (timeout)
eu: 6 (flush)
"""

import asyncio

from tidegate.stages import Batcher, Consumer, Subscription
from tidegate.stages.patterns import PushProducer


class Printer(Consumer):
    async def handle_events(self, batches, sub):
        for batch in batches:
            print(f"{batch.key}:", *(n for _, n in batch), f"({batch.trigger})")


async def main():
    orders = await PushProducer().start()
    batcher = await Batcher(orders, size=3, timeout=0.2, key=lambda order: order[0]).start()
    printer = await Printer(Subscription(batcher, max_demand=1, min_demand=0)).start()
    for n in range(1, 6):
        await orders.put(("eu" if n % 2 else "us", n))
    await asyncio.sleep(0.5)
    await orders.put(("eu", 6))
    await orders.drain(timeout=5)  # flushes the batcher on its way
    await printer.join()
    await orders.stop()


asyncio.run(main())
