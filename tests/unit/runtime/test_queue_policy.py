"""A user's own policy is followed while it can be, and never takes anything along."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tidegate.runtime import queue_policy
from tidegate.runtime.queue_policy import QueuePolicy
from tidegate.scaling import BadPolicy, Decision, Observation
from tidegate.settings import Settings

SEEN = Observation(1.0, 5, 5, 0, 0.0, 0.0, 0.0, 2, 3, 0, 3, 1, 0.5)


class Own:
    """Says what a test wants, after it may."""

    says: Any = Decision(4, "mine", 4.0)
    may = threading.Event()

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments

    def decide(self, now: float, seen: Observation) -> Any:
        del now, seen
        self.may.wait(30)
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Own]]:
    module = ModuleType("own_policy_of_a_test")
    module.make = Own  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    monkeypatch.setattr(Own, "says", Decision(4, "mine", 4.0))
    monkeypatch.setattr(Own, "may", threading.Event())
    monkeypatch.setattr(queue_policy, "PATIENCE", 30.0)
    Own.may.set()
    yield Own
    Own.may.set()


def policy(**scaling: Any) -> QueuePolicy:
    said = {"policy": "own_policy_of_a_test:make", **scaling}
    return QueuePolicy(Settings(queues={"email": {"consumers": {"min": 1, "max": 6}, "scaling": said}}).queue("email"))


async def test_it_is_followed_and_bounded(own: type[Own], monkeypatch: pytest.MonkeyPatch) -> None:
    mine = policy()
    assert await mine.decide(0.0, SEEN) == Decision(4, "mine", 4.0)
    monkeypatch.setattr(own, "says", Decision(99, "mine", 99.0))
    assert await mine.decide(1.0, SEEN) == Decision(6, "queue_max", 99.0)
    monkeypatch.setattr(own, "says", Decision(-1, "mine", 0.0))
    assert await mine.decide(2.0, SEEN) == Decision(1, "queue_min", 0.0)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        7,
        Decision(float("nan"), "x", 1.0),  # type: ignore[arg-type]
        Decision(2.5, "x", 1.0),  # type: ignore[arg-type]
        Decision(True, "x", 1.0),
        Decision(2, "x", float("nan")),
        Decision(2, "x", "many"),  # type: ignore[arg-type]
        SimpleNamespace(target=2),
        ValueError("no idea"),
        KeyboardInterrupt(),
        SystemExit(3),
    ],
)
async def test_what_cannot_be_followed_changes_nothing(
    own: type[Own], nonsense: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(own, "says", nonsense)
    mine = policy()
    with caplog.at_level(logging.WARNING, "tidegate.scaling"):
        assert [await mine.decide(0.0, SEEN) for _ in range(3)] == [Decision(3, "policy_failed", 3.0)] * 3
    assert len(caplog.records) == 1


async def test_one_that_blocks_is_waited_for_a_moment_and_asked_again_when_it_is_back(
    own: type[Own], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_policy, "PATIENCE", 0.05)
    own.may.clear()
    mine = policy()
    assert (await mine.decide(0.0, SEEN)).reason == "policy_failed"
    assert (await mine.decide(1.0, SEEN)).reason == "policy_failed"
    monkeypatch.setattr(queue_policy, "PATIENCE", 30.0)
    own.may.set()
    deadline = time.monotonic() + 20
    while (await mine.decide(2.0, SEEN)).reason != "mine":
        assert time.monotonic() < deadline


def test_one_that_cannot_be_made_is_a_wrong_setting(own: type[Own]) -> None:
    del own
    with pytest.raises(BadPolicy, match="cannot be loaded"):
        policy(policy="no_such_module_at_all:make")


@pytest.mark.parametrize("name", ["deadline", "steps", "fixed"])
async def test_bounds_change_without_forgetting(name: str) -> None:
    mine = policy(policy=name)
    mine.bound(7, 9)
    assert 7 <= (await mine.decide(0.0, SEEN)).target <= 9
    mine.bound(0, 0)
    assert (await mine.decide(1.0, SEEN)).target <= 1
