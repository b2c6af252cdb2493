"""The shop's jobs, one for each shape that work has: light and many, small and in batches, heavy and few.

A letter may go out twice if a node dies between the server's answer and the ack; its Message-ID tells. What departures and
models leave in the database commits together with their ack, so it is there once.
"""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from tidegate.backoff import constant, exponential
from tidegate.demo import letters, post, scans, tables, training
from tidegate.demo.departures import Departure
from tidegate.handlers import Breaker, JobContext, job
from tidegate.jobs import Dead, Job

__all__ = ["Trained", "aggregate_departures", "read_scan", "send_receipt", "send_welcome_email", "train_model"]

MAIL_BACKOFF = exponential(base=0.5, factor=2, cap=60)  # a server that greylists wants a second try, not a late one

SMTP = Breaker("smtp", ignore=[smtplib.SMTPRecipientsRefused])  # what one recipient's server refuses says nothing about ours


@dataclass(frozen=True, slots=True)
class Trained:
    """The share of unseen digits that a model read correctly, and where the model is."""

    score: float
    file: str


@job(queue="email", max_attempts=3, timeout=30, backoff=MAIL_BACKOFF, circuit=SMTP, on_error={post.Undeliverable: Dead})
def send_welcome_email(user_id: int, locale: str = "en") -> None:
    """Greet a new customer. A refusal for now is tried again, one for good is a dead letter at once."""
    post.send(letters.welcome(user_id, locale))


@job(
    queue="email", max_attempts=3, timeout=30, backoff=MAIL_BACKOFF, circuit=SMTP, priority=-10, on_error={post.Undeliverable: Dead}
)
def send_receipt(order_id: UUID, user_id: int, total: Decimal, locale: str = "en") -> None:
    """Send the receipt of an order, before any welcome that waits."""
    post.send(letters.receipt(order_id, user_id, total, locale))


@job(queue="analytics", batch=100)
async def aggregate_departures(jobs: list[Job[Departure]], ctx: JobContext) -> None:
    """Add a batch of departures to their routes, each once, whatever is run again."""
    await ctx.connection.run_sync(tables.prepare)
    await ctx.connection.run_sync(tables.count_departures, [job.args for job in jobs])


@job(queue="ml")
def train_model(ctx: JobContext, depth: int, seed: int) -> Trained:
    """Train a random forest of `depth` on handwritten digits, keep the model's file and record its score."""
    fit = training.fit(depth, seed)
    file = post.home() / "models" / f"digits-depth{depth}-seed{seed}.joblib"
    training.store(fit.model, file)
    tables.prepare(ctx.connection)
    tables.keep_model(ctx.connection, depth=depth, seed=seed, score=fit.score, file=str(file))
    return Trained(fit.score, str(file))


@job(queue="ml", max_attempts=3, backoff=constant(1))
def read_scan(ctx: JobContext, page: int, broken_off: bool = False) -> float:
    """Return how much of a page is dark. One whose upload broke off takes the process with it, and is whole the next time."""
    return scans.ink(scans.scan(page, post.home() / "scans"), broken_off=broken_off and ctx.attempt == 1)
