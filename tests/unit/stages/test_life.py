"""Rules G1 to G7, and how a stage is started, called, stopped, killed."""

import asyncio
import logging

import pytest
from tests.unit.stages.parts import Numbers, Push, Sink, quiet, started, virtual

from tidegate.stages import (
    IGNORE,
    BadOption,
    BadReturn,
    Consumer,
    Crash,
    Exit,
    Killed,
    Normal,
    Producer,
    Shutdown,
    StageGone,
    Subscription,
    Unanswered,
    names,
)
from tidegate.supervision import AlreadyRegistered, AlreadyStarted, Child, NotReady


@virtual
async def test_g1_callbacks_never_overlap_and_keep_the_order_of_the_mailbox():
    log = []

    async def slow(stage):
        log.append("slow begins")
        await asyncio.sleep(1)
        log.append("slow ends")

    stage = await started(Push())
    stage.cast(slow)
    stage.cast(lambda _: log.append("next"))
    assert await stage.call("answer") == "answer"
    assert log == ["slow begins", "slow ends", "next"]
    await stage.stop()


@virtual
async def test_g1_a_stage_with_much_to_do_lets_others_run():
    stage = await started(Push())
    done = []
    for n in range(1000):
        stage.cast(lambda _, n=n: done.append(n))
    for _ in range(3):
        await asyncio.sleep(0)
    assert 0 < len(done) < 1000
    await stage.call("all done")
    assert len(done) == 1000
    await stage.stop()


@virtual
async def test_g2_start_returns_when_init_has_returned():
    class Slow(Push):
        async def init(self):
            await asyncio.sleep(5)

    stage = Slow()
    assert await stage.start() is stage
    assert asyncio.get_running_loop().time() == 5
    await stage.stop()


@virtual
async def test_g2_init_may_say_ignore_and_nothing_runs():
    class Unneeded(Push):
        async def init(self):
            return IGNORE

    stage = Unneeded(name="unneeded")
    assert await stage.start() is IGNORE
    assert await stage.join() == Normal()
    assert stage.terminated == []
    assert names.whereis("unneeded") is None


@virtual
async def test_g2_init_may_say_stop_and_start_raises_it():
    class Refusing(Push):
        async def init(self):
            raise Exit(Shutdown("no room"))

    stage = Refusing()
    with pytest.raises(Exit) as caught:
        await stage.start()
    assert caught.value.reason == Shutdown("no room")
    assert await stage.join() == Shutdown("no room")
    assert stage.terminated == []


@virtual
async def test_g2_what_init_raises_comes_out_of_start():
    class Broken(Push):
        async def init(self):
            raise OSError("no such device")

    stage = Broken()
    with pytest.raises(OSError, match="no such device"):
        await stage.start()
    assert isinstance((await stage.join()).error, OSError)
    assert stage.terminated == []


@virtual
async def test_g2_any_other_value_of_init_is_a_bad_return():
    class Chatty(Push):
        async def init(self):
            return "hello"

    with pytest.raises(BadReturn, match=r"Chatty\.init returned 'hello'; it must return None or IGNORE"):
        await Chatty().start()


def test_g3_bad_options_are_named_with_their_value():
    with pytest.raises(BadOption, match="expected buffer_size to be equal to or greater than 0, got: -1"):
        Push(buffer_size=-1)
    with pytest.raises(ValueError, match="sometimes"):
        Push(demand="sometimes")
    with pytest.raises(TypeError, match="buffer_size"):
        Sink(buffer_size=3)


@virtual
async def test_g3_a_buffer_of_size_zero_gives_everything_back_that_nobody_asked_for():
    producer = await started(Push(buffer_size=0))
    producer.emit([1, 2])
    assert producer.returned == [1, 2]
    await producer.stop()


@virtual
async def test_g4_the_defaults_of_a_producer():
    producer = Push()
    assert (producer._buffer.size, producer._buffer.keep, producer.demand_mode) == (10_000, "last", "forward")


@virtual
async def test_g5_a_call_is_answered_after_its_events_went_out():
    producer, sink = await started(p := Push(), Sink(Subscription(p, max_demand=10)))

    def emit_and_answer(stage):
        stage.emit([1, 2])
        return len(sink._mailbox)

    assert await producer.call(emit_and_answer) == 1
    await sink.stop()
    await producer.stop()


@virtual
async def test_g5_a_callback_may_answer_early():
    class Early(Push):
        async def handle_call(self, request):
            self.reply("early")
            await asyncio.sleep(10)
            return "late"

    stage = await started(Early())
    assert await stage.call("?") == "early"
    assert asyncio.get_running_loop().time() < 1
    await stage.stop()


