"""What asyncio does to supervisors that do not know it: the numbered list of what was seen on CPython 3.11."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import ContextVar
from weakref import ref

import pytest

from tidegate.supervision import (
    ChildSpec,
    Crash,
    FailedToStart,
    FunctionChild,
    Killed,
    Restart,
    Shutdown,
    Supervisor,
    SystemExitInChild,
    spawn,
)
from tidegate.testing import run_virtual


def now():
    return asyncio.get_running_loop().time()


def child(name, function, *args, **given):
    return ChildSpec(name, lambda: FunctionChild(function, *args, name=name), **given)


def state(supervisor, name):
    return next(info.state for info in supervisor.which_children() if info.id == name)


class Deaf:
    """Swallows every cancellation until it is let go."""

    def __init__(self):
        self.free = asyncio.Event()

    async def __call__(self):
        while not self.free.is_set():
            try:
                await self.free.wait()
            except asyncio.CancelledError:
                continue


def test_pitfall_1_a_child_that_swallows_its_cancellation_becomes_a_zombie_and_blocks_nobody(caplog):
    async def main():
        deaf = Deaf()
        supervisor = await Supervisor([child("a", deaf, shutdown=2.0)], name="boss").start()
        await asyncio.sleep(1)
        await supervisor.terminate_child("a")
        seen = supervisor.zombies, state(supervisor, "a"), now()
        deaf.free.set()
        await asyncio.sleep(1)
        after = supervisor.zombies, state(supervisor, "a")
        await supervisor.stop()
        return seen, after

    (zombies, name, when), after = run_virtual(main())
    assert (zombies, name) == (1, "zombie")
    assert 3 <= when < 3.5
    assert after == (0, "down")
    (record,) = [record for record in caplog.records if "abandoned" in record.getMessage()]
    assert "await self.free.wait()" in record.getMessage()  # its stack


def test_pitfall_1_a_supervisor_ends_although_a_child_does_not():
    async def main():
        deaf = Deaf()
        supervisor = await Supervisor([child("a", deaf, shutdown=1.0), child("b", asyncio.sleep, 99)]).start()
        await asyncio.sleep(1)
        await supervisor.stop()
        seen = await supervisor.join(), supervisor.zombies
        deaf.free.set()
        await asyncio.sleep(1)
        return seen, supervisor.zombies

    assert run_virtual(main()) == ((Shutdown(), 1), 0)


def test_pitfall_1_a_zombie_is_replaced_by_a_fresh_instance():
    async def main():
        deaf = Deaf()
        supervisor = await Supervisor([child("a", deaf, shutdown=1.0)]).start()
        await asyncio.sleep(1)
        first = supervisor.child("a")
        await supervisor.terminate_child("a")
        second = await supervisor.restart_child("a")
        seen = second is first, first.alive, second.alive, state(supervisor, "a"), supervisor.zombies
        deaf.free.set()
        await asyncio.sleep(1)
        await supervisor.stop()
        return seen

    assert run_virtual(main()) == (False, False, True, "up", 1)


def test_pitfall_2_a_failing_child_cancels_no_sibling():
    async def fail():
        raise ValueError

    async def main():
        supervisor = Supervisor(
            [child("a", asyncio.sleep, 99), child("b", fail, restart="temporary"), child("c", asyncio.sleep, 99)]
        )
        async with supervisor:
            before = supervisor.child("a"), supervisor.child("c")
            await asyncio.sleep(1)
            return before == (supervisor.child("a"), supervisor.child("c")), before[0].alive, before[1].alive

    assert run_virtual(main()) == (True, True, True)


def test_pitfall_3_a_child_stopped_before_its_first_step_has_ended_all_the_same():
    ran = []

    async def never():
        ran.append("ran")

    async def main():
        function = FunctionChild(never)
        await function.start()
        await function.stop()
        return await function.join()

    assert run_virtual(main()) == Shutdown()
    assert ran == []


def test_pitfall_3_a_supervisor_killed_before_its_first_step_has_ended_all_the_same():
    async def main():
        supervisor = Supervisor([child("a", asyncio.sleep, 99)])
        starting = asyncio.ensure_future(supervisor.start())
        await asyncio.sleep(0)
        supervisor.kill()
        await asyncio.wait({starting})
        return await supervisor.join(), type(starting.exception()).__name__

    assert run_virtual(main()) == (Killed(), "NotReady")


def test_pitfall_4_asking_twice_does_not_interrupt_the_cleaning_up():
    done = []

    async def tidy():
        try:
            await asyncio.sleep(99)
        finally:
            await asyncio.sleep(3)
            done.append(now())

    async def main():
        function = FunctionChild(tidy)
        await function.start()
        await asyncio.sleep(1)
        await asyncio.gather(function.stop(), function.stop(), function.stop())
        return await function.join()

    assert run_virtual(main()) == Shutdown()
    assert done == [4]


def test_pitfall_5_a_thread_outlives_the_child_that_waits_for_it_and_its_result_is_dropped():
    began, free, finished = threading.Event(), threading.Event(), threading.Event()
    taken = []

    def block():
        began.set()
        free.wait(20)
        finished.set()
        return "too late"

    async def waits():
        taken.append(await asyncio.to_thread(block))

    async def main():
        supervisor = await Supervisor([child("a", waits)]).start()
        await asyncio.to_thread(began.wait, 20)
        await supervisor.stop()
        seen = supervisor.zombies, finished.is_set()
        free.set()
        await asyncio.to_thread(finished.wait, 20)
        return seen

    assert asyncio.run(main()) == (0, False), "the supervisor does not wait for a thread that nobody can end"
    assert taken == []


def test_pitfall_6_a_cancellation_in_the_tick_of_the_answer_loses_the_answer():
    async def main():
        answer, got = asyncio.get_running_loop().create_future(), []

        async def fetches():
            got.append(await answer)

        one = await FunctionChild(fetches).start()
        await asyncio.sleep(0)
        answer.set_result("a batch")
        await one.stop()
        return got, answer.result()

    assert run_virtual(main()) == ([], "a batch"), "so what was fetched must be found again: by its lease, or by asking the table"


def test_pitfall_7_a_cancellation_that_nobody_asked_for_is_a_crash():
    async def main():
        inner = spawn(asyncio.sleep(99), name="inner")

        async def waits():
            await inner

        function = FunctionChild(waits)
        await function.start()
        await asyncio.sleep(1)
        inner.cancel()
        return await function.join()

    reason = run_virtual(main())
    assert isinstance(reason, Crash)
    assert isinstance(reason.error, asyncio.CancelledError)


def test_pitfall_7_a_transient_child_cancelled_by_a_stranger_is_restarted():
    async def main():
        async with Supervisor([child("a", asyncio.sleep, 99, restart="transient")]) as supervisor:
            await asyncio.sleep(1)
            next(task for task in asyncio.all_tasks() if task.get_name() == "a").cancel()
            await asyncio.sleep(1)
            return [(info.state, info.restarts) for info in supervisor.which_children()]

    assert run_virtual(main()) == [("up", 1)]


def test_pitfall_7_a_join_that_passes_the_cancellation_on_is_understood():
    class Naive:
        """As one would write it at first."""

        async def start(self):
            self.task = spawn(asyncio.sleep(99), name="naive")

        async def stop(self, reason, timeout):
            self.task.cancel()
            await self.task

        async def join(self):
            await self.task

        def kill(self):
            self.task.cancel()

    async def main():
        async with Supervisor([ChildSpec("a", Naive)]) as supervisor:
            supervisor.child("a").task.cancel()
            await asyncio.sleep(1)
            restarts = supervisor.which_children()[0].restarts
        return restarts, supervisor.zombies, now()

    assert run_virtual(main()) == (1, 0, 1)


def test_pitfall_8_a_waiting_task_is_not_collected():
    class Marker:
        pass

    async def main():
        async def wait(marker):
            await asyncio.get_running_loop().create_future()

        marker = Marker()
        weak = ref(marker)
        spawn(wait(marker), name="waits for something nobody holds")
        del marker
        await asyncio.sleep(1)
        gc.collect()
        return weak() is not None

    assert run_virtual(main())


def test_pitfall_9_sys_exit_in_a_child_is_its_crash_and_not_the_end_of_the_loop():
    async def leave():
        raise SystemExit(3)

    async def main():
        function = FunctionChild(leave)
        await function.start()
        return await function.join()

    reason = run_virtual(main())
    assert isinstance(reason.error, SystemExitInChild)
    assert reason.error.code == 3


def test_pitfall_9_sys_exit_in_a_factory_is_a_start_error():
    def leave():
        raise SystemExit(3)

    async def main():
        async with Supervisor([]) as supervisor:
            with pytest.raises(FailedToStart, match="child 'a' failed to start: SystemExit: 3"):
                await supervisor.start_child(ChildSpec("a", leave))
            return supervisor.alive

    assert run_virtual(main())


class Doom(BaseException):
    """No Exception, so that most code lets it through."""


class Doomed(FunctionChild):
    async def join(self):
        raise Doom("in join")


def test_pitfall_9_no_exception_of_a_child_passes_through_its_supervisor(caplog):
    def falls():
        raise Doom("in the factory")

    async def main():
        async with Supervisor([]) as supervisor:
            with pytest.raises(FailedToStart, match="child 'a' failed to start: Doom: in the factory"):
                await supervisor.start_child(ChildSpec("a", falls))
            await supervisor.start_child(ChildSpec("b", lambda: Doomed(asyncio.sleep, 99), restart=Restart.TEMPORARY))
            await asyncio.sleep(1)
            return supervisor.alive, supervisor.which_children()

    assert run_virtual(main()) == (True, [])
    assert "child_terminated of b (temporary): Doom: in join" in caplog.text


def test_pitfall_9_a_restarted_child_does_not_inherit_the_context_of_whoever_started_it():
    trace = ContextVar("trace", default="none")
    seen = []

    async def look():
        seen.append(trace.get())
        if len(seen) == 1:
            raise ValueError
        await asyncio.sleep(99)

    async def main():
        trace.set("of the supervisor's maker")
        async with Supervisor([child("a", look)]):
            await asyncio.sleep(1)

    run_virtual(main())
    assert seen == ["none", "none"]
