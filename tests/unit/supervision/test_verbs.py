"""What a supervisor answers, and what ends it by itself (S10-S12)."""

from __future__ import annotations

import asyncio
import math

import pytest

from tidegate.backoff import constant
from tidegate.errors import TidegateError
from tidegate.supervision import (
    AlreadyPresent,
    AlreadyStarted,
    AutoShutdown,
    BadCombination,
    ChildCounts,
    ChildDown,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    DuplicateChild,
    FailedToStart,
    NotRunning,
    Restart,
    Shutdown,
    Strategy,
    Supervisor,
)
from tidegate.testing import run_virtual


def now() -> float:
    return asyncio.get_running_loop().time()


def states(supervisor):
    return {info.id: str(info.state) for info in supervisor.which_children()}


# S10: specs


def test_s10_duplicate_ids_refuse_the_start(troupe):
    async def main():
        await Supervisor([troupe.spec("a"), troupe.spec("a")]).start()

    with pytest.raises(DuplicateChild):
        run_virtual(main())
    assert troupe.said() == ""


@pytest.mark.parametrize("given", [{"id": ""}, {"shutdown": -1}, {"shutdown": math.nan}, {"start_timeout": 0}])
def test_s10_a_spec_that_nobody_could_follow_is_refused(given):
    with pytest.raises(ValueError):
        ChildSpec(**{"id": "a", "start": Supervisor, **given})


# S11: auto shutdown


@pytest.mark.parametrize(("restart", "auto"), [
    (Restart.PERMANENT, AutoShutdown.ANY_SIGNIFICANT), (Restart.PERMANENT, AutoShutdown.NEVER),
    (Restart.TRANSIENT, AutoShutdown.NEVER), (Restart.TEMPORARY, AutoShutdown.NEVER),
])  # fmt: skip
def test_s11_significance_that_could_never_matter_is_a_bad_combination(troupe, restart, auto):
    with pytest.raises(BadCombination):
        Supervisor([troupe.spec("a", restart=restart, significant=True)], auto_shutdown=auto)


def test_s11_start_child_refuses_a_bad_combination_and_lives_on(troupe):
    async def main():
        async with Supervisor([troupe.spec("a")]) as supervisor:
            with pytest.raises(BadCombination):
                await supervisor.start_child(troupe.spec("b", significant=True, restart=Restart.TRANSIENT))
            return states(supervisor)

    assert run_virtual(main()) == {"a": "up"}


def significant(troupe, ids, restart=Restart.TRANSIENT):
    return [troupe.spec("x"), *(troupe.spec(who, restart=restart, significant=True) for who in ids), troupe.spec("y")]


def test_s11_any_the_first_significant_end_shuts_down(troupe):
    async def main():
        supervisor = await Supervisor(significant(troupe, "ab"), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT).start()
        troupe.said()
        troupe["a"].finish()
        return await supervisor.join(), troupe.said()

    assert run_virtual(main()) == (Shutdown(), "stop y, stop b, stop x")


def test_s11_all_only_the_last_significant_end_shuts_down(troupe, settle):
    async def main():
        supervisor = await Supervisor(significant(troupe, "ab"), auto_shutdown=AutoShutdown.ALL_SIGNIFICANT).start()
        troupe["a"].finish()
        await settle()
        between = supervisor.alive
        troupe["b"].shut_down()
        return between, await supervisor.join()

    assert run_virtual(main()) == (True, Shutdown())


def test_s11_a_transient_crash_just_restarts(troupe, settle):
    async def main():
        async with Supervisor(significant(troupe, "a"), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT) as supervisor:
            troupe["a"].crash()
            await settle()
            return states(supervisor)

    assert run_virtual(main()) == {"x": "up", "a": "up", "y": "up"}


def test_s11_a_temporary_child_counts_however_it_ends(troupe):
    async def main():
        specs = significant(troupe, "a", Restart.TEMPORARY)
        supervisor = await Supervisor(specs, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT).start()
        troupe["a"].crash()
        return await supervisor.join()

    assert run_virtual(main()) == Shutdown()


def test_s11_an_insignificant_end_does_not(troupe, settle):
    async def main():
        specs = [*significant(troupe, "a"), troupe.spec("t", restart=Restart.TEMPORARY)]
        async with Supervisor(specs, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT) as supervisor:
            troupe["t"].finish()
            await settle()
            return supervisor.alive

    assert run_virtual(main())


