"""A producer whose events must be waited for: it pulls them, beside its mailbox, for as long as somebody wants them.

`handle_demand` of a plain producer keeps everybody waiting until it returns. Here demand only adds to what is owed; a task of its
own pulls, so that asks, cancels and calls are heard meanwhile, and one pull is under way at a time.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from tidegate.stages.producer import Producer
from tidegate.supervision.exits import Exit
from tidegate.supervision.tasks import contained, spawn

__all__ = ["EXHAUSTED", "Puller"]

Out = TypeVar("Out")

EXHAUSTED: Final = object()  # the info behind the last event


class Puller(Producer[Out]):
    """Override `pull`. What it returns more than was wanted is buffered; what it raises is the stage's crash.

    An orderly end and a drain wait for the pull that is under way, and what that brings is delivered (drain) or handed back
    (stop); with `patient` False they cancel it. So does a kill: what was fetched and not returned by then is lost here, so a source
    that hands out each event once must be able to take it back by itself, by a lease for instance.
    """

    patient: ClassVar[bool] = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._owed = 0
        self._wanted = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._pulling = True

    @abstractmethod
    async def pull(self, demand: int) -> Sequence[Out]:
        """Return up to `demand` events, after any wait; none of them ask for another pull; raise StopAsyncIteration at the end."""

    def on_idle(self) -> None:
        """Called when there is to be no further pull: end a wait for events here, so that `pull` returns."""

    async def handle_demand(self, demand: int) -> Sequence[Out]:
        """Owe it."""
        self._owed += demand
        self._wanted.set()
        return ()

    async def handle_retract(self, demand: int) -> None:
        """Owe less."""
        self._owed = max(self._owed - demand, 0)

    async def handle_drain(self) -> None:
        """Pull no more; what is being pulled still counts."""
        await self._end_pulling()

    async def handle_info(self, message: Any) -> None:
        """End behind the last event."""
        if message is EXHAUSTED:
            await self.stop()
        else:
            await super().handle_info(message)

    def describe(self) -> Mapping[str, object]:
        """Return its state in plain values, `owed` being what it was asked for and has not pulled."""
        return {**super().describe(), "owed": self._owed}

    async def _begin(self) -> None:
        self._pump = spawn(self._run_pump(), name=f"pump of {self.name or type(self).__name__}")
        await super()._begin()

    async def _run_pump(self) -> None:
        try:
            while self._pulling:
                if self._owed <= 0:
                    self._wanted.clear()
                    await self._wanted.wait()
                    continue
                events = await contained(self.pull, self._owed)
                self._owed = max(self._owed - len(events), 0)
                self.emit(events)
        except StopAsyncIteration:
            self.info(EXHAUSTED)
        except Exit as exit_:
            self._request_stop(exit_.reason)
        except Exception as error:  # noqa: BLE001 - it is the user's source, and its failure is this stage's
            self._post(self._fail, None, error)

    async def _end_pulling(self) -> None:
        self._pulling = False
        self._wanted.set()
        self._guarded(self.on_idle)
        if self._pump is not None:
            if not self.patient:
                self._pump.cancel()
            await asyncio.wait({self._pump})

    async def _wind_down(self) -> None:
        await self._end_pulling()
        await super()._wind_down()

    async def _unwind(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump}, timeout=self.kill_grace)
        await super()._unwind()
