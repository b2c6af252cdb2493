"""The node's part in scaling the fleet: who decides, who follows what, and what holds while nothing is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed, Event, PoolResized
from tidegate.runtime.fleet_scaler import FleetScaler
from tidegate.runtime.host import Host, Limits
from tidegate.runtime.queue_desk import Desk, pool_of
from tidegate.runtime.staffing import Staffing
from tidegate.scaling import PoolNow
from tidegate.settings import Settings
from tidegate.store.protocol import QueueCounts
from tidegate.store.scaling import FleetNode, Order, Verdict
from tidegate.testing import run_virtual

SAID = {"alive": 2, "busy": 1, "target": 2, "min": 0, "max": 10, "work": [0, 0.0, 0.0, 0.0, 0]}


class Tables:
    """A database that says what a test wants."""

    def __init__(self, *nodes: str) -> None:
        self.nodes = nodes
        self.ready = 0
        self.orders_now: dict[str, Order] = {}
        self.away = False
        self.leader: str | None = None
        self.written: list[Verdict] = []
        self.asked = 0

    async def orders(self) -> dict[str, Order]:
        self.asked += 1
        if self.away:
            raise DatabaseUnreachable("gone")
        return dict(self.orders_now)

    async def fleet(self) -> list[FleetNode]:
        return [FleetNode(node, ("email",), {"queues": {"email": SAID}}) for node in self.nodes]

    async def decide(self, node: str, verdicts: Sequence[Verdict]) -> bool:
        if node != self.leader:
            return False
        self.written += verdicts
        for each in verdicts:
            self.orders_now[each.queue] = Order(each.queue, each.want, each.reason, each.need, each.shares, age=0.0)
        return True

    async def snapshot(self, queues: Sequence[str]) -> list[QueueCounts]:
        return [QueueCounts(queue, 0, self.ready, 0, 1.0 if self.ready else None, paused=False) for queue in queues]


class Roomy(Host):
    """A machine without limits."""

    def look(self, dt: float, *, consumers: int, processes: Mapping[str, Any]) -> Limits:
        del dt, consumers, processes
        return Limits(1e12, 10**12, float("inf"), {})


class Tight(Host):
    """A machine that has what it is given."""

    def __init__(self, *, memory: float = 1e12, consumers: float = float("inf")) -> None:
        super().__init__()
        self.limits = Limits(memory, 10**12, consumers, {"email": 10**9})

    def look(self, dt: float, *, consumers: int, processes: Mapping[str, Any]) -> Limits:
        del dt, consumers, processes
        return self.limits


class Scene:
    """One node's scaler over tables."""

    def __init__(self, tables: Tables, node: str, *, most: int = 10, host: Host | None = None) -> None:
        settings = Settings(queues={"email": {"consumers": {"min": 0, "max": most}}})
        self.tables, self.node = tables, node
        self.staffing = Staffing([settings.queue("email")], acts=True)
        self.events: list[Event] = []
        self.leading = False
        store: Any = tables
        self.scaler = FleetScaler(
            self.staffing,
            {"email": Desk(settings.queue("email"))},
            store=store,
            scaling=tables,
            node=lambda: node,
            leading=lambda: self.leading,
            managers=dict,
            pools=lambda: {"email": PoolNow(0, 0, self.size, 0, most)},
            health=lambda: None,
            emit=self.events.append,
            rng=Random(1),
            host=host or Roomy(),
        )

    @property
    def size(self) -> int:
        return self.staffing["email"].size

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(600):
            if condition():
                return
            await asyncio.sleep(0.1)
        raise AssertionError("it did not come to pass")


def play(story: Callable[[Scene, Tables], Any], *, nodes: Sequence[str] = ("n1",), host: Host | None = None) -> None:
    async def run() -> None:
        tables = Tables(*nodes)
        scene = Scene(tables, "n1", host=host)
        await scene.scaler.start()
        try:
            await story(scene, tables)
        finally:
            await scene.scaler.stop()

    run_virtual(run())


def test_the_leader_decides_writes_down_and_takes_its_share() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        scene.leading, tables.leader, tables.ready = True, "n1", 500
        await scene.until(lambda: scene.size > 1)
        assert tables.written[-1].shares["n1"] == scene.size
        assert any(isinstance(event, PoolResized) and event.acted for event in scene.events)
        await scene.until(lambda: scene.scaler.needs.get("email", 0.0) > 1)
        assert "email" in scene.scaler.describe()["needs"]  # type: ignore[operator]

    play(story)


