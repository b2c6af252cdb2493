"""The inside of a consumer's process: takes a call's jobs from the pipe, runs them as a node would, and tells what came of them.

A plain function runs on the main thread with no loop around it, so that it may do there whatever a program may do; a coroutine runs
on the process's own loop, which lives as long as the process, so that what a handler keeps on it stays usable. There is no other
thread, but the one that exports spans where the node is traced. SIGTERM ends the handler that runs, by `Ended` or by a
cancellation, and then the process; what comes after the handler, the commit of its transaction and the answer, is not interrupted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from tidegate.circuit.judge import Judge
from tidegate.errors import UnknownKind
from tidegate.events import Enqueued, Event, emitting
from tidegate.fingerprint import Application
from tidegate.handlers import Handlers
from tidegate.jobs import Cancelled, Job, Outcome
from tidegate.runtime.describing import Describer
from tidegate.runtime.executors import answer, storable
from tidegate.runtime.interpreter import loop_factory, spare_collections
from tidegate.runtime.processes import memory, wire
from tidegate.runtime.processes.inside_coroner import InsideCoroner
from tidegate.runtime.processes.transactions import InsideTransactions
from tidegate.runtime.runner import Report, Runner
from tidegate.runtime.runs import Run, Runs
from tidegate.runtime.settlement import Settlement
from tidegate.spans import entered, is_configured, sdk
from tidegate.supervision.channel import TERMINATED, ChildEnd
from tidegate.supervision.targets import resolve
from tidegate.supervision.tasks import stack_of

__all__ = ["Ended", "Inside", "main"]


class Ended(BaseException):
    """Raised inside a handler when its process is told to end; not an Exception, so that it is not swallowed by accident."""


def main(channel: ChildEnd, values: Mapping[str, Any]) -> None:
    """Be a consumer's process until the node hangs up or says to end."""
    order = wire.Order.of(values)
    memory.limit(order.memory)
    began = time.monotonic()
    if order.equipment.prepare:
        resolve(order.equipment.prepare)(**order.equipment.options)
    transactions = InsideTransactions(order.database)
    try:
        handlers = Handlers(order.modules, path=Path(order.folder))
        if any(handlers.resolve(kind).wants_context for kind in handlers.kinds()):
            transactions.prepare()
    except Exception as error:  # noqa: BLE001 - whatever importing the user's modules raises is what the node must hear
        channel.refuse(error)
        sys.exit(1)
    spare_collections()
    exporting = sdk.set_up(os.environ) if order.traced and not is_configured() else None
    channel.ready(imported=time.monotonic() - began)
    try:
        Inside(channel, order, handlers, transactions).serve()
    finally:
        if exporting is not None:
            sdk.send_the_rest(exporting)


