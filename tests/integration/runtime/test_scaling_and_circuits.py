"""Jobs that a circuit holds back are no demand for consumers, and those that get a permit are: on a real node and a real database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.circuit_jobs import other, send_when_told, slow_send
from tests.support.stand import Stand, until
from tidegate.introspection import Circuits, Sizes
from tidegate.runtime.node import Node
from tidegate.store.connection import connect

QUEUES = """\
jobs: [tests.support.circuit_jobs]
poll: 0.2
drain_timeout: 10
snapshot: 60
defaults: {max_attempts: 3, circuit: {open_for: 3600, jitter: 0, ramp: 0}, scaling: {tick: 0.2, cooldown: 0.5}}
circuits: {relay: {}}
queues:
  email: {consumers: {min: 0, max: 12}}
  forked: {consumers: 1}
"""


@pytest.fixture
def relay(stand: Stand) -> Stand:
    stand.config.write_text(QUEUES, "utf-8")
    return stand


def circuit(stand: Stand, act: Callable[[Circuits], object]) -> None:
    with connect(stand.database) as connection:
        act(Circuits(connection))


def order(stand: Stand) -> Any:
    with connect(stand.database) as connection:
        return Sizes(connection).order("email")


def alive(node: Node) -> int:
    return node.supervisor.managers["email"].size().alive


async def held_back(stand: Stand, node: Node, n: int) -> list[int]:
    """Open the circuit, and put jobs behind it: three that end when they are told to, and others that take a while."""
    await until(lambda: stand.rows("SELECT FROM tidegate.circuits WHERE name = 'relay'"), what="the circuit")
    circuit(stand, lambda circuits: circuits.open("relay"))
    await until(lambda: node.supervisor.circuits.gating, what="the node to hear of it")
    return await stand.tide.enqueue_many([send_when_told.call(k) if k < 3 else slow_send.call(k, 1.0) for k in range(n)])


def end_the_probes(stand: Stand) -> None:
    (stand.folder / "go").touch()


@pytest.mark.long
async def test_r19_jobs_behind_an_open_circuit_are_no_demand_and_are_again_once_it_closes(relay: Stand) -> None:
    async with relay.node(queues=["email"]) as node:
        ids = await held_back(relay, node, 40)
        end_the_probes(relay)
        await until(lambda: order(relay).reason == "asleep", what="the pool to be put to sleep")
        await until(lambda: alive(node) == 0, what="the pool to be empty")
        assert order(relay).ready == 0
        [free] = await relay.tide.enqueue_many([other.call(1)])
        await until(lambda: relay.finished(free), what="a job of another kind")
        circuit(relay, lambda circuits: circuits.reset("relay"))
        await until(lambda: alive(node) > 3, what="consumers for all of them")
        await until(lambda: all(relay.finished(each) for each in ids), what="the jobs")


@pytest.mark.long
async def test_behind_a_half_open_circuit_only_the_probes_are_demand(relay: Stand) -> None:
    async with relay.node(queues=["email"]) as node:
        await held_back(relay, node, 40)
        await until(lambda: order(relay).reason == "asleep" and alive(node) == 0, what="the pool to be empty")
        wanted: list[tuple[int, str]] = []

        def probing() -> bool:
            wanted.append((order(relay).want or 0, order(relay).reason))
            return wanted[-1][1] == "circuit"

        circuit(relay, lambda circuits: circuits.half_open("relay"))
        await until(probing, what="the circuit to be the reason")
        # three probes, and those that were claimed between two looks at the tables may count twice; forty jobs would be twelve
        assert 1 <= max(want for want, _ in wanted) <= 6
        end_the_probes(relay)
        await until(lambda: alive(node) > 3, what="more, once the probes went well")
