"""Every metric of Tidegate, as data: what it is called, what it means, when it exists.

Everything else is made from this list: the families that a scrape reads, docs/reference/metrics.md, and the tests that hold the
dashboards to it. A name that is in here is a promise. No ids, arguments or messages are labels; kinds are bounded (see `labels`).
"""

from __future__ import annotations

from typing import Final

from tidegate.observe.circuit_catalogue import (
    CIRCUIT_OUTCOMES,
    CIRCUIT_TRANSITIONS,
    CIRCUITS_OF_THE_FLEET,
    CIRCUITS_UNREAD,
    DATABASE_GUARD,
)
from tidegate.observe.letters_catalogue import DEAD_LETTERS_OF_THE_FLEET
from tidegate.observe.metric import Exists, Metric

__all__ = [
    "CATALOGUE",
    "CIRCUITS_UNREAD",
    "CIRCUIT_OUTCOMES",
    "CIRCUIT_TRANSITIONS",
    "Exists",
    "Metric",
]


# Jobs take milliseconds or hours, so these go on where the usual ones end.
JOB_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
STATEMENT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BATCH_JOBS: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)  # 0: the claims that found nothing

JOBS_ENQUEUED: Final = Metric(
    "tidegate_jobs_enqueued_total",
    "counter",
    ("queue", "kind"),
    "Jobs enqueued by this process.",
    Exists.CLIENT,
)
JOBS_FINISHED: Final = Metric(
    "tidegate_jobs_finished_total",
    "counter",
    ("queue", "kind", "outcome"),
    "Claimed jobs whose outcome was made durable, by outcome; a job that is tried again counts once per attempt.",
    Exists.EVENT,
)
JOB_WAIT: Final = Metric(
    "tidegate_job_wait_seconds",
    "histogram",
    ("queue",),
    "Time from due to started, per attempt.",
    Exists.NODE,
    JOB_SECONDS,
)
JOB_RUN: Final = Metric(
    "tidegate_job_run_seconds",
    "histogram",
    ("queue", "kind"),
    "How long handlers ran, per attempt; a job of a batch counts with the time of its whole batch.",
    Exists.EVENT,
    JOB_SECONDS,
)
CLAIM: Final = Metric(
    "tidegate_claim_seconds",
    "histogram",
    ("queue",),
    "How long claims took in the database.",
    Exists.NODE,
    STATEMENT_SECONDS,
)
CLAIM_BATCH: Final = Metric(
    "tidegate_claim_batch_jobs",
    "histogram",
    ("queue",),
    "Jobs that a claim brought; 0 where it found nothing.",
    Exists.NODE,
    BATCH_JOBS,
)
ACK: Final = Metric(
    "tidegate_ack_seconds",
    "histogram",
    ("queue",),
    "How long it took to make a batch of acks durable.",
    Exists.NODE,
    STATEMENT_SECONDS,
)
LEASES_LOST: Final = Metric(
    "tidegate_leases_lost_total",
    "counter",
    ("queue",),
    "Acks that were refused because the job's lease was lost.",
    Exists.NODE,
)
DEAD_LETTERS: Final = Metric(
    "tidegate_dead_letters_total",
    "counter",
    ("queue", "kind", "reason"),
    "Jobs that died and went to the dead letters.",
    Exists.EVENT,
)
JOBS_RESCUED: Final = Metric(
    "tidegate_jobs_rescued_total",
    "counter",
    ("queue",),
    "Jobs of lost nodes that this node made ready again, or dead.",
    Exists.NODE,
)
RESTARTS: Final = Metric(
    "tidegate_supervisor_restarts_total",
    "counter",
    ("child",),
    "Restarts of supervised parts of this node.",
    Exists.EVENT,
)
DATABASE_ERRORS: Final = Metric(
    "tidegate_database_errors_total",
    "counter",
    ("operation",),
    "Times that the database did not answer, or answered with an error that passes, by who had asked.",
    Exists.EVENT,
)
CONSUMERS: Final = Metric(
    "tidegate_consumers",
    "gauge",
    ("queue", "state"),
    "Consumers of this node's pools: busy, idle or starting.",
    Exists.NODE,
)
CONSUMERS_TARGET: Final = Metric(
    "tidegate_consumers_target",
    "gauge",
    ("queue",),
    "How many consumers this node's pools should have.",
    Exists.NODE,
)
DEMAND: Final = Metric(
    "tidegate_demand",
    "gauge",
    ("queue",),
    "Jobs that this node's consumers have asked for and not been given.",
    Exists.NODE,
)
QUEUE_BROKEN: Final = Metric(
    "tidegate_queue_broken",
    "gauge",
    ("queue",),
    "1 where a queue should run on this node and does not, else 0.",
    Exists.NODE,
)
LOOP_LAG: Final = Metric(
    "tidegate_event_loop_lag_seconds",
    "gauge",
    (),
    "How late this node's event loop answered, at worst, in the last 15 seconds; measured five times a second.",
    Exists.NODE,
)
LOOP_BLOCKED: Final = Metric(
    "tidegate_event_loop_blocked_total",
    "counter",
    ("queue", "kind"),
    "Times that a job's code blocked this node's event loop for a second or more; none where it was not a job's.",
    Exists.EVENT,
)
NOTIFICATIONS: Final = Metric(
    "tidegate_notifications_total",
    "counter",
    ("channel", "outcome"),
    "Tries of this node, while it leads, to tell what went wrong: sent, retried (tried again later) or failed (given up, kept).",
    Exists.NODE,
)
RUNS_ABANDONED: Final = Metric(
    "tidegate_runs_abandoned_total",
    "counter",
    ("queue", "kind"),
    "Runs that did not end although they were over their time-out or cancelled, and were left behind.",
    Exists.EVENT,
)
ZOMBIE_RUNS: Final = Metric(
    "tidegate_zombie_runs",
    "gauge",
    ("queue",),
    "Runs of this node that were abandoned and have not ended yet; each may hold a thread.",
    Exists.NODE,
)
LEASE_REMAINING: Final = Metric(
    "tidegate_lease_remaining_seconds",
    "gauge",
    (),
    "For how long this node may still start handlers without another heartbeat; negative once it may not.",
    Exists.NODE,
)
BUILD_INFO: Final = Metric("tidegate_build_info", "gauge", ("version",), "1, labelled with the version of Tidegate.", Exists.NODE)
LEADER: Final = Metric("tidegate_leader", "gauge", (), "1 where this node leads the fleet, else 0.", Exists.NODE)
QUEUE_JOBS: Final = Metric(
    "tidegate_queue_jobs",
    "gauge",
    ("queue", "state"),
    "Jobs of the fleet that are scheduled, ready or running; ready is exact up to 10,000, then estimated.",
    Exists.LEADER,
)
OLDEST_READY: Final = Metric(
    "tidegate_queue_oldest_ready_age_seconds",
    "gauge",
    ("queue",),
    "For how long the queue's oldest ready job has been due; 0 where none is ready.",
    Exists.LEADER,
)
QUEUE_PAUSED: Final = Metric("tidegate_queue_paused", "gauge", ("queue",), "1 where the queue is paused, else 0.", Exists.LEADER)
ERRORS_NEW: Final = Metric(
    "tidegate_errors_new_total",
    "counter",
    ("queue",),
    "Kinds of failure (fingerprints) that this node was the first to see.",
    Exists.NODE,
)
ERRORS_REGRESSED: Final = Metric(
    "tidegate_errors_regressed_total",
    "counter",
    ("queue",),
    "Kinds of failure that were resolved and that this node saw again, on a version that had not shown them before.",
    Exists.NODE,
)
NODES_LOST: Final = Metric(
    "tidegate_nodes_lost_total", "counter", (), "Nodes whose lease ran out and that this node declared dead.", Exists.NODE
)
TABLE_DEAD: Final = Metric(
    "tidegate_table_dead_tuples",
    "gauge",
    ("table",),
    "Row versions of a table that died and were not yet cleared away, as the server's statistics have it.",
    Exists.LEADER,
)
TABLE_LIVE: Final = Metric(
    "tidegate_table_live_tuples", "gauge", ("table",), "Rows of a table, as the server's statistics have it.", Exists.LEADER
)
TABLE_BYTES: Final = Metric(
    "tidegate_table_size_bytes", "gauge", ("table",), "Size of a table with its indexes on disk.", Exists.LEADER
)
OLDEST_TRANSACTION: Final = Metric(
    "tidegate_database_oldest_transaction_age_seconds",
    "gauge",
    (),
    "For how long the oldest transaction of any session has been open, as far as Tidegate's role may see them.",
    Exists.LEADER,
)
OLDEST_SNAPSHOT: Final = Metric(
    "tidegate_database_oldest_snapshot_age_transactions",
    "gauge",
    (),
    "How many transactions ago the oldest row version died that somebody may still see: nothing younger can be cleared away.",
    Exists.LEADER,
)
CONNECTIONS: Final = Metric(
    "tidegate_database_connections", "gauge", (), "Connections to the database server, anybody's.", Exists.LEADER
)
MAX_CONNECTIONS: Final = Metric(
    "tidegate_database_connections_limit", "gauge", (), "The most connections that the database server takes.", Exists.LEADER
)
AUTOSCALER_NEED: Final = Metric(
    "tidegate_autoscaler_need",
    "gauge",
    ("queue",),
    "Consumers that the queue needs over the fleet to keep its target latency, before any limit.",
    Exists.LEADER,
)
AUTOSCALER_DECISIONS: Final = Metric(
    "tidegate_autoscaler_decisions_total",
    "counter",
    ("queue", "reason"),
    "Decisions of this node, while it leads, that a queue is to have another number of consumers, by reason.",
    Exists.EVENT,
)
SNAPSHOT_AGE: Final = Metric(
    "tidegate_snapshot_age_seconds",
    "gauge",
    (),
    "Age of the leader's snapshot, from which the fleet's metrics come.",
    Exists.LEADER,
)

