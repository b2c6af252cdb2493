"""A troupe of actors: children that do what a test tells them, and a log of what their supervisor did to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tidegate.supervision import ChildSpec, Crash, Killed, Normal, Reason, Shutdown


class Boom(Exception):
    pass


class Actor:
    """A child by the book. `starts`: seconds to be ready; `stops`: seconds to end when asked; `deaf`: ends of nothing at all."""

    def __init__(
        self, who: str, troupe: Troupe, *, starts: float = 0.0, stops: float = 0.0, deaf: bool = False, fails: bool = False
    ) -> None:
        self.id = who
        self.troupe = troupe
        self.starts, self.stops, self.deaf, self.fails = starts, stops, deaf, fails
        self.ended: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()

    async def start(self) -> object:
        self.troupe.note("start", self.id)
        if self.starts:
            await asyncio.sleep(self.starts)
        if self.fails:
            raise Boom(f"{self.id} cannot start")
        self.troupe.enter(self)
        return self

    async def stop(self, reason: Reason, timeout: float | None) -> None:
        self.troupe.note("stop", self.id)
        self.troupe.stop_arguments.append((self.id, reason, timeout))
        if self.deaf:
            await asyncio.Event().wait()
        if self.stops:
            await asyncio.sleep(self.stops)
        self.end(reason)

    async def join(self) -> Reason:
        return await asyncio.shield(self.ended)

    def kill(self) -> None:
        self.troupe.note("kill", self.id)
        if not self.deaf:
            self.end(Killed())

    def end(self, reason: Reason) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
            self.troupe.reasons.append((self.id, reason))

    def crash(self) -> None:
        self.end(Crash(Boom(f"{self.id} fell over")))

    def finish(self) -> None:
        self.end(Normal())

    def shut_down(self) -> None:
        self.end(Shutdown())


@dataclass
class Troupe:
    """Makes specs, keeps the actors that are up, and the log."""

    up: dict[str, Actor] = field(default_factory=dict)
    made: list[Actor] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    reasons: list[tuple[str, Reason]] = field(default_factory=list)
    stop_arguments: list[tuple[str, Reason, float | None]] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)

    def spec(self, who: str, *, act: Callable[[int], dict[str, Any]] | None = None, **given: Any) -> ChildSpec:
        """Return a spec; `act` says how the nth instance (0 is the first) behaves, and the rest of `given` is the actor's or the spec's."""
        acting = {key: given.pop(key) for key in ("starts", "stops", "deaf", "fails") if key in given}
        count = 0

        def make() -> Actor:
            nonlocal count
            actor = Actor(who, self, **(act(count) if act else acting))
            count += 1
            self.made.append(actor)
            return actor

        return ChildSpec(who, make, **given)

    def enter(self, actor: Actor) -> None:
        before = self.up.get(actor.id)
        if before is not None and not before.ended.done():
            self.doubles.append(actor.id)
        self.up[actor.id] = actor

    def note(self, verb: str, who: str) -> None:
        self.log.append((verb, who))
        self.times.append(asyncio.get_running_loop().time())

    def said(self) -> str:
        """Return what happened since this was asked the last time: `start a, start b, stop b`."""
        said = ", ".join(f"{verb} {who}" for verb, who in self.log)
        self.log.clear()
        return said

    def __getitem__(self, who: str) -> Actor:
        return self.up[who]


@pytest.fixture
def troupe() -> Troupe:
    return Troupe()


async def settle(turns: int = 30) -> None:
    """Let everything that can happen now happen, without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.fixture(name="settle")
def settle_fixture() -> Callable[..., Any]:
    return settle
