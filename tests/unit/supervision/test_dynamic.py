"""The rules D1-D3."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.supervision import (
    IGNORE,
    AutoShutdown,
    BadCombination,
    ChildNotFound,
    ChildSpec,
    DynamicSupervisor,
    FunctionChild,
    Killed,
    MaxChildren,
    Restart,
    Shutdown,
    Strategy,
)
from tidegate.testing import run_virtual


def now():
    return asyncio.get_running_loop().time()


def ids(supervisor):
    return [info.id for info in supervisor.which_children()]


def test_d1_it_starts_empty():
    async def main():
        async with DynamicSupervisor() as supervisor:
            return supervisor.which_children()

    assert run_virtual(main()) == []


@pytest.mark.parametrize("given", [{"strategy": Strategy.ONE_FOR_ALL}, {"auto_shutdown": AutoShutdown.ANY_SIGNIFICANT}])
def test_d1_it_is_one_for_one_and_never_shuts_down_by_itself(given):
    with pytest.raises(BadCombination):
        DynamicSupervisor(**given)


def test_d1_only_the_one_that_crashed_is_restarted(troupe, settle):
    async def main():
        async with DynamicSupervisor() as supervisor:
            for who in "ab":
                await supervisor.start_child(troupe.spec(who))
            troupe.said()
            troupe["a"].crash()
            await settle()
            return troupe.said()

    assert run_virtual(main()) == "start a"


def test_d1_children_need_no_id_of_their_own(troupe):
    async def main():
        async with DynamicSupervisor() as supervisor:
            first, second = [
                await supervisor.start_child(ChildSpec("w", lambda: FunctionChild(asyncio.sleep, 99))) for _ in range(2)
            ]
            await supervisor.terminate_child(first)
            return first.alive, second.alive, ids(supervisor)

    assert run_virtual(main()) == (False, True, ["w-2"])


def test_d1_they_may_be_addressed_by_id(troupe):
    async def main():
        async with DynamicSupervisor() as supervisor:
            await supervisor.start_child(troupe.spec("a"))
            await supervisor.terminate_child("a")
            return ids(supervisor)

    assert run_virtual(main()) == []


def test_d1_a_stranger_is_not_found(troupe):
    async def main():
        async with DynamicSupervisor() as supervisor:
            await supervisor.terminate_child(FunctionChild(asyncio.sleep, 1))

    with pytest.raises(ChildNotFound):
        run_virtual(main())


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
def test_d1_a_child_that_ended_is_forgotten(troupe, settle, restart):
    async def main():
        async with DynamicSupervisor() as supervisor:
            await supervisor.start_child(troupe.spec("a", restart=restart))
            troupe["a"].finish()
            await settle()
            return ids(supervisor)

    assert run_virtual(main()) == []


def test_d1_a_child_that_ignores_its_start_is_not_kept():
    class Idle(FunctionChild):
        async def start(self):
            return IGNORE

    async def main():
        async with DynamicSupervisor() as supervisor:
            await supervisor.start_child(ChildSpec("idle", lambda: Idle(asyncio.sleep, 1)))
            return ids(supervisor)

    assert run_virtual(main()) == []


def test_d1_max_children_refuses_one_more(troupe):
    async def main():
        async with DynamicSupervisor(max_children=2) as supervisor:
            for _ in range(3):
                await supervisor.start_child(troupe.spec("a"))

    with pytest.raises(MaxChildren, match="max_children of 2 is reached"):
        run_virtual(main())


def test_d1_a_restarting_child_counts_for_max_children(troupe, settle):
    async def main():
        async with DynamicSupervisor(max_children=1) as supervisor:
            await supervisor.start_child(troupe.spec("a", act=lambda nth: {"starts": 9 * nth}))
            troupe["a"].crash()
            await settle()
            states = [info.state for info in supervisor.which_children()]
            with pytest.raises(MaxChildren):
                await supervisor.start_child(troupe.spec("b"))
            return states

    assert run_virtual(main()) == ["restarting"]


def test_d1_a_child_that_went_makes_room(troupe):
    async def main():
        async with DynamicSupervisor(max_children=1) as supervisor:
            await supervisor.terminate_child(await supervisor.start_child(troupe.spec("a")))
            await supervisor.start_child(troupe.spec("b"))
            return ids(supervisor)

    assert run_virtual(main()) == ["b"]


def test_d1_extra_arguments_come_first():
    seen = []

    def make(*args):
        seen.append(args)
        return FunctionChild(asyncio.sleep, 9)

    async def main():
        async with DynamicSupervisor(extra_arguments=("pool", 7)) as supervisor:
            await supervisor.start_child(ChildSpec("a", make))

    run_virtual(main())
    assert seen == [("pool", 7)]


def test_d1_three_restarts_in_five_seconds_are_the_default(troupe, settle):
    async def main():
        supervisor = await DynamicSupervisor().start()
        await supervisor.start_child(troupe.spec("a"))
        for _ in range(3):
            troupe["a"].crash()
            await settle()
        alive = supervisor.alive
        troupe["a"].crash()
        return alive, await supervisor.join()

    assert run_virtual(main()) == (True, Shutdown())


def test_d2_all_are_asked_at_once_and_awaited_in_parallel(troupe):
    async def main():
        async with DynamicSupervisor() as supervisor:
            for who, stops in (("a", 3), ("b", 1), ("c", 2)):
                await supervisor.start_child(troupe.spec(who, stops=stops))
            troupe.log.clear()
            troupe.times.clear()
        return now()

    assert run_virtual(main()) == 3
    assert troupe.times == [0, 0, 0]
    assert [who for who, _ in troupe.reasons] == ["b", "c", "a"]


def test_d2_each_has_its_own_time(troupe):
    async def main():
        async with DynamicSupervisor() as supervisor:
            for who, shutdown in (("a", 1), ("b", 2), ("c", None)):
                await supervisor.start_child(troupe.spec(who, stops=9, shutdown=shutdown))
        return now()

    assert run_virtual(main()) == 9
    assert troupe.reasons == [("a", Killed()), ("b", Killed()), ("c", Shutdown())]


def test_d3_a_restart_that_fails_is_tried_again_and_counts_again(troupe):
    async def main():
        supervisor = await DynamicSupervisor(intensity=4).start()
        await supervisor.start_child(troupe.spec("a", act=lambda nth: {"fails": nth > 0}))
        troupe.said()
        troupe["a"].crash()
        return await supervisor.join(), troupe.said()

    assert run_virtual(main()) == (Shutdown(), "start a, start a, start a, start a")
