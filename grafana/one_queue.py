"""One queue: what waits, what runs, whether the pool is right, what goes wrong."""  # noqa: INP001 - a script's part

from __future__ import annotations

from typing import Final

from parts import (
    ALERTS,
    FLEET,
    KIND,
    KINDS,
    NODES,
    QUEUE,
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
        stat("Ready", "Jobs that could run now.", "short", f'sum(max by (queue) (tidegate_queue_jobs{{{FLEET}, state="ready"}}))'),
        stat(
            "Scheduled",
            "Jobs that wait for their time, or for their next attempt.",
            "short",
            f'sum(max by (queue) (tidegate_queue_jobs{{{FLEET}, state="scheduled"}}))',
        ),
        stat("Running", "Jobs that run now.", "short", f'sum(max by (queue) (tidegate_queue_jobs{{{FLEET}, state="running"}}))'),
        stat(
            "Oldest ready",
            "For how long the oldest ready job has been due.",
            "s",
            f"max(tidegate_queue_oldest_ready_age_seconds{{{FLEET}}})",
            steps=(("yellow", 60), ("red", 300)),
        ),
        stat(
            "Until the backlog is done",
            "Ready jobs by jobs done per second: how long it takes at the speed of now.",
            "s",
            f'sum(max by (queue) (tidegate_queue_jobs{{{FLEET}, state="ready"}})) '
            f'/ (sum(rate(tidegate_jobs_finished_total{{{FLEET}, outcome="done"}}[$__rate_interval])) > 0)',
            steps=(("yellow", 300), ("red", 3600)),
        ),
        stat(
            "Consumers",
            "Consumers of all nodes that run, or could run, a job.",
            "short",
            f'sum(tidegate_consumers{{{QUEUE}, state=~"busy|idle"}})',
        ),
        stat(
            "Dead letters",
            "Those that nobody has dealt with: `tidegate jobs list --state dead`.",
            "short",
            f"sum(max by (queue) (tidegate_dead_letters_open{{{FLEET}}}))",
            steps=(("yellow", 1), ("red", 100)),
        ),
        stat(
            "Paused",
            "1 where somebody has paused the queue: `tidegate queues resume` ends that.",
            "short",
            f"max(tidegate_queue_paused{{{FLEET}}})",
            steps=(("yellow", 1),),
        ),
    ),
)

DEPTH: Final = Row(
    "Depth",
    (
        Panel(
            "Jobs by state",
            "What there is of the queue in the database, out of the leader's snapshot; ready is estimated above 10,000.",
            "short",
            (Query(f"max by (queue, state) (tidegate_queue_jobs{{{FLEET}}})", "{{queue}} {{state}}"),),
            stacked=True,
        ),
        Panel(
            "In and out",
            "Jobs enqueued, where that is counted, and done, per second. Where more come than go, the backlog grows.",
            "ops",
            (
                Query(rate("tidegate_jobs_enqueued_total", f'{FLEET}, kind=~"$kind"', "queue"), "{{queue}} enqueued"),
                Query(rate("tidegate_jobs_finished_total", f'{KIND}, outcome="done"', "queue"), "{{queue}} done"),
            ),
        ),
        Panel(
            "Age of the oldest ready job",
            "It grows as fast as time where nothing is taken from the queue at all: paused, broken, or no node serves it.",
            "s",
            (
                Query(f"max by (queue) (tidegate_queue_oldest_ready_age_seconds{{{FLEET}}})", "{{queue}}"),
                Query(f"max by (queue) (tidegate_queue_oldest_free_age_seconds{{{FLEET}}})", "{{queue}}, not held back"),
            ),
            steps=(("red", 300),),
        ),
    ),
)

