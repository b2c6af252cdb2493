"""Starting in order, stopping in reverse, and never waiting for ever (S1, S2, S9); the supervisor as a child."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.supervision import (
    BRUTAL,
    IGNORE,
    AlreadyStarted,
    ChildCounts,
    ChildSpec,
    Crash,
    Exit,
    FailedToStart,
    FunctionChild,
    Killed,
    NoProc,
    Normal,
    NotReady,
    Restart,
    Shutdown,
    StartTimeout,
    Strategy,
    Supervisor,
)
from tidegate.testing import run_virtual


def now() -> float:
    return asyncio.get_running_loop().time()


def states(supervisor):
    return {info.id: str(info.state) for info in supervisor.which_children()}


# S1, S2: starting and stopping


def test_s1_each_child_is_ready_before_the_next_one_starts(troupe):
    async def main():
        started = []
        specs = [troupe.spec(who, starts=1) for who in "abc"]
        async with Supervisor(specs):
            started.extend(troupe.times)
        return started

    assert run_virtual(main()) == [0, 1, 2]


def test_s1_children_stop_in_reverse_order_one_after_the_other(troupe):
    async def main():
        async with Supervisor([troupe.spec(who, stops=1) for who in "abc"]):
            troupe.said()
            troupe.times.clear()

    run_virtual(main())
    assert (troupe.said(), troupe.times) == ("stop c, stop b, stop a", [0, 1, 2])


def test_s2_a_start_failure_stops_the_earlier_ones_and_starts_no_later_one(troupe):
    async def main():
        supervisor = Supervisor([troupe.spec("a"), troupe.spec("b"), troupe.spec("c", fails=True), troupe.spec("d")])
        with pytest.raises(FailedToStart):
            await supervisor.start()

    run_virtual(main())
    assert troupe.said() == "start a, start b, start c, stop b, stop a"


def test_s2_a_supervisor_that_could_not_start_ends_with_shutdown_and_the_cause(troupe):
    async def main():
        supervisor = Supervisor([troupe.spec("a", fails=True)])
        with pytest.raises(FailedToStart) as caught:
            await supervisor.start()
        return caught.value, await supervisor.join()

    failure, reason = run_virtual(main())
    assert isinstance(reason, Shutdown)
    assert reason.detail is failure
    assert failure.id == "a"
    assert str(failure.reason) == "Boom: a cannot start"


def test_s2_a_factory_that_raises_is_a_start_failure(troupe):
    def broken():
        raise LookupError("no such part")

    async def main():
        await Supervisor([troupe.spec("a"), ChildSpec("b", broken)]).start()

    with pytest.raises(FailedToStart, match=r"child 'b' failed to start: LookupError: no such part"):
        run_virtual(main())
    assert troupe.said() == "start a, stop a"


@pytest.mark.parametrize("junk", [None, 7, ChildSpec])
def test_s2_what_is_no_child_is_a_start_failure(junk):
    async def main():
        await Supervisor([ChildSpec("a", lambda: junk)]).start()

    with pytest.raises(FailedToStart, match="child 'a' failed to start"):
        run_virtual(main())


@pytest.mark.parametrize("reason", [Normal(), Shutdown("not today"), Crash(LookupError("no such part"))], ids=str)
def test_s2_an_exit_before_it_is_ready_is_a_start_failure_whatever_the_reason(troupe, reason):
    """As in OTP, where init may exit(normal): the start has failed, with that very reason."""

    async def leaves(ready):
        raise Exit(reason)

    async def main():
        supervisor = Supervisor([troupe.spec("a"), ChildSpec("b", lambda: FunctionChild(leaves, signals_ready=True))])
        with pytest.raises(FailedToStart) as caught:
            await supervisor.start()
        return caught.value, await supervisor.join()

    failure, end = run_virtual(main())
    assert (failure.id, failure.reason) == ("b", reason)
    assert isinstance(end, Shutdown)
    assert troupe.said() == "start a, stop a"


@pytest.mark.parametrize("restart", list(Restart))
def test_s7_an_exit_during_a_restart_is_tried_again_and_counts_each_time(restart):
    starts, exits = [], asyncio.Event()

    async def leaves(ready):
        starts.append(now())
        if len(starts) > 1:
            raise Exit(Normal())
        ready()
        await exits.wait()
        raise LookupError

    async def main():
        supervisor = Supervisor([ChildSpec("a", lambda: FunctionChild(leaves, signals_ready=True), restart=restart)])
        await supervisor.start()
        exits.set()
        await asyncio.sleep(1)
        alive = supervisor.alive
        await supervisor.stop()
        return alive

    alive = run_virtual(main())
    assert (len(starts), alive) == ((1, True) if restart is Restart.TEMPORARY else (4, False))


class Idle:
    """A child with nothing to do."""

    async def start(self):
        return IGNORE

    async def stop(self, reason, timeout):
        raise AssertionError("there is nothing to stop")

    async def join(self):
        raise AssertionError("there is nothing to wait for")

    def kill(self):
        raise AssertionError("there is nothing to kill")


def test_s2_a_child_that_ignores_its_start_keeps_its_spec_and_runs_nothing():
    async def main():
        async with Supervisor([ChildSpec("idle", Idle)]) as supervisor:
            return states(supervisor), supervisor.count_children()

    assert run_virtual(main()) == ({"idle": "down"}, ChildCounts(specs=1, active=0, supervisors=0, workers=1))


def test_s2_a_temporary_child_that_ignores_its_start_is_dropped():
    async def main():
        async with Supervisor([ChildSpec("idle", Idle, restart=Restart.TEMPORARY)]) as supervisor:
            await supervisor.start_child(ChildSpec("too", Idle, restart=Restart.TEMPORARY))
            return states(supervisor)

    assert run_virtual(main()) == {}


# S9: shutdown


def test_s9_brutal_kill_timeout_and_patience(troupe):
    async def main():
        specs = [
            troupe.spec("a", stops=0.060, shutdown=1.0),
            troupe.spec("b", stops=0.500, shutdown=0.030),
            troupe.spec("c", stops=0.500, shutdown=BRUTAL),
        ]
        async with Supervisor(specs):
            troupe.said()
        return now()

    assert run_virtual(main()) == pytest.approx(0.090)
    assert troupe.reasons == [("c", Killed()), ("b", Killed()), ("a", Shutdown())]
    assert troupe.said() == "kill c, stop b, kill b, stop a"


def test_s9_a_worker_has_five_seconds_unless_told_otherwise(troupe):
    async def main():
        async with Supervisor([troupe.spec("a", stops=100)]):
            pass
        return now()

    assert run_virtual(main()) == 5
    assert troupe.stop_arguments == [("a", Shutdown(), 5.0)]


def test_s9_a_supervisor_has_as_long_as_it_takes(troupe):
    async def main():
        inner = ChildSpec("inner", lambda: Supervisor([troupe.spec("a", stops=1000, shutdown=None)]))
        async with Supervisor([inner]):
            pass
        return now()

    assert run_virtual(main()) == 1000
    assert troupe.reasons == [("a", Shutdown())]


def test_s9_a_supervisor_that_is_killed_leaks_no_grandchild(troupe):
    async def main():
        inner = ChildSpec("inner", lambda: Supervisor([troupe.spec("a", stops=1000, shutdown=None)]), shutdown=2.0)
        async with Supervisor([inner]):
            pass
        return now()

    assert run_virtual(main()) == 2
    assert troupe.reasons == [("a", Killed())]


def test_s9_no_patience_still_asks_first(troupe):
    async def main():
        async with Supervisor([troupe.spec("a", shutdown=0.0)]):
            troupe.said()

    run_virtual(main())
    assert troupe.said().startswith("stop a")
    assert troupe.reasons == [("a", Shutdown())]


def test_s9_what_stop_still_does_after_the_end_is_waited_for():
    done = []

    class Tidy(FunctionChild):
        async def stop(self, reason, timeout=None):
            await super().stop(reason, timeout)
            await asyncio.sleep(3)
            done.append(now())

    async def main():
        async with Supervisor([ChildSpec("a", lambda: Tidy(asyncio.sleep, 1000))]):
            pass

    run_virtual(main())
    assert done == [3]


def test_s9_a_child_whose_stop_raises_is_killed_at_once(troupe, caplog):
    class Stubborn(FunctionChild):
        async def stop(self, reason, timeout=None):
            raise ValueError("no")

    async def main():
        async with Supervisor([ChildSpec("a", lambda: Stubborn(asyncio.sleep, 1000))]) as supervisor:
            child = supervisor.child("a")
        return await child.join(), now()

    assert run_virtual(main()) == (Killed(), 0)
    assert "shutdown_error of a (permanent): ValueError: no" in caplog.text


# The supervisor as a child


def test_a_supervisor_ends_with_the_reason_that_it_was_stopped_with(troupe):
    async def main():
        supervisor = await Supervisor([troupe.spec("a")]).start()
        await supervisor.stop(Normal())
        return await supervisor.join()

    assert run_virtual(main()) == Normal()


def test_stop_with_a_timeout_kills_what_is_left(troupe):
    async def main():
        supervisor = await Supervisor([troupe.spec(who, stops=100, shutdown=None) for who in "ab"]).start()
        await supervisor.stop(timeout=3)
        return await supervisor.join(), now()

    assert run_virtual(main()) == (Killed(), 3)
    assert troupe.reasons == [("a", Killed()), ("b", Killed())]


def test_stop_breaks_off_a_start(troupe, settle):
    async def main():
        supervisor = Supervisor([troupe.spec("a"), troupe.spec("b", starts=25), troupe.spec("c")])
        starting = asyncio.ensure_future(supervisor.start())
        await settle()
        await supervisor.stop()
        with pytest.raises(NotReady):
            await starting
        return await supervisor.join(), now()

    assert run_virtual(main()) == (Shutdown(), 0)
    assert troupe.said() == "start a, start b, stop b, kill b, stop a"


def test_stop_before_the_start_leaves_nothing_to_start(troupe):
    async def main():
        supervisor = Supervisor([troupe.spec("a")])
        await supervisor.stop()
        with pytest.raises(NotReady):
            await supervisor.start()
        return await supervisor.join()

    assert run_virtual(main()) == NoProc()
    assert troupe.said() == ""


def test_a_supervisor_starts_once(troupe):
    async def main():
        async with Supervisor([troupe.spec("a")]) as supervisor:
            with pytest.raises(AlreadyStarted):
                await supervisor.start()

    run_virtual(main())
    assert troupe.said() == "start a, stop a"


def test_a_start_that_is_cancelled_stops_what_it_had_started(troupe, settle):
    async def main():
        supervisor = Supervisor([troupe.spec("a"), troupe.spec("b", starts=25)])
        starting = asyncio.ensure_future(supervisor.start())
        await settle()
        starting.cancel()
        return await supervisor.join()

    assert run_virtual(main()) == Shutdown()
    assert troupe.said() == "start a, start b, stop b, kill b, stop a"


@pytest.mark.parametrize("strategy", Strategy)
def test_kill_ends_everything_at_once(troupe, strategy):
    async def main():
        inner = ChildSpec("inner", lambda: Supervisor([troupe.spec("x"), troupe.spec("y")]))
        supervisor = await Supervisor([troupe.spec("a"), inner], strategy=strategy).start()
        troupe.said()
        supervisor.kill()
        return await supervisor.join(), now()

    assert run_virtual(main()) == (Killed(), 0)
    assert {reason for _, reason in troupe.reasons} == {Killed()}
    assert len(troupe.reasons) == 3


@pytest.mark.parametrize("strategy", Strategy)
def test_kill_during_a_restart_leaves_nothing_behind(troupe, settle, strategy):
    async def main():
        slow = troupe.spec("a", act=lambda nth: {"starts": 25 if nth else 0})
        supervisor = await Supervisor([slow], strategy=strategy).start()
        troupe["a"].crash()
        await settle()
        supervisor.kill()
        reason = await supervisor.join()
        await settle()
        return reason, len(asyncio.all_tasks()), now()

    assert run_virtual(main()) == (Killed(), 1, 0)


def test_a_supervisor_cancelled_from_outside_has_crashed_and_leaves_no_child(troupe, settle):
    async def main():
        supervisor = await Supervisor([troupe.spec("a")], name="boss").start()
        task = next(task for task in asyncio.all_tasks() if task.get_name() == "supervisor boss")
        task.cancel()
        return await supervisor.join()

    reason = run_virtual(main())
    assert isinstance(reason, Crash)
    assert troupe.reasons == [("a", Killed())]


def test_a_child_may_stop_its_own_supervisor(settle):
    supervisors = []

    async def last_words():
        await asyncio.sleep(1)
        await supervisors[0].stop(Shutdown("I have seen enough"))

    async def main():
        supervisors.append(await Supervisor([ChildSpec("a", lambda: FunctionChild(last_words))]).start())
        return await supervisors[0].join()

    assert run_virtual(main()).detail == "I have seen enough"


# Extensions


@pytest.mark.parametrize("strategy", Strategy)
def test_start_timeout_is_a_start_failure_and_kills_the_child(troupe, strategy):
    async def main():
        supervisor = Supervisor([troupe.spec("a"), troupe.spec("b", starts=100, start_timeout=2)], strategy=strategy)
        with pytest.raises(FailedToStart) as caught:
            await supervisor.start()
        return caught.value.reason.error, now()

    error, when = run_virtual(main())
    assert isinstance(error, StartTimeout)
    assert str(error) == "child 'b' was not ready within 2 s"
    assert when == 2
    assert troupe.said() == "start a, start b, kill b, stop a"


def test_start_timeout_bounds_a_child_that_swallows_its_cancellation(troupe):
    class Deaf(FunctionChild):
        async def start(self):
            while True:
                try:
                    await asyncio.sleep(1000)
                    return
                except asyncio.CancelledError:
                    pass

    async def main():
        async with Supervisor([]) as supervisor:
            with pytest.raises(FailedToStart):
                await supervisor.start_child(ChildSpec("a", lambda: Deaf(asyncio.sleep, 1), start_timeout=2))
            return supervisor.zombies, now()

    zombies, when = run_virtual(main())
    assert zombies == 1
    assert when < 3


def test_a_slow_restart_does_not_hold_up_the_siblings_under_one_for_one(troupe, settle):
    async def main():
        slow = troupe.spec("a", act=lambda nth: {"starts": 20 if nth else 0})
        async with Supervisor([slow, troupe.spec("b")]) as supervisor:
            troupe["a"].crash()
            troupe["b"].crash()
            await settle()
            return states(supervisor), now()

    assert run_virtual(main()) == ({"a": "restarting", "b": "up"}, 0)


def test_a_slow_stop_does_not_hold_up_the_siblings_under_one_for_one(troupe, settle):
    async def main():
        async with Supervisor([troupe.spec("a", stops=20, shutdown=None), troupe.spec("b")]) as supervisor:
            stopping = asyncio.ensure_future(supervisor.terminate_child("a"))
            await settle()
            troupe["b"].crash()
            await settle()
            seen = states(supervisor), now()
            await stopping
            return seen

    assert run_virtual(main()) == ({"a": "up", "b": "up"}, 0)
    assert troupe.said() == "start a, start b, stop a, start b, stop b"


@pytest.mark.parametrize("strategy", Strategy)
def test_an_error_of_the_supervisor_itself_is_its_crash_and_leaves_no_child(troupe, strategy, caplog):
    async def bug():
        raise AssertionError("cannot happen")

    async def main():
        supervisor = await Supervisor([troupe.spec("a"), troupe.spec("b")], strategy=strategy).start()
        supervisor._inbox.post(bug)
        asking = asyncio.ensure_future(supervisor.start_child(troupe.spec("c")))
        reason = await supervisor.join()
        await asyncio.wait({asking})
        return reason

    assert str(run_virtual(main())) == "AssertionError: cannot happen"
    assert "the supervisor itself crashed and has killed its children" in caplog.text
    assert [reason for _, reason in troupe.reasons[:2]] == [Killed(), Killed()]
    assert all(actor.ended.done() for actor in troupe.made)


def test_a_start_cancelled_by_a_stranger_is_a_start_failure(troupe):
    class Unlucky(FunctionChild):
        async def start(self):
            raise asyncio.CancelledError

    async def main():
        await Supervisor([troupe.spec("a"), ChildSpec("b", lambda: Unlucky(asyncio.sleep, 1))]).start()

    with pytest.raises(FailedToStart, match="CancelledError: its start was cancelled from outside"):
        run_virtual(main())
    assert troupe.said() == "start a, stop a"