def test_s11_siblings_stopped_by_the_supervisor_do_not_trigger(troupe, settle):
    async def main():
        specs = [troupe.spec("p"), *significant(troupe, "a")]
        async with Supervisor(specs, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT, strategy=Strategy.ONE_FOR_ALL) as supervisor:
            troupe["p"].crash()
            await settle(60)
            await supervisor.terminate_child("a")
            await settle()
            return supervisor.alive

    assert run_virtual(main())


# S12: what the verbs answer


def with_one(troupe, ask, **given):
    """Run `ask(supervisor)` on a supervisor with child a; return its answer, or its refusal."""

    async def main():
        async with Supervisor([troupe.spec("a", **given)]) as supervisor:
            try:
                return await ask(supervisor)
            except TidegateError as refusal:
                return refusal

    return run_virtual(main())


def test_s12_start_child_returns_the_child_and_puts_it_last(troupe):
    async def ask(supervisor):
        child = await supervisor.start_child(troupe.spec("b"))
        return child is troupe["b"], list(states(supervisor))

    assert with_one(troupe, ask) == (True, ["a", "b"])
    assert troupe.said() == "start a, start b, stop b, stop a"


def test_s12_start_child_of_a_running_id_names_the_running_one(troupe):
    refusal = with_one(troupe, lambda supervisor: supervisor.start_child(troupe.spec("a")))
    assert isinstance(refusal, AlreadyStarted)
    assert refusal.child is troupe["a"]


