"""A project for each test: as whoever runs the tests, and, as root, as a plain user too.

What this process makes of clusters is copied from one that initdb made: a second less for each. Users in processes run it themselves.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.embedded.people import Project

from tidegate.store.embedded import cluster
from tidegate.store.embedded.accounts import Account
from tidegate.store.embedded.binaries import Binaries


@pytest.fixture(params=["this user", pytest.param("a plain user", marks=pytest.mark.long)])
def project(request) -> Iterator[Project]:
    """Each fact holds for root and for a plain user."""
    if request.param == "a plain user" and os.geteuid() != 0:
        pytest.skip("this user is a plain user already")
    yield from made(Project(owner=plain_user() if request.param == "a plain user" else None))


@pytest.fixture(scope="session")
def clusters() -> Iterator[Path]:
    """A folder for clusters that are copied; whoever owns them reaches theirs."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate-clusters-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _copied(clusters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each cluster of these binaries and this account but the first one by copying."""
    make = cluster.create

    def create(binaries: Binaries, data: Path, account: Account) -> None:
        first = clusters / f"{account.uid}-{str(binaries.folder).replace('/', '_')}"
        if data.exists() or list(data.parent.glob("data.new-*")):
            make(binaries, data, account)  # it has something to say, or to clear
        elif (first / "data").exists():
            subprocess.run(["cp", "-a", first / "data", data], check=True)
        else:
            make(binaries, data, account)
            first.mkdir()
            subprocess.run(["cp", "-a", data, first / "data"], check=True)

    monkeypatch.setattr(cluster, "create", create)


@pytest.fixture
def own_project() -> Iterator[Project]:
    """For facts that do not depend on the user."""
    yield from made(Project())


@pytest.fixture
def plain_project() -> Iterator[Project]:
    """For facts about a plain user."""
    yield from made(Project(owner=plain_user() if os.geteuid() == 0 else None))


@pytest.fixture
def as_root() -> None:
    """For what only root can arrange."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


def plain_user() -> str:
    try:
        return pwd.getpwnam("nobody").pw_name
    except KeyError:
        pytest.skip("there is no user 'nobody'")


def made(project: Project) -> Iterator[Project]:
    yield project
    left = project.remove()
    assert not left, f"still there after the test: {left}"
