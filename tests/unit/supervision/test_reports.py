"""What supervision says, and that nobody who listens can break it (S13, S14)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tidegate.backoff import constant
from tidegate.supervision import (
    BRUTAL,
    ChildSpec,
    FailedToStart,
    FunctionChild,
    Restart,
    Shutdown,
    Strategy,
    Supervisor,
)
from tidegate.testing import run_virtual


def states(supervisor):
    return {info.id: str(info.state) for info in supervisor.which_children()}


# S13: the log


def lines(caplog, context):
    return [record for record in caplog.records if getattr(record, "context", None) == context]


def test_s13_a_crash_is_logged_with_its_context_offender_and_traceback(troupe, settle, caplog):
    async def main():
        async with Supervisor([troupe.spec("a")], name="boss"):
            troupe["a"].crash()
            await settle()

    run_virtual(main())
    (record,) = lines(caplog, "child_terminated")
    assert record.getMessage() == "boss: child_terminated of a (permanent): Boom: a fell over"
    assert (record.levelname, record.name, record.supervisor, record.child) == ("ERROR", "tidegate.supervision", "boss", "a")
    assert record.exc_info[0].__name__ == "Boom"


def test_s13_an_agreed_end_is_no_error(troupe, settle, caplog):
    async def main():
        async with Supervisor([troupe.spec("a", restart=Restart.TRANSIENT)]):
            troupe["a"].finish()
            await settle()

    with caplog.at_level(logging.INFO):
        run_virtual(main())
    assert caplog.records == []


def test_s13_a_start_error_is_logged(troupe, caplog):
    async def main():
        with pytest.raises(FailedToStart):
            await Supervisor([troupe.spec("a", fails=True)], name="boss").start()

    run_virtual(main())
    (record,) = lines(caplog, "start_error")
    assert record.getMessage() == "boss: start_error of a (permanent): Boom: a cannot start"
    assert record.exc_info is not None


def test_s13_a_failure_while_stopping_is_logged(caplog):
    async def cleanup_fails():
        try:
            await asyncio.sleep(100)
        finally:
            raise ValueError("half written")

    async def main():
        async with Supervisor([ChildSpec("a", lambda: FunctionChild(cleanup_fails))], name="boss"):
            await asyncio.sleep(1)

    run_virtual(main())
    (record,) = lines(caplog, "shutdown_error")
    assert record.getMessage() == "boss: shutdown_error of a (permanent): ValueError: half written"


def test_s13_a_child_that_had_to_be_killed_is_logged(troupe, caplog):
    async def main():
        async with Supervisor([troupe.spec("a", stops=10, shutdown=2)], name="boss"):
            pass

    run_virtual(main())
    (record,) = lines(caplog, "shutdown_error")
    assert record.getMessage() == "boss: shutdown_error of a: did not end when asked (2 s), killed"


def test_s13_giving_up_is_logged_with_the_offender(troupe, caplog):
    async def main():
        supervisor = await Supervisor([troupe.spec("a")], intensity=0, name="boss").start()
        troupe["a"].crash()
        await supervisor.join()

    run_virtual(main())
    (record,) = lines(caplog, "shutdown")
    assert "reached_max_restart_intensity" in record.getMessage()
    assert (record.child, record.exc_info[0].__name__) == ("a", "Boom")


def test_s13_starts_are_reported_as_progress(troupe, caplog):
    async def main():
        async with Supervisor([troupe.spec("a"), troupe.spec("b")]):
            pass

    with caplog.at_level(logging.DEBUG, "tidegate.supervision"):
        run_virtual(main())
    assert [record.child for record in lines(caplog, "progress")] == ["a", "b"]


# S14: nothing of a user's runs unguarded


def test_s14_an_observer_that_raises_does_not_crash_the_supervisor(troupe, settle, caplog):
    def bad(*facts):
        raise KeyError(facts)

    async def main():
        async with Supervisor([troupe.spec("a")], on_restart=bad, on_retry=bad, on_zombie=bad) as supervisor:
            troupe["a"].crash()
            await settle()
            return states(supervisor)

    assert run_virtual(main()) == {"a": "up"}
    assert "an observer raised KeyError" in caplog.text


def test_s14_a_join_that_raises_is_a_crash_of_the_child(settle):
    class Confused(FunctionChild):
        async def join(self):
            await super().join()
            raise KeyError("how did I end?")

    seen = []

    async def main():
        spec = ChildSpec("a", lambda: Confused(asyncio.sleep, 1))
        async with Supervisor([spec], on_retry=lambda who, reason, seconds: seen.append((who, str(reason), seconds))):
            await asyncio.sleep(1.5)

    run_virtual(main())
    assert seen == [("a", "KeyError: 'how did I end?'", 0.0)]


def test_s14_a_kill_that_raises_is_logged_and_the_stop_goes_on(troupe, caplog):
    class Immortal:
        async def start(self):
            return self

        async def stop(self, reason, timeout):
            await asyncio.Event().wait()

        async def join(self):
            await asyncio.Event().wait()

        def kill(self):
            raise PermissionError("not me")

    async def main():
        supervisor = await Supervisor([troupe.spec("a"), ChildSpec("b", Immortal, shutdown=BRUTAL)]).start()
        await supervisor.stop()
        return supervisor.zombies

    assert run_virtual(main()) == 1
    assert "PermissionError: not me" in caplog.text
    assert troupe.reasons == [("a", Shutdown())]


# What it shows


def test_observers_hear_of_restarts_retries_and_zombies(troupe, settle):
    heard = []

    async def main():
        specs = [troupe.spec("a", backoff=constant(10)), troupe.spec("z", deaf=True, shutdown=1)]
        async with Supervisor(
            specs,
            on_restart=lambda who: heard.append(("up again", who)),
            on_retry=lambda who, reason, seconds: heard.append((who, str(reason), seconds)),
            on_zombie=lambda who: heard.append(("zombie", who)),
        ):
            for pause in (1, 11):
                troupe["a"].crash()
                await asyncio.sleep(pause)

    run_virtual(main())
    fell = ("a", "Boom: a fell over")
    assert heard == [(*fell, 0.0), ("up again", "a"), (*fell, 10.0), ("up again", "a"), ("zombie", "z")]


def test_the_tree_shows_everything_from_here_down(troupe, settle):
    class Talkative(FunctionChild):
        def describe(self):
            return {"mood": "good"}

    class Mute(FunctionChild):
        def describe(self):
            raise ValueError("ask later")

    async def main():
        specs = [ChildSpec("talks", lambda: Talkative(asyncio.sleep, 100)), ChildSpec("mute", lambda: Mute(asyncio.sleep, 100))]
        inner = ChildSpec("inner", lambda: Supervisor([troupe.spec("a"), *specs]))
        async with Supervisor([inner], name="root") as root:
            await asyncio.sleep(4)
            troupe["a"].crash()
            await settle()
            return root.tree()

    tree = run_virtual(main())
    (node,) = tree.children
    a, talks, mute = node.children
    assert (tree.name, tree.kind, tree.state) == ("root", "supervisor", "up")
    assert (node.name, node.kind, node.restarts, node.since) == ("inner", "supervisor", 0, 0)
    assert (a.name, a.kind, a.state, a.restarts, a.since, a.children) == ("a", "worker", "up", 1, 4, ())
    assert talks.detail == {"mood": "good"}
    assert mute.detail == {"error": "ValueError('ask later')"}


def test_repr_is_the_state_readout(troupe, settle):
    async def main():
        async with Supervisor([troupe.spec("a"), troupe.spec("b")], strategy=Strategy.REST_FOR_ONE, name="boss") as supervisor:
            troupe["b"].crash()
            await settle()
            await supervisor.terminate_child("a")
            return repr(supervisor)

    assert run_virtual(main()) == "<Supervisor boss rest_for_one up children=1/2 restarts=1>"