CATALOGUE: Final = (
    JOBS_ENQUEUED,
    JOBS_FINISHED,
    JOB_WAIT,
    JOB_RUN,
    CLAIM,
    CLAIM_BATCH,
    ACK,
    LEASES_LOST,
    DEAD_LETTERS,
    JOBS_RESCUED,
    ERRORS_NEW,
    ERRORS_REGRESSED,
    NODES_LOST,
    RESTARTS,
    DATABASE_ERRORS,
    *DATABASE_GUARD,
    CONSUMERS,
    CONSUMERS_TARGET,
    DEMAND,
    QUEUE_BROKEN,
    LOOP_LAG,
    LOOP_BLOCKED,
    NOTIFICATIONS,
    RUNS_ABANDONED,
    ZOMBIE_RUNS,
    LEASE_REMAINING,
    CIRCUIT_TRANSITIONS,
    CIRCUIT_OUTCOMES,
    CIRCUITS_UNREAD,
    BUILD_INFO,
    LEADER,
    QUEUE_JOBS,
    OLDEST_READY,
    QUEUE_PAUSED,
    *CIRCUITS_OF_THE_FLEET,
    *DEAD_LETTERS_OF_THE_FLEET,
    TABLE_DEAD,
    TABLE_LIVE,
    TABLE_BYTES,
    OLDEST_TRANSACTION,
    OLDEST_SNAPSHOT,
    CONNECTIONS,
    MAX_CONNECTIONS,
    AUTOSCALER_NEED,
    AUTOSCALER_DECISIONS,
    SNAPSHOT_AGE,
)
