"""`tidegate bench`: it measures beside the user's jobs, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.integration.cli.shop import Shop
from tidegate.benchmark.scratch import scratch_database
from tidegate.errors import ConfigurationError


def scratches(shop: Shop) -> list[str]:
    rows = shop.rows("SELECT datname FROM pg_database WHERE starts_with(datname, 'tidegate_bench_')")
    return [row["datname"] for row in rows]


@pytest.mark.long
def test_it_measures_in_a_database_of_its_own_and_drops_it(shop: Shop) -> None:
    kept = shop.insert()
    result = shop.run("bench", "--jobs", "1000", "--json")
    figures = json.loads(result.stdout)
    assert result.exit_code == 0
    assert figures["jobs"] == 1_000
    assert all(figures[name] > 0 for name in ("drain", "enqueue_many", "enqueue_one_by_one", "statements_alone", "cpu_per_job"))
    assert 0 < figures["latency_p50"] <= figures["latency_p95"] <= figures["latency_p99"]
    assert figures["of_server"] == pytest.approx(figures["drain"] / figures["statements_alone"])
    assert scratches(shop) == []
    assert [row["id"] for row in shop.rows("SELECT id FROM tidegate.jobs")] == [kept]


@pytest.mark.long
def test_for_people_it_says_what_each_figure_is(shop: Shop) -> None:
    result = shop.run("bench", "--jobs", "1000")
    assert "one node, no-op jobs" in result.stdout
    assert "one node drains them ..." in result.stderr


def test_ctrl_c_leaves_nothing_behind(shop: Shop) -> None:
    with shop.started("bench", "--jobs", "10000000") as bench:
        bench.says("by enqueue_many ...")
        bench.signal(signal.SIGINT)
        assert bench.ends() == 130
    assert scratches(shop) == []


@pytest.fixture
def humble(shop: Shop) -> Iterator[str]:
    """The database as a role sees it that may not make another one."""
    role = sql.Identifier("humble_bencher")
    shop_user = conninfo_to_dict(shop.database)
    with psycopg.connect(shop.database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN NOCREATEDB PASSWORD 'humble'").format(role))
        try:
            yield make_conninfo(**{**shop_user, "user": "humble_bencher", "password": "humble"})  # type: ignore[arg-type]
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_role_that_may_make_no_database_is_told_so(humble: str) -> None:
    with pytest.raises(ConfigurationError, match="may not make one") as refused, scratch_database(humble):
        pass
    assert "CREATEDB" in (refused.value.hint or "")
