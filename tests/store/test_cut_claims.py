"""Invariant I9: wherever a claim is cut short, what it took is given back, by whoever asks the table or by the end of the lease."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from tests.store.scene import KIND, Scene, done, new, released
from tidegate.jobs import State, Word
from tidegate.lifecycle import Ack
from tidegate.store.protocol import Claim, Line, Suspect

JOBS = 5
FURTHEST = 60  # waits; an exchange of acks and a claim has fewer


class Whole(Exception):
    """It came to its end before it was cut."""


@types.coroutine
def cut(work: Coroutine[Any, Any, Any], at: int) -> Generator[Any, Any, None]:
    """Run `work`, and cancel it when it waits for the `at`-th time, after what it waited for has come."""
    try:
        waited_for = work.send(None)
        for _ in range(at - 1):
            yield waited_for
            waited_for = work.send(None)
        yield waited_for
        waited_for = work.throw(asyncio.CancelledError())
        while True:  # the driver takes back its statement, which waits in turn
            yield waited_for
            waited_for = work.send(None)
    except StopIteration:
        raise Whole from None
    except asyncio.CancelledError:
        return


async def claim_cut(line: Line, at: int, acks: list[Ack]) -> bool:
    """Claim, cut short at its `at`-th wait; False when there were fewer waits."""
    try:
        await cut(line.exchange(acks, Claim(JOBS, None), now=0.0), at)  # type: ignore[arg-type]
    except Whole:
        return False
    finally:
        await line.close()
    return True


def states(scene: Scene) -> list[str]:
    return [row["state"] for row in scene.rows("SELECT state FROM tidegate.jobs ORDER BY id")]


@pytest.mark.parametrize("with_acks", [False, True], ids=["claim", "acks and claim"])
async def test_i9_a_claim_cut_at_any_wait_is_found_by_asking_what_is_held(scene: Scene, with_acks: bool) -> None:
    at = 0
    while at < FURTHEST:
        at += 1
        await scene.enqueue(*[new()] * (JOBS + 1))
        [before] = await scene.claim(1)
        acks = [done(before)] if with_acks else []
        was_cut = await claim_cut(await scene.store.line("email", node="n1", kinds=[KIND]), at, acks)
        asking = await scene.line()
        held = {(job_id, lease) for job_id, lease in await asking.held(0.0)} - {(before.id, before.lease)}
        await scene.ack(*[Ack(job_id, lease, State.READY, Word.RELEASED, charged=False) for job_id, lease in held])
        await scene.ack(released(before))  # refused where the cut exchange had acked it: then it is done
        assert set(states(scene)) == {"ready"}
        assert len(states(scene)) in ({JOBS, JOBS + 1} if with_acks else {JOBS + 1})
        scene.execute("DELETE FROM tidegate.jobs")
        if not was_cut:
            break
    assert 1 < at < FURTHEST, "the cuts went from the first wait to the last"


async def test_i9_a_claim_cut_at_any_wait_ends_with_the_lease(scene: Scene) -> None:
    def give_back(suspects: list[Suspect]) -> list[Ack]:
        return [Ack(each.job_id, each.lease, State.READY, Word.LEASE_LOST, charged=False, innocent=True) for each in suspects]

    await scene.enqueue(*[new()] * JOBS)
    at, was_cut = 0, True
    while was_cut and at < FURTHEST:
        at += 1
        node = f"cut-{at}"
        await scene.node(node)
        was_cut = await claim_cut(await scene.store.line("email", node=node, kinds=[KIND]), at, [])
        scene.execute("UPDATE tidegate.nodes SET expires = clock_timestamp() - interval '1 second' WHERE id = %s", node)
        assert await scene.store.mark_lost() == [node]
        for lost in await scene.store.lost_nodes():
            await scene.store.rescue(lost.node, give_back)  # type: ignore[arg-type]
        assert states(scene) == ["ready"] * JOBS
    assert 1 < at < FURTHEST
