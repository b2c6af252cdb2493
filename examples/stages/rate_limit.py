"""No more than two calls in a fifth of a second, whoever makes them: the stages of one limit share it.

6 calls took two windows at least: True
"""

import asyncio

from tidegate.stages import Consumer, Subscription, from_iterable
from tidegate.stages.patterns import FixedWindow, RateLimited

WINDOW = 0.2


class Caller(Consumer[str]):
    calls: list[float] = []  # noqa: RUF012 - of all callers together

    async def handle_events(self, names, sub):
        Caller.calls += [asyncio.get_running_loop().time()] * len(names)


async def main():
    limit = FixedWindow(2, WINDOW)
    callers = []
    for name in "ab":
        names = await from_iterable([f"{name}{n}" for n in range(3)]).start()
        paced = await RateLimited(Subscription(names, max_demand=2), limit=limit).start()
        callers.append(await Caller(paced, name=name).start())
    for caller in callers:
        await caller.join()  # each ends with its source
    took = max(Caller.calls) - min(Caller.calls)
    print(len(Caller.calls), "calls took two windows at least:", took >= 2 * WINDOW - 0.01)


asyncio.run(main())
