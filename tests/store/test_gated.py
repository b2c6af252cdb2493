"""How many jobs circuits hold back, as the store counts them."""

from __future__ import annotations

import pytest

from tests.store.circuit_scene import OTHER, CircuitScene, plan
from tests.store.scene import Scene, new
from tidegate.store.gated import Gated, gated_of


@pytest.fixture
async def circuits(scene: Scene) -> CircuitScene:
    circuits = CircuitScene(scene)
    await circuits.begin(plan())
    return circuits


async def test_nothing_is_held_back_while_no_circuit_gates(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(*[new()] * 3)
    assert await circuits.store.gated({}) == []


async def test_the_ready_jobs_of_a_circuit_that_gates_are_counted_by_queue(circuits: CircuitScene) -> None:
    await circuits.open()
    await circuits.scene.enqueue(*[new()] * 3, new(kind=OTHER), new(queue="analytics"))
    found = await circuits.store.gated({})
    assert [(each.queue, each.circuit, each.jobs) for each in found] == [("analytics", "smtp", 1), ("email", "smtp", 3)]
    assert all(each.oldest_age >= 0 for each in found)
    assert [each.free_age is None for each in found] == [True, False]
    await circuits.move(lambda circuit, now: circuit.reset(now))
    assert await circuits.store.gated({}) == []


def test_what_was_not_looked_at_is_taken_to_be_like_what_was() -> None:
    rows = [("email", "smtp", 30, 9.0), ("email", None, 20, 5.0), ("ml", "gpu", 10, 1.0)]
    assert gated_of(rows, {"email": 500, "ml": 10}, looked_at=50) == [
        Gated("email", "smtp", 300, 9.0, 5.0),
        Gated("ml", "gpu", 10, 1.0),
    ]
    assert gated_of(rows, {}, looked_at=50)[0].jobs == 30
