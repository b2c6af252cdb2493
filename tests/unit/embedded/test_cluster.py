"""What is said to postgres, and what is read of it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tidegate.store.embedded.cluster import PidFile, command, conninfo, is_stale, parse_pid_file
from tidegate.store.embedded.keeper import restart_delay

READY = "4711\n/data\n1700000000\n5432\n/tmp/s\n\n  1234  5\nready   \n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (READY, PidFile(4711, 1700000000, ready=True)),
        (READY.replace("ready   ", "starting"), PidFile(4711, 1700000000, ready=False)),
        ("4711\n/data\n1700000000\n", PidFile(4711, 1700000000, ready=False)),
        ("", None),
        ("4711\n", None),
        ("x\ny\nz\n", None),
    ],
)
def test_pid_file_tells_pid_start_and_readiness(text: str, told: PidFile | None):
    assert parse_pid_file(text) == told


@pytest.mark.parametrize(
    ("name", "started", "stale"),
    [
        (None, 0.0, False),  # PostgreSQL sees that for itself
        ("postgres", 1700000001.5, False),
        ("postgres", 1700009999.0, True),
        ("bash", 1700000000.0, True),
    ],
)
def test_pid_file_is_stale_when_its_pid_is_somebody_elses(name: str | None, started: float, stale: bool):
    assert is_stale(PidFile(4711, 1700000000, ready=True), name, started) is stale


def test_server_is_reached_through_its_socket_only():
    words = command(Path("/bin"), Path("/my data"), socket=Path("/tmp/s"), name="tidegate-0")
    assert words[:3] == ["/bin/postgres", "-D", "/my data"]
    assert "--listen_addresses=" in words
    assert '--unix_socket_directories="/tmp/s"' in words


def test_server_is_durable():
    words = command(Path("/bin"), Path("/data"), socket=Path("/tmp/s"), name="tidegate-0")
    assert {"--fsync=on", "--synchronous_commit=on"} < set(words)


def test_address_survives_spaces_and_says_what_libpq_would_take_from_the_environment():
    told = psycopg.conninfo.conninfo_to_dict(conninfo(Path("/tmp/a b"), "my db/1"))
    assert told == {"user": "tidegate", "dbname": "my db/1", "host": "/tmp/a b", "port": "5432"}


def test_restarts_come_at_once_then_ever_later_up_to_ten_seconds():
    assert [restart_delay(failures) for failures in (0, 1, 2, 3, 20)] == [0.0, 0.2, 0.4, 0.8, 10.0]
