"""A node whose database goes away and comes back: work in hand goes on, nothing storms it, and claims begin again soon."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.chaos.proxy import Proxy
from tests.support.circuit_jobs import other, slow_send
from tests.support.stand import Stand, until
from tidegate import Node, Tidegate
from tidegate.settings import Settings
from tidegate.store.reach import ROW

CONFIG = """\
jobs: [tests.support.circuit_jobs]
poll: 0.2
drain_timeout: 10
queues: {email: {consumers: 4}, forked: {consumers: 1}}
"""


@pytest.mark.long
async def test_a_node_asks_a_database_that_is_away_one_at_a_time_and_claims_again_after_its_return(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    caplog.set_level(logging.WARNING, "tidegate.database")
    config = tmp_path / "queues.yaml"
    config.write_text(CONFIG, "utf-8")
    parts = conninfo_to_dict(database)
    socket = Path(str(parts["host"])) / f".s.PGSQL.{parts.get('port', 5432)}"
    async with Tidegate.connect(database, config=config) as tide:
        stand = Stand(database, tmp_path, tide, config)
        with Proxy(socket) as proxy:
            through = f"postgresql://{parts['user']}@127.0.0.1:{proxy.port}/{parts['dbname']}"
            async with Node(Settings.load(config, database=through), queues=["email"]) as node:
                reach = node._reach
                await until(lambda: node.supervisor.managers["email"].session.connected, what="the session to be there")
                running = await tide.enqueue(slow_send, 1, 3.0)
                await until(lambda: "begin 1" in stand.traces(), what="a job to run")
                proxy.cut()
                await until(lambda: reach.away, what="the node to find it away")
                refused = reach.refused
                waiting = await tide.enqueue(other, 2)
                await until(lambda: reach.refused > refused + ROW, what="calls that fail at once")
                proxy.mend()
                await until(lambda: not reach.away, within=30, what="the node to find it again")
                await stand.end(waiting, within=30)
                await stand.end(running, within=30)
    said = [record.message.partition(";")[0] for record in caplog.records if record.name == "tidegate.database"]
    assert len(said) == 2, said
    assert stand.traces().count("begin 1") == 1, "work in hand went on"
