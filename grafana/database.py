"""PostgreSQL and internals: what claims and acks cost, what keeps tables from being cleared, what a node's process does."""  # noqa: INP001 - a script's part

from __future__ import annotations

from typing import Final

from parts import ALERTS, NODE, NODES, QUEUE, QUEUES, VERSIONS, heatmap, increase, quantiles, rate, stat
from words import Dashboard, Panel, Query, Row

NOW: Final = Row(
    "Now",
    (
        stat(
            "Snapshot age",
            "How old the leader's numbers are; above some ten seconds, it does not get through to the database.",
            "s",
            "max(tidegate_snapshot_age_seconds)",
            steps=(("yellow", 10), ("red", 60)),
            width=4,
        ),
        stat(
            "Oldest transaction",
            "For how long somebody, anybody, has had a transaction open in this database.",
            "s",
            "max(tidegate_database_oldest_transaction_age_seconds)",
            steps=(("yellow", 300), ("red", 1800)),
            width=4,
        ),
        stat(
            "Dead rows of jobs",
            "Row versions of the table of jobs that wait to be cleared away.",
            "short",
            'max(tidegate_table_dead_tuples{table="jobs"})',
            steps=(("yellow", 200_000), ("red", 1_000_000)),
            width=4,
        ),
        stat(
            "Connections in use",
            "Connections to the server, anybody's, of those that it takes.",
            "percentunit",
            "max(tidegate_database_connections) / max(tidegate_database_connections_limit)",
            steps=(("yellow", 0.75), ("red", 0.9)),
            width=4,
        ),
        stat(
            "Claims",
            "Claims per second, those that found nothing included.",
            "ops",
            f"sum(rate(tidegate_claim_seconds_count{{{QUEUE}}}[$__rate_interval]))",
            width=4,
        ),
        stat(
            "Database errors",
            "Times in the time shown that the database did not answer, or with an error that passes.",
            "short",
            f"sum(increase(tidegate_database_errors_total{{{NODE}}}[$__range]))",
            steps=(("yellow", 1),),
            width=4,
        ),
    ),
)

CONVERSATION: Final = Row(
    "Claims and acks",
    (
        Panel("Claims", "How long claims take.", "s", quantiles("tidegate_claim_seconds", QUEUE, "queue", "{{queue}}")),
        Panel("Acks", "How long a batch of acks takes.", "s", quantiles("tidegate_ack_seconds", QUEUE, "queue", "{{queue}}")),
        Panel(
            "Jobs per claim",
            "Of the claims that brought any. It grows with the load; 1 under load: the consumers of the queue hold one job each.",
            "short",
            (
                Query(
                    f"sum by (queue) (rate(tidegate_claim_batch_jobs_sum{{{QUEUE}}}[$__rate_interval])) / "
                    f"(sum by (queue) (rate(tidegate_claim_batch_jobs_count{{{QUEUE}}}[$__rate_interval])) - "
                    f'sum by (queue) (rate(tidegate_claim_batch_jobs_bucket{{{QUEUE}, le=~"0(.0)?"}}[$__rate_interval])))',
                    "{{queue}}",
                ),
            ),
        ),
        heatmap(
            "Claims, all of them",
            "A second band that rises is the claim's way over dead rows: see what keeps them below.",
            "tidegate_claim_seconds",
            QUEUE,
        ),
        heatmap("Acks, all of them", "How long batches of acks took.", "tidegate_ack_seconds", QUEUE),
        Panel(
            "Database errors",
            "The database did not answer, or with an error that passes. Work in hand goes on; nothing is lost. Away: nodes that"
            " connect one attempt at a time, and the attempts that they spared it.",
            "short",
            (
                Query(increase("tidegate_database_errors_total", NODE, "operation"), "{{operation}}"),
                Query(f"sum(tidegate_database_away{{{NODE}}})", "nodes it is away for"),
                Query(f"sum(1 - tidegate_listening{{{NODE}}})", "nodes no notification reaches"),
                Query(f"sum(increase(tidegate_database_refused_total{{{NODE}}}[$__rate_interval]))", "attempts spared"),
            ),
        ),
    ),
)

