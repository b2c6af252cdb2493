"""Reliability: the two objectives and their budgets, what died, what was lost, what had to be started again."""  # noqa: INP001 - a script's part

from __future__ import annotations

from typing import Final

from parts import ALERTS, FLEET, KIND, KINDS, NODE, NODES, QUEUE, QUEUES, VERSIONS, YES_IS_BAD, increase, stat
from words import Dashboard, Panel, Query, Row, Value

SUCCESS: Final = 0.999  # the objectives that observability/rules/alerts.yml watches
IN_TIME: Final = 0.99
BURNING: Final = (("orange", 1.0), ("red", 6.0))
DIED: Final = "queue:tidegate_jobs_died:rate5m"
DONE: Final = "queue:tidegate_jobs_done:rate5m"
LATE: Final = "queue:tidegate_job_starts_late:rate5m"
STARTS: Final = "queue:tidegate_job_starts:rate5m"


def budget(bad: str, good: str, objective: float) -> str:
    """Return the share of a budget that is left, of what a month's jobs allow."""
    sums = [f"sum(avg_over_time({rate}{{{FLEET}}}[30d]))" for rate in (bad, good)]
    return f"1 - ({sums[0]} / ({' + '.join(sums)})) / {1 - objective:.3g}"


def burn(ratio: str, objective: float) -> tuple[Query, ...]:
    """Return how many times faster than allowed a budget is used up, in the short and in the long run."""
    return tuple(
        Query(f"{ratio}_rate{window}{{{FLEET}}} / {1 - objective:.3g}", f"{{{{queue}}}} {window}") for window in ("5m", "1h", "6h")
    )


OBJECTIVES: Final = Row(
    "Objectives (from the recording rules of observability/rules)",
    (
        stat(
            "Budget of deaths left",
            "999 of 1,000 jobs end well: what is left of the deaths that 30 days allow. Below 0 the objective is missed.",
            "percentunit",
            budget(DIED, DONE, SUCCESS),
            steps=(("red", -1000.0), ("yellow", 0.0), ("green", 0.25)),
            width=4,
        ),
        stat(
            "Budget of late starts left",
            "99 of 100 attempts start within 10 seconds of being due: what is left of the late ones that 30 days allow.",
            "percentunit",
            budget(LATE, STARTS, IN_TIME),
            steps=(("red", -1000.0), ("yellow", 0.0), ("green", 0.25)),
            width=4,
        ),
        Panel(
            "Deaths: how fast the budget burns",
            "1 uses up exactly the month's budget. 14 for an hour is 2% of it: a page. 1 for three days is a ticket.",
            "short",
            burn("queue:tidegate_job_deaths_per_job:ratio", SUCCESS),
            steps=BURNING,
        ),
        Panel(
            "Late starts: how fast the budget burns",
            "1 uses up exactly the month's budget. 14 for an hour is 2% of it: a page. 1 for three days is a ticket.",
            "short",
            burn("queue:tidegate_job_starts_late_per_start:ratio", IN_TIME),
            steps=BURNING,
        ),
        Panel(
            "Alerts",
            "Tidegate's alerts that are pending or fire; docs/runbooks has a page for each.",
            "short",
            (
                Query(
                    'max by (alertname, queue, instance, alertstate) (ALERTS{alertname=~"Tidegate.+"})',
                    "{{alertname}} {{queue}} {{alertstate}}",
                ),
            ),
            type="state-timeline",
            width=24,
            values=(Value(1, "active", "red"),),
        ),
    ),
)

DEATHS: Final = Row(
    "Dead letters",
    (
        Panel(
            "Deaths by kind and reason",
            "A dead letter keeps its arguments, attempts and tracebacks. The dots are traces of the last attempt.",
            "short",
            (Query(increase("tidegate_dead_letters_total", KIND, "kind, reason"), "{{kind}} {{reason}}", exemplars=True),),
            stacked=True,
        ),
        Panel(
            "Standing",
            "Dead letters that nobody has dealt with, by queue.",
            "short",
            (Query(f"max by (queue) (tidegate_dead_letters_open{{{FLEET}}})", "{{queue}}"),),
        ),
        Panel(
            "Standing, by fingerprint",
            "The ten largest groups of dead letters that nobody has dealt with: jobs of one fingerprint died of the same thing.",
            "short",
            (Query("max by (fingerprint, kind, error) (tidegate_dead_letter_group_jobs)", "{{kind}} {{error}} {{fingerprint}}"),),
            width=12,
            stacked=True,
        ),
        Panel(
            "New and regressed errors",
            "Kinds of failure that were never seen before, and ones that had been resolved and are back with a newer version.",
            "short",
            (
                Query(increase("tidegate_errors_new_total", QUEUE, "queue"), "{{queue}} new"),
                Query(increase("tidegate_errors_regressed_total", QUEUE, "queue"), "{{queue}} regressed"),
            ),
            width=12,
        ),
        Panel(
            "Redrives",
            "Retries of many dead letters. Interrupted: nobody drives it on. Stopped: a canary did not complete.",
            "short",
            (
                Query("max by (state) (tidegate_redrive_letters_left)", "letters left of {{state}}"),
                Query("max by (state) (tidegate_redrives)", "{{state}}"),
            ),
            width=12,
        ),
        Panel(
            "Attempts that go wrong, by kind",
            "The share of a kind's attempts that failed, timed out, crashed: what the deaths of tomorrow are made of.",
            "percentunit",
            (Query("kind:tidegate_attempts_wrong_per_attempt:ratio_rate5m" + f'{{{FLEET}, kind=~"$kind"}}', "{{kind}}"),),
            most=1,
        ),
    ),
)

