"""Who is restarted, with whom, how often, and after which wait (S3-S8)."""

from __future__ import annotations

import asyncio
import math

import pytest

from tidegate.backoff import constant, exponential
from tidegate.supervision import (
    ChildSpec,
    Crash,
    FunctionChild,
    Killed,
    MaxIntensity,
    NoProc,
    Normal,
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


# S3: who is restarted

ENDS = {"crash": Crash(ValueError()), "killed": Killed(), "noproc": NoProc(), "normal": Normal(), "shutdown": Shutdown("done")}


@pytest.mark.parametrize("end", ENDS)
def test_s3_a_permanent_child_is_always_restarted(troupe, settle, end):
    async def main():
        async with Supervisor([troupe.spec("a")]) as supervisor:
            troupe["a"].end(ENDS[end])
            await settle()
            return states(supervisor)

    assert run_virtual(main()) == {"a": "up"}
    assert troupe.said() == "start a, start a, stop a"


@pytest.mark.parametrize(("end", "log"), [
    ("crash", "start a, start a, stop a"), ("killed", "start a, start a, stop a"), ("noproc", "start a, start a, stop a"),
    ("normal", "start a"), ("shutdown", "start a"),
])  # fmt: skip
def test_s3_a_transient_child_is_restarted_after_an_abnormal_end_only(troupe, settle, end, log):
    async def main():
        async with Supervisor([troupe.spec("a", restart=Restart.TRANSIENT)]) as supervisor:
            troupe["a"].end(ENDS[end])
            await settle()
            return states(supervisor)

    assert list(run_virtual(main())) == ["a"]
    assert troupe.said() == log


@pytest.mark.parametrize("end", ENDS)
def test_s3_a_temporary_child_is_forgotten_when_it_ends(troupe, settle, end):
    async def main():
        async with Supervisor([troupe.spec("a", restart=Restart.TEMPORARY)]) as supervisor:
            troupe["a"].end(ENDS[end])
            await settle()
            return states(supervisor)

    assert run_virtual(main()) == {}
    assert troupe.said() == "start a"


# S4, S5: strategies


def after_crash_of_b(troupe, settle, strategy, **of_c):
    async def main():
        async with Supervisor([troupe.spec("a"), troupe.spec("b"), troupe.spec("c", **of_c)], strategy=strategy) as supervisor:
            troupe.said()
            troupe["b"].crash()
            await settle()
            return troupe.said(), states(supervisor)

    return run_virtual(main())


def test_s4_one_for_one_restarts_that_child(troupe, settle):
    assert after_crash_of_b(troupe, settle, Strategy.ONE_FOR_ONE)[0] == "start b"


def test_s4_rest_for_one_restarts_the_later_siblings(troupe, settle):
    assert after_crash_of_b(troupe, settle, Strategy.REST_FOR_ONE)[0] == "stop c, start b, start c"


def test_s4_one_for_all_restarts_everybody_in_order(troupe, settle):
    assert after_crash_of_b(troupe, settle, Strategy.ONE_FOR_ALL)[0] == "stop c, stop a, start a, start b, start c"


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_s5_stopped_temporary_siblings_are_removed(troupe, settle, strategy):
    log, left = after_crash_of_b(troupe, settle, strategy, restart=Restart.TEMPORARY)
    assert (log.count("stop c"), log.count("start c"), list(left)) == (1, 0, ["a", "b"])


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_s5_a_transient_sibling_that_had_finished_is_started_again(troupe, settle, strategy):
    async def main():
        async with Supervisor([troupe.spec("b"), troupe.spec("c", restart=Restart.TRANSIENT)], strategy=strategy):
            troupe["c"].finish()
            await settle()
            troupe.said()
            troupe["b"].crash()
            await settle()
            return troupe.said()

    assert run_virtual(main()) == "start b, start c"


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_s5_a_sibling_stopped_by_hand_is_started_again(troupe, settle, strategy):
    async def main():
        async with Supervisor([troupe.spec("b"), troupe.spec("c")], strategy=strategy) as supervisor:
            await supervisor.terminate_child("c")
            troupe.said()
            troupe["b"].crash()
            await settle()
            return troupe.said()

    assert run_virtual(main()) == "start b, start c"


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_s5_an_end_that_is_not_restart_worthy_triggers_no_strategy(troupe, settle, strategy):
    async def main():
        async with Supervisor([troupe.spec("b", restart=Restart.TRANSIENT), troupe.spec("c")], strategy=strategy):
            troupe.said()
            troupe["b"].finish()
            await settle()
            return troupe.said()

    assert run_virtual(main()) == ""


def test_s4_siblings_that_crash_together_are_restarted_once(troupe, settle):
    async def main():
        async with Supervisor([troupe.spec("a"), troupe.spec("b")], strategy=Strategy.ONE_FOR_ALL):
            troupe.said()
            troupe["a"].crash()
            troupe["b"].crash()
            await settle()
            return troupe.said()

    assert run_virtual(main()) == "start a, start b"


# S6: intensity


def test_s6_three_restarts_are_allowed_and_the_fourth_death_ends_the_supervisor(troupe, settle):
    async def main():
        supervisor = await Supervisor([troupe.spec("a"), troupe.spec("b")]).start()
        for _ in range(3):
            troupe["b"].crash()
            await settle()
        alive = supervisor.alive
        troupe.said()
        troupe["b"].crash()
        return alive, await supervisor.join(), troupe.said()

    assert run_virtual(main()) == (True, Shutdown(), "stop a")


def test_s6_intensity_zero_ends_at_the_first_death(troupe):
    async def main():
        supervisor = await Supervisor([troupe.spec("a")], intensity=0).start()
        troupe["a"].crash()
        return await supervisor.join()

    reason = run_virtual(main())
    assert isinstance(reason, Shutdown)
    assert isinstance(reason.detail, MaxIntensity)
    assert reason.detail.id == "a"


def test_s6_deaths_far_enough_apart_never_end_it(troupe, settle):
    async def main():
        async with Supervisor([troupe.spec("a")], intensity=1, period=5) as supervisor:
            for _ in range(20):
                troupe["a"].crash()
                await asyncio.sleep(6)
            return supervisor.alive

    assert run_virtual(main())


def test_s6_one_for_all_counts_one_restart_for_an_event_not_for_each_child(troupe, settle):
    async def main():
        async with Supervisor([troupe.spec(who) for who in "abcdef"], strategy=Strategy.ONE_FOR_ALL) as supervisor:
            for _ in range(3):
                troupe["a"].crash()
                await settle(60)
            return supervisor.alive

    assert run_virtual(main())


def test_s6_intensity_is_measured_on_the_given_clock(troupe, settle):
    clock = [0.0]

    async def main():
        async with Supervisor([troupe.spec("a")], intensity=1, period=5, clock=lambda: clock[0]) as supervisor:
            for _ in range(10):
                clock[0] += 6
                troupe["a"].crash()
                await settle()
            return supervisor.alive, supervisor.which_children()[0].since

    assert run_virtual(main()) == (True, 60)


@pytest.mark.parametrize("endless", [None, math.inf])
def test_s6_without_a_limit_it_never_gives_up(troupe, settle, endless):
    async def main():
        async with Supervisor([troupe.spec("a")], intensity=endless) as supervisor:
            for _ in range(200):
                troupe["a"].crash()
                await settle()
            return states(supervisor)

    assert run_virtual(main()) == {"a": "up"}
    assert troupe.said().count("start a") == 201


# S7: starts that fail during a restart


def failing_restarts(troupe, **given):
    return troupe.spec("b", act=lambda nth: {"fails": nth > 0}, **given)


@pytest.mark.parametrize("strategy", Strategy)
def test_s7_each_attempt_counts_and_none_waits(troupe, strategy):
    async def main():
        supervisor = await Supervisor([troupe.spec("a"), failing_restarts(troupe)], strategy=strategy, intensity=3).start()
        troupe.said()
        troupe["b"].crash()
        return await supervisor.join(), troupe.said().count("start b"), now()

    assert run_virtual(main()) == (Shutdown(), 3, 0)


def test_s7_between_attempts_other_requests_are_served(troupe):
    async def main():
        async with Supervisor([failing_restarts(troupe)], intensity=50, strategy=Strategy.ONE_FOR_ALL) as supervisor:
            troupe["b"].crash()
            await supervisor.start_child(troupe.spec("c"))
            return supervisor.child("c") is troupe["c"], states(supervisor)["b"]

    assert run_virtual(main())[0]
    assert troupe.said().count("start b") < 50


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_s7_the_one_that_failed_to_start_is_the_one_retried(troupe, settle, strategy):
    failing = troupe.spec("b", act=lambda nth: {"fails": nth == 1})

    async def main():
        async with Supervisor([troupe.spec("a"), failing, troupe.spec("c")], strategy=strategy) as supervisor:
            troupe.said()
            troupe["a"].crash()
            await settle(60)
            return troupe.said(), states(supervisor)

    log, left = run_virtual(main())
    again = {
        Strategy.REST_FOR_ONE: "stop c, stop b, start a, start b, start b, start c",
        Strategy.ONE_FOR_ALL: "stop c, stop b, start a, start b, stop a, start a, start b, start c",
    }
    assert (log, left) == (again[strategy], {"a": "up", "b": "up", "c": "up"})


def test_s7_a_sibling_that_fell_together_with_it_does_not_start_before_it(troupe, settle):
    failing = troupe.spec("b", act=lambda nth: {"fails": nth in {1, 2}})

    async def main():
        async with Supervisor([failing, troupe.spec("c")], strategy=Strategy.REST_FOR_ONE):
            troupe.said()
            troupe["b"].crash()
            troupe["c"].crash()
            await settle(60)
            return troupe.said()

    assert run_virtual(main()) == "start b, start b, start b, start c"


def test_s7_while_it_waits_the_child_is_restarting(troupe, settle):
    async def main():
        async with Supervisor([failing_restarts(troupe, backoff=constant(10))], intensity=None) as supervisor:
            troupe["b"].crash()
            await settle()
            return states(supervisor)

    assert run_virtual(main()) == {"b": "restarting"}


def test_s7_with_a_backoff_it_waits_between_attempts(troupe):
    async def main():
        spec = failing_restarts(troupe, backoff=exponential(base=1, factor=2, cap=60, jitter=0))
        async with Supervisor([spec], intensity=None):
            troupe["b"].crash()
            await asyncio.sleep(200)
            return [time for time, (verb, _) in zip(troupe.times, troupe.log, strict=True) if verb == "start"]

    assert run_virtual(main()) == [0, 0, 1, 3, 7, 15, 31, 63, 123, 183]


def test_s7_a_child_that_crashes_soon_after_each_restart_waits_longer_and_longer(troupe):
    def crasher():
        async def crash():
            started.append(now())
            await asyncio.sleep(1)
            raise ValueError("again")

        return FunctionChild(crash)

    started = []

    async def main():
        spec = ChildSpec("b", crasher, backoff=exponential(base=1, factor=2, cap=60, jitter=0))
        async with Supervisor([spec], intensity=None):
            await asyncio.sleep(30)

    run_virtual(main())
    assert started == [0, 1, 3, 6, 11, 20]


def test_s7_the_backoff_starts_over_after_a_child_stayed_up(troupe):
    async def main():
        spec = troupe.spec("b", backoff=constant(3))
        async with Supervisor([spec], intensity=None, period=5):
            for pause in (1, 4, 100, 1):
                troupe["b"].crash()
                await asyncio.sleep(pause)
            return [time for time, (verb, _) in zip(troupe.times, troupe.log, strict=True) if verb == "start"]

    assert run_virtual(main()) == [0, 0, 4, 8, 105]


def test_s7_a_backoff_does_not_hold_up_the_siblings(troupe, settle):
    async def main():
        async with Supervisor([failing_restarts(troupe, backoff=constant(100)), troupe.spec("c")], intensity=None) as supervisor:
            troupe["b"].crash()
            await settle()
            troupe["c"].crash()
            await settle()
            return states(supervisor), now()

    assert run_virtual(main()) == ({"b": "restarting", "c": "up"}, 0)


def test_s7_what_depends_on_a_waiting_child_does_not_run_on_without_it(troupe, settle):
    async def main():
        spec = troupe.spec("b", backoff=constant(100))
        async with Supervisor(
            [troupe.spec("a"), spec, troupe.spec("c")], strategy=Strategy.REST_FOR_ONE, intensity=None
        ) as supervisor:
            for _ in range(2):
                troupe["b"].crash()
                await settle()
            waiting = states(supervisor)
            await asyncio.sleep(101)
            return waiting, states(supervisor)

    assert run_virtual(main()) == ({"a": "up", "b": "restarting", "c": "down"}, {"a": "up", "b": "up", "c": "up"})


def test_s7_a_waiting_child_counts_when_it_is_started_not_when_it_fell(troupe, settle):
    async def main():
        specs = [troupe.spec("b", backoff=constant(20)), troupe.spec("c")]
        supervisor = await Supervisor(specs, intensity=2, period=10).start()
        troupe["b"].crash()
        await settle()
        troupe["b"].crash()  # waits until 20
        await asyncio.sleep(19)
        for _ in range(2):
            troupe["c"].crash()
            await settle()
        return await supervisor.join(), now()

    assert run_virtual(main()) == (Shutdown(), 20)


def test_s7_a_supervisor_that_never_gives_up_survives_a_failing_first_start(troupe):
    spec = troupe.spec("b", act=lambda nth: {"fails": nth < 3}, backoff=constant(1))

    async def main():
        async with Supervisor([troupe.spec("a"), spec, troupe.spec("c")], intensity=None) as supervisor:
            at_first = states(supervisor)["b"], states(supervisor)["c"]
            await asyncio.sleep(2.5)
            return at_first, states(supervisor)["b"]

    assert run_virtual(main()) == (("restarting", "up"), "up")


# S8: a supervisor's own end


def inner(troupe, **given):
    return ChildSpec("inner", lambda: Supervisor([troupe.spec("a")], intensity=0), **given)


def test_s8_a_permanent_supervisor_past_its_intensity_is_restarted_by_its_parent(troupe, settle):
    async def main():
        async with Supervisor([inner(troupe)]) as outer:
            first = outer.child("inner")
            troupe["a"].crash()
            await settle()
            return await first.join(), outer.child("inner") is first, states(outer)

    assert run_virtual(main()) == (Shutdown(), False, {"inner": "up"})


def test_s8_a_transient_supervisor_past_its_intensity_is_not(troupe, settle):
    async def main():
        async with Supervisor([inner(troupe, restart=Restart.TRANSIENT)]) as outer:
            troupe["a"].crash()
            await settle()
            return states(outer)

    assert run_virtual(main()) == {"inner": "down"}


def test_s8_past_every_intensity_the_whole_tree_ends(troupe, settle):
    async def main():
        outer = await Supervisor([inner(troupe), troupe.spec("z")], intensity=1).start()
        for _ in range(2):
            troupe["a"].crash()
            await settle()
        return await outer.join()

    assert run_virtual(main()) == Shutdown()
    assert troupe.said() == "start a, start z, start a, stop z"
