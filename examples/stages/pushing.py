"""Events that come by themselves: who brings them feels how fast they are taken.

refused: visit 3
handled: visit 0
handled: visit 1
handled: visit 2
handled: visit 4
"""

import asyncio

from tidegate.stages import Consumer, Subscription
from tidegate.stages.patterns import Full, PushProducer


class Slow(Consumer[str]):
    async def handle_events(self, visits, sub):
        await asyncio.sleep(0.1)
        print("handled:", *visits)


async def main():
    visits = await PushProducer(buffer_size=2).start()
    slow = await Slow(Subscription(visits, max_demand=1, min_demand=0)).start()
    await asyncio.sleep(0.05)
    for n in range(4):  # one is being handled, two are buffered
        try:
            visits.offer(f"visit {n}")
        except Full:
            print(f"refused: visit {n}")
    await visits.put("visit 4")  # waits for room instead
    await visits.drain(timeout=5)
    await slow.join()
    await visits.stop()


asyncio.run(main())
