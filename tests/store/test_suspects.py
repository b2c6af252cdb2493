"""Jobs of a lost node are claimed apart from all others (protocol L8)."""

from __future__ import annotations

import pytest

from tests.store.scene import FROM_THE_START, Scene, done, failed, new, released
from tidegate.runtime.rescue import verdicts
from tidegate.store.protocol import Accusation, LostNode


async def lose(scene: Scene, node: str, accusation: Accusation | None = None) -> None:
    """Lose a node, and rescue what it held."""
    await scene.store.retire(node)
    await scene.store.rescue(node, lambda suspects: verdicts(LostNode(node, accusation), suspects, {}))


@pytest.fixture
async def lost(any_scene: Scene) -> Scene:
    """Three suspects of one loss, and one job that nobody suspects."""
    await any_scene.enqueue(new(), new(), new())
    await any_scene.claim()
    await lose(any_scene, "n1")
    await any_scene.enqueue(new())
    await any_scene.node("n2")
    return any_scene


async def test_l8_the_usual_claims_leave_suspects_to_their_own(lost: Scene) -> None:
    assert [job.id for job in await lost.claim(node="n2", hints=FROM_THE_START)] == [4]
    assert await lost.claim(node="n2") == []
    assert [(job.id, job.lease, job.attempt, job.crashes) for job in await lost.suspects("n2")] == [
        (1, 2, 1, 1),
        (2, 2, 1, 1),
        (3, 2, 1, 1),
    ]
    assert await lost.suspects("n2") == []


async def test_l8_no_more_are_taken_than_there_is_room_for(lost: Scene) -> None:
    assert [job.id for job in await lost.suspects("n2", n=2)] == [1, 2]


async def test_l8_one_of_two_losses_is_taken_alone_and_only_where_that_is_allowed(lost: Scene) -> None:
    await lost.suspects("n2", n=2)
    await lose(lost, "n2")
    await lost.node("n3")
    assert [job.id for job in await lost.suspects("n3", alone=False)] == [3]
    assert [(job.id, job.crashes) for job in await lost.suspects("n3")] == [(1, 2)]
    assert [job.id for job in await lost.suspects("n3")] == [2]


async def test_l8_a_dead_node_and_a_paused_queue_take_no_suspects(lost: Scene) -> None:
    await lost.store.pause("email", paused=True)
    assert await lost.suspects("n2") == []
    await lost.store.pause("email", paused=False)
    await lost.store.retire("n2")
    assert await lost.suspects("n2") == []


async def test_l8_a_node_takes_only_suspects_of_kinds_that_it_knows(lost: Scene) -> None:
    await lost.node("n3", kinds=("shop.jobs:other",))
    assert await lost.suspects("n3") == []


async def test_l8_a_suspect_that_is_given_back_stays_one_and_one_that_ran_is_none(lost: Scene) -> None:
    back, ran, fine = await lost.suspects("n2")
    await lost.ack(released(back), failed(ran), done(fine), node="n2")
    assert lost.look("jobs", "id", "suspect", "crashes") == [
        {"id": back.id, "suspect": True, "crashes": 1},
        {"id": ran.id, "suspect": False, "crashes": 0},
        {"id": 4, "suspect": False, "crashes": 0},
    ]


async def test_l8_the_rescuer_is_told_who_was_suspected_before(lost: Scene) -> None:
    await lost.suspects("n2", n=1)
    await lost.claim(node="n2")
    await lost.store.retire("n2")
    seen: dict[int, bool] = {}

    def look(found):  # type: ignore[no-untyped-def]
        seen.update({suspect.job_id: suspect.repeated for suspect in found})
        return verdicts(LostNode("n2"), found, {})

    await lost.store.rescue("n2", look)
    assert seen == {1: True, 4: False}


async def test_l7_the_innocent_of_an_accusation_are_no_suspects(any_scene: Scene) -> None:
    await any_scene.enqueue(new(), new())
    await any_scene.claim()
    await lose(any_scene, "n1", Accusation((2,), "it blocked the loop"))
    assert any_scene.look("jobs", "id", "suspect") == [{"id": 1, "suspect": False}, {"id": 2, "suspect": True}]
