"""Insert events batch by batch, each batch one transaction; an unreachable database is waited out.

100 visits in 4 transactions
"""

import asyncio
import os
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tidegate.stages import Subscription, from_iterable
from tidegate.stages.patterns import DatabaseWriter


@dataclass(frozen=True)
class Visit:
    id: int
    page: str


TABLE = """
CREATE TABLE example_visits (id integer PRIMARY KEY, page text, tx bigint DEFAULT pg_current_xact_id()::text::bigint)
"""
# A batch may be written twice, when the answer to its commit was lost: so let the statement bear that.
INSERT = "INSERT INTO example_visits (id, page) VALUES (:id, :page) ON CONFLICT DO NOTHING"


async def main():
    engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    async with engine.begin() as connection:
        await connection.execute(text(TABLE))
    visits = await from_iterable(Visit(n, f"/page/{n}") for n in range(100)).start()
    writer = DatabaseWriter(Subscription(visits, max_demand=50, min_demand=25), engine=engine, statement=INSERT)
    await (await writer.start()).join()  # it ends with its source
    async with engine.connect() as connection:
        row = (
            await connection.execute(text("SELECT count(*) AS visits, count(DISTINCT tx) AS transactions FROM example_visits"))
        ).one()
    print(f"{row.visits} visits in {row.transactions} transactions")
    await engine.dispose()


asyncio.run(main())
