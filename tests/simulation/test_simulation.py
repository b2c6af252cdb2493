"""A fleet of whole nodes under faults from a seed: what must hold, holds; and a bug planted on purpose is found.

make sim SEEDS=200         plays so many seeds          make sim SEED=17          plays one and prints its story
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tidegate.jobs import State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.job_producer import JobProducer
from tidegate.store.protocol import Applied, LostNode
from tidegate.testing.memory import MemoryDatabase, Row
from tidegate.testing.simulation import Broken, Faults, simulate

SEEDS = int(os.environ.get("SEEDS", "3"))
WITHIN = 200  # seeds, within which a planted bug must be found
CHUNK = 10


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant_and_every_job_ends(start: int) -> None:
    for seed in range(start, min(start + CHUNK, SEEDS)):
        world = simulate(seed)
        assert world.referee.ended.keys() == world.referee.enqueued
        assert len(world.referee.enqueued) > 40


if "SEED" in os.environ:

    def test_one_seed_and_its_story(capsys: pytest.CaptureFixture[str]) -> None:
        world = simulate(int(os.environ["SEED"]))
        with capsys.disabled():
            print("\n".join(world.story))
        assert world.referee.ended.keys() == world.referee.enqueued


@pytest.mark.long
def test_what_a_storm_does_is_worth_surviving() -> None:
    """Over a few seeds every misfortune happens, and rescue, refusal and reconciliation do take place."""
    stories = "\n".join(line for seed in range(12) for line in simulate(seed).story)
    for word in (
        "freezes", "is killed", "the database is away", "is told to stop", "resizes", "crashes",
        "is declared dead", "lease_lost", "released", "JobRejected", "timed_out", "-> dead", "snoozed",
    ):  # fmt: skip
        assert word in stories, f"no seed met: {word}"


@pytest.mark.long  # and `make sim` plays it, too
def test_a_seed_tells_the_same_story_each_time() -> None:
    assert simulate(7).story == simulate(7).story
    assert simulate(7).story != simulate(8).story


def test_without_faults_nothing_is_rescued_and_no_answer_is_refused() -> None:
    none = Faults(before=0, after=0, slow=0, lost=0, doubled=0)
    world = simulate(3, faults=none)
    assert world.referee.ended.keys() == world.referee.enqueued


def broken_within(database: type[MemoryDatabase] = MemoryDatabase) -> Broken:
    """Return how the first seed that finds the planted bug broke."""
    for seed in range(WITHIN):
        try:
            simulate(seed, database=database)
        except Broken as broken:
            return broken
    pytest.fail(f"{WITHIN} seeds did not find the planted bug")


class AcksWithoutTheLease(MemoryDatabase):
    """An ack that matches the job alone."""

    def ack(self, acks: Iterable[Ack], node: str, now: float) -> list[Applied]:
        applied: list[Applied] = []
        for ack in acks:
            row = self.jobs.get(ack.job_id)
            if row is not None and row.node is not None:
                applied += super().ack([replace(ack, lease=row.lease)], row.node, now)
        return applied


class RescuesByAge(MemoryDatabase):
    """A rescue that guesses by how long a job has been running, as most queues do."""

    def _old(self) -> list[Row]:
        then = self.clock() - 8.0
        return [row for row in self.jobs.values() if row.state is State.RUNNING and (row.claimed_at or 0.0) < then]

    def lost_nodes(self) -> list[LostNode]:
        return [LostNode(node) for node in sorted({row.node for row in self._old() if row.node is not None})]

    def held_by(self, node: str) -> list[Row]:
        return [row for row in self._old() if row.node == node]


class ReleasesTwice(MemoryDatabase):
    """A release that takes effect whoever holds the job by now."""

    def ack(self, acks: Iterable[Ack], node: str, now: float) -> list[Applied]:
        applied: list[Applied] = []
        for ack in acks:
            row = self.jobs.get(ack.job_id)
            if ack.word is Word.RELEASED and row is not None and row.node is not None:
                applied += super().ack([replace(ack, lease=row.lease)], row.node, now)
            else:
                applied += super().ack([ack], node, now)
        return applied


class ChargesReleases(MemoryDatabase):
    """A release that costs the job an attempt."""

    def ack(self, acks: Iterable[Ack], node: str, now: float) -> list[Applied]:
        return super().ack([replace(ack, charged=True) for ack in acks], node, now)


@pytest.mark.long
@pytest.mark.parametrize(
    ("database", "sentence"),
    [
        (AcksWithoutTheLease, "took effect while"),
        (RescuesByAge, "a rescue took it from a living node"),
        (ReleasesTwice, "took effect while"),
        (ChargesReleases, "is charged"),
    ],
)
def test_a_bug_planted_in_the_store_is_found(database: type[MemoryDatabase], sentence: str) -> None:
    broken = broken_within(database)
    assert sentence in broken.what
    assert any("claimed" in line for line in broken.story)


@pytest.mark.long
def test_undelivered_events_that_are_dropped_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobProducer, "on_undelivered", lambda self, events, why: None)
    assert "never ended" in broken_within().what or "left jobs behind" in broken_within().what


@pytest.mark.long
def test_l5_a_node_that_starts_jobs_past_its_deadline_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protocol L5: without the look at the lease just before a start, a thawed node runs what another one was given."""
    monkeypatch.setattr("tidegate.runtime.node_lease.NodeLease.allows_start", lambda self: True)
    assert "not held" in broken_within().what or "runs on" in broken_within().what


@pytest.mark.long
def test_a_broken_seed_tells_its_story(capsys: pytest.CaptureFixture[Any]) -> None:
    with pytest.raises(Broken, match=r"^seed \d+: ") as raised:
        simulate(broken_within(RescuesByAge).seed, database=RescuesByAge)
    assert str(raised.value).count("\n") > 5
