"""The overview: what a fleet does now, how it came to that, and where it hurts."""  # noqa: INP001 - a script's part

from __future__ import annotations

from typing import Final

from parts import (
    ALERTS,
    FLEET,
    KIND,
    KINDS,
    NODE,
    NODES,
    QUEUE,
    QUEUE_BOARD,
    QUEUES,
    RUNS,
    VERSIONS,
    WENT_WRONG,
    heatmap,
    increase,
    quantiles,
    rate,
    stat,
)
from words import Dashboard, Panel, Query, Row

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
            "Attempts that ended, per second. Everything but done, snoozed, released and cancelled is one that went wrong.",
            "ops",
            (Query(rate("tidegate_jobs_finished_total", KIND, "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Done by queue",
            "Jobs done per second.",
            "ops",
            (Query(rate("tidegate_jobs_finished_total", f'{KIND}, outcome="done"', "queue"), "{{queue}}"),),
            links=(QUEUE_BOARD,),
        ),
        Panel(
            "Enqueued by queue",
            "Jobs enqueued per second, by nodes and by the applications that expose EnqueueMetrics (docs/reference/metrics.md).",
            "ops",
            (Query(rate("tidegate_jobs_enqueued_total", f'{FLEET}, kind=~"$kind"', "queue"), "{{queue}}"),),
            links=(QUEUE_BOARD,),
        ),
        Panel(
            "Ready and scheduled",
            "The backlog by queue, out of the leader's snapshot. Scheduled jobs wait for their time or their next attempt.",
            "short",
            (
                Query(f'max by (queue, state) (tidegate_queue_jobs{{{FLEET}, state=~"ready|scheduled"}})', "{{queue}} {{state}}"),
                Query(f"max by (queue) (tidegate_queue_paused{{{FLEET}}}) == 1", "{{queue}} is paused"),
            ),
            links=(QUEUE_BOARD,),
        ),
        Panel(
            "Share of attempts that go wrong",
            "Failed, retried, timed out, crashed, discarded or invalid, of all attempts that ended.",
            "percentunit",
            (
                Query(
                    rate("tidegate_jobs_finished_total", f"{KIND}, {WENT_WRONG}", "queue")
                    + " / "
                    + rate("tidegate_jobs_finished_total", f"{KIND}, {RUNS}", "queue"),
                    "{{queue}}",
                ),
            ),
            most=1,
            links=(QUEUE_BOARD,),
        ),
        Panel(
            "Deaths by kind and reason",
            "Dead letters; `tidegate jobs list --state dead` shows them.",
            "short",
            (Query(increase("tidegate_dead_letters_total", KIND, "kind, reason"), "{{kind}} {{reason}}"),),
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
            links=(QUEUE_BOARD,),
        ),
        heatmap(
            "Wait, all of it",
            "How many jobs waited how long: two bands are two kinds of load that share a queue.",
            "tidegate_job_wait_seconds",
            QUEUE,
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
            links=(QUEUE_BOARD,),
        ),
        Panel(
            "Demand",
            "Jobs that consumers ask for and are not given. With ready jobs: claims do not keep up, or the queue is paused.",
            "short",
            (Query(f"sum by (queue) (tidegate_demand{{{QUEUE}}})", "{{queue}}"),),
        ),
    ),
)

FLEET_ROW: Final = Row(
    "Nodes",
    (
        Panel(
            "Event loop lag",
            "How late the loop answers. A handler that blocks the loop shows here: `executor: thread` is for it.",
            "s",
            (Query(f"tidegate_event_loop_lag_seconds{{{NODE}}}", "{{instance}}"),),
            steps=(("red", 1),),
        ),
        Panel(
            "Runs left behind",
            "Handlers that go on although they were to end: a thread that never returns, a coroutine that swallows its end.",
            "short",
            (
                Query(f"tidegate_zombie_runs{{{NODE}}} > 0", "{{instance}} {{queue}}"),
                Query(
                    f"sum by (queue, kind) (increase(tidegate_runs_abandoned_total{{{KIND}}}[$__rate_interval])) > 0",
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
    (QUEUES, KINDS, NODES),
    (NOW, FLOW, TIMES, POOLS, FLEET_ROW),
    (ALERTS, VERSIONS),
)
