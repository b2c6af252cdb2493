"""How long `workers stacks` takes, from the request to the answer, and as a whole command: `python benchmarks/stacks.py`.

A node is asked through the database, `--rounds` times each, about a coroutine that waits, a deadlocked thread, a process that loops
for ever, and a job that blocks the node's event loop. What a command takes on top is its interpreter's start. Ends with 1 where an
answer took longer than two seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from ground import ROOT, Report, parser
from tests.support import bad_jobs, jobs
from tests.support.postgres import Server
from tests.support.processes import NodeProcess

from tidegate import Tidegate
from tidegate.introspection import ask_node
from tidegate.store import migrate
from tidegate.store.connection import connect

QUEUES = """\
jobs: [tests.support.jobs, tests.support.bad_jobs]
defaults: {max_attempts: 1, timeout: 600, kill_after: 600}
queues:
  email: {consumers: 2}
  threads: {executor: thread, consumers: 1}
  heavy: {executor: process, consumers: 1}
  analytics: {consumers: 1}
  batches: {consumers: 1}
"""
JOBS = (
    ("a coroutine that waits", jobs.long_note.call(1)),
    ("a deadlocked thread", jobs.deadlocks_in_a_thread.call()),
    ("a process that loops", bad_jobs.spins.call("over")),
    (BLOCKED := "a blocked event loop", jobs.blocks_the_loop.call(600.0).options(queue="analytics")),
)
ALLOWED = 2.0


def spans(rounds: int, call: Callable[[], object]) -> list[float]:
    """Return how long each of `rounds` calls took."""
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return took


def main() -> int:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int)
    asked = arguments.parse_args()
    rounds, worst = asked.rounds or asked.size.pick(10, 3, 1), 0.0
    report = Report("stacks", asked, {"answers": {}})
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = server.create_database()
        with connect(database) as connection:
            migrate.migrate(connection)
        (folder / "queues.yaml").write_text(QUEUES, "utf-8")
        node = stack.enter_context(NodeProcess(database, folder, "--queues", "email,threads,heavy"))
        blocked = stack.enter_context(NodeProcess(database, folder, "--queues", "analytics"))
        tide = stack.enter_context(Tidegate.connect_sync(database, config=folder / "queues.yaml"))
        connection = stack.enter_context(connect(database))
        environ = {**os.environ, "TIDEGATE_DATABASE": database, "PYTHONPATH": str(ROOT)}
        print(f"Python {sys.version.split()[0]}, PostgreSQL {server.version}, {os.cpu_count()} cores; {rounds} rounds, ms")
        print(f"{'asked about':<25}{'answer: median':>15}{'slowest':>9}{'command: median':>17}")
        for title, call in JOBS:
            job = tide.enqueue(call)
            name = (blocked if title == BLOCKED else node).node()
            while not ask_node(connection, name, "stacks", {"job": job})["jobs"]:
                time.sleep(0.05)
            answers = spans(rounds, lambda name=name, job=job: ask_node(connection, name, "stacks", {"job": job}))  # type: ignore[misc]
            words = [sys.executable, "-m", "tidegate", "workers", "stacks", name, str(job)]
            whole = spans(3, lambda words=words: subprocess.run(words, cwd=folder, env=environ, capture_output=True, check=True))  # type: ignore[misc]
            worst = max(worst, *answers)
            report.figures["answers"][title] = [median(answers), max(answers), median(whole)]
            print(f"{title:<25}{1e3 * median(answers):>15.0f}{1e3 * max(answers):>9.0f}{1e3 * median(whole):>17.0f}")
        blocked.process.kill()
    report.write()
    return 1 if worst > ALLOWED else 0


if __name__ == "__main__":
    raise SystemExit(main())
