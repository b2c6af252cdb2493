"""docs/reference/metrics.md, made from the catalogue: `python -m tidegate.observe.reference > docs/reference/metrics.md`."""

from __future__ import annotations

import sys
from typing import Final

from tidegate.jobs import Reason, State, Word
from tidegate.observe.catalogue import CATALOGUE, Exists, Metric
from tidegate.observe.http import DEFAULT_PORT
from tidegate.observe.labels import KINDS, STRANGERS

__all__ = ["page"]

HEAD: Final = f"""\
# Metrics

Made from `tidegate.observe.catalogue` by `python -m tidegate.observe.reference`; a test holds it current.

Every node serves them at `http://127.0.0.1:{DEFAULT_PORT}/metrics` (`tidegate up --metrics-port`): in Prometheus's text format, or
in OpenMetrics where the request's `Accept` asks for it. `observability/prometheus.yml` is a configuration that scrapes it, and
`grafana/dashboards/overview.json` a dashboard over it. The same port has `/healthz` (200 while the process lives) and `/readyz`
(200 when the database answers and all queues run; else, and while the node drains, 503 with the reasons as JSON, a broken queue by
name).

Names, labels and meanings below are promises. No ids, arguments or messages are labels. A node shows up to {KINDS} kinds, of these
up to {STRANGERS} that it does not know itself; the rest is counted under `kind="other"`. A scrape never asks the database: what
concerns the whole fleet is counted by the leader every `snapshot` seconds (queues.yaml), and only the leader shows it.
"""

COUNTING: Final = """\
## Count what your application enqueues

`tidegate_jobs_enqueued_total` is counted where the enqueue happens: in the process that calls `enqueue`. A node shows what its own
handlers enqueue, and what clients do that share its bus (`Tidegate.connect(events=node.events)`). Anywhere else, attach the counter
to the client's events, and expose your registry as you do already:

```python
from tidegate import Tidegate
from tidegate.observe.metrics import EnqueueMetrics

enqueued = EnqueueMetrics()  # or EnqueueMetrics(registry); one for each registry

async with Tidegate.connect() as tide:
    tide.events.subscribe(enqueued)     # the same with connect_sync, and for as many clients as you have
```

A job that joined your own transaction is counted when it was inserted, also where the transaction is rolled back later.
"""

MISSING: Final = """\
## Not there yet

`tidegate_circuit_transitions_total`, `tidegate_circuit_outcomes_total`, `tidegate_circuit_state`, `tidegate_circuit_gated_jobs` and
`tidegate_autoscaler_need` belong to circuits and the autoscaler, and come with them.

`tidegate_jobs_finished_total` has no `outcome="lease_lost"`: the node that held such a job is gone, and the one that rescues it
counts it in `tidegate_jobs_rescued_total`.
"""

QUERIES: Final = """\
## Queries to begin with

```promql
# jobs done per second
sum by (queue) (rate(tidegate_jobs_finished_total{outcome="done"}[5m]))
# attempts that went wrong per second
sum by (queue) (rate(tidegate_jobs_finished_total{outcome=~"failed|retried|timed_out|crashed"}[5m]))
# how long jobs wait
histogram_quantile(0.95, sum by (queue, le) (rate(tidegate_job_wait_seconds_bucket[5m])))
# the backlog
max by (queue) (tidegate_queue_jobs{state="ready"})
# leaders: 1, and for a moment 0 or 2 without harm
sum(tidegate_leader)
```

Take the `max` of what only the leader shows: for a scrape or two after a change of leaders, the old one's samples are still there.
"""

PROCESS: Final = """\
A node also shows its process (Linux): `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`,
`process_start_time_seconds` and others.
"""

SECTIONS: Final = {
    Exists.NODE: "Of a node, from its start",
    Exists.EVENT: "Of a node, from the first time it happens",
    Exists.LEADER: "Of the fleet, from the leader only",
    Exists.CLIENT: "Of a process that enqueues",
}

VALUES: Final = {
    "outcome": [word.value for word in Word if word is not Word.LEASE_LOST],
    "reason": [reason.value for reason in Reason],
    "state of consumers": ["busy", "idle", "starting"],
    "state of jobs": [State.SCHEDULED.value, State.READY.value, State.RUNNING.value],
}


def page() -> str:
    """Return the page as Markdown."""
    sections = [_section(title, [each for each in CATALOGUE if each.exists is exists]) for exists, title in SECTIONS.items()]
    return "\n".join([HEAD, *sections, PROCESS, _label_values(), _buckets(), COUNTING, QUERIES, MISSING])


def _section(title: str, metrics: list[Metric]) -> str:
    rows = [f"| `{metric.name}` | {metric.type} | {_labels(metric)} | {metric.help} |" for metric in metrics]
    return "\n".join([f"## {title}", "", "| name | type | labels | meaning |", "| --- | --- | --- | --- |", *rows, ""])


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels) or "none"


def _label_values() -> str:
    rows = [f"| `{label}` | {', '.join(f'`{value}`' for value in values)} |" for label, values in VALUES.items()]
    return "\n".join(["## Labels", "", "| label | values |", "| --- | --- |", *rows, ""])


def _buckets() -> str:
    rows = [
        f"| `{metric.name}` | {', '.join(f'{bound:g}' for bound in metric.buckets)} |" for metric in CATALOGUE if metric.buckets
    ]
    return "\n".join(["## Buckets", "", "| histogram | upper bounds |", "| --- | --- |", *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
