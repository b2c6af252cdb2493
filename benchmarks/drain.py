"""How fast nodes drain jobs, beside what their server does with the same statements and nothing in between.

    python benchmarks/drain.py [--jobs N] [--quick]        on a throw-away embedded PostgreSQL that syncs as it would in production

Nodes are processes of their own; history is kept, metrics are off. All jobs wait when the nodes begin; the rate is that from
the first job's start to the last one's end. CPU is in seconds per 10,000 jobs; WAL, transactions and dead rows are counted per
job, of everything that happens in the database. The raw loop over asyncpg (benchmarks/contestants/with_nothing.py: no retries,
no heartbeat, no history) is measured in the same turns; its jobs append 16 bytes each to a file. `tidegate bench` measures one
node on a server of your own.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import peers
import pgbench
import psutil
from ground import DURABLE, Report, Server, Size, machine, migrated, parser
from working import Drained, Shape, drained, put

CASES: Final = {
    "async, no-op": (Shape(), 1, 50_000),
    "async, no-op, two nodes": (Shape(), 2, 50_000),
    "async, 1 ms sleep, 5 consumers": (Shape("a_millisecond", consumers=5, demand=10), 1, 10_000),
    "async, 1 ms sleep, 50 consumers": (Shape("a_millisecond", consumers=50, demand=10), 1, 20_000),
    "async, 1 ms sleep, 500 consumers": (Shape("a_millisecond", consumers=500, demand=10), 1, 20_000),
    "thread, no-op": (Shape("plain", "thread"), 1, 20_000),
    "process, no-op": (Shape("plain", "process", consumers=1), 1, 5_000),
    "process, no-op, batches of 100": (Shape("hundred", "process", consumers=1, demand=200), 1, 50_000),
}


def measured(shape: Shape, count: int, jobs: int) -> Drained:
    """Measure on a server of its own, so that no case works on what another left behind."""
    with Server(settings={**DURABLE, "shared_buffers": "512MB"}) as server:
        pid = int((server.data / "postmaster.pid").read_text("utf-8").split()[0])
        return drained(migrated(server), psutil.Process(pid), shape, jobs, count=count)


def ceiling(jobs: int) -> float:
    with Server(settings={**DURABLE, "shared_buffers": "512MB"}) as server:
        database = migrated(server)
        put(database, jobs)
        return pgbench.claims_and_acks(database, jobs, kind="working_jobs:noop")


def raw(jobs: int) -> peers.Drained:
    with (
        tempfile.TemporaryDirectory() as folder,
        peers.contestant("nothing", peers.interpreters(["nothing"])["nothing"], Path(folder)) as one,
    ):
        one.call("setup")
        return one.drain(jobs)


def medians(runs: list[Drained]) -> Drained:
    return Drained(*(statistics.median(getattr(run, field.name) for run in runs) for field in fields(Drained)))


def main() -> None:
    words = parser(__doc__)
    words.add_argument("--jobs", type=int, help="no-op jobs of one node; the other cases in proportion")
    asked = words.parse_args()
    part = asked.jobs / 50_000 if asked.jobs else asked.size.pick(1.0, 0.2, 0.02)
    rounds = asked.size.pick(3, 1, 1)
    report = Report("drain", asked)
    cases = list(CASES.items())[: 2 if asked.size is Size.SMOKE else None]
    runs: dict[str, list[Drained]] = {name: [] for name, _ in cases}
    tops, raws = [], []
    for _ in range(rounds):
        tops.append(ceiling(int(50_000 * part)))
        if asked.size is not Size.SMOKE:  # for a test nothing is installed
            raws.append(raw(int(50_000 * part)))
        for name, (shape, count, jobs) in cases:
            runs[name].append(measured(shape, count, int(jobs * part)))
    top = statistics.median(tops)
    print(f"{machine()}; {rounds} runs in turns, medians, of {int(50_000 * part):,} no-op jobs and fewer slow ones")
    print(f"{'':34}{'of server':>10}{'jobs/s':>10}{'node s':>8}{'server s':>9}{'MiB':>6}{'WAL B':>7}{'trans.':>8}{'dead':>6}")
    print(f"{'claims and acks by pgbench':34}{1:10.2f}{top:10,.0f}")
    report.figures = {"pgbench": top, "cases": {}}
    if raws:
        one = peers.Drained(*(statistics.median(getattr(run, field.name) for run in raws) for field in fields(peers.Drained)))
        spent = f"{one.worker_cpu:8.2f}{one.server_cpu:9.2f}{one.memory:6.0f}"
        print(f"{'raw loop over asyncpg':34}{one.rate / top:10.2f}{one.rate:10,.0f}{spent}")
        report.figures["raw"] = asdict(one)
    for name, found in runs.items():
        case = medians(found)
        report.figures["cases"][name] = {field.name: getattr(case, field.name) for field in fields(case)}
        spent = f"{case.node_cpu:8.2f}{case.server_cpu:9.2f}{case.memory:6.0f}"
        print(f"{name:34}{case.rate / top:10.2f}{case.rate:10,.0f}{spent}{case.wal:7.0f}{case.transactions:8.3f}{case.dead:6.2f}")
    report.write()


if __name__ == "__main__":
    main()
