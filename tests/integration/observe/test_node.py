"""Metrics, health and Prometheus on a real node with a real database."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.integration.observe.scraper import SHIPPED, Scraper
from tests.integration.observe.shop import send
from tests.support.postgres import Server

from tidegate import Node, Tidegate
from tidegate.observe.catalogue import CATALOGUE
from tidegate.observe.http import exporter

ROOT = Path(__file__).resolve().parents[3]
YAML = """
jobs: [tests.integration.observe.shop]
defaults: {backoff: {kind: constant, base: 0}}
snapshot: 0.2
poll: 0.2
queues:
  email: {consumers: 3}
  ml: {consumers: 1}
"""
CHOSEN = {"__rate_interval": "10s", "__range": "1m", "queue": ".*", "kind": ".*", "instance": ".*"}


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


async def eventually(truth, within=20):
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


def expressions():
    for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))


def variables():
    for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        for each in json.loads(file.read_text("utf-8"))["templating"]["list"]:
            if each["type"] == "query":
                yield re.fullmatch(r"label_values\((.*), (\w+)\)", each["definition"]).groups()


def filled(expr):
    """Return an expression as Grafana sends it when everything is chosen."""
    for name, value in CHOSEN.items():
        expr = expr.replace(f"${name}", value)
    return expr


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
            assert 'tidegate_database_errors_total{operation="session"}' in (await subject.get("/metrics")).text
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


async def drive(subject, database):
    """Let everything happen that a panel shows: jobs of all fates, a crash, a lost connection, a paused queue."""
    for what in ("ok", "fail", "die", "ok") * 3:
        await subject.tide.enqueue(send, what)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as hand:
        await hand.execute("insert into tidegate.queue_controls (queue, paused) values ('ml', true)")
        await hand.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
    await has(subject, "tidegate_database_errors_total{")
    subject.node.supervisor.managers["ml"].session.kill()
    await has(
        subject,
        "tidegate_supervisor_restarts_total{",
        'tidegate_queue_paused{queue="ml"} 1.0',
        'queue="email",reason="discarded"} 3.0',
    )


async def test_a_real_prometheus_scrapes_it_and_every_panel_and_variable_has_data(config, database, prometheus, tmp_path):
    wanted = {filled(expr) for expr in expressions()}
    assert not [expr for expr in wanted if "$" in expr]
    async with running(config, database) as subject:
        await drive(subject, database)
        with await asyncio.to_thread(Scraper, prometheus, tmp_path, subject.url.removeprefix("http://")) as scraper:

            async def empty():
                return [expr for expr in sorted(wanted) if not any(map(is_number, await asyncio.to_thread(scraper.query, expr)))]

            try:
                await eventually(lambda: complete(subject, empty), within=40)
            except TimeoutError:
                pytest.fail(f"no data for {await empty()}")
            [up] = await asyncio.to_thread(scraper.query, "up")
            assert up["value"][1] == "1"
            for metric, label in variables():
                assert await asyncio.to_thread(scraper.values, label, filled(metric)), (metric, label)
            known = set(await asyncio.to_thread(scraper.values, "__name__", '{__name__=~"tidegate_.+"}'))
    missing = [metric.name for metric in CATALOGUE if f"{metric.name}{'_count' if metric.type == 'histogram' else ''}" not in known]
    assert missing == []


def is_number(sample):
    return sample["value"][1] != "NaN"


async def complete(subject, empty):
    """Keep some work going, so that rates have something to see, until no panel is empty."""
    await subject.tide.enqueue(send, "ok")
    return not await empty()
