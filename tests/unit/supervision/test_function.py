from __future__ import annotations

import asyncio

import pytest

from tidegate.supervision import AlreadyStarted, Crash, Exit, FunctionChild, Killed, NoProc, Normal, NotReady, Shutdown
from tidegate.testing import run_virtual


def now():
    return asyncio.get_running_loop().time()


async def forever():
    await asyncio.Event().wait()


async def fail():
    raise ValueError("boom")


def ended(function, *args):
    async def main():
        child = FunctionChild(function, *args)
        await child.start()
        return await child.join()

    return run_virtual(main())


def test_a_function_that_returns_has_ended_normally():
    assert ended(asyncio.sleep, 1) == Normal()


def test_a_function_that_raises_has_crashed_with_that_error():
    assert str(ended(fail)) == "ValueError: boom"


@pytest.mark.parametrize("reason", [Normal(), Shutdown("drained"), Killed()])
def test_a_function_may_choose_how_it_ended(reason):
    async def leave():
        raise Exit(reason)

    assert ended(leave) is reason


def test_it_gets_its_arguments():
    seen = []

    async def take(*args):
        seen.append(args)

    ended(take, 1, "two")
    assert seen == [(1, "two")]


def test_it_is_ready_at_once():
    async def main():
        child = FunctionChild(asyncio.sleep, 100)
        await child.start()
        return now(), child.alive

    assert run_virtual(main()) == (0, True)


def test_with_signals_ready_it_is_ready_when_it_says_so():
    async def slow(ready, seconds):
        await asyncio.sleep(seconds)
        ready()
        await forever()

    async def main():
        child = FunctionChild(slow, 3, signals_ready=True)
        await child.start()
        return now(), child.alive

    assert run_virtual(main()) == (3, True)


def test_a_failure_before_it_was_ready_is_a_failed_start():
    async def broken(ready):
        raise ValueError("boom")

    async def main():
        await FunctionChild(broken, signals_ready=True).start()

    with pytest.raises(ValueError, match="boom"):
        run_virtual(main())


def test_returning_before_it_was_ready_is_a_failed_start():
    async def hasty(ready):
        pass

    async def main():
        await FunctionChild(hasty, signals_ready=True).start()

    with pytest.raises(NotReady, match="hasty returned before it was ready"):
        run_virtual(main())


def test_saying_ready_with_the_last_breath_is_being_ready():
    async def brief(ready):
        ready()

    async def main():
        child = FunctionChild(brief, signals_ready=True)
        await child.start()
        return await child.join()

    assert run_virtual(main()) == Normal()


def test_a_start_that_is_cancelled_cancels_the_function(settle):
    async def never(ready):
        await forever()

    async def main():
        child = FunctionChild(never, signals_ready=True)
        starting = asyncio.ensure_future(child.start())
        await settle()
        starting.cancel()
        await asyncio.wait({starting})
        return await child.join()

    assert run_virtual(main()) == Shutdown()


def test_stop_ends_it_with_the_reason_given():
    async def main():
        child = FunctionChild(forever)
        await child.start()
        await child.stop(Normal())
        return await child.join(), child.alive

    assert run_virtual(main()) == (Normal(), False)


def test_a_function_that_tidies_up_and_returns_was_shut_down():
    async def tidy():
        try:
            await forever()
        except asyncio.CancelledError:
            return

    async def main():
        child = FunctionChild(tidy)
        await child.start()
        await asyncio.sleep(1)
        await child.stop()
        return await child.join()

    assert run_virtual(main()) == Shutdown()


def test_a_function_that_fails_while_it_tidies_up_has_crashed():
    async def messy():
        try:
            await forever()
        finally:
            raise ValueError("half written")

    async def main():
        child = FunctionChild(messy)
        await child.start()
        await asyncio.sleep(1)
        await child.stop()
        return await child.join()

    assert str(run_virtual(main())) == "ValueError: half written"


def test_stop_kills_after_its_timeout():
    async def slow():
        try:
            await forever()
        finally:
            await asyncio.sleep(100)

    async def main():
        child = FunctionChild(slow)
        await child.start()
        await asyncio.sleep(1)
        await child.stop(timeout=2)
        return await child.join(), now()

    assert run_virtual(main()) == (Killed(), 3)


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_ending_what_has_ended_changes_nothing(verb):
    async def main():
        child = FunctionChild(asyncio.sleep, 1)
        await child.start()
        await asyncio.sleep(2)
        if verb == "stop":
            await child.stop()
        else:
            child.kill()
        return await child.join()

    assert run_virtual(main()) == Normal()


def test_ending_what_never_ran_leaves_nothing():
    async def main():
        child = FunctionChild(forever)
        child.kill()
        await child.stop()
        return await child.join()

    assert run_virtual(main()) == NoProc()


def test_it_starts_once():
    async def main():
        child = FunctionChild(forever)
        await child.start()
        await child.start()

    with pytest.raises(AlreadyStarted):
        run_virtual(main())


def test_who_leaves_a_join_does_not_end_the_child():
    async def main():
        child = FunctionChild(asyncio.sleep, 10)
        await child.start()
        joining = asyncio.ensure_future(child.join())
        await asyncio.sleep(1)
        joining.cancel()
        return await child.join(), now()

    assert run_virtual(main()) == (Normal(), 10)


def test_stack_says_where_it_is(settle):
    async def main():
        child = FunctionChild(forever)
        await child.start()
        await settle()
        return child.stack()

    assert "in forever" in run_virtual(main())


def test_repr_is_the_state_readout():
    async def main():
        child = FunctionChild(forever, name="idle")
        before = repr(child)
        await child.start()
        return before, repr(child)

    assert run_virtual(main()) == ("<FunctionChild idle not alive>", "<FunctionChild idle alive>")


def test_two_crashes_of_one_error_are_equal_and_of_two_are_not():
    error = ValueError()
    assert Crash(error) == Crash(error)
    assert Crash(error) != Crash(ValueError())
