"""100,000 dead letters on a throw-away server: how long lists, groups, statistics take, and the way back of all of them.

`python benchmarks/dead_letters.py [--letters N] [--rate N]`: the way back at full speed, and then at a rate.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
from ground import Server, Size, machine, migrated, parser

from tidegate.dead_letters import DeadLetterQueue, Redrives, Wanted
from tidegate.dead_letters.redrives import Step
from tidegate.store.connection import connect

LIMIT = 1.0  # seconds for a question about 100,000 letters

FILL = """
INSERT INTO tidegate.dead_letters (job_id, queue, kind, priority, attempt, lease, crashes, enqueued_at, run_at, died_at, reason,
    node, args, meta, error_type, error_message, fingerprint, attempts, forensics)
SELECT nextval('tidegate.job_id'), (ARRAY['email', 'analytics', 'ml'])[1 + n %% 3], 'shop.jobs:kind_' || n %% 20, 0, 3, 3, 0, now(),
    now(), now() - n * interval '2 seconds', 'attempts_exhausted', 'node-' || n %% 5,
    json_build_object('kwargs', json_build_object('user_id', n)), '{}', 'ValueError', 'user ' || n || ' could not be reached',
    left(md5((n %% 200)::text), 16),
    (
        SELECT json_agg(json_build_object('attempt', a, 'lease', a, 'outcome', 'failed', 'started_at', now(), 'finished_at', now(),
            'duration', 0.1, 'node', 'node-1', 'error_type', 'ValueError', 'error_message', 'user ' || n || ' could not be reached',
            'traceback', repeat('  File "/srv/shop/jobs.py", line 7, in send' || n, 20), 'output', NULL))
        FROM generate_series(1, 3) AS a
    ),
    json_build_object('node', 'node-1', 'queue_depths', json_build_object('email', 1), 'recent_errors', repeat('x' || n, 300))
FROM generate_series(1, %(n)s) AS n
"""


def timed(title: str, ask: Callable[[], object], rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - started)
    print(f"{title:<44} {statistics.median(taken) * 1e3:8.1f} ms")
    return statistics.median(taken)


def bring_back(connection: psycopg.Connection[Any], letters: int, rate: float | None = None) -> None:
    """Retry all, at most `rate` a second; nothing may be left, and no job may be there twice."""
    redrives, seconds = Redrives(connection), Counter[int]()
    started = time.perf_counter()

    def count(step: Step) -> None:
        seconds[int(time.perf_counter() - started)] += len(step.jobs)

    ended = redrives.drive(redrives.begin(Wanted(), rate=rate), on_step=count)
    taken = time.perf_counter() - started
    [(jobs, linked)] = connection.execute(
        "SELECT (SELECT count(*) FROM tidegate.jobs), (SELECT count(DISTINCT retried_as) FROM tidegate.dead_letters)"
    ).fetchall()
    words = "" if rate is None else f" --rate {rate:g}"
    print(f"dlq retry --all{words}: {ended.done:,} letters in {taken:.1f} s, {ended.done / taken:,.0f} a second", end="")
    print(f"; in the busiest second {max(seconds.values()):,}")
    if not letters == ended.done == jobs == linked:
        sys.exit(f"{letters:,} letters, {ended.done:,} said to be back, {jobs:,} jobs, {linked:,} links")
    if rate is not None and max(seconds.values()) > rate * 1.25 + 1:
        sys.exit(f"{max(seconds.values()):,} letters came back in one second; {rate:g} were asked for")


def main() -> None:
    words = parser(__doc__)
    words.add_argument("--letters", type=int)
    words.add_argument("--rate", type=float, default=5_000.0, help="letters a second, for the second way back")
    asked = words.parse_args()
    letters = asked.letters or asked.size.pick(100_000, 20_000, 500)
    print(f"{machine()}, {letters:,} dead letters")
    with Server() as server, connect(migrated(server)) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute(FILL, {"n": letters})
        [(size,)] = connection.execute("SELECT pg_total_relation_size('tidegate.dead_letters') / 1024 / 1024").fetchall()
        print(f"{size} MiB on disk; before a vacuum, as after a storm of deaths")
        queue = DeadLetterQueue(connection)
        group = queue.group()[0].fingerprint
        worst = max(
            timed("dlq list", queue.list),
            timed("dlq list --kind --limit 1000", lambda: queue.list(Wanted(kinds=("shop.jobs:kind_7",)), limit=1_000)),
            timed("dlq list --group", lambda: queue.list(Wanted(groups=(group,)))),
            timed("dlq list --text (nothing found)", lambda: queue.list(Wanted(text="nowhere"))),
            timed("dlq group", queue.group),
            timed("dlq group --queue", lambda: queue.group(Wanted(queues=("ml",)))),
            timed("dlq group --text", lambda: queue.group(Wanted(text="user 7"))),
            timed("dlq stats", queue.stats),
            timed("dlq show", lambda: queue.show(letters // 2)),
        )
        bring_back(connection, letters)
        connection.execute("UPDATE tidegate.dead_letters SET retried_as = NULL")
        connection.execute("TRUNCATE tidegate.jobs")
        bring_back(connection, letters, asked.rate)
    if worst > LIMIT * max(letters / 100_000, 1) and asked.size is not Size.SMOKE:
        sys.exit(f"a question took {worst:.2f} s, more than {LIMIT:g}")


if __name__ == "__main__":
    main()
