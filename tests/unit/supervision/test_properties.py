"""I8, whatever happens: never two live instances of one id; stops in reverse order; restarts within the intensity."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.errors import TidegateError
from tidegate.supervision import Restart, Strategy, Supervisor
from tidegate.testing import run_virtual

IDS = "abcd"
STEPS = st.one_of(
    st.tuples(st.sampled_from(["crash", "finish", "terminate", "restart", "delete", "add"]), st.sampled_from(IDS)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 1.0, 3.0])),
)
ACTORS = st.fixed_dictionaries(
    {
        "restart": st.sampled_from(Restart),
        "starts": st.sampled_from([0.0, 0.0, 0.5]),
        "stops": st.sampled_from([0.0, 0.0, 0.5, 9.0]),
        "shutdown": st.sampled_from([0.0, 1.0]),
    }
)


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.CRITICAL, "tidegate.supervision")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    strategy=st.sampled_from(Strategy),
    intensity=st.sampled_from([1, 3, None]),
    actors=st.tuples(*[ACTORS] * len(IDS)),
    failing=st.sets(st.integers(0, 12), max_size=4),
    steps=st.lists(STEPS, max_size=25),
)
def test_i8_whatever_happens(troupe, settle, strategy, intensity, actors, failing, steps):
    stage = type(troupe)()  # a fresh one for each example
    restarts = []
    starts = 0

    def spec(who):
        given = dict(actors[IDS.index(who)])
        acting = {"starts": given.pop("starts"), "stops": given.pop("stops")}

        def act(nth):
            nonlocal starts
            starts += 1
            return {**acting, "fails": nth > 0 and starts in failing}

        return stage.spec(who, act=act, **given)

    async def act_out(supervisor, verb, what):
        match verb:
            case "wait":
                await asyncio.sleep(what)
            case "crash" if what in stage.up:
                stage[what].crash()
            case "finish" if what in stage.up:
                stage[what].finish()
            case "terminate":
                await supervisor.terminate_child(what)
            case "restart":
                await supervisor.restart_child(what)
            case "delete":
                await supervisor.delete_child(what)
            case "add":
                await supervisor.start_child(spec(what))

    async def main():
        supervisor = Supervisor(
            [spec(who) for who in IDS],
            strategy=strategy,
            intensity=intensity,
            period=5.0,
            on_retry=lambda who, reason, seconds: restarts.append(asyncio.get_running_loop().time()),
        )
        await supervisor.start()
        for verb, what in steps:
            with suppress(TidegateError):
                await act_out(supervisor, verb, what)
            await settle(3)
        await asyncio.sleep(30)
        order = [info.id for info in supervisor.which_children() if info.state == "up"]
        stage.said()
        gone = not supervisor.alive
        await supervisor.stop()
        stopped = [who for verb, who in stage.log if verb == "stop"]
        await settle()
        return (
            order,
            stopped,
            gone,
            len(asyncio.all_tasks()),
            [actor for actor in stage.made if actor.id in stage.up and stage[actor.id] is actor],
        )

    order, stopped, gone, tasks, last = run_virtual(main())
    assert stage.doubles == []
    assert stopped == list(reversed(order))
    assert tasks == 1
    assert all(actor.ended.done() for actor in last)
    if intensity is not None:
        allowed = restarts[:-1] if gone else restarts  # the last one was refused
        assert all(sum(end - 5 <= time <= end for time in allowed) <= intensity for end in allowed)
