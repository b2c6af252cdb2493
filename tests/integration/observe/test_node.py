"""Metrics and health of a real node with a real database; test_watching.py has Prometheus watch one."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.integration.observe.scraper import SHIPPED
from tests.integration.observe.shop import send
from tests.support.postgres import Server

from tidegate import Node, Tidegate
from tidegate.observe.http import exporter

ROOT = Path(__file__).resolve().parents[3]
YAML = """
jobs: [tests.integration.observe.shop]
defaults: {backoff: {kind: constant, base: 0}, scaling: {tick: 0.2, cooldown: 0.2}}
snapshot: 0.2
poll: 0.2
queues:
  email: {consumers: 3}
  ml: {consumers: 1}
  tides: {consumers: {min: 1, max: 3}}
notifications: [{on: dead_letter, log: true}]
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(YAML)
    return file


class Running:
    """A node, a client in its process, and the address of its port."""

    def __init__(self, node, tide, url):
        self.node, self.tide, self.url = node, tide, url

    async def get(self, path, **headers):
        async with httpx.AsyncClient() as client:
            return await client.get(self.url + path, headers=headers)


@asynccontextmanager
async def running(config, database, *, migrate=False):
    urls: list[str] = []

    def extra(node):
        return exporter(node, port=0, on_listening=urls.append)

    async with (
        Node(config, database=database, migrate=migrate, extra=extra) as node,
        Tidegate.connect(database, config=config, events=node.events) as tide,
    ):
        yield Running(node, tide, urls[0])


async def eventually(truth, within=60):
    """Return what `truth` answers once that is true."""
    async with asyncio.timeout(within):
        while not (found := await truth()):  # noqa: ASYNC110 - what is waited for is in another process, or behind a port
            await asyncio.sleep(0.05)
    return found


async def has(subject, *lines):
    async def shown():
        text = (await subject.get("/metrics")).text
        return all(line in text for line in lines)

    await eventually(shown)


async def test_what_jobs_come_to_is_counted(config, database):
    async with running(config, database) as subject:
        for what in ("ok", "ok", "fail", "die"):
            await subject.tide.enqueue(send, what)
        labels = 'kind="tests.integration.observe.shop:send"'
        await has(
            subject,
            f'tidegate_jobs_enqueued_total{{{labels},queue="email"}} 4.0',
            f'tidegate_jobs_finished_total{{{labels},outcome="done",queue="email"}} 2.0',
            f'tidegate_jobs_finished_total{{{labels},outcome="failed",queue="email"}} 2.0',
            f'tidegate_jobs_finished_total{{{labels},outcome="discarded",queue="email"}} 1.0',
            f'tidegate_dead_letters_total{{{labels},queue="email",reason="attempts_exhausted"}} 1.0',
            f'tidegate_dead_letters_total{{{labels},queue="email",reason="discarded"}} 1.0',
            'tidegate_job_wait_seconds_count{queue="email"} 5.0',
            f'tidegate_job_run_seconds_count{{{labels},queue="email"}} 5.0',
        )


async def test_a_working_node_is_ready_and_shows_its_pool_and_the_fleet(config, database):
    async with running(config, database) as subject:
        await has(
            subject,
            'tidegate_consumers{queue="email",state="idle"} 3.0',
            'tidegate_demand{queue="email"} 3.0',
            "tidegate_leader 1.0",
            'tidegate_queue_jobs{queue="ml",state="ready"} 0.0',
            'tidegate_queue_paused{queue="ml"} 0.0',
        )
        assert (await subject.get("/readyz")).status_code == 200


async def test_while_the_database_is_away_it_is_alive_and_scraped_but_not_ready(config):
    async def ready(is_ready):
        return (await subject.get("/readyz")).is_success == is_ready

    with await asyncio.to_thread(Server) as server:
        async with running(config, await asyncio.to_thread(server.create_database), migrate=True) as subject:
            await eventually(lambda: ready(True))
            await asyncio.to_thread(server.kill)
            await eventually(lambda: ready(False))
            answer = await subject.get("/readyz")
            assert (answer.status_code, answer.json()["database"], answer.json()["broken"]) == (503, "down", [])
            assert (await subject.get("/healthz")).status_code == 200
            await has(subject, 'tidegate_database_errors_total{operation="session"}')
            await asyncio.to_thread(server.restart)
            await eventually(lambda: ready(True))


async def test_a_node_that_began_to_drain_is_not_ready(config, database):
    async with running(config, database) as subject:
        subject.node.supervisor.drain()
        answer = await subject.get("/readyz")
    assert (answer.status_code, answer.json()["draining"]) == (503, True)


async def test_the_scrape_satisfies_promtool(config, database, promtool):
    async with running(config, database) as subject:
        for what in ("ok", "fail", "die"):
            await subject.tide.enqueue(send, what)
        await has(subject, 'queue="email",reason="discarded"} 1.0', "tidegate_snapshot_age_seconds")
        text = (await subject.get("/metrics")).text
    found = await asyncio.to_thread(
        subprocess.run, [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_shipped_configuration_satisfies_promtool(promtool):
    found = subprocess.run([promtool, "check", "config", SHIPPED], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
