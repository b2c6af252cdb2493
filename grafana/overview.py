"""The overview: what a fleet does now, how it came to that, and where it hurts."""  # noqa: INP001 - a script's part

from __future__ import annotations

from typing import Final

from words import Dashboard, Panel, Query, Row, Variable


def stat(title: str, description: str, unit: str, expr: str, *, steps: tuple[tuple[str, float], ...] = ()) -> Panel:
    """Return a number for the top of a dashboard."""
    return Panel(title, description, unit, (Query(expr),), type="stat", width=3, height=4, steps=steps)


def quantiles(metric: str, labels: str, by: str, legend: str) -> tuple[Query, ...]:
    """Return the median and the 95th percentile of a histogram."""
    buckets = f"sum by ({by}, le) (rate({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({q}, {buckets})", f"{legend} p{q * 100:g}") for q in (0.5, 0.95))


NODE: Final = 'instance=~"$instance"'
QUEUE: Final = f'{NODE}, queue=~"$queue"'
KIND: Final = f'{QUEUE}, kind=~"$kind"'
FLEET: Final = 'queue=~"$queue"'  # shown by whoever leads, so no choice of nodes applies

NOW: Final = Row(
    "Now",
    (
        stat("Nodes", "Nodes that Prometheus reaches.", "short", f"count(tidegate_build_info{{{NODE}}})"),
        stat(
            "Leaders",
            "1 is right. A moment's 0 or 2 does no harm; a lasting 0 means no snapshot, no pruning, no burying.",
            "short",
            "sum(tidegate_leader)",
            steps=(("red", 0), ("green", 1), ("yellow", 2)),
        ),
        stat("Ready", "Jobs that could run now.", "short", f'sum(max by (queue) (tidegate_queue_jobs{{{FLEET}, state="ready"}}))'),
        stat("Running", "Jobs that run now.", "short", f'sum(max by (queue) (tidegate_queue_jobs{{{FLEET}, state="running"}}))'),
        stat(
            "Oldest ready",
            "For how long the oldest ready job has been due: the sign of a queue that cannot keep up.",
            "s",
            f"max(tidegate_queue_oldest_ready_age_seconds{{{FLEET}}})",
            steps=(("yellow", 60), ("red", 300)),
        ),
        stat(
            "Broken queues",
            "Queues past their restart intensity, over all nodes; /readyz and the log say why.",
            "short",
            f"sum(tidegate_queue_broken{{{QUEUE}}})",
            steps=(("red", 1),),
        ),
        stat(
            "Dead letters",
            "Jobs that died in the time shown.",
            "short",
            f"sum(increase(tidegate_dead_letters_total{{{KIND}}}[$__range]))",
            steps=(("yellow", 1),),
        ),
        stat(
            "Snapshot age",
            "How old the numbers of the fleet are; above some ten seconds, the leader does not get through to the database.",
            "s",
            "max(tidegate_snapshot_age_seconds)",
            steps=(("yellow", 10), ("red", 60)),
        ),
    ),
)

