"""Leave events out, and look up what the others lack, four at a time, without losing their order.

left out: 5
(2, 'user-2@example.org') (4, 'user-4@example.org') (6, 'user-6@example.org') (8, 'user-8@example.org') (10, 'user-10@example.org')
at once: 4
"""

import asyncio

from tidegate.stages import Subscription, from_iterable, stream
from tidegate.stages.patterns import Filter, Transform


class OnlyEven(Filter[int]):
    left_out = 0

    def on_filtered(self, events):
        self.left_out += len(events)


at_once = [0]


async def with_address(user):
    at_once.append(at_once[-1] + 1)
    await asyncio.sleep(0.1)  # a database, a service
    at_once.append(at_once[-1] - 1)
    return user, f"user-{user}@example.org"


async def main():
    users = await from_iterable(range(1, 11)).start()
    even = await OnlyEven(Subscription(users, max_demand=20), keep=lambda user: user % 2 == 0).start()
    enriched = await Transform(Subscription(even, max_demand=20), function=with_address, at_once=4).start()
    found = [pair async for pair in stream(enriched)]
    print("left out:", even.left_out)
    print(*found)
    print("at once:", max(at_once))


asyncio.run(main())
