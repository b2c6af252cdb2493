"""The handlers, run as a node runs them: a real SMTP server, a real database, a real training."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from smtplib import SMTPRecipientsRefused
from uuid import UUID

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from tidegate.demo import jobs, tables
from tidegate.demo.departures import departures
from tidegate.demo.post import Undeliverable, letters_in
from tidegate.demo.postbox import Postbox
from tidegate.handlers import Handlers, JobContext
from tidegate.jobs import Failed, Job, Reason, State, Word
from tidegate.lifecycle import Policy, settle
from tidegate.settings import Settings
from tidegate.store.connection import sqlalchemy_url

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def claimed(number, args=b"{}", *, queue="email", attempt=1):
    return Job(number, queue, "kind", args, attempt, None, 0, 1, number, NOW, NOW, 0.0)


def context(connection):
    return JobContext(claimed(1), connection=lambda: connection, cancelled=lambda: False)


def settled(function, error, *, attempt=1):
    policy = Policy(function.spec.max_attempts, function.spec.backoff, function.spec.on_error)
    return settle(claimed(1, attempt=attempt), Failed(error), policy, Random(0))


@pytest.fixture
def postbox(tmp_path, monkeypatch):
    with Postbox(tmp_path / "mail") as box:
        monkeypatch.setenv("SMTP_URL", box.url)
        yield box


def failure_of(function, **arguments):
    try:
        function(**arguments)
    except (SMTPRecipientsRefused, Undeliverable) as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_shops_queues_are_all_declared():
    settings = Settings.load(ROOT / "queues.yaml", environ={})
    Handlers(settings.jobs).check_queues(settings.queue_names)
    assert settings.queue_names == ("email", "analytics", "ml")


def test_the_packaged_queues_file_is_that_of_the_repository():
    packaged = ROOT / "platform" / "tidegate" / "demo" / "queues.yaml"
    assert packaged.read_bytes() == (ROOT / "queues.yaml").read_bytes()


@pytest.mark.parametrize("name", ["send_welcome_email", "send_receipt", "aggregate_departures", "train_model"])
def test_every_job_of_the_shop_is_found_by_its_name(name):
    kind = f"tidegate.demo.jobs:{name}"
    assert Handlers(["tidegate.demo.jobs"]).resolve(kind).kind == kind


def test_a_welcome_arrives(postbox):
    jobs.send_welcome_email(1, "de")
    assert list(letters_in(postbox.folder)) == ["<welcome-1@tideshop.example>"]


def test_a_receipt_arrives(postbox):
    jobs.send_receipt(UUID(int=5), 1, Decimal("9.99"))
    assert list(letters_in(postbox.folder)) == [f"<receipt-{UUID(int=5)}@tideshop.example>"]


def test_a_greylisted_welcome_is_tried_again_and_then_arrives(postbox):
    ack = settled(jobs.send_welcome_email, failure_of(jobs.send_welcome_email, user_id=7))
    assert (ack.state, ack.word) == (State.SCHEDULED, Word.FAILED)
    jobs.send_welcome_email(user_id=7)
    assert list(letters_in(postbox.folder)) == ["<welcome-7@tideshop.example>"]


@pytest.mark.usefixtures("postbox")
def test_a_welcome_to_a_full_mailbox_dies_after_three_attempts():
    ack = settled(jobs.send_welcome_email, failure_of(jobs.send_welcome_email, user_id=55), attempt=3)
    assert (ack.state, ack.reason) == (State.DEAD, Reason.ATTEMPTS_EXHAUSTED)


@pytest.mark.usefixtures("postbox")
def test_a_welcome_to_nobody_dies_at_once():
    ack = settled(jobs.send_welcome_email, failure_of(jobs.send_welcome_email, user_id=13))
    assert (ack.state, ack.reason) == (State.DEAD, Reason.DISCARDED)
    assert "550 5.1.1" in ack.failure.message


def test_a_mail_server_that_is_away_is_no_reason_to_die(monkeypatch):
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:1")
    with pytest.raises(ConnectionRefusedError) as refused:
        jobs.send_welcome_email(1)
    assert settled(jobs.send_welcome_email, refused.value).state is State.SCHEDULED


async def test_departures_counted_by_a_batch_that_runs_twice_count_once(database):
    flights = list(islice(departures(7_000), 60))
    batch = [claimed(number, flight, queue="analytics") for number, flight in enumerate(flights)]
    engine = create_async_engine(sqlalchemy_url(database))
    for _ in range(2):
        async with engine.begin() as connection:
            await jobs.aggregate_departures(batch, context(connection))
    async with engine.connect() as connection:
        found = await connection.run_sync(tables.inspect_departures, flights)
    await engine.dispose()
    assert (found.counted, found.ledger, found.aggregated) == (60, 60, 60)


def test_a_training_leaves_a_model_and_its_score(database, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_HOME", str(tmp_path))
    engine = create_engine(sqlalchemy_url(database))
    with engine.begin() as connection:
        trained = jobs.train_model(context(connection), depth=4, seed=1)
    with engine.connect() as connection:
        recorded = tables.inspect_models(connection)
    engine.dispose()
    assert Path(trained.file).stat().st_size > 10_000
    assert (recorded.trained, recorded.best_score, recorded.best_depth) == (1, trained.score, 4)


def test_importing_the_jobs_does_not_import_what_only_a_training_needs():
    script = "import sys, tidegate.demo.jobs; print([name for name in ('sklearn', 'joblib', 'numpy', 'aiosmtpd') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
