"""Secrets, tried in every place that is stored or shown: they are in the arguments and the meta, and nowhere else."""

from __future__ import annotations

import json
import stat
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.integration.cli.shop import Shop
from tests.support.endpoint import Endpoint
from tests.support.otlp import Receiver
from tests.support.ports import free_port

JOBS = """
import logging, sys
from tidegate import job, JobContext, Dead

log = logging.getLogger("shop.payments")

def charge(user, password, card, shoe, ctx):
    held = {"authorization": f"Bearer {ctx.job.meta['api_token']}", "all": [password, card, shoe]}
    print("charging", card, "of", user, held)
    print("to stderr", password, file=sys.stderr)
    log.warning("refused: %s", held, extra={"password": password})
    try:
        raise ConnectionError(f"POST https://shop:{password}@pay.example/?token={password} {held}")
    except ConnectionError as error:
        problem = PermissionError(f"{user} with {password}, {shoe} and {card}")
        problem.add_note(f"tried {password}")
        raise problem from error

@job(queue="QUEUE", max_attempts=2, redact=["shoe"])
HOW KIND(user: str, password: str, card: dict[str, str], shoe: str, ctx: JobContext) -> None:
    charge(user, password, card, shoe, ctx)
"""
CONFIG = """
jobs: [secretjobs]
poll: 0.2
app_version: "7"
defaults: {backoff: {kind: constant, base: 0.05, jitter: 0}, forensics: {locals: true}}
queues: {email: {}, slow: {executor: thread}, heavy: {executor: process, consumers: 1}}
notifications: [{name: secret-hook, on: all, webhook: "${ALERT_URL}", digest: 1}, {name: secret-log, on: all, log: true}]
"""
SECRETS = ("hunter2-and-more", "4111 1111 1111 1111", "size-44-and-a-half", "tok-meta-31337-x")
ALL = ("charge_async", "charge_thread", "charge_process")
pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]


@pytest.fixture
def leaky(shop: Shop) -> Shop:
    """A shop whose jobs tell their secrets wherever they can."""
    kinds = (("email", "async def", ALL[0]), ("slow", "def", ALL[1]), ("heavy", "def", ALL[2]))
    head, _, handler = JOBS.partition("@job")
    made = [f"@job{handler}".replace("QUEUE", queue).replace("HOW", how).replace("KIND", kind) for queue, how, kind in kinds]
    (shop.folder / "secretjobs.py").write_text(head + "\n\n".join(made), "utf-8")
    (shop.folder / "queues.yaml").write_text(CONFIG, "utf-8")
    return shop


def stored(database: str) -> Iterator[tuple[str, str]]:
    """Yield every row of every table, without what is stored whole: the arguments and the meta of jobs."""
    with psycopg.connect(database, row_factory=dict_row) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'tidegate' ORDER BY tablename").fetchall()
        for table in (row["tablename"] for row in tables):
            for row in connection.execute(f"SELECT to_jsonb(t) - 'args' - 'meta' AS row FROM tidegate.{table} AS t"):  # type: ignore[arg-type]
                yield table, json.dumps(row["row"], ensure_ascii=False)


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text or secret.replace(" ", "") in text]


