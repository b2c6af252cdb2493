"""A store whose database goes away and comes back, and the breaker before its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.chaos.proxy import Proxy
from tests.store.scene import new
from tests.support.stand import until_async
from tidegate.errors import DatabaseUnreachable
from tidegate.store.postgres import PostgresStore, make_engine
from tidegate.store.reach import ROW, Reach


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    parts = conninfo_to_dict(database)
    with Proxy(Path(str(parts["host"])) / f".s.PGSQL.{parts.get('port', 5432)}") as proxy:
        yield proxy


@pytest.fixture
async def store(database: str, proxy: Proxy) -> AsyncIterator[PostgresStore]:
    conninfo = make_conninfo(database, host="127.0.0.1", port=proxy.port)
    engine, reach = make_engine(conninfo), Reach()
    reach.guard(engine)
    store = PostgresStore(conninfo, engine, reach=reach)
    yield store
    await store.close()


async def test_a_database_that_is_away_is_asked_by_one_at_a_time_and_enqueueing_is_never_refused(
    store: PostgresStore, proxy: Proxy
) -> None:
    reach = store._reach
    await store.now()
    proxy.cut()
    for _ in range(ROW):
        with pytest.raises(DatabaseUnreachable):
            await store.line("email", node="n1", kinds=())
    assert reach.away
    for ask in (store.now, lambda: store.line("email", node="n1", kinds=())):
        with pytest.raises(DatabaseUnreachable, match="one at a time"):
            await ask()
    with pytest.raises(DatabaseUnreachable) as refused:
        await store.enqueue([new()])
    assert "one at a time" not in str(refused.value)
    proxy.mend()
    await store.enqueue([new()])
    assert reach.away, "nobody has connected through the breaker yet"

    async def answers() -> bool:
        try:
            await store.now()
        except DatabaseUnreachable:
            return False
        return True

    await until_async(answers, within=20, what="the database to be found again")
    assert not reach.away
