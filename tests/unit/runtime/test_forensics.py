"""The coroner: the promised shape, one look at the queues for many deaths, and no death that waits for long or fails for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.errors import DatabaseUnreachable
from tidegate.events import JobEnded
from tidegate.jobs import Failure, Job, State, Word
from tidegate.runtime.error_tracker import ErrorTracker
from tidegate.runtime.forensics import Forensics
from tidegate.runtime.maintenance import Snapshot
from tidegate.runtime.versions import Versions
from tidegate.store.protocol import QueueCounts
from tidegate.testing import run_virtual

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNTS = [QueueCounts("email", 1, 2, 3, 4.5, paused=False), QueueCounts("ml", 0, 0, 0, None, paused=False)]
SHAPE = {
    "system", "process", "queue_depths", "pools", "circuit", "recent_errors", "node", "versions", "trace_id",
}  # fmt: skip


class Table:
    """A store that tells depths and the time; it counts how often it is asked, and may be slow or away."""

    def __init__(self) -> None:
        self.asked = 0
        self.seconds = 0.0
        self.away = False

    async def now(self) -> datetime:
        return NOW

    async def snapshot(self, queues: object) -> list[QueueCounts]:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.away:
            raise DatabaseUnreachable("snapshot: gone")
        return COUNTS


class Scene:
    def __init__(self) -> None:
        self.table = Table()
        self.errors = ErrorTracker()
        self.led: Snapshot | None = None
        self.forensics = Forensics(
            store=self.table,  # type: ignore[arg-type]
            queues=["email", "ml"],
            fresh=2.0,
            node=lambda: "n1",
            pools=lambda: {"email": {"alive": 5, "busy": 2, "target": 5, "min": 1, "max": 5}},
            known=lambda: self.led,
            errors=self.errors,
            versions=Versions("0.1", "3.11", "abc"),
        )

    async def examine(self, **more: Any) -> dict[str, Any]:
        job = Job(7, "email", "m:f", b"{}", 1, None, 0, 1, 1, NOW, NOW, 0.0, meta=more.pop("meta", {}))
        return dict(await self.forensics.examine(job, more))


def played(play: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await play(Scene())

    run_virtual(main())


def test_the_promised_shape() -> None:
    async def play(scene: Scene) -> None:
        scene.errors.on_event(JobEnded("email", "m:f", 1, 1, Word.FAILED, State.DEAD, 0.1, Failure("E", "bad", fingerprint="f1")))
        await asyncio.sleep(10)
        found = await scene.examine(meta={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, settings={"timeout": 5})
        assert set(found) >= SHAPE
        assert found["queue_depths"] == {
            "email": {"scheduled": 1, "ready": 2, "running": 3}, "ml": {"scheduled": 0, "ready": 0, "running": 0},
        }  # fmt: skip
        assert found["pools"] == {"email": {"alive": 5, "busy": 2, "target": 5}}
        assert (found["circuit"], found["node"], found["trace_id"]) == (None, "n1", "a" * 32)
        assert found["versions"] == {"tidegate": "0.1", "python": "3.11", "app": "abc"}
        assert found["recent_errors"] == [
            {"at": "2025-12-31T23:59:50.000000Z", "kind": "m:f", "type": "E", "message": "bad", "fingerprint": "f1"}
        ]
        assert found["settings"] == {"timeout": 5}
        assert found["unavailable"] == {}
        assert json.dumps(found, allow_nan=False)

    played(play)


def test_deaths_share_one_look_at_the_queues_for_as_long_as_it_is_fresh() -> None:
    async def play(scene: Scene) -> None:
        scene.table.seconds = 0.1
        await asyncio.gather(*(scene.examine() for _ in range(50)))
        assert scene.table.asked == 1
        await asyncio.sleep(1.5)
        await scene.examine()
        assert scene.table.asked == 1
        await asyncio.sleep(1)
        found = await scene.examine()
        assert scene.table.asked == 2
        assert found["queue_depths_age"] <= 0.2

    played(play)


def test_what_the_leader_knows_is_taken() -> None:
    async def play(scene: Scene) -> None:
        await scene.examine()
        await asyncio.sleep(5)
        scene.led = Snapshot(asyncio.get_running_loop().time() - 1, (COUNTS[0],))
        found = await scene.examine()
        assert (list(found["queue_depths"]), found["queue_depths_age"], scene.table.asked) == (["email"], 1.0, 1)

    played(play)


def test_a_database_that_does_not_answer_holds_a_death_up_for_a_second_at_most() -> None:
    async def play(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        scene.table.seconds = 60
        started = loop.time()
        found = await scene.examine()
        assert loop.time() - started == 1
        assert found["queue_depths"] is None
        assert found["unavailable"]["queue_depths"] == "the database did not answer within 1 s"
        assert found["process"]["rss"] > 0

    played(play)


def test_during_an_outage_the_last_snapshot_is_told_with_the_reason() -> None:
    async def play(scene: Scene) -> None:
        await scene.examine()
        scene.table.away = True
        await asyncio.sleep(5)
        found = await scene.examine()
        assert found["queue_depths"]["email"]["ready"] == 2
        assert "the database is away" in found["unavailable"]["queue_depths"]

    played(play)


def test_whatever_breaks_does_not_reach_the_ack(caplog: pytest.LogCaptureFixture) -> None:
    async def play(scene: Scene) -> None:
        scene.forensics._pools = lambda: {"email": None}  # type: ignore[dict-item, return-value]
        found = await scene.examine(settings={"timeout": 5})
        assert found == {
            "settings": {"timeout": 5},
            "unavailable": {"forensics": "collecting them failed; the node's log has the traceback"},
        }
        assert "forensics of job 7" in caplog.text

    played(play)


def test_a_death_elsewhere_says_what_nobody_can_know() -> None:
    async def play(scene: Scene) -> None:
        found = (await scene.forensics.elsewhere("node n9 was lost", node="n9"))("m:f")
        assert set(found) >= SHAPE
        assert (found["system"], found["process"], found["node"]) == (None, None, "n9")
        assert found["unavailable"]["system"] == "node n9 was lost"
        assert found["queue_depths"]["email"]["running"] == 3

    played(play)


@pytest.mark.parametrize("parent", [None, 7, "", "00-short-b-01", "nonsense"])
def test_a_trace_that_is_none_is_none(parent: object) -> None:
    async def play(scene: Scene) -> None:
        assert (await scene.examine(meta={"traceparent": parent}))["trace_id"] is None

    played(play)