@virtual
async def test_g5_a_consumer_that_returns_events_lives_and_they_are_ignored(caplog):
    class Returning(Sink):
        async def handle_events(self, events, sub):
            await super().handle_events(events, sub)
            return ["out"]

    _, sink = await started(p := Numbers(), Returning(Subscription(p, max_demand=2, min_demand=0)))
    assert sink.alive
    assert "a consumer cannot emit" in caplog.text
    await sink.stop()
    await p.stop()


@virtual
async def test_g6_exit_in_a_callback_runs_terminate_and_ends_with_its_reason():
    def leave(_):
        raise Exit(Shutdown("enough"))

    stage = await started(Push())
    stage.cast(leave)
    assert await stage.join() == Shutdown("enough")
    assert stage.terminated == [Shutdown("enough")]


@virtual
async def test_g6_a_callback_that_stops_its_stage_is_finished_first():
    done = []

    async def stop_and_go_on(stage):
        await stage.stop(Shutdown("soon"))
        done.append("went on")

    stage = await started(Push())
    stage.cast(stop_and_go_on)
    stage.cast(lambda _: done.append("too late"))
    assert await stage.join() == Shutdown("soon")
    assert done == ["went on"]
    assert len(stage.dropped) == 1


@virtual
async def test_g6_a_call_may_be_answered_before_the_stage_ends():
    def answer_and_leave(stage):
        stage.reply("bye")
        raise Exit(Normal())

    stage = await started(Push())
    assert await stage.call(answer_and_leave) == "bye"
    assert await stage.join() == Normal()


@virtual
async def test_g7_a_name_that_is_taken_is_refused():
    first = await started(Push(name="only-one"))
    second = Push(name="only-one")
    with pytest.raises(AlreadyRegistered):
        await second.start()
    assert names.whereis("only-one") is first
    await first.stop()


@virtual
async def test_g7_a_name_is_free_when_its_stage_has_ended():
    first = await started(Push(name="again"))
    await first.stop()
    second = await started(Push(name="again"))
    assert names.whereis("again") is second
    second.kill()
    third = await started(Push(name="again"))
    assert names.whereis("again") is third
    await third.stop()


@virtual
async def test_a_stage_is_a_child():
    assert isinstance(Push(), Child)
    assert isinstance(Sink(), Child)


@virtual
async def test_a_stage_runs_once():
    stage = await started(Push())
    with pytest.raises(AlreadyStarted):
        await stage.start()
    await stage.stop()
    with pytest.raises(AlreadyStarted):
        await stage.start()


@virtual
async def test_a_start_that_is_cancelled_leaves_nothing_behind():
    class Slow(Push):
        async def init(self):
            await asyncio.sleep(1000)

    stage = Slow(name="slow")
    starting = asyncio.ensure_future(stage.start())
    await quiet()
    starting.cancel()
    await asyncio.wait({starting})
    assert await stage.join() == Killed()
    assert names.whereis("slow") is None


@virtual
async def test_a_stage_that_is_stopped_while_it_starts_does_not_start():
    class Slow(Push):
        async def init(self):
            await asyncio.sleep(5)

    stage = Slow()
    starting = asyncio.ensure_future(stage.start())
    await quiet()
    await stage.stop(Shutdown())
    with pytest.raises(Exit):
        await starting
    assert stage.terminated == [Shutdown()]
    assert asyncio.get_running_loop().time() == 5


@virtual
async def test_a_stage_that_was_never_started_can_be_stopped_and_killed():
    stopped, killed = Push(), Push()
    stopped.emit([1])
    await stopped.stop(Shutdown())
    killed.kill()
    assert (await stopped.join(), await killed.join()) == (Shutdown(), Killed())
    assert stopped.returned == [1]


@virtual
async def test_stop_waits_for_the_running_callback_and_tells_it_at_once():
    class Attentive(Sink):
        async def handle_events(self, events, sub):
            self.noticed = self.loop.create_future()
            self.noticed_at = await self.noticed
            await asyncio.sleep(3)
            self.batches.append(list(events))

        def on_stop(self):
            assert self.stopping
            self.noticed.set_result(self.loop.time())

    producer = Numbers()
    sink = Attentive(Subscription(producer, max_demand=1, min_demand=0))
    sink.loop = asyncio.get_running_loop()
    await started(producer, sink)
    before = sink.loop.time()
    await sink.stop()
    assert sink.noticed_at == before
    assert sink.loop.time() == before + 3
    assert sink.events == [0]
    await producer.stop()