WAITING: Final = Row(
    "Wait and run",
    (
        heatmap(
            "Wait",
            "From due to started, per attempt. The dots are traces.",
            "tidegate_job_wait_seconds",
            QUEUE,
            width=12,
        ),
        heatmap(
            "Run",
            "How long handlers ran, per attempt. The dots are traces.",
            "tidegate_job_run_seconds",
            KIND,
            width=12,
        ),
        Panel(
            "Wait, quantiles",
            "Half of the jobs, 19 of 20, 99 of 100 started within this time.",
            "s",
            quantiles("tidegate_job_wait_seconds", QUEUE, "queue", "{{queue}}", (0.5, 0.95, 0.99)),
        ),
        Panel(
            "Started within 10 seconds",
            "The share of attempts that started within 10 seconds of being due: the objective that the alerts watch is 99%.",
            "percentunit",
            (
                Query(
                    rate("tidegate_job_wait_seconds_bucket", f'{QUEUE}, le="10.0"', "queue")
                    + " / "
                    + rate("tidegate_job_wait_seconds_count", QUEUE, "queue"),
                    "{{queue}}",
                ),
            ),
            most=1,
        ),
        Panel(
            "Run by kind, 95%",
            "19 of 20 runs of a kind took no longer.",
            "s",
            quantiles("tidegate_job_run_seconds", KIND, "kind", "{{kind}}", (0.95,)),
        ),
    ),
)

POOL: Final = Row(
    "Pool",
    (
        Panel(
            "Consumers and target",
            "What the pools of all nodes have, should have, and would need. A gap that stays below the target is consumers that do "
            "not come up; a need above the target is a limit that binds.",
            "short",
            (
                Query(f'sum by (queue) (tidegate_consumers{{{QUEUE}, state=~"busy|idle"}})', "{{queue}} alive"),
                Query(f'sum by (queue) (tidegate_consumers{{{QUEUE}, state="busy"}})', "{{queue}} busy"),
                Query(f"sum by (queue) (tidegate_consumers_target{{{QUEUE}}})", "{{queue}} target"),
                Query(f"max by (queue) (tidegate_autoscaler_need{{{QUEUE}}})", "{{queue}} need"),
            ),
        ),
        Panel(
            "Why the pool was resized",
            "Decisions for another number of consumers, by reason; `tidegate autoscaler history QUEUE` has each of them.",
            "short",
            (Query(increase("tidegate_autoscaler_decisions_total", QUEUE, "queue, reason"), "{{queue}} {{reason}}"),),
            stacked=True,
        ),
        Panel(
            "Work in hand",
            "Run time spent per second: the number of consumers that were busy on average. Near the pool's size, it is full.",
            "short",
            (Query(rate("tidegate_job_run_seconds_sum", KIND, "kind"), "{{kind}}"),),
            stacked=True,
        ),
        Panel(
            "Demand",
            "Jobs that consumers ask for and are not given. With ready jobs: claims do not keep up, or the queue is paused.",
            "short",
            (Query(f"sum by (queue) (tidegate_demand{{{QUEUE}}})", "{{queue}}"),),
        ),
    ),
)

ERRORS: Final = Row(
    "Errors",
    (
        Panel(
            "Attempts that go wrong, by kind and outcome",
            "Per second. failed: the handler raised; timed_out: over its time-out; crashed: its process died; invalid: cannot run.",
            "ops",
            (Query(rate("tidegate_jobs_finished_total", f"{KIND}, {WENT_WRONG}", "kind, outcome"), "{{kind}} {{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Share that goes wrong, by kind",
            "Of the attempts of a kind that ended.",
            "percentunit",
            (
                Query(
                    rate("tidegate_jobs_finished_total", f"{KIND}, {WENT_WRONG}", "kind")
                    + " / "
                    + rate("tidegate_jobs_finished_total", f"{KIND}, {RUNS}", "kind"),
                    "{{kind}}",
                ),
            ),
            most=1,
        ),
        Panel(
            "Deaths by kind and reason",
            "A dead letter keeps its arguments, attempts and tracebacks: `tidegate jobs show ID`.",
            "short",
            (Query(increase("tidegate_dead_letters_total", KIND, "kind, reason"), "{{kind}} {{reason}}", exemplars=True),),
            stacked=True,
        ),
    ),
)

ONE_QUEUE: Final = Dashboard(
    "tidegate-queue",
    "Tidegate queue",
    "Depth, waiting, running, the pool and the errors of the queues that are chosen; best looked at with one.",
    (QUEUES, KINDS, NODES),
    (NOW, DEPTH, WAITING, POOL, ERRORS),
    (ALERTS, VERSIONS),
)
