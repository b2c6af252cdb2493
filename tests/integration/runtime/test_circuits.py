"""Circuits at work: whole nodes on a real database, a dependency that goes down and comes back."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.circuit_jobs import committing, in_a_process, limited, other, other_until, send, slow_send
from tests.support.stand import Stand, until
from tidegate import Node, Tidegate
from tidegate.events import CircuitChanged, CircuitOutcomes, Event
from tidegate.settings import Settings

CONFIG = """\
jobs: [tests.support.circuit_jobs]
poll: 0.2
drain_timeout: 10
defaults: {{max_attempts: 3, timeout: 60, circuit: {{minimum: 5, open_for: {open_for}, open_factor: 1, jitter: 0, ramp: {ramp}, mode: {mode}}}}}
circuits: {{relay: {{}}}}
queues:
  email: {{consumers: {consumers}, demand: {{max: {demand}}}}}
  forked: {{executor: process, consumers: 1}}
"""


class Relay:
    """A stand with the jobs of tests/support/circuit_jobs.py, and the switch of their dependency."""

    def __init__(self, stand: Stand, config: Path, tide: Tidegate) -> None:
        self.stand = stand
        self.config = config
        self.tide = tide
        self.heard: list[Event] = []

    @property
    def switch(self) -> Path:
        return self.config.with_name("down")

    def down(self) -> None:
        self.switch.touch()

    def up(self) -> None:
        self.switch.unlink()

    def node(self, *queues: str) -> Node:
        node = Node(Settings.load(self.config, database=self.stand.database), queues=list(queues or ("email",)))
        node.events.subscribe(self.heard.append)
        return node

    def states(self, circuit: str = "relay") -> list[str]:
        return [
            row["to_state"]
            for row in self.stand.rows("SELECT to_state FROM tidegate.circuit_events WHERE circuit = %s ORDER BY id", circuit)
        ]

    def state(self, circuit: str = "relay") -> Any:
        return self.stand.rows("SELECT * FROM tidegate.circuits WHERE name = %s", circuit)[0]

    def attempts(self, word: str = "send") -> int:
        return sum(line.startswith(f"{word} ") for line in self.stand.traces())

    def done(self) -> int:
        return self.stand.rows("SELECT count(*) AS n FROM tidegate.history WHERE state = 'completed'")[0]["n"]


Make = Callable[..., Awaitable[Relay]]


@pytest.fixture
async def relay(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    config = tmp_path / "queues.yaml"
    tides = []

    async def make(*, open_for: float = 3600, ramp: float = 0, mode: str = "act", consumers: int = 4, demand: int = 1) -> Relay:
        config.write_text(CONFIG.format(open_for=open_for, ramp=ramp, mode=mode, consumers=consumers, demand=demand), "utf-8")
        tide = await Tidegate.connect(database, config=config).__aenter__()
        tides.append(tide)
        return Relay(Stand(database, tmp_path, tide, config), config, tide)

    yield make
    for tide in tides:
        await tide.__aexit__(None, None, None)


async def enqueue(relay: Relay, job: Any, n: int, start: int = 0) -> list[int]:
    return await relay.tide.enqueue_many([job.call(k) for k in range(start, start + n)])


async def shut(shop: Relay, node: Node) -> Any:
    """Open the circuit by hand, return once the node has heard of it; with its store, to reset it by."""
    store = node.supervisor._store
    await until(lambda: bool(shop.stand.rows("SELECT FROM tidegate.circuits WHERE name = 'relay'")))
    await store.move_circuit("relay", lambda circuit, now: circuit.force("forced_open", now), rng=float, actor="ana")
    await until(lambda: node.supervisor.circuits["relay"].shut)
    return store


async def test_a_dependency_that_is_down_costs_no_attempts_beyond_the_trip(relay: Make) -> None:
    shop = await relay()
    shop.down()
    await enqueue(shop, send, 60)
    async with shop.node():
        await until(lambda: shop.states() == ["open"], what="the circuit to open")
        ids = await enqueue(shop, other, 20)
        await until(lambda: all(shop.stand.finished(each) for each in ids), what="jobs of other kinds")
        tried = shop.attempts()
        assert 5 <= tried <= 5 + 8, "the trip, and what was claimed until it was known"
        charged = "SELECT sum(attempt) AS n FROM tidegate.jobs"
        await until(lambda: shop.stand.rows(charged)[0]["n"] == tried, what="what was claimed and not tried to be given back")
        await asyncio.sleep(0.5)  # its jobs are due again, and are not tried
        assert shop.attempts() == tried
    assert shop.state()["gates"]


async def test_it_tries_again_by_itself_and_all_jobs_are_done(relay: Make) -> None:
    shop = await relay(open_for=0.5)
    shop.down()
    await enqueue(shop, send, 40)
    async with shop.node():
        await until(lambda: shop.states().count("open") >= 2, what="a failed probe")
        shop.up()
        await until(lambda: shop.done() == 40, what="all jobs to be done")
        await until(lambda: shop.state()["calls"] > 0, what="what went well to be told")
    assert shop.states()[-1] == "closed"
    assert shop.state()["permits"] == 0
    changes = [event for event in shop.heard if isinstance(event, CircuitChanged)]
    assert [change.to_state for change in changes] == shop.states()
    outcomes = Counter[str]()
    for event in shop.heard:
        if isinstance(event, CircuitOutcomes) and event.circuit == "relay":
            outcomes[event.outcome] += event.count
    assert 30 <= outcomes["ok"] <= 40, "but for those that ran when it changed"
    assert outcomes["fail"] >= 5 + 2


async def test_no_more_probes_run_than_were_allowed(relay: Make) -> None:
    shop = await relay(open_for=0.3, consumers=8)
    shop.down()
    await enqueue(shop, send, 30)
    async with shop.node(), shop.node():
        await until(lambda: shop.states().count("open") >= 3, what="two failed rounds of probes")
        shop.up()
        await until(lambda: shop.done() == 30, what="all jobs to be done")
    rows = shop.stand.rows(
        "SELECT e.gen, e.n FROM tidegate.circuit_events AS e WHERE e.from_state = 'half_open' AND e.circuit = 'relay'"
    )
    assert all(row["n"] <= 3 for row in rows)


async def test_c2_what_was_claimed_before_the_circuit_opened_is_given_back_unstarted(relay: Make) -> None:
    shop = await relay(consumers=1, demand=20)
    shop.down()
    go_on = shop.config.with_name("go on")
    await enqueue(shop, send, 5)
    [between] = await shop.tide.enqueue_many([other_until.call(6, str(go_on))])
    behind = await enqueue(shop, send, 14, start=6)
    async with shop.node() as node:  # its only consumer holds all twenty, and is kept busy until the node knows of the trip
        await until(lambda: shop.states() == ["open"])
        await until(lambda: node.supervisor.circuits["relay"].shut, what="the node to hear of it")
        go_on.touch()
        assert (await shop.stand.end(between))["state"] == "completed"
        await until(lambda: not shop.stand.rows("SELECT FROM tidegate.jobs WHERE state = 'running'"), what="all of it back")
        given_back = shop.stand.rows("SELECT DISTINCT job_id FROM tidegate.attempts WHERE outcome = 'released'")
    assert {row["job_id"] for row in given_back} >= set(behind)
    untouched = shop.stand.rows("SELECT id FROM tidegate.jobs WHERE state = 'ready' AND attempt = 0 ORDER BY id")
    assert [row["id"] for row in untouched] == behind, "no attempt is charged"


async def test_an_observing_circuit_only_tells(relay: Make) -> None:
    shop = await relay(mode="observe")
    shop.down()
    await enqueue(shop, send, 10)
    async with shop.node():
        await until(lambda: shop.states() == ["open"])
        before = shop.attempts()
        await until(lambda: shop.attempts() > before + 20, what="attempts that go on")
    assert not shop.state()["gates"]


async def test_a_rate_limit_opens_for_as_long_as_was_asked_and_charges_nobody(relay: Make) -> None:
    shop = await relay()
    shop.down()
    await enqueue(shop, limited, 10)
    async with shop.node():
        await until(lambda: shop.states("limited") == ["open"])
        state = shop.state("limited")
        assert (state["reason"], state["trips"]) == ("rate_limited", 0)
        await until(lambda: not shop.stand.rows("SELECT FROM tidegate.jobs WHERE state = 'running'"))
    assert shop.attempts("limited") <= 4
    assert shop.stand.rows("SELECT FROM tidegate.jobs WHERE attempt > 0") == []


async def test_after_closing_the_jobs_that_waited_come_back_step_by_step(relay: Make) -> None:
    shop = await relay(open_for=0.2, ramp=0.3, consumers=30)
    shop.down()
    await enqueue(shop, send, 8)
    async with shop.node():
        await until(lambda: "open" in shop.states())
        await enqueue(shop, slow_send, 60)
        shop.up()
        await until(lambda: shop.done() == 68, what="all jobs to be done")
        await until(lambda: not shop.state()["gates"], what="the ramp to end")
    most, running = 0, 0
    for line in shop.stand.traces():
        running += line.startswith("begin ") - line.startswith("end ")
        most = max(most, running)
    assert most <= 3 * 2**4, "it grew, and did not jump"
    assert shop.state()["permits"] == 0


async def test_c3_a_job_with_its_own_transaction_reports_and_gives_its_permit_back(relay: Make) -> None:
    shop = await relay()
    async with shop.node() as node:
        await enqueue(shop, committing, 3)
        await until(lambda: shop.done() == 3)
        await until(lambda: shop.state("committing")["calls"] == 3)
        store = node.supervisor._store
        await store.move_circuit("committing", lambda circuit, now: circuit.force("half_open", now), rng=float)
        await enqueue(shop, committing, 2, start=3)
        await until(lambda: shop.states("committing")[-1] == "closed", what="two good probes")
        await until(lambda: shop.state("committing")["permits"] == 0)


async def test_jobs_in_processes_have_circuits_too(relay: Make) -> None:
    shop = await relay(open_for=0.3)
    shop.down()
    await enqueue(shop, in_a_process, 10)
    async with shop.node("forked"):
        await until(lambda: "open" in shop.states("forked"), within=60)
        shop.up()
        await until(lambda: shop.done() == 10, within=60)
    [event] = shop.stand.rows("SELECT top_errors FROM tidegate.circuit_events WHERE circuit = 'forked' ORDER BY id LIMIT 1")
    assert event["top_errors"][0]["type"] == "ConnectionRefusedError"


async def test_t9_a_lost_notification_is_made_up_for_by_looking(relay: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.runtime.listener.Switchboard.on_circuit", lambda *_: None, raising=False)
    shop = await relay()
    async with shop.node() as node:
        node.supervisor.switchboard.on_circuit = lambda: None
        store = node.supervisor._store
        await until(lambda: bool(shop.stand.rows("SELECT FROM tidegate.circuits WHERE name = 'relay'")))
        await store.move_circuit("relay", lambda circuit, now: circuit.force("forced_open", now), rng=float, actor="ana")
        await enqueue(shop, send, 5)
        await enqueue(shop, other, 5)
        await until(lambda: shop.done() == 5, what="the other kind")
        await asyncio.sleep(0.3)
        assert shop.attempts() == 0, "the claim knows, whatever the node has heard"
        await store.move_circuit("relay", lambda circuit, now: circuit.reset(now), rng=float, actor="ana")
        await until(lambda: shop.done() == 10, what="the jobs that were held back")


async def test_r21_while_the_circuits_cannot_be_read_jobs_go_on(
    relay: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tidegate.runtime.circuit_breakers.STALE_AFTER", 3_600.0)
    monkeypatch.setattr("tidegate.runtime.queue_circuits.BLIND_FOR", 0.3)
    caplog.set_level(logging.WARNING, "tidegate")
    shop = await relay()
    async with shop.node() as node:
        await shut(shop, node)
        await asyncio.to_thread(shop.stand.execute, "ALTER TABLE tidegate.circuits RENAME TO circuits_away")
        await enqueue(shop, send, 3)
        await enqueue(shop, other, 3)
        await until(lambda: shop.attempts("other") == 3, what="jobs without a circuit")
        assert shop.attempts() == 0, "what was known last holds"
        monkeypatch.setattr("tidegate.runtime.circuit_breakers.STALE_AFTER", 0.5)
        await until(lambda: shop.attempts() == 3, what="the circuits' knowledge to be too old")
        shop.down()
        await enqueue(shop, send, 2, start=3)
        await until(lambda: shop.attempts() > 6, what="failures that are acked without their reports")
        await asyncio.to_thread(shop.stand.execute, "ALTER TABLE tidegate.circuits_away RENAME TO circuits")
        await until(lambda: node.supervisor.circuits["relay"].shut, what="the circuits to be read again")
    assert "the circuits cannot be read" in caplog.text
    assert "the circuits can be read again" in caplog.text


async def test_what_a_circuit_holds_back_is_not_waited_for_and_would_be_left(relay: Make) -> None:
    shop = await relay()
    async with shop.node() as node:
        store = await shut(shop, node)
        await enqueue(shop, send, 3)
        await enqueue(shop, other, 1)
        await until(lambda: shop.done() == 1, what="what nothing holds back")
        left = await node.unfinished()
        assert (left.todo, left.left) == ((), ("email",))
        await store.move_circuit("relay", lambda circuit, now: circuit.reset(now), rng=float, actor="ana")
        await until(lambda: shop.done() == 4, what="the jobs that were held back")


async def test_nodes_with_different_numbers_of_one_circuit_are_told_of_once(
    relay: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.runtime.circuit_breakers.REFRESH", 0.1)
    monkeypatch.setattr("tidegate.runtime.circuit_breakers.REGISTER_EVERY", 0.3)  # so that they take turns in the row
    shop = await relay()
    first = shop.node()
    shop.config.write_text(shop.config.read_text("utf-8").replace("relay: {}", "relay: {minimum: 7, failure_rate: 0}"), "utf-8")
    second = shop.node()
    said = (
        "minimum 5 (elsewhere 7), failure_rate 50.0 (elsewhere off)",
        "minimum 7 (elsewhere 5), failure_rate off (elsewhere 50.0)",
    )
    async with first, second:
        for node, words in zip((first, second), said, strict=True):
            await until(lambda: f"circuit relay has other numbers here than elsewhere: {words};" in caplog.text, what=words)  # noqa: B023
            await until(lambda: node.supervisor.status()["unlike"] == {"relay": words}, what="its own word for the doctor")  # noqa: B023
    assert caplog.text.count("has other numbers here") == 2, "once each, however often they took turns"


async def test_nodes_that_agree_on_their_circuits_say_nothing(relay: Make, caplog: pytest.LogCaptureFixture) -> None:
    shop = await relay()
    async with shop.node() as first, shop.node() as second:
        await until(lambda: all(node.supervisor.circuits["relay"].record is not None for node in (first, second)))
        assert [node.supervisor.status()["unlike"] for node in (first, second)] == [{}, {}]
    assert "other numbers" not in caplog.text


async def test_a_lock_on_the_circuits_does_not_stop_other_jobs(relay: Make) -> None:
    import psycopg

    shop = await relay()
    async with shop.node():
        await until(lambda: bool(shop.stand.rows("SELECT FROM tidegate.circuits WHERE name = 'relay'")))
        with psycopg.connect(shop.stand.database) as other_session:
            await asyncio.to_thread(other_session.execute, "LOCK TABLE tidegate.circuits IN ACCESS EXCLUSIVE MODE")
            await enqueue(shop, other, 5)
            await until(lambda: shop.attempts("other") == 5, within=30, what="jobs that run without the circuits")
            other_session.rollback()
        await enqueue(shop, send, 5)
        await until(lambda: shop.attempts() == 5, within=30)


async def test_r9_an_open_circuit_lets_probes_through_when_its_time_is_over_with_no_job_there(relay: Make) -> None:
    shop = await relay()
    async with shop.node() as node:
        await until(lambda: bool(shop.stand.rows("SELECT FROM tidegate.circuits WHERE name = 'relay'")))
        await node.supervisor._store.move_circuit("relay", lambda circuit, now: circuit.hold_off(now, 0.2), rng=float)
        await until(lambda: shop.states()[-2:] == ["open", "half_open"], what="the node's own tick")
    assert shop.state()["permits"] == 0


async def test_r16_what_runs_when_its_circuit_opens_goes_on_to_its_end(relay: Make) -> None:
    shop = await relay()
    async with shop.node() as node:
        [job_id] = await shop.tide.enqueue_many([slow_send.call(1, 1.0)])
        await until(lambda: shop.attempts("begin") == 1, what="the job to run")
        await node.supervisor._store.move_circuit("relay", lambda circuit, now: circuit.force("forced_open", now), rng=float)
        await until(lambda: node.supervisor.circuits["relay"].shut, what="the node to hear of it")
        await shop.stand.end(job_id)
    assert shop.attempts("begin") == shop.attempts("end") == 1
    assert shop.done() == 1