class Inside:
    """Runs one call after the other. It is an executor, too: the one that runs a handler right here."""

    def __init__(self, channel: ChildEnd, order: wire.Order, handlers: Handlers, transactions: InsideTransactions) -> None:
        self._channel = channel
        self._order = order
        self._handlers = handlers
        self._transactions = transactions
        self._runner = Runner(
            Settlement(
                order,
                handlers,
                Random(order.seed),
                Describer(Application(order.modules), with_locals=order.with_locals),
                judge=Judge.recalled(order.exceptions, handlers),
                coroner=InsideCoroner(node=order.node, versions=order.versions),
            ),
            handlers,
            executor=self,
            transactions=transactions,
            runs=Runs(),  # the node watches the time
            node=order.node,
            clock=time.monotonic,
        )
        self._loops = asyncio.Runner(loop_factory=loop_factory())
        self._task: asyncio.Task[Any] | None = None
        self._enqueued: list[Enqueued] = []
        self._may_interrupt = False
        self._leaving = False
        self._cancelled = False
        self._last_word = False
        self._said: list[list[Report]] = []
        """What the call came to, once it has."""
        channel.on_terminate = self._terminate
        channel.standing = self._standing

    def serve(self) -> None:
        """Answer calls until the node hangs up or says to end."""
        try:
            while not self._leaving and (message := self._next()) is not None:
                if message != wire.CANCEL:  # one that came too late for its call
                    self._channel.send(self._answer(*wire.read_jobs(message)))
        except Ended:
            self._leaving = True
        except OSError:  # the channel is not there any more: a handler closed what is not its own
            os._exit(wire.LOST_CHANNEL)
        self._transactions.close()
        self._loops.close()
        if self._leaving:
            sys.exit(TERMINATED)

    async def run(self, call: Callable[[], Any], *, is_async: bool, run: Run) -> Any:
        """See `Executor.run`."""
        value: Any = None
        failure: BaseException | None = None
        self._may_interrupt = True
        try:
            value = await call() if is_async else call()
        except Ended:
            raise
        except asyncio.CancelledError as error:
            if self._asked():
                raise
            failure = error  # the handler's own doing: it cancelled itself, or what it awaited was cancelled
            while self._task is not None and self._task.cancelling():
                self._task.uncancel()
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its outcome; the runner judges it
            failure = storable(error)
            if isinstance(error, MemoryError):
                memory.lift()  # what is left of the handler lives until its failure is told, and telling takes memory, too
        finally:
            self._may_interrupt = False
        self._last_word = self._leaving and isinstance(value if failure is None else failure, Outcome)
        heeded = run.noticed or (is_async and self._cancelled)
        if heeded:
            run.end(Cancelled())
        return answer(run, value, failure, heeded=heeded)

    @property
    def turn_ends(self) -> float:
        """See `Executor.turn_ends`: it does not take the loop."""
        return inf

    @property
    def full(self) -> bool:
        """See `Executor.full`."""
        return False

    async def room(self) -> None:
        """See `Executor.room`."""

    def _next(self) -> bytes | None:
        self._may_interrupt = True
        try:
            return self._channel.receive()
        finally:
            self._may_interrupt = False

    def _answer(self, jobs: Sequence[Job[bytes]], carrier: Mapping[str, str]) -> bytes:
        self._cancelled = self._last_word = False
        self._said.clear()
        self._enqueued.clear()
        memory.limit(self._order.memory)
        run = self._on_loop if self._is_async(jobs[0].kind) else self._right_here
        try:
            with entered(carrier):
                reports = copy_context().run(run, jobs)
        except asyncio.CancelledError:
            if self._leaving:
                raise Ended from None
            if self._asked() or not self._said:
                return wire.CANCELLED
            reports = self._said.pop()  # the handler cancelled itself and returned: that came too late for it
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # the handler may have closed it, or put anything in its place
                    stream.flush()
        return wire.write_answer(reports, self._enqueued, last_word=self._last_word)

    def _is_async(self, kind: str) -> bool:
        try:
            return self._handlers.resolve(kind).is_async
        except UnknownKind:
            return False

    def _right_here(self, jobs: Sequence[Job[bytes]]) -> list[Report]:
        """Run a plain function's call to its end, which waits for nothing, without a loop."""
        emitting.set(self._announced)
        running = self._runner.run(jobs, self._is_cancelled)
        try:
            running.send(None)
        except StopIteration as done:
            reports: list[Report] = done.value
            return reports
        running.close()
        raise RuntimeError("the run of a plain function waited for something")

    def _on_loop(self, jobs: Sequence[Job[bytes]]) -> list[Report]:
        loop = self._loops.get_loop()
        loop.add_reader(self._channel.fileno(), self._heard)
        try:
            return loop.run_until_complete(self._run_as_task(jobs))
        finally:
            self._task = None
            loop.remove_reader(self._channel.fileno())
            self._channel.block()

    async def _run_as_task(self, jobs: Sequence[Job[bytes]]) -> list[Report]:
        emitting.set(self._announced)
        self._task = asyncio.current_task()
        reports = await self._runner.run(jobs, self._is_cancelled)
        self._said.append(reports)
        return reports

    def _announced(self, event: Event) -> None:
        if isinstance(event, Enqueued):
            self._enqueued.append(event)

    def _heard(self) -> None:
        """Hear, while a coroutine runs, that the call is to end, or that the node has hung up; either is said once."""
        self._is_cancelled()
        if self._task is not None:
            self._task.get_loop().remove_reader(self._channel.fileno())
            self._task.cancel()

    def _asked(self) -> bool:
        """Tell whether the call was told to end, by its node or by SIGTERM."""
        return self._cancelled or self._leaving

    def _is_cancelled(self) -> bool:
        if not self._cancelled and self._channel.waiting():
            self._channel.receive()
            self._cancelled = True
        return self._cancelled

    def _standing(self) -> str:
        return "" if self._task is None else _where(self._task)

    def _terminate(self) -> None:
        """SIGTERM arrived. Raise where that ends the right thing; else it is enough to have taken note."""
        self._leaving = True
        if not self._may_interrupt:
            return
        if self._task is None:
            raise Ended
        with suppress(OSError):
            os.write(self._channel.words, _where(self._task).encode())
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def _where(task: asyncio.Task[Any]) -> str:
    """Return where the handler waits, if it does; a signal handler in C only sees the loop then."""
    lines = stack_of(task).splitlines(keepends=True)
    ours = max((n for n, line in enumerate(lines) if __file__ in line), default=-2)
    theirs = "".join(lines[ours + 2 :])
    return f"\nThe coroutine waits (most recent call last):\n{theirs}\n" if theirs else ""
