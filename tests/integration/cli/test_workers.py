"""`tidegate workers` on nodes that run: who is there, what one of them is doing, and what it says when it cannot say."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.shop import Shop
from tests.support.processes import NodeProcess
from tests.support.stand import write_settings
from tidegate import Tidegate

NODE = {"node", "host", "pid", "started_at", "heartbeat_age", "version", "leader", "queues", "rss", "loop_lag"}
POOL = {"alive", "busy", "target", "jobs_processed", "last_job_at"}


@pytest.fixture
def yard(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The queues of tests/support/jobs.py, in a folder of their own."""
    for name in [name for name in os.environ if name.startswith("TIDEGATE_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEGATE_DATABASE", database)
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path)
    return Shop(tmp_path, database)


@pytest.fixture
def running(yard: Shop) -> Iterator[NodeProcess]:
    with NodeProcess(yard.database, yard.folder) as node:
        yield node


def walk(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield tree
    for child in tree["children"]:
        yield from walk(child)


def parts(tree: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {f"{node['detail'].get('name') or node['name']}": node for node in walk(tree)}


def answered(yard: Shop, node: str) -> Any:
    """Return what a node shows of itself; nothing where its loop was late, as it may be on a busy machine."""
    told = yard.json("workers", "show", node)
    return told if told["loop"] == "running" else None


def enqueue(yard: Shop, kind: str, *args: Any) -> int:
    with Tidegate.connect_sync(yard.database, config=yard.folder / "queues.yaml") as tide:
        return tide.enqueue(f"tests.support.jobs:{kind}", *args)


def test_nodes_are_listed_in_the_promised_shape(yard: Shop, running: NodeProcess) -> None:
    enqueue(yard, "note", 1)
    yard.until(lambda: yard.json("workers", "list")[0]["queues"]["email"]["jobs_processed"] == 1)
    [told] = yard.json("workers", "list")
    assert set(told) >= NODE
    assert (told["node"], told["pid"]) == (running.node(), running.process.pid)
    assert set(told["queues"]) == {"email", "analytics", "threads"}
    assert set(told["queues"]["email"]) >= POOL
    assert told["queues"]["threads"]["jobs_processed"] == 0
    assert told["queues"]["threads"]["last_job_at"] is None
    assert told["rss"] > 10 * 2**20
    [job] = yard.rows("SELECT finished_at, clock_timestamp() AS now FROM tidegate.history")
    last = told["queues"]["email"]["last_job_at"]
    [row] = yard.rows("SELECT abs(extract(epoch FROM %s::timestamptz - %s::timestamptz)) AS apart", last, job["finished_at"])
    assert row["apart"] < 60  # a zone or a unit would make it hours
    [header, line] = yard.run("workers", "list").stdout.splitlines()
    assert header.split() == [
        "NODE", "HOST", "PID", "STARTED", "HEARTBEAT", "LEADER", "BUSY", "PROCESSED", "MEMORY", "LAG", "QUEUES",
    ]  # fmt: skip
    assert line.startswith(running.node())
    assert "email, analytics, threads" in line


def test_where_no_node_runs_the_list_is_empty_and_says_what_to_do(yard: Shop) -> None:
    assert yard.json("workers", "list") == []
    said = yard.run("workers", "list")
    assert (said.stdout, said.stderr) == ("", "no node runs; `tidegate up` starts one\n")


def test_a_running_node_shows_its_tree_with_every_stage(yard: Shop, running: NodeProcess) -> None:
    job = enqueue(yard, "long_note", 1)
    yard.until((yard.folder / "trace").exists)
    told = yard.until(lambda: answered(yard, running.node()), what="an answer of its loop")
    assert set(told) >= NODE | {"tree", "loop"}
    seen = parts(told["tree"])
    assert told["tree"]["name"] == "node"
    producer = seen["email.producer"]
    assert {"demand", "buffered"} <= set(producer["detail"])
    consumers = [node for name, node in seen.items() if name.startswith("email.consumer-")]
    assert len(consumers) == 10
    assert sum(consumer["detail"]["running"] for consumer in consumers) == 1
    assert all({"restarts", "state", "age", "type"} <= set(node) for node in walk(told["tree"]))
    assert seen["queues"]["detail"]["zombies"] == 0
    lines = yard.run("workers", "show", running.node()).stdout.splitlines()
    assert f"node:       {running.node()}" in lines[0]
    [table] = [line for line in lines if line.startswith("PART")]
    assert table.split() == ["PART", "STATE", "FOR", "RESTARTS", "MAILBOX", "DEMAND", "BUFFERED", "RUNNING", "ZOMBIES", "MORE"]
    assert any(line.strip().startswith("consumer-1 ") for line in lines)
    assert any("busy" in line for line in lines)
    [run] = told["jobs"]
    assert (run["job"], run["attempt"], run["where"], run["rss"]) == (job, 1, "coroutine", None)
    assert 0 < run["deadline_in"] < 60
    [header] = [at for at, line in enumerate(lines) if line.split()[:3] == ["JOB", "QUEUE", "KIND"]]
    assert lines[header + 1].split()[:2] == [str(job), "email"]


def test_a_node_may_be_named_by_how_its_name_begins(yard: Shop, running: NodeProcess) -> None:
    assert yard.json("workers", "show", running.node()[:-3])["node"] == running.node()


def test_a_node_that_is_not_there_is_not_found(yard: Shop, running: NodeProcess) -> None:
    said = yard.call("workers", "show", f"{running.node()}x")
    assert said.returncode == 3
    assert f"error: there is no live node '{running.node()}x'; did you mean '{running.node()}'?" in said.stderr
    assert f"hint: nodes: {running.node()}" in said.stderr


def test_where_no_node_runs_none_can_be_shown(yard: Shop) -> None:
    said = yard.call("workers", "show", "any")
    assert (said.returncode, said.stdout) == (3, "")
    assert "no node runs; `tidegate up` starts one" in said.stderr


def test_a_beginning_that_fits_two_nodes_is_refused(yard: Shop, running: NodeProcess) -> None:
    with NodeProcess(yard.database, yard.folder) as other:
        yard.until(lambda: len(yard.json("workers", "list")) == 2)
        prefix = running.node().split("-")[0]
        assert other.node().startswith(prefix)
        said = yard.call("workers", "show", prefix)
    assert said.returncode == 2
    assert f"error: {prefix!r} begins the names of 2 nodes" in said.stderr


def test_a_node_whose_process_is_stopped_does_not_answer_and_that_is_unhealthy(yard: Shop, running: NodeProcess) -> None:
    running.signal(signal.SIGSTOP)
    try:
        said = yard.call("workers", "show", running.node(), "--timeout", "1")
    finally:
        running.signal(signal.SIGCONT)
    assert said.returncode == 5
    assert f"error: node {running.node()} did not answer within 1 s" in said.stderr
    assert yard.rows("SELECT 1 FROM tidegate.node_requests") == []
    assert json.loads(yard.call("workers", "show", running.node(), "--json").stdout)["node"] == running.node()


@pytest.mark.long
def test_a_node_whose_event_loop_is_blocked_answers_and_says_so(yard: Shop, running: NodeProcess) -> None:
    enqueue(yard, "blocks_the_loop", 15.0)
    yard.until((yard.folder / "trace").exists)
    said = yard.call("workers", "show", running.node(), "--json")
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["loop"] == "blocked"
    assert "email.producer" in parts(told["tree"])


def test_a_node_that_is_drained_from_elsewhere_ends_what_runs_gives_the_rest_back_and_ends(
    yard: Shop, running: NodeProcess
) -> None:
    job = enqueue(yard, "long_note", 1, 2.0)
    yard.until((yard.folder / "trace").exists)
    said = yard.run("workers", "drain", running.node()[:-2], "--wait", "--json")
    assert json.loads(said.stdout)["draining"] is True
    assert f"{running.node()} drains: " in said.stderr
    assert f"may run on for up to 10 s\n{running.node()} has left the fleet\n" in said.stderr
    late = enqueue(yard, "note", 2)
    assert running.end() == 0
    assert "somebody has asked for it with `tidegate workers drain`" in running.said
    assert running.said.rstrip().endswith("stopped")
    assert (yard.state(job), yard.state(late)) == ("completed", "ready")
    assert yard.json("workers", "list", "--lost") == []


def test_a_node_that_is_killed_is_listed_as_lost_with_what_it_held(yard: Shop) -> None:
    write_settings(yard.folder, lease=2)
    with NodeProcess(yard.database, yard.folder, "--queues", "analytics") as witness:
        with NodeProcess(yard.database, yard.folder, "--queues", "email") as killed:
            name = killed.node()
            job = enqueue(yard, "long_note", 1)
            yard.until((yard.folder / "trace").exists)
            killed.process.kill()
        [told] = yard.until(lambda: yard.json("workers", "list", "--lost"), what="the loss to be noticed")
        assert (told["node"], [held["job"] for held in told["held"]]) == (name, [job])
        yard.until(lambda: yard.json("workers", "list", "--lost")[0]["held"][0]["rescued"], what="the rescue")
        printed = yard.run("workers", "list", "--lost").stdout.splitlines()
        assert printed[1].startswith(name)
        listed = yard.run("workers", "list")
        assert listed.stderr == "1 node lost within the last hour: `tidegate workers list --lost`\n"
        yard.until(
            lambda: [told["node"] for told in yard.json("workers", "list")] == [witness.node()], what="its lease to be renewed"
        )


def test_where_none_was_lost_that_is_said(yard: Shop) -> None:
    assert yard.run("workers", "list", "--lost").stderr == "no node was lost within the last hour\n"