@virtual
async def test_stop_cancels_a_callback_that_takes_longer_than_the_timeout():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(1000))
    await quiet()
    before = asyncio.get_running_loop().time()
    await stage.stop(Shutdown(), timeout=5)
    assert asyncio.get_running_loop().time() == before + 5
    assert await stage.join() == Killed()
    assert stage.terminated == []


async def swallow(_):
    """Not end when cancelled."""
    end = asyncio.get_running_loop().time() + 1000
    while (left := end - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue


@virtual
async def test_stop_abandons_a_callback_that_swallows_its_cancellation():
    stage = await started(Push())
    stage.cast(swallow)
    await quiet()
    before = asyncio.get_running_loop().time()
    await stage.stop(Shutdown(), timeout=5)
    assert asyncio.get_running_loop().time() == before + 5 + stage.kill_grace
    assert not stage.alive
    assert "in swallow" in stage.stack()
    await stage.join()
    assert asyncio.get_running_loop().time() > 1000


@virtual
async def test_stop_may_be_called_by_many_and_the_first_reason_counts():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(2))
    await quiet()
    await asyncio.gather(stage.stop(Shutdown("first")), stage.stop(Shutdown("second")), stage.stop())
    assert await stage.join() == Shutdown("first")
    assert stage.terminated == [Shutdown("first")]
    await stage.stop()


@virtual
async def test_stop_that_is_cancelled_still_stops_the_stage():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(2))
    stopping = asyncio.ensure_future(stage.stop(Shutdown()))
    await quiet()
    stopping.cancel()
    await asyncio.wait({stopping})
    assert stopping.cancelled()
    assert await stage.join() == Shutdown()


@virtual
async def test_an_impatient_stop_overtakes_a_patient_one():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(1000))
    await quiet()
    patient = asyncio.ensure_future(stage.stop(Shutdown()))
    await stage.stop(Shutdown(), timeout=1)
    await patient
    assert await stage.join() == Killed()


@virtual
async def test_a_crash_ends_the_stage_with_its_error_after_terminate(caplog):
    def crash(_):
        raise ZeroDivisionError("nothing to divide by")

    stage = await started(Push(name="fragile"))
    stage.cast(crash)
    reason = await stage.join()
    assert isinstance(reason.error, ZeroDivisionError)
    assert stage.terminated == [reason]
    assert "<Push fragile" in caplog.text
    assert "nothing to divide by" in caplog.text


@virtual
async def test_sys_exit_in_a_callback_is_a_crash_of_the_stage_only():
    def leave(_):
        raise SystemExit(3)

    stage = await started(Push())
    stage.cast(leave)
    assert "sys.exit(3)" in str((await stage.join()).error)


@virtual
async def test_a_cancellation_that_nobody_asked_for_is_a_crash():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(1000))
    await quiet()
    stage._task.cancel()
    reason = await stage.join()
    assert isinstance(reason, Crash)
    assert isinstance(reason.error, asyncio.CancelledError)
    assert stage.terminated == [reason]


@virtual
async def test_a_cancelled_inner_task_is_a_crash_too():
    async def await_the_cancelled(_):
        inner = asyncio.ensure_future(asyncio.sleep(1000))
        asyncio.get_running_loop().call_later(1, inner.cancel)
        await inner

    stage = await started(Push())
    stage.cast(await_the_cancelled)
    assert isinstance((await stage.join()).error, asyncio.CancelledError)


@virtual
async def test_an_error_in_terminate_turns_an_orderly_end_into_a_crash_and_hides_no_other_one():
    class Sore(Push):
        async def terminate(self, reason):
            raise OSError("cannot close")

    def crash(_):
        raise ZeroDivisionError

    orderly, crashing = await started(Sore(), Sore())
    await orderly.stop(Shutdown())
    crashing.cast(crash)
    assert isinstance((await orderly.join()).error, OSError)
    assert isinstance((await crashing.join()).error, ZeroDivisionError)


@virtual
async def test_kill_ends_at_once_without_terminate():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(1000))
    await quiet()
    before = asyncio.get_running_loop().time()
    stage.kill()
    stage.kill()
    assert not stage.alive
    assert await stage.join() == Killed()
    assert asyncio.get_running_loop().time() == before
    assert stage.terminated == []


@virtual
async def test_a_stage_that_is_killed_before_its_first_step_has_ended():
    stage = Push()
    starting = asyncio.ensure_future(stage.start())
    await asyncio.sleep(0)
    stage.kill()
    with pytest.raises(NotReady):
        await starting
    assert await stage.join() == Killed()


@virtual
async def test_join_that_is_cancelled_does_not_touch_the_stage():
    stage = await started(Push())
    joining = asyncio.ensure_future(stage.join())
    await quiet()
    joining.cancel()
    await asyncio.wait({joining})
    assert stage.alive
    await stage.stop()


