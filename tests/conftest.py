"""What the whole suite shares: real PostgreSQL servers, one of each version for every test process, and databases on them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties

from tests.support.postgres import Server
from tidegate.store import migrate
from tidegate.store.connection import connect

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: what the tests start would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that is busy with other tests says nothing of the code. With CI=true the default is already reproducible, which is kept.
properties.register_profile("here", properties.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("here")

SYSTEM_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
VERSIONS = ("embedded", "system")


def unavailable(reason: str) -> None:
    """Skip; but with CI=true a test that cannot run is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], tuple[Server, str]]]:
    """Return (server, migrated template database) by version; a server starts when it is first asked for."""
    running: dict[str, tuple[Server, str]] = {}

    def get(version: str) -> tuple[Server, str]:
        if version not in running:
            if version == "system" and not SYSTEM_BINARIES:
                unavailable("no system PostgreSQL: apt-get install postgresql")
            server = Server(SYSTEM_BINARIES[-1] if version == "system" else None)
            template = server.create_database()
            with connect(template) as connection:
                migrate.migrate(connection)
            running[version] = (server, template)
        return running[version]

    yield get
    for server, _ in running.values():
        server.stop()


@pytest.fixture(params=VERSIONS)
def postgres(request: pytest.FixtureRequest, servers: Callable[[str], tuple[Server, str]]) -> Iterator[str]:
    """A fresh migrated database, on the embedded version and on the system's."""
    yield from _database(*servers(request.param))


@pytest.fixture
def database(servers: Callable[[str], tuple[Server, str]]) -> Iterator[str]:
    """A fresh migrated database on the embedded version."""
    yield from _database(*servers("embedded"))


@pytest.fixture
def empty_database(servers: Callable[[str], tuple[Server, str]]) -> Iterator[str]:
    """A fresh database without any schema."""
    server, _ = servers("embedded")
    name = server.create_database()
    yield name
    server.drop_database(name)


def _database(server: Server, template: str) -> Iterator[str]:
    name = server.create_database(template)
    yield name
    server.drop_database(name)
