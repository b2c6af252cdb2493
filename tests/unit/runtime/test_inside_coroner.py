"""What a consumer's process tells of a death that it commits itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.jobs import Job
from tidegate.runtime.processes.inside_coroner import InsideCoroner
from tidegate.runtime.surroundings import Surroundings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job(1, "q", "k", b"{}", 1, 1, 0, 1, 1, NOW, NOW, 0.0, meta={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})


async def test_it_tells_what_it_sees_and_names_what_it_does_not() -> None:
    coroner = InsideCoroner(node="n1", versions={"tidegate": "1"})
    found = await coroner.examine(JOB, {"settings": {}})
    assert (found["node"], found["versions"], found["settings"]) == ("n1", {"tidegate": "1"}, {})
    assert found["process"]["rss"] > 0
    assert found["trace_id"] == "a" * 32
    assert "queue_depths" in found["unavailable"]
    assert await coroner.examine(JOB, {})


async def test_it_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Surroundings) -> None:
        raise MemoryError

    monkeypatch.setattr(Surroundings, "read", refuse)
    found = await InsideCoroner(node="n1", versions={}).examine(JOB, {})
    assert (found["system"], found["unavailable"]["process"]) == (None, "MemoryError")


async def test_it_knows_nothing_of_others() -> None:
    found = (await InsideCoroner(node="n1", versions={}).elsewhere("why", node="n2"))("k")
    assert found == {"node": "n2", "unavailable": {"forensics": "why"}}