@virtual
async def test_a_call_to_a_stage_that_is_not_there_raises():
    stage = Push()
    with pytest.raises(StageGone):
        await stage.call("anybody?")
    await stage.start()
    await stage.stop()
    with pytest.raises(StageGone) as caught:
        await stage.call("anybody?")
    assert caught.value.reason == Normal()


@virtual
async def test_a_caller_hears_when_the_stage_ends_before_it_answers():
    def crash(_):
        raise ZeroDivisionError

    stage = await started(Push())
    first = asyncio.ensure_future(stage.call(crash))
    second = asyncio.ensure_future(stage.call("never seen"))
    await asyncio.wait({first, second})
    assert isinstance(first.exception(), StageGone)
    assert isinstance(second.exception(), StageGone)
    assert isinstance(first.exception().reason.error, ZeroDivisionError)


@virtual
async def test_a_call_that_takes_too_long_is_given_up_and_its_answer_ignored():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(10))
    with pytest.raises(TimeoutError, match=r"did not answer within 2 s"):
        await stage.call("?", timeout=2)
    assert await stage.call("!", timeout=100) == "!"
    await stage.stop()


@virtual
async def test_a_stage_cannot_call_itself():
    caught = []

    async def call_itself(stage):
        try:
            await stage.call("me?")
        except RuntimeError as error:
            caught.append(str(error))

    stage = await started(Push())
    stage.cast(call_itself)
    await quiet()
    assert "waits for itself" in caught[0]
    await stage.stop()


@virtual
async def test_a_stage_without_handle_call_refuses_and_lives():
    class Mute(Producer):
        async def handle_demand(self, demand):
            return ()

    stage = await started(Mute())
    with pytest.raises(Unanswered):
        await stage.call("hello")
    assert stage.alive
    await stage.stop()


@virtual
async def test_messages_that_a_stage_does_not_know_are_logged(caplog):
    class Mute(Consumer):
        async def handle_events(self, events, sub): ...

    stage = await started(Mute())
    stage.cast("a cast")
    stage.info("an info")
    await quiet()
    assert stage.alive
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    await stage.stop()


@virtual
async def test_casts_and_infos_that_nobody_will_see_are_dropped_by_name():
    stage = await started(Push())
    stage.cast(lambda _: asyncio.sleep(5))
    await quiet()
    stage.cast("waiting cast")
    stage.info("waiting info")
    await stage.stop()
    stage.cast("late cast")
    stage.info("late info")
    assert stage.dropped == ["waiting cast", "waiting info", "late cast", "late info"]


@virtual
async def test_hooks_that_raise_are_logged_and_do_no_harm(caplog):
    class Clumsy(Push):
        def on_stop(self):
            raise ValueError("on_stop is broken")

        def on_dropped(self, request):
            raise ValueError("on_dropped is broken")

    stage = await started(Clumsy())
    stage.cast(lambda _: asyncio.sleep(1))
    stage.cast("dropped")
    await quiet()
    await stage.stop(Shutdown())
    assert await stage.join() == Shutdown()
    assert "on_stop is broken" in caplog.text
    assert "on_dropped is broken" in caplog.text


@virtual
async def test_the_repr_is_the_readout_of_the_state():
    producer = Push(name="email")
    assert repr(producer) == "<Push email demand=0 buffered=0 new>"
    await producer.start()
    sink = await started(Sink(Subscription(producer, max_demand=3), name="c1"))
    assert repr(producer) == "<Push email demand=3 buffered=0>"
    assert repr(sink) == "<Sink c1 running=0 subscriptions=1>"
    sink.gate.clear()
    producer.emit([1, 2, 3, 4])
    await quiet()
    assert repr(producer) == "<Push email demand=0 buffered=1>"
    assert repr(sink) == "<Sink c1 running=2 subscriptions=1>"
    sink.kill()
    await producer.stop()
    assert repr(producer) == "<Push email demand=0 buffered=0 ended>"


@virtual
async def test_describe_gives_plain_values():
    producer, sink = await started(p := Push(name="email"), Sink(Subscription(p, max_demand=3), name="c1"))
    assert producer.describe() == {
        "kind": "producer",
        "name": "email",
        "state": "running",
        "mailbox": 0,
        "demand": 3,
        "buffered": 0,
        "consumers": ["c1"],
    }
    assert sink.describe() == {
        "kind": "consumer",
        "name": "c1",
        "state": "running",
        "mailbox": 0,
        "demand": 3,
        "running": 0,
        "subscriptions": [{"to": "email", "demand": 3}],
    }
    await sink.stop()
    await producer.stop()
