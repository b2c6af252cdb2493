from __future__ import annotations

import shutil

import pytest
from tests.conftest import unavailable


@pytest.fixture(scope="session")
def promtool() -> str:
    """Where promtool is."""
    return found("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Where Prometheus is."""
    return found("prometheus")


PACKAGES = {"promtool": "prometheus"}


def found(command: str) -> str:
    path = shutil.which(command)
    if path is None:
        unavailable(f"{command} is not installed: scripts/install-test-tools, or apt-get install {PACKAGES.get(command, command)}")
    return str(path)


@pytest.fixture(scope="session")
def alertmanager() -> str:
    """Where Alertmanager is."""
    return found("prometheus-alertmanager")
