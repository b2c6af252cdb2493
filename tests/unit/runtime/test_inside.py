"""The inside of a consumer's process, run in this one: what it answers to which messages, and how it ends."""

import asyncio
import io
import json
import os
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tidegate.backoff import constant
from tidegate.events import Enqueued
from tidegate.handlers import Handlers
from tidegate.jobs import Job, Reason, State, Word
from tidegate.runtime.processes import inside, memory, wire
from tidegate.runtime.processes.inside import Ended, Inside
from tidegate.runtime.processes.transactions import InsideTransactions
from tidegate.supervision.channel import TERMINATED, ChildEnd

MODULE = """
import asyncio, sys
from tidegate import Done, JobContext, job
from tidegate.events import Enqueued, emitting

hooks = {}

@job
def plain(n: int) -> int:
    return n + 1

@job
async def coroutine(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1

@job
def calls(name: str) -> None:
    hooks[name]()

@job
async def calls_and_waits(name: str) -> None:
    asyncio.get_running_loop().call_soon(hooks[name])
    await asyncio.sleep(600)

@job
async def has_something_to_say(name: str, outcome: bool) -> str:
    asyncio.get_running_loop().call_soon(hooks[name])
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        return Done("late") if outcome else "late"

@job
def watches(ctx: JobContext) -> bool:
    while not ctx.cancelled:
        pass
    return ctx.cancelled

@job
async def waits() -> None:
    await asyncio.sleep(600)

@job
async def cancels_itself(returns: bool) -> int:
    asyncio.current_task().cancel()
    if not returns:
        await asyncio.sleep(0)
    return 7

@job
async def awaits_what_was_cancelled() -> None:
    task = asyncio.get_running_loop().create_task(asyncio.sleep(600))
    task.cancel()
    await task

@job
def raises(name: str) -> None:
    raise {"memory": MemoryError(), "interrupt": KeyboardInterrupt()}[name]

@job
def announces() -> None:
    emitting.get()(Enqueued("mail", "k"))
    emitting.get()("something else")
"""
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class Stage:
    """An Inside whose node is a thread of this test: it says one call after the other, each once the last one was answered."""

    def __init__(self, folder):
        self.node, theirs = socket.socketpair()
        self.channel = ChildEnd(theirs)
        order = wire.Order(
            "q", "n1", "", ["inside_jobs"], str(folder), 60.0, 5.0, 3, constant(1), 3, 1000, 0, with_locals=False, seed=0
        )
        self.inside = Inside(self.channel, order, Handlers(order.modules, path=folder), InsideTransactions(""))
        self.jobs = []
        self.script = []
        self.answers = []

    def call(self, kind, *, then=b"", before=b"", **kwargs):
        """Have a call made, with a message right `before` or after it."""
        args = json.dumps({"kwargs": kwargs}).encode()
        job = Job(len(self.jobs), "q", f"inside_jobs:{kind}", args, 1, 1, 0, 1, 1, MOMENT, MOMENT, 0.0)
        self.jobs.append(job)
        self.script.append((before, wire.write_jobs([job], {}), then))

    def serve(self):
        node = threading.Thread(target=self._direct)
        node.start()
        try:
            self.inside.serve()
        finally:
            with suppress(OSError):
                self.channel._socket.shutdown(socket.SHUT_RDWR)
            node.join()

    def reports(self):
        return [
            wire.read_answer(message, [job], ended=0.0).reports[0] for job, message in zip(self.jobs, self.answers, strict=True)
        ]

    @property
    def hooks(self):
        return sys.modules["inside_jobs"].hooks

    def _direct(self):
        with suppress(OSError), self.node.makefile("rb") as stream:
            for messages in self.script:
                for message in messages:
                    if message == HANG_UP:
                        self.node.shutdown(socket.SHUT_WR)
                    elif message:
                        self.node.sendall(len(message).to_bytes(4, "big") + message)
                if not (length := stream.read(4)):
                    return
                self.answers.append(stream.read(int.from_bytes(length, "big")))
            self.node.shutdown(socket.SHUT_WR)


HANG_UP = b"hang up"


