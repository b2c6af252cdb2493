"""Where a queue's size is decided: which limit binds, and what is worth a row."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tidegate.runtime.held_back import Held
from tidegate.runtime.queue_desk import Desk, Seen
from tidegate.scaling import PoolNow, Work
from tidegate.settings import Settings
from tidegate.store.protocol import QueueCounts
from tidegate.store.scaling import Order, Verdict
from tidegate.testing import run_virtual

MOST = 20
UNDECIDED = Order("email")


def desk(*, executor: str = "async", **scaling: Any) -> Desk:
    queue = {"executor": executor, "consumers": {"min": 1, "max": MOST}, "scaling": scaling}
    return Desk(Settings(queues={"email": queue}).queue("email"))


def pool(**parts: Any) -> PoolNow:
    return PoolNow(**{"alive": 1, "busy": 1, "target": 1, "least": 1, "most": MOST, **parts})


def seen(ready: int = 5000, *, order: Order = UNDECIDED, pools: Any = None, paused: bool = False, **parts: Any) -> Seen:
    counts = QueueCounts("email", 0, ready, 1, 3.0 if ready else None, paused=paused)
    return Seen(counts, {"n1": pool()} if pools is None else pools, order, **parts)


def decided(where: Desk, *sights: Seen) -> Verdict:
    """Return the last decision of one a second."""

    async def decide() -> list[Verdict]:
        return [await where.decide(float(at), each) for at, each in enumerate(sights)]

    return run_virtual(decide())[-1]


def done(jobs: int) -> Work:
    return Work(jobs, jobs * 1.0, jobs * 1.0, 0.0, jobs)


def grown(**parts: Any) -> list[Seen]:
    """A queue with far too much to do, seen long enough for its service times to be known."""
    return [seen(pools={"n1": pool(work=done(10 * second), **parts)}) for second in range(12)]


class TestWhatBinds:
    def test_the_queues_own_most(self) -> None:
        verdict = decided(desk(), *grown())
        assert (verdict.want, verdict.reason) == (MOST, "queue_max")
        assert verdict.need > MOST

    @pytest.mark.parametrize("cap", ["memory", "cpu"])
    def test_what_a_host_has_room_for(self, cap: str) -> None:
        verdict = decided(desk(), *grown(room=4, cap=cap))
        assert (verdict.want, verdict.reason, verdict.shares) == (4, cap, {"n1": 4})

    def test_a_host_that_is_full_does_not_keep_another_from_growing(self) -> None:
        def pools(second: int) -> dict[str, PoolNow]:
            return {"n1": pool(room=2, cap="memory", work=done(10 * second)), "n2": pool()}

        verdict = decided(desk(), *[seen(pools=pools(second)) for second in range(12)])
        assert (verdict.want, verdict.reason, verdict.shares) == (MOST + 2, "memory", {"n1": 2, "n2": MOST})

    def test_the_connections_of_the_database(self) -> None:
        sights = [seen(pools=each.pools, connections=13) for each in grown()]
        verdict = decided(desk(executor="process"), *sights)
        assert (verdict.want, verdict.reason) == (4, "db")

    def test_a_database_without_a_connection_left_takes_nobody_away(self) -> None:
        sights = [seen(pools=each.pools, connections=0) for each in grown(alive=6, busy=6, target=6)]
        assert decided(desk(executor="process"), *sights).want == 6

    def test_connections_are_no_matter_where_consumers_have_none_of_their_own(self) -> None:
        assert decided(desk(), *[seen(pools=each.pools, connections=0) for each in grown()]).want == MOST

    def test_a_downstream_that_gets_slower_the_more_it_is_asked(self) -> None:
        """Ten consumers, and each job takes as many seconds as there are of them: fewer at once, and each is quicker."""
        where, ran, size, reasons = desk(), Work(), 2, set()

        async def story() -> None:
            nonlocal ran, size
            for second in range(400):
                takes = 0.25 if second < 60 else max(0.25, 0.15 * size)
                jobs = max(round(size / takes), 1)
                ready = 0 if second < 60 else 400
                ran += Work(jobs, jobs * takes, jobs * takes**2, jobs * math.log(takes), jobs)
                pools = {"n1": pool(alive=size, busy=size, target=size, work=ran)}
                sight = Seen(QueueCounts("email", 0, ready, size, 30.0 if ready else None, paused=False), pools, Order("email"))
                verdict = await where.decide(float(second), sight)
                reasons.add(verdict.reason)
                size = max(verdict.want, 2)

        run_virtual(story())
        assert "probe" in reasons


class TestCircuits:
    def test_what_is_held_back_is_no_demand(self) -> None:
        sights = [seen(pools=each.pools, held=Held(5000)) for each in grown()]
        verdict = decided(desk(), *sights)
        assert verdict.ready == 0
        assert verdict.want < MOST

    def test_permits_are_demand_and_the_circuit_is_the_reason(self) -> None:
        quiet = [seen(5000, pools={"n1": pool(busy=0)}, held=Held(5000)) for _ in range(12)]
        probing = seen(5000, pools={"n1": pool(busy=0)}, held=Held(5000, let=3, probing=4997))
        verdict = decided(desk(), *quiet, probing)
        assert verdict.ready == 3
        assert verdict.reason == "circuit"
        assert 1 <= verdict.want <= 3

    def test_need_rises_with_the_first_look_after_it_closed(self) -> None:
        quiet = [seen(500, pools={"n1": pool(busy=0, work=done(20))}, held=Held(500)) for _ in range(12)]
        assert decided(desk(), *quiet).want == 1
        assert decided(desk(), *quiet, seen(500, pools={"n1": pool(busy=0, work=done(20))})).need > 3

    def test_those_that_may_start_have_an_age_of_their_own(self) -> None:
        counts = QueueCounts("email", 0, 10, 0, 900.0, paused=False)
        assert Held(8, free_age=2.0).oldest_age(counts) == 2.0
        assert Held(10).oldest_age(counts) == 0.0
        assert Held().oldest_age(counts) == 900.0
        assert Held(12, let=20).ready(counts) == 10


class TestByHand:
    @pytest.mark.parametrize("size", [7, 1], ids=["another one", "the one that there is"])
    def test_a_size_by_hand_is_written_down_from_what_was_before(self, size: int) -> None:
        before = Order("email", 1, "base", 1.0, {"n1": 1}, age=1.0)
        by_hand = Order("email", 1, "base", 1.0, {"n1": 1}, age=1.0, scale=size)
        verdict = decided(desk(), seen(0, order=before), seen(0, order=by_hand))
        assert verdict.log is not None
        assert (verdict.log.from_size, verdict.log.to_size, verdict.log.reason) == (1, size, "override")


def test_a_paused_queue_has_no_demand() -> None:
    verdict = decided(desk(), *[seen(paused=True) for _ in range(12)])
    assert (verdict.want, verdict.ready) == (1, 0)