FLOW: Final = Row(
    "Flow",
    (
        Panel(
            "Finished by outcome",
            "Attempts that ended, per second. Everything but done, snoozed and released is an attempt that went wrong.",
            "ops",
            (Query(f"sum by (outcome) (rate(tidegate_jobs_finished_total{{{KIND}}}[$__rate_interval]))", "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Done by queue",
            "Jobs done per second.",
            "ops",
            (
                Query(
                    f'sum by (queue) (rate(tidegate_jobs_finished_total{{{KIND}, outcome="done"}}[$__rate_interval]))', "{{queue}}"
                ),
            ),
        ),
        Panel(
            "Enqueued by queue",
            "Jobs enqueued per second, by nodes and by the applications that expose EnqueueMetrics (docs/reference/metrics.md).",
            "ops",
            (
                Query(
                    f'sum by (queue) (rate(tidegate_jobs_enqueued_total{{{FLEET}, kind=~"$kind"}}[$__rate_interval]))', "{{queue}}"
                ),
            ),
        ),
        Panel(
            "Ready and scheduled",
            "The backlog by queue, out of the leader's snapshot. Scheduled jobs wait for their time or their next attempt.",
            "short",
            (
                Query(f'max by (queue, state) (tidegate_queue_jobs{{{FLEET}, state=~"ready|scheduled"}})', "{{queue}} {{state}}"),
                Query(f"max by (queue) (tidegate_queue_paused{{{FLEET}}}) == 1", "{{queue}} is paused"),
            ),
        ),
        Panel(
            "Share of attempts that fail",
            "Failed, retried, timed out or crashed, of all attempts.",
            "percentunit",
            (
                Query(
                    f'sum by (queue) (rate(tidegate_jobs_finished_total{{{KIND}, outcome=~"failed|retried|timed_out|crashed"}}'
                    f"[$__rate_interval])) / sum by (queue) (rate(tidegate_jobs_finished_total{{{KIND}}}[$__rate_interval]))",
                    "{{queue}}",
                ),
            ),
        ),
        Panel(
            "Deaths by kind and reason",
            "Dead letters; `tidegate dlq list` shows them.",
            "short",
            (
                Query(
                    f"sum by (kind, reason) (increase(tidegate_dead_letters_total{{{KIND}}}[$__rate_interval]))",
                    "{{kind}} {{reason}}",
                ),
            ),
            stacked=True,
        ),
    ),
)

TIMES: Final = Row(
    "Times",
    (
        Panel(
            "Wait",
            "From due to started. It rises when the pool is too small, or the database too slow to hand out jobs.",
            "s",
            quantiles("tidegate_job_wait_seconds", QUEUE, "queue", "{{queue}}"),
        ),
        Panel(
            "Wait, all of it",
            "How many jobs waited how long: two bands are two kinds of load that share a queue.",
            "s",
            (Query(f"sum by (le) (increase(tidegate_job_wait_seconds_bucket{{{QUEUE}}}[$__rate_interval]))", "{{le}}"),),
            type="heatmap",
        ),
        Panel("Run", "How long handlers run.", "s", quantiles("tidegate_job_run_seconds", KIND, "kind", "{{kind}}")),
    ),
)

POOLS: Final = Row(
    "Pools",
    (
        Panel(
            "Consumers",
            "What the consumers of all nodes do, by queue.",
            "short",
            (Query(f"sum by (queue, state) (tidegate_consumers{{{QUEUE}}})", "{{queue}} {{state}}"),),
            stacked=True,
        ),
        Panel(
            "Business",
            "The share of consumers that run something. Near 100% with a growing backlog: the pool is too small.",
            "percentunit",
            (
                Query(
                    f'sum by (queue) (tidegate_consumers{{{QUEUE}, state="busy"}}) '
                    f"/ (sum by (queue) (tidegate_consumers_target{{{QUEUE}}}) > 0)",
                    "{{queue}}",
                ),
            ),
        ),
        Panel(
            "Demand",
            "Jobs that consumers ask for and are not given. With ready jobs: claims do not keep up, or the queue is paused.",
            "short",
            (Query(f"sum by (queue) (tidegate_demand{{{QUEUE}}})", "{{queue}}"),),
        ),
    ),
)

DATABASE: Final = Row(
    "Database",
    (
        Panel("Claims", "How long claims take.", "s", quantiles("tidegate_claim_seconds", QUEUE, "queue", "{{queue}}")),
        Panel("Acks", "How long a batch of acks takes.", "s", quantiles("tidegate_ack_seconds", QUEUE, "queue", "{{queue}}")),
        Panel(
            "Jobs per claim",
            "Of the claims that brought any. It grows with the load; 1 under load means a queue whose consumers hold one job each.",
            "short",
            (
                Query(
                    f"sum by (queue) (rate(tidegate_claim_batch_jobs_sum{{{QUEUE}}}[$__rate_interval])) / "
                    f"(sum by (queue) (rate(tidegate_claim_batch_jobs_count{{{QUEUE}}}[$__rate_interval])) - "
                    f'sum by (queue) (rate(tidegate_claim_batch_jobs_bucket{{{QUEUE}, le="0.0"}}[$__rate_interval])))',
                    "{{queue}}",
                ),
            ),
        ),
    ),
)

TROUBLE: Final = Row(
    "Trouble",
    (
        Panel(
            "Database errors",
            "The database did not answer, or with an error that passes. Work in hand goes on; nothing is lost.",
            "short",
            (Query(f"sum by (operation) (increase(tidegate_database_errors_total{{{NODE}}}[$__rate_interval]))", "{{operation}}"),),
        ),
        Panel(
            "Leases lost, jobs rescued",
            "Results refused because the job had been given to another node; jobs taken back from lost nodes.",
            "short",
            (
                Query(f"sum by (queue) (increase(tidegate_leases_lost_total{{{QUEUE}}}[$__rate_interval]))", "{{queue}} lost"),
                Query(f"sum by (queue) (increase(tidegate_jobs_rescued_total{{{QUEUE}}}[$__rate_interval]))", "{{queue}} rescued"),
            ),
        ),
        Panel(
            "Restarts",
            "Supervised parts that crashed and were started again. A crash is a bug: the log has its traceback.",
            "short",
            (Query(f"sum by (child) (increase(tidegate_supervisor_restarts_total{{{NODE}}}[$__rate_interval]))", "{{child}}"),),
        ),
    ),
)

NODES: Final = Row(
    "Nodes",
    (
        Panel(
            "Event loop lag",
            "How late the loop answers. A handler that blocks the loop shows here: `executor: thread` is for it.",
            "s",
            (Query(f"tidegate_event_loop_lag_seconds{{{NODE}}}", "{{instance}}"),),
        ),
        Panel(
            "Who blocks the loop",
            "Times that a job's code blocked an event loop for a second or more. The node's log has the stack.",
            "short",
            (
                Query(
                    f"sum by (queue, kind) (increase(tidegate_event_loop_blocked_total{{{KIND}}}[$__rate_interval])) > 0",
                    "{{queue}} {{kind}}",
                ),
            ),
        ),
        Panel(
            "Lease",
            "For how long a node may still start handlers without another heartbeat. At zero its jobs are about to be rescued.",
            "s",
            (Query(f"tidegate_lease_remaining_seconds{{{NODE}}}", "{{instance}}"),),
        ),
        Panel(
            "Memory",
            "Resident memory of the nodes' processes.",
            "bytes",
            (Query(f"process_resident_memory_bytes{{{NODE}}} and on (instance) tidegate_build_info", "{{instance}}"),),
        ),
    ),
)

OVERVIEW: Final = Dashboard(
    "tidegate-overview",
    "Tidegate overview",
    "Queues, pools and nodes of a Tidegate fleet.",
    (
        Variable("queue", "Queue", "label_values(tidegate_queue_broken, queue)"),
        Variable("kind", "Kind", 'label_values(tidegate_jobs_finished_total{queue=~"$queue"}, kind)'),
        Variable("instance", "Node", "label_values(tidegate_build_info, instance)"),
    ),
    (NOW, FLOW, TIMES, POOLS, DATABASE, TROUBLE, NODES),
)
