"""The faults: each befalls a fleet that works, and returns when it is over."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from tests.chaos.fleet import LEASE, Fleet
from tests.chaos.small_disk import SmallDisk, Unavailable

__all__ = ["FAULTS", "IN_CI"]


def node_killed(fleet: Fleet) -> None:
    """kill -9 of one node; another takes its place"""
    fleet.lose(fleet.nodes[0])
    fleet.start_node()


def all_nodes_killed(fleet: Fleet) -> None:
    """kill -9 of all nodes; three new ones start"""
    for node in list(fleet.nodes):
        fleet.lose(node)
    fleet.start_nodes(3)


def node_frozen(fleet: Fleet) -> None:
    """SIGSTOP of a node for twice its lease, then SIGCONT"""
    fleet.nodes[0].signal(signal.SIGSTOP)
    time.sleep(2 * LEASE)
    fleet.nodes[0].signal(signal.SIGCONT)


def child_killed(fleet: Fleet) -> None:
    """kill -9 of the process consumers of every node"""
    for node in fleet.nodes:
        for child in psutil.Process(node.process.pid).children():
            child.kill()


def postgres_restarted(fleet: Fleet) -> None:
    """fast restart of PostgreSQL"""
    fleet.server.restart()


def postgres_killed(fleet: Fleet) -> None:
    """kill -9 of the postmaster and all of its processes"""
    fleet.server.kill()
    fleet.server.start()


def backends_terminated(fleet: Fleet) -> None:
    """pg_terminate_backend of everything, every second for 20 s"""
    for _ in range(20):
        with psycopg.connect(fleet.server.conninfo, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        time.sleep(1)


def network_gone(fleet: Fleet) -> None:
    """the network of all nodes gone for 30 s: connections reset, new ones refused"""
    fleet.proxy.cut()
    time.sleep(30)
    fleet.proxy.mend()


def half_open(fleet: Fleet) -> None:
    """half-open sockets for 30 s: nothing is carried, nothing is closed"""
    fleet.proxy.hang()
    time.sleep(30)
    fleet.proxy.mend()


def out_of_reach(fleet: Fleet) -> None:
    """the database out of reach of all nodes for two minutes: nothing is carried, nothing is closed"""
    fleet.proxy.hang()
    time.sleep(120)
    fleet.proxy.mend()


def slow_network(fleet: Fleet) -> None:
    """200 ms of latency each way, 100 ms of jitter, for 20 s"""
    fleet.proxy.slow(0.2, 0.1)
    time.sleep(20)
    fleet.proxy.mend()


def slots_exhausted(fleet: Fleet) -> None:
    """every connection slot taken for 15 s, the nodes' own connections terminated"""
    taken: list[psycopg.Connection[object]] = []
    with psycopg.connect(fleet.server.conninfo, autocommit=True) as own:
        own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                taken.append(psycopg.connect(fleet.server.conninfo, autocommit=True))
            except psycopg.OperationalError:
                time.sleep(0.05)
    for connection in taken:
        connection.close()


def read_only(fleet: Fleet) -> None:
    """the database read-only for 15 s, as after a failover to the wrong side"""
    name = sql.Identifier(psycopg.conninfo.conninfo_to_dict(fleet.database)["dbname"])
    with psycopg.connect(fleet.server.conninfo, autocommit=True) as own:
        for words in (
            "ALTER DATABASE {} SET default_transaction_read_only = on",
            "ALTER DATABASE {} RESET default_transaction_read_only",
        ):
            own.execute(sql.SQL(words).format(name))
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if words.endswith("= on"):
                time.sleep(15)


def disk_full(fleet: Fleet) -> None:
    """the disk of the tables full for 15 s (that of the WAL is not)"""
    disk = fleet.afterwards.enter_context(SmallDisk(fleet.server))
    disk.take_tables(fleet.database)
    time.sleep(2)
    disk.fill()
    time.sleep(15)
    assert "No space left on device" in fleet.server.log.read_text(errors="replace"), "nothing met the full disk"
    disk.clear()


def clock_off(fleet: Fleet) -> None:
    """a node whose clock is an hour off joins, and another leaves"""
    fleet.start_node(
        LD_PRELOAD=_libfaketime(),
        FAKETIME="+1h",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        FAKETIME_DONT_RESET="1",
        DONT_FAKE_MONOTONIC="1",
    )
    leaver = fleet.nodes.pop(0)
    leaver.signal(signal.SIGTERM)
    assert leaver.end(60) == 0, leaver.said


def reconfigured(fleet: Fleet) -> None:
    """one node is restarted with a changed queues.yaml, the others keep theirs"""
    leaver = fleet.nodes.pop(0)
    leaver.signal(signal.SIGTERM)
    assert leaver.end(60) == 0, leaver.said
    fleet.configure(consumers=3)
    fleet.start_node()


def rolling_restart(fleet: Fleet) -> None:
    """rolling restart of all three nodes by SIGTERM"""
    for _ in range(3):
        leaver = fleet.nodes.pop(0)
        leaver.signal(signal.SIGTERM)
        assert leaver.end(60) == 0, leaver.said
        fleet.start_node()


def _libfaketime() -> str:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Unavailable("libfaketime is not installed")
    return str(found[0])


FAULTS: dict[str, Callable[[Fleet], None]] = {
    each.__name__: each
    for each in (
        node_killed,
        all_nodes_killed,
        node_frozen,
        child_killed,
        postgres_restarted,
        postgres_killed,
        backends_terminated,
        network_gone,
        half_open,
        out_of_reach,
        slow_network,
        slots_exhausted,
        read_only,
        disk_full,
        clock_off,
        reconfigured,
        rolling_restart,
    )
}
IN_CI = ("node_killed", "node_frozen", "postgres_killed", "half_open")
