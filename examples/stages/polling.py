"""Poll a table for as many rows as consumers want, and for none while they want none.

worker-1 got orders [1, 2]
worker-2 got orders [3, 4]
worker-1 got orders [5]
left in the table: 0
"""

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from tidegate.stages import Consumer, Subscription
from tidegate.stages.patterns import PollingProducer

TAKE = """
DELETE FROM example_orders WHERE id IN (SELECT id FROM example_orders ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED) RETURNING id
"""


done = asyncio.Event()


class Worker(Consumer[int]):
    async def handle_events(self, orders, sub):
        await asyncio.sleep(0.2)
        print(f"{self.name} got orders {list(orders)}")
        if 5 in orders:
            done.set()


async def main():
    engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE example_orders (id integer PRIMARY KEY)"))
        await connection.execute(text("INSERT INTO example_orders SELECT generate_series(1, 5)"))

    async def fetch(n):
        async with engine.begin() as connection:
            return sorted(row.id for row in await connection.execute(text(TAKE), {"n": n}))

    # An unreachable database is waited out; any other error would be the stage's crash.
    orders = await PollingProducer(fetch, every=0.1, retry_on=(OperationalError,)).start()
    workers = [Worker(Subscription(orders, max_demand=2, min_demand=0), name=f"worker-{n}") for n in (1, 2)]
    for worker in workers:
        await worker.start()
        await asyncio.sleep(0.1)
    await done.wait()
    await orders.drain(timeout=5)  # polls no more; returns when the workers are through
    await orders.stop()

    async with engine.connect() as connection:
        left = (await connection.execute(text("SELECT count(*) FROM example_orders"))).scalar_one()
    print("left in the table:", left)
    await engine.dispose()


asyncio.run(main())