TABLES: Final = Row(
    "Tables",
    (
        Panel(
            "Dead rows",
            "Row versions that died and were not cleared away, by table. Claims keep their speed; space and other scans do not.",
            "short",
            (Query("max by (table) (tidegate_table_dead_tuples)", "{{table}}"),),
        ),
        Panel(
            "Rows",
            "Rows by table, as the server's statistics have it.",
            "short",
            (Query("max by (table) (tidegate_table_live_tuples)", "{{table}}"),),
        ),
        Panel(
            "Size",
            "Tables with their indexes on disk; history and attempts, which are partitioned by day, are not among them.",
            "bytes",
            (Query("max by (table) (tidegate_table_size_bytes)", "{{table}}"),),
        ),
        Panel(
            "Oldest transaction",
            "For how long the oldest transaction of this database has been open: what died since it began cannot be cleared away.",
            "s",
            (Query("max(tidegate_database_oldest_transaction_age_seconds)", "oldest transaction"),),
            steps=(("red", 1800),),
        ),
        Panel(
            "Oldest snapshot (xmin)",
            "How many transactions ago the oldest row version died that a session, a standby or a replication slot may still see.",
            "short",
            (Query("max(tidegate_database_oldest_snapshot_age_transactions)", "oldest xmin"),),
        ),
        Panel(
            "Connections",
            "Connections to the server, anybody's, and how many it takes.",
            "short",
            (
                Query("max(tidegate_database_connections)", "in use"),
                Query("max(tidegate_database_connections_limit)", "limit"),
            ),
        ),
    ),
)

INSIDE: Final = Row(
    "Inside the nodes",
    (
        Panel(
            "Event loop lag",
            "How late the loop answers. A handler that blocks it shows here: `executor: thread` is for it.",
            "s",
            (Query(f"tidegate_event_loop_lag_seconds{{{NODE}}}", "{{instance}}"),),
            steps=(("red", 1),),
        ),
        Panel(
            "Lease",
            "For how long a node may still start handlers without another heartbeat. At zero its jobs are about to be rescued.",
            "s",
            (Query(f"tidegate_lease_remaining_seconds{{{NODE}}}", "{{instance}}"),),
        ),
        Panel(
            "Snapshot age",
            "How old the leader's numbers of the fleet are when they are scraped.",
            "s",
            (Query("max(tidegate_snapshot_age_seconds)", "age"),),
        ),
        Panel(
            "CPU",
            "Of a node's process: 100% is one core, which is what one event loop can use.",
            "percentunit",
            (
                Query(
                    f"rate(process_cpu_seconds_total{{{NODE}}}[$__rate_interval]) and on (instance) tidegate_build_info",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident memory of the nodes' processes.",
            "bytes",
            (Query(f"process_resident_memory_bytes{{{NODE}}} and on (instance) tidegate_build_info", "{{instance}}"),),
        ),
        Panel(
            "Open files",
            "Files and sockets of the nodes' processes, of those that they may have.",
            "percentunit",
            (
                Query(
                    f"process_open_fds{{{NODE}}} / process_max_fds and on (instance) tidegate_build_info",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Finished per claim and ack",
            "Attempts per second beside round trips per second: how well the conversation with the database is batched.",
            "ops",
            (
                Query(rate("tidegate_jobs_finished_total", QUEUE, "queue"), "{{queue}} attempts"),
                Query(rate("tidegate_ack_seconds_count", QUEUE, "queue"), "{{queue}} batches of acks"),
            ),
        ),
    ),
)

DATABASE: Final = Dashboard(
    "tidegate-database",
    "Tidegate PostgreSQL and internals",
    "The conversation with the database, the state of its tables, and the nodes' processes.",
    (QUEUES, NODES),
    (NOW, CONVERSATION, TABLES, INSIDE),
    (ALERTS, VERSIONS),
)
