"""A stand with a fresh database, and a place for traces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stand import Stand, stand_on


@pytest.fixture
async def stand(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_on(database, tmp_path) as stand:
        yield stand


@pytest.fixture
async def stand_on_each(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    """The same on the embedded version and on the system's."""
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_on(postgres, tmp_path) as stand:
        yield stand
