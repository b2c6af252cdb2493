"""A node under mixed load, watched by a real Prometheus and a real Alertmanager with everything that the project ships for them.

Every expression of every panel, annotation, recording rule and alert is executed there and returns data; alerts that fire reach a
webhook. An alert is silent as long as its threshold is not passed, so it is asked without its thresholds.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import psycopg
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from tests.integration.observe.conftest import found
from tests.integration.observe.scraper import ALERTMANAGER, READ, Alertmanager, Scraper, Webhook
from tests.integration.observe.shop import hog, relay, send
from tests.integration.observe.test_node import YAML, eventually, has, running

from tidegate.observe.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
CHOSEN = {"__rate_interval": "10s", "__range": "1m", "queue": ".*", "kind": ".*", "instance": ".*"}
BOARDS = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))}
RULES = [
    rule
    for file in sorted((ROOT / "observability" / "rules").glob("*.yml"))
    for group in READ.load(file)["groups"]
    for rule in group["rules"]
]
THRESHOLD = re.compile(r" (?:==|!=|>=|<=|>|<) [\d.e]+(?: \* [\d.]+)?")
RIGHTLY_EMPTY = {"overview: Runs left behind": "nothing here goes on after it was to end; the panel shows what does"}
"""What returns nothing in this scenario, and why that is right."""


def panels():
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            yield from ((f"{name}: {panel['title']}", target["expr"]) for target in panel.get("targets", ()))
        yield from ((f"{name}: annotation {each['name']}", each["expr"]) for each in board["annotations"]["list"])


def rules():
    for rule in RULES:
        asked, unless, but = " ".join(rule["expr"].split()).partition(" unless ")
        yield rule.get("alert") or rule["record"], THRESHOLD.sub("", asked) + unless + but


def filled(expr):
    """Return an expression as Grafana sends it when everything is chosen."""
    for name, value in CHOSEN.items():
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr
    return expr


EXPRESSIONS = [(what, filled(expr)) for what, expr in [*panels(), *rules()]]  # a panel may have several


def is_number(sample):
    return sample["value"][1] != "NaN"


async def drive(subject, database, scraper):
    """Let everything happen that a panel shows: jobs of all fates, an open circuit, a blocked loop, a crash, a lost connection."""

    async def watched():
        return await asyncio.to_thread(scraper.query, 'tidegate_jobs_finished_total{outcome="done"} == 1')

    await subject.tide.enqueue(send, "ok")
    await subject.tide.enqueue(relay, "ok")
    await eventually(watched)  # a rate does not see what came before the first scrape
    for what in ("ok", "die", "ok", *["fail"] * 40):
        await subject.tide.enqueue(send, what)
    for _ in range(50):  # ten of them open the circuit, and the rest wait behind it
        await subject.tide.enqueue(relay, "fail")
    await has(
        subject, 'tidegate_circuit_state{circuit="smtp"} 2.0', 'tidegate_circuit_transitions_total{circuit="smtp",to="open"} 1.0'
    )
    await subject.tide.enqueue(hog, 1.5)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as hand:
        await hand.execute("insert into tidegate.queue_controls (queue, paused) values ('ml', true)")
        await hand.execute("insert into tidegate.queue_controls (queue, scale) values ('tides', 3)")
        await has(subject, 'tidegate_consumers_target{queue="tides"} 3.0')
        await hand.execute(
            "delete from tidegate.queue_controls where queue = 'tides'"
        )  # back to what is needed: that is a decision
        await hand.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
    await has(
        subject, "tidegate_database_errors_total{", "tidegate_event_loop_blocked_total{", "tidegate_autoscaler_decisions_total{"
    )
    subject.node.supervisor.managers["ml"].session.kill()
    await has(
        subject, "tidegate_supervisor_restarts_total{", 'tidegate_queue_paused{queue="ml"} 1.0', "tidegate_table_dead_tuples{"
    )


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_fleet_is_watched(database, prometheus, alertmanager, tmp_path, monkeypatch):
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    config = tmp_path / "queues.yaml"
    config.write_text(YAML)
    async with running(config, database) as subject, AsyncExitStack() as stack:
        webhook = stack.enter_context(Webhook())
        pager = stack.enter_context(await asyncio.to_thread(Alertmanager, alertmanager, tmp_path, webhook.url))
        target, pager_at = (url.removeprefix("http://") for url in (subject.url, pager.url))
        scraper = stack.enter_context(await asyncio.to_thread(Scraper, prometheus, tmp_path, target, pager_at))
        await drive(subject, database, scraper)

        # Whatever is asked, by a panel, a rule or an alert, has an answer.
        async def empty():
            await subject.tide.enqueue(send, "ok")  # so that rates have something to see
            asked = [(what, expr) for what, expr in EXPRESSIONS if what not in RIGHTLY_EMPTY]
            answers = [await asyncio.to_thread(scraper.query, expr) for _, expr in asked]
            return [what for (what, _), answer in zip(asked, answers, strict=True) if not any(map(is_number, answer))]

        async def complete():
            return not await empty()

        try:
            await eventually(complete, within=60)
        except TimeoutError:
            pytest.fail(f"no data for {await empty()}")
        for what, expr in EXPRESSIONS:
            if what in RIGHTLY_EMPTY:
                assert await asyncio.to_thread(scraper.query, expr) == [], f"{what} has data by now"

        # Every rule could be evaluated.
        evaluated = await asyncio.to_thread(scraper.rules)
        assert {rule["name"]: rule.get("lastError") for rule in evaluated if rule["health"] != "ok"} == {}
        assert len(evaluated) == len(RULES)

        # The choices at the top of the dashboards, and every metric of the catalogue.
        for board in BOARDS.values():
            for each in board["templating"]["list"]:
                if each["type"] == "query":
                    metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", each["definition"]).groups()
                    assert await asyncio.to_thread(scraper.values, label, filled(metric)), each["definition"]
        known = set(await asyncio.to_thread(scraper.values, "__name__", '{__name__=~"tidegate_.+"}'))
        names = [f"{metric.name}{'_count' if metric.type == 'histogram' else ''}" for metric in CATALOGUE]
        assert [name for name in names if name not in known] == ["tidegate_runs_abandoned_total"]  # likewise

        # Charts point to traces.
        async def pointing():
            return await asyncio.to_thread(scraper.exemplars, "tidegate_job_run_seconds_bucket")

        assert re.fullmatch("[0-9a-f]{32}", (await eventually(pointing))[0]["trace_id"])

        # What fires reaches the one who is to be woken, and what the page says is not said by a ticket as well.
        async def told(path, name):
            return [alert for alert in webhook.received.get(path, ()) if alert["labels"]["alertname"] == name]

        [page, *_] = await eventually(lambda: told("/pages", "TidegateJobsDie"), within=60)
        assert (page["status"], page["labels"]["queue"], page["labels"]["severity"]) == ("firing", "email", "page")
        assert re.fullmatch(r"email: [\d.]+% of its jobs die", page["annotations"]["summary"])
        assert page["annotations"]["runbook_url"].endswith("/docs/runbooks/jobs-die.md")
        [ticket, *_] = await eventually(lambda: told("/tickets", "TidegateQueuePaused"), within=60)
        assert ticket["labels"]["queue"] == "ml"

        # An open circuit is told, holds its jobs back, and nothing else.
        [ticket, *_] = await eventually(lambda: told("/tickets", "TidegateCircuitOpen"), within=60)
        assert ticket["labels"]["circuit"] == "smtp"
        for held in ('tidegate_circuit_gated_jobs{circuit="smtp"}', 'tidegate_queue_gated_jobs{queue="email"}'):
            await eventually(partial(asyncio.to_thread, scraper.query, f"max_over_time({held}[5m]) > 0"))


def test_the_alertmanagers_configuration_satisfies_amtool():
    done = subprocess.run([found("amtool"), "check-config", ALERTMANAGER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