@pytest.fixture
def stage(tmp_path, monkeypatch):
    (tmp_path / "inside_jobs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("inside_jobs", None)
    stage = Stage(tmp_path)
    yield stage
    stage.node.close()
    stage.channel._socket.close()
    sys.modules.pop("inside_jobs", None)


def test_calls_are_answered_in_order_until_the_node_hangs_up(stage):
    stage.call("plain", n=1)
    stage.call("coroutine", n=2)
    stage.call("plain", n=3)
    stage.call("coroutine", n=4)
    stage.serve()
    assert [report.ack.result for report in stage.reports()] == [b"2", b"3", b"4", b"5"]


def test_a_kind_that_it_does_not_know_is_invalid(stage):
    stage.call("nobody")
    stage.serve()
    [report] = stage.reports()
    assert report.ack.reason is Reason.INVALID


def test_a_plain_function_sees_that_it_is_cancelled_when_it_looks(stage):
    stage.call("watches", then=wire.CANCEL)
    stage.call("watches", then=HANG_UP)
    stage.serve()
    assert [(report.ack.state, report.ack.word) for report in stage.reports()] == [(State.CANCELLED, Word.CANCELLED)] * 2


def test_a_coroutine_that_is_cancelled_is_told_as_such(stage):
    stage.call("waits", then=wire.CANCEL)
    stage.serve()
    assert stage.answers == [wire.CANCELLED]


def test_a_coroutine_ends_when_the_node_hangs_up(stage):
    stage.call("waits", then=HANG_UP)
    stage.serve()
    assert stage.answers == [wire.CANCELLED]


def test_a_cancellation_that_comes_too_late_is_not_that_of_the_next_call(stage):
    stage.call("coroutine", n=1, before=wire.CANCEL)
    stage.serve()
    assert [report.ack.result for report in stage.reports()] == [b"2"]


def test_told_to_end_while_a_plain_function_runs_it_breaks_that_off(stage):
    stage.hooks["end"] = stage.channel.on_terminate
    stage.call("calls", name="end")
    with pytest.raises(SystemExit) as ended:
        stage.serve()
    assert (ended.value.code, stage.answers) == (TERMINATED, [])


def test_told_to_end_while_a_coroutine_runs_it_says_where_that_waits_and_cancels_it(stage):
    reading, stage.channel.words = os.pipe()
    stage.hooks["end"] = stage.channel.on_terminate
    stage.call("calls_and_waits", name="end")
    with pytest.raises(SystemExit) as ended:
        stage.serve()
    words = os.read(reading, 10_000).decode()
    assert (ended.value.code, stage.answers) == (TERMINATED, [])
    assert "The coroutine waits (most recent call last):" in words
    assert "in calls_and_waits" in words
    os.close(reading)
    os.close(stage.channel.words)


@pytest.mark.parametrize("outcome", [True, False])
def test_told_to_end_an_outcome_that_its_handler_says_is_the_last_word(stage, outcome):
    reading, stage.channel.words = os.pipe()
    stage.hooks["end"] = stage.channel.on_terminate
    stage.call("has_something_to_say", name="end", outcome=outcome)
    with pytest.raises(SystemExit) as ended:
        stage.serve()
    [message] = stage.answers
    answer = wire.read_answer(message, stage.jobs, ended=0.0)
    assert (ended.value.code, answer.last_word, answer.reports[0].ack.result) == (TERMINATED, outcome, b'"late"')
    os.close(reading)
    os.close(stage.channel.words)


def test_told_to_end_after_the_handler_it_answers_first(stage, monkeypatch):
    class Ending(io.StringIO):
        def flush(self):
            stage.channel.on_terminate()

    monkeypatch.setattr(sys, "stdout", Ending())
    stage.call("plain", n=1)
    with pytest.raises(SystemExit) as ended:
        stage.serve()
    assert (ended.value.code, [report.ack.result for report in stage.reports()]) == (TERMINATED, [b"2"])


def test_told_to_end_while_it_waits_for_work_it_ends(stage, monkeypatch):
    monkeypatch.setattr(stage.channel, "receive", stage.channel.on_terminate)
    with pytest.raises(SystemExit) as ended:
        stage.serve()
    assert ended.value.code == TERMINATED


def test_without_its_channel_it_leaves_with_a_code_that_says_so(stage, monkeypatch):
    def leave(code):
        raise Ended(code)  # what os._exit does not: return

    monkeypatch.setattr(os, "_exit", leave)
    stage.hooks["close"] = stage.channel._socket.close
    stage.call("calls", name="close")
    with pytest.raises(Ended) as ended:
        stage.serve()
    assert ended.value.args == (wire.LOST_CHANNEL,)


def test_the_limit_of_memory_is_lifted_to_tell_that_it_was_reached(stage, monkeypatch):
    told = []
    monkeypatch.setattr(memory, "lift", lambda: told.append("lifted"))
    monkeypatch.setattr(memory, "limit", told.append)
    stage.call("raises", name="memory")
    stage.serve()
    assert [report.ack.failure.type for report in stage.reports()] == ["MemoryError"]
    assert told == [0, "lifted"]


def test_what_would_end_a_program_is_a_failure_of_its_job(stage):
    stage.call("raises", name="interrupt")
    stage.call("plain", n=1)
    stage.serve()
    first, second = stage.reports()
    assert "KeyboardInterrupt" in first.ack.failure.type + first.ack.failure.message
    assert second.ack.result == b"2"


def test_a_cancellation_of_the_handlers_own_is_its_failure_and_not_that_of_the_job(stage):
    stage.call("cancels_itself", returns=False)
    stage.call("awaits_what_was_cancelled")
    stage.call("cancels_itself", returns=True)
    stage.call("coroutine", n=1)
    stage.serve()
    failed, awaited, returned, after = [report.ack for report in stage.reports()]
    assert [(ack.word, ack.failure.type) for ack in (failed, awaited)] == [(Word.FAILED, "asyncio.exceptions.CancelledError")] * 2
    assert [(ack.state, ack.result) for ack in (returned, after)] == [(State.COMPLETED, b"7"), (State.COMPLETED, b"2")]


def test_what_a_handler_enqueues_is_told_with_the_answer(stage):
    stage.call("announces")
    stage.call("plain", n=1)
    stage.serve()
    told = [wire.read_answer(message, [job], ended=0.0).enqueued for job, message in zip(stage.jobs, stage.answers, strict=True)]
    assert told == [[Enqueued("mail", "k")], []]


def test_modules_that_cannot_be_imported_are_refused_before_anything_runs(tmp_path):
    node, theirs = socket.socketpair()
    order = wire.Order(
        "q", "n1", "", ["no_such_jobs"], str(tmp_path), 60.0, 5.0, 3, constant(1), 3, 1000, 0, with_locals=False, seed=0
    )
    with pytest.raises(SystemExit) as ended:
        inside.main(ChildEnd(theirs), json.loads(json.dumps(order.as_json())))
    assert ended.value.code == 1
    said = json.loads(node.recv(100_000)[4:])
    assert said["message"] == "ConfigurationError: there is no jobs module 'no_such_jobs'"
    node.close()
    theirs.close()


def test_a_loop_is_made_with_or_without_uvloop(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with asyncio.Runner(loop_factory=inside.loop_factory()) as runner:
        assert isinstance(runner.get_loop(), asyncio.BaseEventLoop)
