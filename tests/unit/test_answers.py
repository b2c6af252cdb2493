"""A node that is asked answers from a thread, whatever its event loop does."""

import asyncio
import logging
import threading
import time
from contextlib import contextmanager

import pytest
from tests.support.stand import until

from tidegate.errors import DatabaseUnreachable
from tidegate.runtime import answers as module
from tidegate.runtime.answers import Answer, Answers, tree_as_json
from tidegate.store.requests import Request
from tidegate.supervision import ChildSpec, Crash, FunctionChild, Shutdown, Supervisor


class Desk:
    """Requests and answers, in memory."""

    def __init__(self, *about):
        self.open = [Request(number, each, {"n": number}) for number, each in enumerate(about)]
        self.said = {}
        self.opened = 0
        self.error = None

    @contextmanager
    def desk(self):
        self.opened += 1
        if self.error is not None:
            raise self.error
        yield self

    def pending(self, node):
        return list(self.open) if node == "n1" else []

    def answer(self, request, value=None, *, error=None):
        self.open.remove(request)
        self.said[request.about] = (value, error)


def fails(params):
    raise ValueError("not today")


KNOWN = {
    "where": Answer(lambda params: {"thread": threading.current_thread().name, **params}),
    "apart": Answer(lambda _: {"thread": threading.current_thread().name}, on_loop=False),
    "broken": Answer(fails),
    "broken apart": Answer(fails, on_loop=False),
}


@pytest.fixture
def patient(monkeypatch):
    """A machine that is busy may keep the loop waiting for longer than a node does; that is not what is asked."""
    monkeypatch.setattr(module, "PATIENCE", 60.0)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "LOOK", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 0.2)


async def answering(desk, *, known=KNOWN, deaf=lambda: False):
    answers = Answers(lambda: "n1", desk, known, deaf=deaf)
    await answers.start()
    await asyncio.sleep(0)  # its task begins, and with it the thread
    return answers


async def test_it_answers_on_the_loop_what_is_about_the_loop_and_in_its_thread_what_is_not(patient):
    desk = Desk("where", "apart")
    answers = await answering(desk)
    answers.look()
    await until(lambda: len(desk.said) == 2)
    await answers.stop()
    assert desk.said == {
        "where": ({"loop": "running", "thread": "MainThread", "n": 0}, None),
        "apart": ({"loop": "running", "thread": "tidegate-answers"}, None),
    }


async def test_what_nobody_asks_costs_nothing(quick):
    desk = Desk()
    answers = await answering(desk)
    await asyncio.sleep(0.3)
    await answers.stop()
    assert desk.opened == 0


async def test_it_looks_by_itself_while_it_cannot_hear(quick):
    desk = Desk("where")
    answers = await answering(desk, deaf=lambda: True)
    await until(lambda: desk.said)
    await answers.stop()


async def test_it_answers_while_the_loop_is_blocked_and_says_so(quick):
    desk = Desk("where")
    answers = await answering(desk)
    deadline = time.monotonic() + 20
    while not desk.said and time.monotonic() < deadline:
        time.sleep(0.05)  # noqa: ASYNC251 - somebody's code
    value, error = desk.said["where"]
    assert (value["loop"], value["thread"], error) == ("blocked", "tidegate-answers", None)
    await answers.stop()


async def test_what_changes_while_it_is_read_is_read_once_more(quick):
    tries = []

    def changing(_):
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("dictionary changed size during iteration")
        return {"n": len(tries)}

    desk = Desk("it")
    answers = await answering(desk, known={"it": Answer(changing, on_loop=False)})
    answers.look()
    await until(lambda: desk.said)
    await answers.stop()
    assert desk.said["it"][0]["n"] == 3


async def test_what_it_does_not_know_and_what_fails_is_said(caplog):
    caplog.set_level(logging.CRITICAL, "tidegate.answers")
    desk = Desk("stacks", "broken", "broken apart")
    answers = await answering(desk)
    answers.look()
    await until(lambda: len(desk.said) == 3)
    await answers.stop()
    assert desk.said["stacks"][1].startswith("this node knows nothing of 'stacks'; it answers where, apart")
    assert desk.said["broken"] == desk.said["broken apart"] == (None, "ValueError: not today")


async def test_a_database_that_is_away_is_weather(quick):
    desk = Desk("where")
    desk.error = DatabaseUnreachable("away")
    answers = await answering(desk, deaf=lambda: True)
    await until(lambda: desk.opened > 2)
    desk.error = None
    await until(lambda: desk.said)
    await answers.stop(Shutdown())


async def test_what_could_not_be_answered_is_answered_once_the_database_is_back_though_nobody_asks_again(quick):
    desk = Desk("where")
    desk.error = DatabaseUnreachable("away")
    answers = await answering(desk)
    answers.look()
    await until(lambda: desk.opened > 1)
    desk.error = None
    await until(lambda: desk.said)
    await answers.stop()


async def test_a_bug_in_its_thread_is_its_crash():
    desk = Desk("where")
    desk.error = KeyError("a bug")
    answers = await answering(desk)
    answers.look()
    reason = await answers.join()
    assert isinstance(reason, Crash)
    assert isinstance(reason.error, KeyError)


async def test_its_thread_ends_with_it():
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "tidegate-answers"]

    answers = await answering(Desk())
    assert threads()
    await answers.stop()
    await until(lambda: not threads())


async def test_an_answer_that_nobody_waits_for_is_not_computed(quick):
    computed = module.Future()
    computed.cancel()
    module._fill(computed, fails, {})


async def test_a_tree_is_told_with_ages_and_what_its_parts_say():
    class Talking(FunctionChild):
        def describe(self):
            return {"demand": 3}

    async with Supervisor([ChildSpec("a", lambda: Talking(asyncio.sleep, 99))], name="top") as supervisor:
        told = tree_as_json(supervisor.tree(), supervisor.now() + 5)
    assert told["detail"] == {"strategy": "one_for_one", "zombies": 0}
    assert (told["name"], told["type"], told["state"], told["age"] >= 5) == ("top", "supervisor", "up", True)
    [child] = told["children"]
    assert (child["name"], child["type"], child["detail"], child["children"]) == ("a", "worker", {"demand": 3}, [])