CIRCUITS: Final = Row(
    "Circuits",
    (
        Panel(
            "Circuits",
            "Where each circuit stands. An open one holds its jobs back; they lose no attempt by that.",
            "short",
            (Query("max by (circuit) (tidegate_circuit_state)", "{{circuit}}"),),
            type="state-timeline",
            values=(Value(0, "closed", "green"), Value(1, "half-open", "yellow"), Value(2, "open", "red")),
        ),
        Panel(
            "Jobs held back",
            "Ready jobs behind circuits that do not let them through. They are no demand for more consumers.",
            "short",
            (
                Query("max by (circuit) (tidegate_circuit_gated_jobs)", "{{circuit}}"),
                Query(f"max by (queue) (tidegate_queue_gated_jobs{{{FLEET}}})", "queue {{queue}}"),
            ),
        ),
        Panel(
            "What runs say",
            "Outcomes that went into circuits. Stale: the circuit moved since the run began, so it counts for nothing.",
            "short",
            (Query(increase("tidegate_circuit_outcomes_total", NODE, "circuit, outcome"), "{{circuit}} {{outcome}}"),),
        ),
        Panel(
            "How long circuits have been open, and jobs waited for that",
            "Since each circuit stopped letting its jobs through freely, and since the oldest of those was due.",
            "s",
            (
                Query("max by (circuit) (tidegate_circuit_open_seconds)", "{{circuit}} open"),
                Query("max by (circuit) (tidegate_circuit_oldest_gated_age_seconds)", "{{circuit}} oldest job"),
            ),
        ),
        Panel(
            "Transitions",
            "How often circuits went from one state to another, and how often a node could not read the table of circuits.",
            "short",
            (
                Query(increase("tidegate_circuit_transitions_total", NODE, "circuit, to"), "{{circuit}} {{to}}"),
                Query(
                    f"sum by (instance) (increase(tidegate_circuits_unread_total{{{NODE}}}[$__rate_interval]))",
                    "{{instance}} unread",
                ),
            ),
        ),
    ),
)

LOSSES: Final = Row(
    "Losses and restarts",
    (
        Panel(
            "Nodes lost, leases lost, jobs rescued",
            "A node whose heartbeats stop is declared lost; its jobs are rescued, and what it still reports of them is refused.",
            "short",
            (
                Query(f"sum(increase(tidegate_nodes_lost_total{{{NODE}}}[$__rate_interval]))", "nodes lost"),
                Query(increase("tidegate_leases_lost_total", QUEUE, "queue"), "{{queue}} leases lost"),
                Query(increase("tidegate_jobs_rescued_total", QUEUE, "queue"), "{{queue}} jobs rescued"),
            ),
            width=6,
        ),
        Panel(
            "Restarts",
            "Supervised parts that crashed and were started again. A crash is a bug: the log has its traceback.",
            "short",
            (Query(increase("tidegate_supervisor_restarts_total", NODE, "child"), "{{child}}"),),
            width=6,
        ),
        Panel(
            "Event loop blocked",
            "Times that a kind's code blocked the loop for a second or more; `none` where it was not a job's.",
            "short",
            (Query(increase("tidegate_event_loop_blocked_total", NODE, "queue, kind"), "{{queue}} {{kind}}"),),
            width=6,
        ),
        Panel(
            "Notifications",
            "Tries to tell somebody, by channel. `failed`: given up and kept; `tidegate notify list --state failed` shows them.",
            "short",
            (Query(increase("tidegate_notifications_total", NODE, "channel, outcome"), "{{channel}} {{outcome}}"),),
            width=6,
        ),
        Panel(
            "Broken queues",
            "Queues past their restart intensity, by node. They are tried again with growing pauses, up to a minute.",
            "short",
            (Query(f"tidegate_queue_broken{{{QUEUE}}}", "{{queue}} on {{instance}}"),),
            type="state-timeline",
            width=12,
            values=YES_IS_BAD,
        ),
        Panel(
            "Who leads",
            "One node leads: it takes the snapshots, prunes, buries. A moment without, or with two, does no harm.",
            "short",
            (Query(f"tidegate_leader{{{NODE}}}", "{{instance}}"),),
            type="state-timeline",
            width=12,
            values=(Value(0, "follows", "text"), Value(1, "leads", "blue")),
        ),
    ),
)

RELIABILITY: Final = Dashboard(
    "tidegate-reliability",
    "Tidegate reliability",
    "Whether jobs end well and start in time, and what stands in the way.",
    (QUEUES, KINDS, NODES),
    (OBJECTIVES, DEATHS, CIRCUITS, LOSSES),
    (ALERTS, VERSIONS),
)