def test_a_secret_is_nowhere_but_where_it_is_needed(leaky: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, str] = {}
    port = free_port()
    with Endpoint() as endpoint, Receiver() as receiver:
        for name, value in ({"ALERT_URL": endpoint.url} | dict(receiver.environment)).items():
            monkeypatch.setenv(name, value)
        with leaky.started("up", "--metrics-port", str(port)) as node:
            known = "SELECT name FROM tidegate.notification_channels WHERE starts_with(name, 'secret-')"
            leaky.until(lambda: len(leaky.rows(known)) == 2, what="the channels")
            enqueue(leaky)
            leaky.until(lambda: len(letters(leaky)) == 3, what="all to die")
            leaky.until(lambda: leaky.rows("SELECT 1 AS one FROM tidegate.errors"), what="the errors")
            leaky.until(lambda: endpoint.told, what="a notification")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                shown["metrics"] = answer.read().decode()
            node.signal(2)
            assert node.ends() == 0
            shown["log of the node"] = own_lines(node.words)
        shown["webhook"] = json.dumps(endpoint.told, ensure_ascii=False)
        shown["spans"] = repr(receiver.spans)
    shown |= commands(leaky, monkeypatch)
    found = {name: leaks(text) for name, text in shown.items() if leaks(text)}
    found |= {f"table {table}": leaks(row) for table, row in stored(leaky.database) if leaks(row)}
    assert found == {}
    assert all(name in shown["jobs show 0"] for name in ("PermissionError", "[redacted]"))
    assert "charging" in shown["dlq show 2"]
    assert "problem = " in shown["dlq show 0"]
    assert {"dead_letter", "error_new"} & {told["event"] for told in json.loads(shown["webhook"])}
    [whole] = leaky.rows("SELECT args::text || meta::text AS whole FROM tidegate.dead_letters ORDER BY id LIMIT 1")
    assert leaks(whole["whole"]) == list(SECRETS)
    assert leaks(leaky.run("dlq", "export", "--with-secrets").stdout) == list(SECRETS)


def own_lines(log: str) -> str:
    """Return the lines of a node's log that are Tidegate's; those that the jobs write there themselves pass as they are."""
    lines = [line for line in log.splitlines() if line.startswith("{") and json.loads(line)["logger"] != "shop.payments"]
    assert any("PermissionError" in line for line in lines)
    return "\n".join(lines)


def enqueue(shop: Shop) -> None:
    password, card, shoe, token = SECRETS
    call = json.dumps({"args": ["ada", password], "kwargs": {"card": {"number": card}, "shoe": shoe}})
    for name, queue in zip(ALL, ("email", "slow", "heavy"), strict=True):
        shop.insert(kind=f"secretjobs:{name}", queue=queue, args=call, meta=json.dumps({"tenant": 7, "api_token": token}))


def letters(shop: Shop) -> list[dict[str, Any]]:
    return shop.rows("SELECT id, job_id, fingerprint FROM tidegate.dead_letters ORDER BY id")


def commands(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what every command shows of these jobs, with and without --json, and what an editor sees."""
    seen, editor = shop.folder / "seen", shop.folder / "editor"
    editor.write_text(f'#!/bin/sh\ncat "$1" > "{seen}"\n', "utf-8")
    editor.chmod(stat.S_IRWXU)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    known = letters(shop)
    group, first, second = known[0]["fingerprint"], str(known[0]["id"]), str(known[1]["id"])
    asked = [
        ("jobs list", "--limit", "50"), ("jobs explain", str(known[0]["job_id"])), ("dlq list",), ("dlq group",), ("dlq stats",),
        ("dlq export",), ("dlq diff", first, second), ("dlq diff", first, second, "--all"), ("dlq retry", "--all", "--dry-run"),
        ("dlq edit", first, "--why", "to look at it"), ("dlq audit",), ("errors list",),
        ("errors show", group), ("notify list",), ("queues list",), ("queues explain", "email"), ("doctor",),
    ]  # fmt: skip
    shown = {}
    for words in asked:
        for form in ((), ("--json",)):
            ended = shop.run(*words[0].split(), *words[1:], *form)
            assert "No such option" not in ended.output or form, ended.output
            shown[" ".join((words[0], *form))] = ended.output
    for at, letter in enumerate(known):
        for form in ((), ("--json",)):
            shown[" ".join((f"dlq show {at}", *form))] = shop.run("dlq", "show", str(letter["id"]), *form).output
            shown[" ".join((f"jobs show {at}", *form))] = shop.run("jobs", "show", str(letter["job_id"]), *form).output
    return shown | {"editor": seen.read_text("utf-8")}
