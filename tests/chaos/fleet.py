"""Three nodes under a mixed load, on a PostgreSQL of their own behind a proxy, and what befalls them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos import chaos_jobs
from tests.chaos.proxy import Proxy
from tests.support.postgres import Server
from tests.support.processes import NodeProcess
from tidegate import Tidegate
from tidegate.errors import DatabaseUnreachable
from tidegate.store import migrate
from tidegate.store.connection import connect

__all__ = ["LEASE", "Fleet", "fleet_on"]

LEASE = 5.0
RATE = 60.0  # jobs per second
QUEUES = """\
jobs: [tests.chaos.chaos_jobs]
lease: {lease}
poll: 0.5
drain_timeout: 5
defaults: {{backoff: {{kind: constant, base: 0.2}}, timeout: 30, poison_after: 50, circuit: {{open_for: 1, open_cap: 3, ramp: 1}}}}
queues:
  light: {{consumers: {consumers}, demand: {{max: 2}}}}
  blocking: {{executor: thread, consumers: 2}}
  isolated: {{executor: process, consumers: 1}}
  batches: {{consumers: 1, demand: {{max: 20}}}}
"""


class Fleet:
    """Nodes, their database, and a feeder that never gives up."""

    def __init__(self, server: Server, database: str, proxy: Proxy, folder: Path, afterwards: ExitStack) -> None:
        self.server = server
        self.database = database
        self.proxy = proxy
        self.folder = folder
        self.afterwards = afterwards
        """What is to be undone when the server is down."""
        self.nodes: list[NodeProcess] = []
        self.enqueued: list[int] = []
        self.trace = folder / "trace"
        name = psycopg.conninfo.conninfo_to_dict(database)
        self.through_proxy = f"postgresql://{name['user']}@127.0.0.1:{proxy.port}/{name['dbname']}"
        self._feeding = threading.Event()
        self._feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)
        self.configure()

    def configure(self, consumers: int = 8) -> None:
        """Write queues.yaml; nodes that start from now on read it."""
        (self.folder / "queues.yaml").write_text(QUEUES.format(lease=LEASE, consumers=consumers), "utf-8")

    def start_node(self, **environ: str) -> NodeProcess:
        """Start one more node and wait until it serves."""
        with _environ(environ):
            [node] = self.start_nodes(1)
        return node

    def start_nodes(self, n: int) -> list[NodeProcess]:
        """Start some at once, and wait until all of them serve."""
        started = [NodeProcess(self.through_proxy, self.folder) for _ in range(n)]
        self.nodes += started
        for node in started:
            node.wait_for("Ctrl-C drains", within=120)
        return started

    def lose(self, node: NodeProcess) -> None:
        """Kill it with -9."""
        node.signal(signal.SIGKILL)
        node.end()
        self.nodes.remove(node)

    def feed(self) -> None:
        """Begin to enqueue, at a steady rate."""
        self._feeding.set()
        self._feeder.start()

    def stop_feeding(self) -> None:
        self._feeding.clear()
        self._feeder.join(60)

    def date(self) -> Any:
        """Return the database's date."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            [(date,)] = connection.execute("SELECT clock_timestamp()").fetchall()
        return date

    def version(self) -> str:
        """Return which PostgreSQL it is."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            [(version,)] = connection.execute("SHOW server_version").fetchall()
        return f"PostgreSQL {version.split()[0]}"

    def rate(self, seconds: float) -> float:
        """Return how many jobs ended a second, over the last `seconds`."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            [(ended,)] = connection.execute(
                "SELECT count(*) FROM tidegate.history WHERE finished_at > clock_timestamp() - %s * interval '1 second'", [seconds]
            ).fetchall()
        return float(ended) / seconds

    def wait_until_at_work(self, within: float) -> None:
        """Wait for the first jobs that ended: on a machine with other work they may take long to come."""
        deadline = time.monotonic() + within
        while not self.rate(1.0) and time.monotonic() < deadline:
            time.sleep(0.1)

    def left(self) -> int:
        """Return how many jobs are still in the table."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            [(jobs,)] = connection.execute("SELECT count(*) FROM tidegate.jobs").fetchall()
        return int(jobs)

    def wait_until_empty(self, within: float) -> None:
        deadline = time.monotonic() + within
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.1)

    def close(self) -> None:
        for node in self.nodes:
            node.__exit__(None, None, None)

    def _feed(self) -> None:
        calls = {
            chaos_jobs.brief: ({}, 6),
            chaos_jobs.longer: ({}, 1),
            chaos_jobs.flaky: ({}, 1),
            chaos_jobs.doomed: ({}, 1),
            chaos_jobs.blocking: ({}, 2),
            chaos_jobs.grouped: ({"n": 1}, 3),
            chaos_jobs.isolated: ({}, 1),
        }
        mix = [(function, arguments) for function, (arguments, share) in calls.items() for _ in range(share)]
        n = 0
        with Tidegate.connect_sync(self.database, config=self.folder / "queues.yaml") as tide:
            begun = time.monotonic()
            while self._feeding.is_set():
                function, arguments = mix[n % len(mix)]
                try:
                    self.enqueued.append(tide.enqueue(function.kind, **arguments))
                except DatabaseUnreachable:  # whether it is in is not known; the ledger counts what was answered
                    time.sleep(0.2)
                    begun += 0.2
                n += 1
                time.sleep(max(begun + n / RATE - time.monotonic(), 0.0))


@contextmanager
def fleet_on(folder: Path, *, settings: Mapping[str, str] | None = None, nodes: int = 3) -> Iterator[Fleet]:
    """Have a server, a proxy and nodes, for one experiment."""
    with ExitStack() as afterwards, Server(settings=settings) as server:
        database = server.create_database()
        with connect(database) as connection:
            migrate.migrate(connection)
        with Proxy(server.folder / ".s.PGSQL.5432") as proxy:
            fleet = Fleet(server, database, proxy, folder, afterwards)
            try:
                fleet.start_nodes(nodes)
                yield fleet
            finally:
                if fleet._feeding.is_set():
                    fleet.stop_feeding()
                fleet.close()


@contextmanager
def _environ(more: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