def test_shares_of_several_nodes_sum_up_to_what_is_wanted() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        scene.leading, tables.leader, tables.ready = True, "n1", 500
        await scene.until(lambda: tables.written and tables.written[-1].want >= 4)
        for verdict in tables.written:
            assert sum(verdict.shares.values()) == verdict.want
            assert set(verdict.shares) == {"n1", "n2", "n3"}

    play(story, nodes=("n1", "n2", "n3"))


def test_a_node_follows_what_is_fresh() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        tables.orders_now["email"] = Order("email", 9, "backlog", 9.0, {"n1": 4, "n2": 5}, age=0.5)
        await scene.until(lambda: scene.size == 4)
        assert scene.staffing["email"].reason == "backlog"
        assert tables.written == []

    play(story, nodes=("n1", "n2"))


def test_a_node_decides_for_itself_where_nobody_does_and_never_for_fewer_than_it_had() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        tables.orders_now["email"] = Order("email", 3, "backlog", 3.0, {"n1": 3}, age=0.5)
        await scene.until(lambda: scene.size == 3)
        tables.orders_now["email"] = Order("email", 3, "backlog", 3.0, {"n1": 3}, age=99.0)
        await asyncio.sleep(60)
        assert scene.size == 3
        tables.ready = 500
        await scene.until(lambda: scene.size > 3)
        assert tables.written == []

    play(story)


def test_everything_stays_as_it_is_while_the_database_is_away() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        tables.orders_now["email"] = Order("email", 5, "backlog", 5.0, {"n1": 5}, age=0.5)
        await scene.until(lambda: scene.size == 5)
        tables.away, asked = True, tables.asked
        await asyncio.sleep(300)
        assert tables.asked > asked + 100
        assert scene.size == 5
        assert sum(isinstance(event, DatabaseFailed) for event in scene.events) == 1
        tables.away = False
        tables.orders_now["email"] = Order("email", 2, "idle", 2.0, {"n1": 2}, age=0.5)
        await scene.until(lambda: scene.size == 2)

    play(story)


def test_one_that_was_cut_off_from_leading_changes_nothing_and_follows() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        scene.leading, tables.leader, tables.ready = True, "n2", 500
        tables.orders_now["email"] = Order("email", 2, "base", 2.0, {"n1": 1, "n2": 1}, age=0.5)
        await asyncio.sleep(5)
        assert tables.written == []
        assert scene.scaler.needs == {}

    play(story, nodes=("n1", "n2"))


def test_a_size_by_hand_is_shared_like_any_other() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        scene.leading, tables.leader = True, "n1"
        tables.orders_now["email"] = Order("email", scale=6)
        await scene.until(lambda: scene.size == 3)
        assert tables.written[-1].reason == "override"

    play(story, nodes=("n1", "n2"))


def test_a_job_that_comes_to_an_empty_pool_wakes_one_consumer_at_once() -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        await asyncio.sleep(3)
        assert scene.size == 0
        tables.away = True  # nothing is known, and still
        scene.scaler.poke("email", ready=True)
        assert (scene.size, scene.staffing["email"].reason) == (1, "wake")
        assert not scene.staffing.wake("email")
        assert not scene.staffing.wake("no such queue")

    play(story)


@pytest.mark.parametrize(
    ("host", "size", "cap"),
    [(Tight(memory=1e11 + 3.5e9), 3, "memory"), (Tight(consumers=2), 2, "cpu"), (Tight(memory=0), 0, "memory")],
    ids=["some memory", "busy processors", "no memory"],
)
def test_a_host_gives_what_it_has_and_says_what_it_is_short_of(host: Host, size: int, cap: str) -> None:
    async def story(scene: Scene, tables: Tables) -> None:
        scene.leading, tables.leader, tables.ready = True, "n1", 500
        post = scene.staffing["email"]
        await scene.until(lambda: post.share is not None and post.share > size and post.cap)
        assert (scene.size, post.reason, post.cap) == (size, cap, cap)

    play(story, host=host)


@pytest.mark.parametrize(
    "said",
    [{}, {"queues": 5}, {"queues": {}}, {"queues": {"email": {"alive": 1}}}, {"queues": {"email": {**SAID, "work": [1]}}},
     {"queues": {"email": {**SAID, "alive": "many"}}}],
)  # fmt: skip
def test_what_a_node_says_and_what_does_not_read_is_nothing(said: dict[str, Any]) -> None:
    assert pool_of(said, "email") is None


def test_this_machine_can_be_looked_at() -> None:
    host = Host()
    first = host.look(0.0, consumers=1, processes={"ml": [1_000_000_000]})
    again = host.look(1.0, consumers=1, processes={"ml": []})
    assert first.memory > 0
    assert first.total >= first.memory
    assert again.sizes["ml"] == first.sizes["ml"] > 0