def test_s12_start_child_of_a_stopped_id_is_already_present(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        await supervisor.start_child(troupe.spec("a"))

    assert isinstance(with_one(troupe, ask), AlreadyPresent)


def test_s12_start_child_discards_a_spec_that_fails_to_start(troupe):
    async def ask(supervisor):
        with pytest.raises(FailedToStart):
            await supervisor.start_child(troupe.spec("b", fails=True))
        return states(supervisor)

    assert with_one(troupe, ask) == {"a": "up"}


def test_s12_restart_child_of_a_running_one_is_refused(troupe):
    assert isinstance(with_one(troupe, lambda supervisor: supervisor.restart_child("a")), ChildRunning)


def test_s12_restart_child_of_a_restarting_one_is_refused(troupe, settle):
    async def ask(supervisor):
        for _ in range(2):
            troupe["a"].crash()
            await settle()
        await supervisor.restart_child("a")

    assert isinstance(with_one(troupe, ask, backoff=constant(100)), ChildRestarting)


def test_s12_restart_child_starts_a_stopped_one(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        child = await supervisor.restart_child("a")
        return child is supervisor.child("a"), states(supervisor)

    assert with_one(troupe, ask) == (True, {"a": "up"})


def test_s12_restart_child_that_fails_keeps_the_spec(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        with pytest.raises(FailedToStart):
            await supervisor.restart_child("a")
        return states(supervisor)

    async def main():
        async with Supervisor([troupe.spec("a", act=lambda nth: {"fails": nth > 0})]) as supervisor:
            return await ask(supervisor)

    assert run_virtual(main()) == {"a": "down"}


@pytest.mark.parametrize("verb", ["restart_child", "terminate_child", "delete_child"])
def test_s12_an_unknown_id_is_not_found(troupe, verb):
    refusal = with_one(troupe, lambda supervisor: getattr(supervisor, verb)("nobody"))
    assert isinstance(refusal, ChildNotFound)
    assert refusal.hint == "children: a"


def test_s12_terminate_child_keeps_the_spec(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        return states(supervisor)

    assert with_one(troupe, ask) == {"a": "down"}
    assert troupe.said() == "start a, stop a"


def test_s12_terminate_child_forgets_a_temporary_one(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        return states(supervisor)

    assert with_one(troupe, ask, restart=Restart.TEMPORARY) == {}


def test_s12_terminate_child_ends_the_attempts_of_a_restarting_one(troupe, settle):
    async def ask(supervisor):
        for _ in range(2):
            troupe["a"].crash()
            await settle()
        await supervisor.terminate_child("a")
        await asyncio.sleep(1000)
        return states(supervisor)

    assert with_one(troupe, ask, backoff=constant(100)) == {"a": "down"}
    assert troupe.said() == "start a, start a"


def test_s12_terminate_child_of_one_that_is_down_is_fine(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        await supervisor.terminate_child("a")
        return states(supervisor)

    assert with_one(troupe, ask) == {"a": "down"}


def test_s12_terminate_child_breaks_off_a_start(troupe, settle):
    async def main():
        async with Supervisor([]) as supervisor:
            starting = asyncio.ensure_future(supervisor.start_child(troupe.spec("a", starts=20)))
            await settle()
            state = states(supervisor)
            await supervisor.terminate_child("a")
            with pytest.raises(FailedToStart, match="called off"):
                await starting
            return state, states(supervisor), now()

    assert run_virtual(main()) == ({"a": "starting"}, {}, 0)


def test_s12_delete_child_forgets_a_stopped_one(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        await supervisor.delete_child("a")
        return states(supervisor)

    assert with_one(troupe, ask) == {}


def test_s12_delete_child_of_a_running_one_is_refused(troupe):
    assert isinstance(with_one(troupe, lambda supervisor: supervisor.delete_child("a")), ChildRunning)


def test_s12_which_children_tells_id_state_type_restarts_and_since(troupe, settle):
    async def main():
        async with Supervisor([troupe.spec("a"), ChildSpec("inner", Supervisor), troupe.spec("c")]) as supervisor:
            await asyncio.sleep(7)
            troupe["a"].crash()
            await supervisor.terminate_child("c")
            await settle()
            return [(info.id, info.state, info.type, info.restarts, info.since) for info in supervisor.which_children()]

    assert run_virtual(main()) == [("a", "up", "worker", 1, 7), ("inner", "up", "supervisor", 0, 0), ("c", "down", "worker", 0, 7)]


def test_s12_count_children_tells_specs_active_supervisors_and_workers(troupe):
    async def main():
        async with Supervisor([troupe.spec("a"), ChildSpec("inner", Supervisor), troupe.spec("c")]) as supervisor:
            await supervisor.terminate_child("c")
            return supervisor.count_children()

    assert run_virtual(main()) == ChildCounts(specs=3, active=2, supervisors=1, workers=2)


def test_s12_child_returns_the_live_one(troupe):
    async def ask(supervisor):
        return supervisor.child("a") is troupe["a"]

    assert with_one(troupe, ask)


def test_s12_child_refuses_one_that_is_down_and_one_that_is_unknown(troupe):
    async def ask(supervisor):
        await supervisor.terminate_child("a")
        with pytest.raises(ChildDown):
            supervisor.child("a")
        with pytest.raises(ChildNotFound):
            supervisor.child("b")
        return "both refused"

    assert with_one(troupe, ask) == "both refused"


@pytest.mark.parametrize("when", ["before", "after"])
def test_s12_a_supervisor_that_does_not_run_refuses(troupe, when):
    async def main():
        supervisor = Supervisor([])
        if when == "after":
            await supervisor.start()
            await supervisor.stop()
        await supervisor.start_child(troupe.spec("a"))

    with pytest.raises(NotRunning):
        run_virtual(main())


@pytest.mark.parametrize("strategy", Strategy)
def test_s12_who_waits_for_an_answer_when_the_supervisor_ends_is_told(troupe, settle, strategy):
    async def main():
        supervisor = await Supervisor([troupe.spec("z", stops=3)], strategy=strategy).start()
        asking = asyncio.ensure_future(supervisor.start_child(troupe.spec("a", starts=20)))
        await settle()
        later = asyncio.ensure_future(supervisor.terminate_child("z"))
        await settle()
        await supervisor.stop()
        return await asyncio.gather(asking, later, return_exceptions=True)

    answers = run_virtual(main())
    assert isinstance(answers[0], FailedToStart)
    assert answers[1] is None or isinstance(answers[1], NotRunning)


def test_s12_a_caller_who_leaves_does_not_undo_the_start(troupe, settle):
    async def main():
        async with Supervisor([]) as supervisor:
            asking = asyncio.ensure_future(supervisor.start_child(troupe.spec("a", starts=5)))
            await settle()
            asking.cancel()
            await asyncio.sleep(6)
            return states(supervisor)

    assert run_virtual(main()) == {"a": "up"}


@pytest.mark.parametrize("strategy", Strategy)
def test_s12_terminate_child_voids_an_attempt_that_waits_its_turn(troupe, strategy):
    async def main():
        failing = troupe.spec("a", act=lambda nth: {"fails": nth > 0})
        async with Supervisor([failing], strategy=strategy, intensity=None) as supervisor:
            troupe["a"].crash()
            await supervisor.terminate_child("a")
            seen = troupe.said().count("start a")
            await asyncio.sleep(10)
            return states(supervisor), seen < 10, troupe.said()

    assert run_virtual(main()) == ({"a": "down"}, True, "")
