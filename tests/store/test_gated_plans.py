"""T13: jobs that a circuit holds back at the head of a queue cost claims of other kinds next to nothing.

Pages are counted and not seconds: they are the same on any machine.
"""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.store.circuit_scene import KIND, OTHER, CircuitScene, plan
from tests.store.scene import Scene
from tests.store.test_plans import FILL
from tidegate.store.statements import statement

CLAIM = 20


@pytest.fixture
async def circuits(scene: Scene) -> CircuitScene:
    circuits = CircuitScene(scene)
    await circuits.begin(plan())
    return circuits


def pages(scene: Scene, name: str, params: dict[str, Any]) -> int:
    """Return how many pages a claim touches; what it claims is rolled back."""
    with psycopg.connect(scene.database) as connection:
        [(told,)] = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement(name)}", params).fetchall()
        connection.rollback()
    [found] = told if isinstance(told, list) else json.loads(told)
    return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])


async def cost(circuits: CircuitScene, held: int) -> tuple[int, int]:
    """Return the pages of a claim of another kind: behind nothing, and from its hint behind `held` gated jobs."""
    scene = circuits.scene
    scope = {"queue": "email", "node": "n1", "kinds": [KIND, OTHER], "n": CLAIM, "priorities": [0]}
    scene.execute(FILL, OTHER, 200)
    scene.execute("ANALYZE tidegate.jobs")
    before = pages(scene, "claim", {**scope, "seqs": [0]})
    scene.execute("DELETE FROM tidegate.jobs")
    scene.execute(FILL, KIND, held)
    await circuits.move(lambda circuit, now: circuit.force("forced_open", now))
    scene.execute(FILL, OTHER, 200)
    scene.execute("VACUUM ANALYZE tidegate.jobs")
    [first] = await scene.claim(1, [(0, 0)])
    gates = {"with_circuit": [KIND], "circuits": ["smtp"]}
    return before, pages(scene, "claim_gated", {**scope, **gates, "seqs": [first.seq]})


async def test_t13_a_claim_behind_gated_jobs_touches_at_most_twice_the_pages(circuits: CircuitScene) -> None:
    before, behind = await cost(circuits, 10_000)
    assert behind <= 2 * before


@pytest.mark.long
async def test_t13_behind_a_hundred_thousand(circuits: CircuitScene) -> None:
    before, behind = await cost(circuits, 100_000)
    assert behind <= 2 * before
