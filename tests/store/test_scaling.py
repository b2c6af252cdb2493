"""What the autoscaler asks of the database, alike on PostgreSQL and in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.store.scene import MemoryScene, Scene
from tidegate.introspection import Operator
from tidegate.store.connection import connect
from tidegate.store.scaling import FleetNode, Logged, Order, PostgresScaling, ScalingStore, Verdict
from tidegate.testing.memory import MemoryScaling, MemoryStore

Scale = Callable[[int | None, float | None], None]
LOG = Logged("email", True, 2, 3, 2.5, "base", 7, 1, 2, 0.5, 10.0, 4, 3, 1.5, 0.75)
VERDICT = Verdict("email", 3, "base", 2.5, {"n1": 2, "n2": 1}, 7, 0.5, LOG)


@pytest.fixture
def scaling(any_scene: Scene) -> ScalingStore:
    store = any_scene.store
    return MemoryScaling(store.database) if isinstance(store, MemoryStore) else PostgresScaling(store.engine)


@pytest.fixture
def scale(any_scene: Scene) -> Scale:
    def by_hand(size: int | None, seconds: float | None) -> None:
        if isinstance(any_scene, MemoryScene) and isinstance(any_scene.store, MemoryStore):
            any_scene.store.database.scale("email", size, seconds)
            return
        with connect(any_scene.database) as connection:
            Operator(connection).scale("email", size, seconds=seconds)

    return by_hand


async def test_only_who_leads_may_decide(any_scene: Scene, scaling: ScalingStore) -> None:
    assert not await scaling.decide("n1", [VERDICT])
    assert await any_scene.store.lead("n1", ttl=60)
    assert not await scaling.decide("n2", [VERDICT])
    assert await scaling.orders() == {}
    assert await scaling.decide("n1", [VERDICT])
    assert await scaling.decide("n1", [])


async def test_a_leadership_that_ran_out_decides_nothing(any_scene: Scene, scaling: ScalingStore) -> None:
    await any_scene.store.lead("n1", ttl=60)
    any_scene.shift("leader", "expires", -61)
    assert not await scaling.decide("n1", [VERDICT])
    assert await scaling.orders() == {}


async def test_the_last_decision_holds_and_has_an_age(any_scene: Scene, scaling: ScalingStore) -> None:
    await any_scene.store.lead("n1", ttl=60)
    await scaling.decide("n1", [VERDICT])
    await scaling.decide(
        "n1", [Verdict("email", 5, "backlog", 4.5, {"n1": 5}, 9, 0.25), Verdict("ml", 0, "asleep", 0.0, {}, 0, 0.0)]
    )
    orders = await scaling.orders()
    assert sorted(orders) == ["email", "ml"]
    email = orders["email"]
    assert (email.want, email.reason, email.need, email.shares, email.ready, email.service) == (
        5,
        "backlog",
        4.5,
        {"n1": 5},
        9,
        0.25,
    )
    assert email.age is not None
    assert 0.0 <= email.age < 60.0
    assert (email.paused, email.scale) == (False, None)


async def test_what_was_said_by_hand_is_told_with_and_without_a_decision(
    any_scene: Scene, scaling: ScalingStore, scale: Scale
) -> None:
    scale(7, 3600.0)
    assert await scaling.orders() == {"email": Order("email", scale=7)}
    assert (await any_scene.store.controls())["email"].scale == 7
    await any_scene.store.pause("email", paused=True)
    await any_scene.store.lead("n1", ttl=60)
    await scaling.decide("n1", [VERDICT])
    order = (await scaling.orders())["email"]
    assert (order.want, order.paused, order.scale) == (3, True, 7)
    scale(None, None)
    assert (await scaling.orders())["email"].scale is None


async def test_a_size_by_hand_ends_with_its_time(scaling: ScalingStore, scale: Scale) -> None:
    scale(7, 0.0)
    assert (await scaling.orders())["email"].scale is None


async def test_the_fleet_is_the_live_nodes_and_what_they_say(any_scene: Scene, scaling: ScalingStore) -> None:
    await any_scene.node("n2")
    await any_scene.store.heartbeat("n2", lease=30, status='{"queues": {"email": {"alive": 2}}}')
    told = {"queues": {"email": {"alive": 2}}}
    assert await scaling.fleet() == [FleetNode("n1", ("email",), {}), FleetNode("n2", ("email",), told)]
    await any_scene.store.retire("n1")
    assert [each.node for each in await scaling.fleet()] == ["n2"]
