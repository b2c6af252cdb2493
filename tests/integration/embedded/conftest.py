"""A project for each test: as whoever runs the tests, and, as root, as a plain user too."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

import pytest
from tests.integration.embedded.people import Project


@pytest.fixture(params=["this user", pytest.param("a plain user", marks=pytest.mark.long)])
def project(request) -> Iterator[Project]:
    """Each fact holds for root and for a plain user."""
    if request.param == "a plain user" and os.geteuid() != 0:
        pytest.skip("this user is a plain user already")
    yield from made(Project(owner=plain_user() if request.param == "a plain user" else None))


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
