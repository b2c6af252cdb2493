"""One circuit of two queues' kinds on whole nodes; and what a node takes with it that is killed while it holds the permits."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import NodeProcess
from tests.support.shared_circuit_jobs import letter, parcel, postcard
from tests.support.stand import Stand, until
from tidegate import Node, Tidegate
from tidegate.settings import Settings

CONFIG = """\
jobs: [tests.support.shared_circuit_jobs]
poll: 0.2
lease: 3
drain_timeout: 10
defaults: {max_attempts: 3, timeout: 60}
circuits: {relay: {minimum: 5, open_for: 3600, jitter: 0, ramp: 0, probes: 3, needed: 3}}
queues:
  email: {consumers: 4}
  post: {consumers: 4}
"""


@pytest.fixture
async def post(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    config = tmp_path / "queues.yaml"
    config.write_text(CONFIG, "utf-8")
    async with Tidegate.connect(database, config=config) as tide:
        yield Stand(database, tmp_path, tide, config)


def switch(stand: Stand, name: str) -> Path:
    return stand.config.with_name(name)


def said(stand: Stand, word: str) -> int:
    return sum(line.startswith(f"{word} ") for line in stand.traces())


def circuit(stand: Stand) -> Any:
    rows = stand.rows("SELECT * FROM tidegate.circuits WHERE name = 'relay'")
    return rows[0] if rows else {"state": None, "permits": 0}


def live(stand: Stand) -> list[Any]:
    return stand.rows("SELECT id FROM tidegate.jobs LIMIT 1")


async def test_what_one_queues_kind_learns_holds_for_the_other_queues_kind_too(post: Stand) -> None:
    switch(post, "down").touch()
    async with Node(Settings.load(post.config, database=post.database)):
        await post.tide.enqueue_many([letter.call(n) for n in range(10)])
        await until(lambda: circuit(post)["state"] == "open", what="letters to open the circuit")
        await post.tide.enqueue_many([postcard.call(n) for n in range(10)])
        await post.tide.enqueue_many([parcel.call(n) for n in range(10)])
        await until(lambda: said(post, "parcel") == 10, what="what came after the postcards, and needs no relay")
        assert said(post, "postcard") == 0
        [view] = [each for each in await post.tide.circuits.list() if each.circuit == "relay"]
        assert view.gated_jobs >= 10, "of both queues"
        switch(post, "down").unlink()
        await post.tide.circuits.half_open("relay")
        await until(lambda: not live(post), what="all jobs of both queues to be done")
    assert circuit(post)["state"] == "closed"
    assert circuit(post)["permits"] == 0


@pytest.mark.long
async def test_t5_kill_9_of_the_node_that_holds_the_permits_gives_them_back_and_loses_no_job(post: Stand) -> None:
    async def load(n: int) -> list[int]:
        ids = await post.tide.enqueue_many([letter.call(k) for k in range(n)])
        ids += await post.tide.enqueue_many([postcard.call(k) for k in range(n)])
        return ids + await post.tide.enqueue_many([parcel.call(k) for k in range(n)])

    ids: list[int] = []
    holder = NodeProcess(post.database, post.config.parent)
    try:
        await asyncio.to_thread(holder.__enter__)
        for _ in range(2):
            switch(post, "hanging").touch()
            await post.tide.circuits.half_open("relay")
            ids += await load(60)
            await until(lambda: circuit(post)["permits"] == 3, what="all permits to be out")
            heir = NodeProcess(post.database, post.config.parent)
            await asyncio.to_thread(heir.__enter__)
            holder.signal(signal.SIGKILL)
            await asyncio.to_thread(holder.end)
            holder = heir
            await post.tide.enqueue_many([parcel.call(k) for k in range(20)])
            await until(lambda: post.rows("SELECT FROM tidegate.attempts WHERE outcome = 'lease_lost'"), what="a rescue")
            assert circuit(post)["permits"] <= 3
            switch(post, "hanging").unlink()
            await until(lambda: circuit(post)["state"] == "closed", what="three good probes on another node")
            await until(lambda: not live(post), what="all jobs to be done")
            assert circuit(post)["permits"] == 0
    finally:
        await asyncio.to_thread(holder.__exit__, None, None, None)
    states = post.rows("SELECT id, state FROM tidegate.history WHERE id = ANY (%s)", ids)
    assert sorted(row["id"] for row in states) == sorted(ids)
    assert {row["state"] for row in states} == {"completed"}
