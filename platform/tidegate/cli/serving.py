"""A node from its start to its drain, as `tidegate up` runs it: what it says, and what ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from typing import Any, Final

from tidegate import __version__
from tidegate.cli.leaving import bounded_end, write_last_words
from tidegate.cli.output import say
from tidegate.cli.scope import Scope
from tidegate.cli.signals import Signals
from tidegate.errors import DatabaseUnreachable, TidegateError
from tidegate.introspection import QueueView
from tidegate.observe.http import DEFAULT_PORT, exporter
from tidegate.observe.logs import configure, keep_job_logs, log_event
from tidegate.observe.prints import job_prints_kept
from tidegate.observe.tracing import exported
from tidegate.plurals import noun
from tidegate.runtime.interpreter import spare_collections
from tidegate.runtime.node import Node
from tidegate.runtime.processes.wire import Equipment
from tidegate.settings import QueueSettings, mask_url
from tidegate.store.connection import connect
from tidegate.store.migrate import SchemaStatus
from tidegate.supervision import ChildSpec, Reason, spawn

__all__ = ["banner", "leftovers", "serve"]

UNHEALTHY: Final = 5  # an exit code; see cli/failures.py
LOOK: Final = 0.2  # seconds between two looks at whether anything is left to do
DRAINING: Final = "draining: nothing more is claimed; a second one stops now"
ASKED: Final = "draining: somebody has asked for it with `tidegate workers drain`; nothing more is claimed"
STOPPING_NOW: Final = "stopping now: what ran is rescued by other nodes"

logger = logging.getLogger("tidegate.up")


def serve(scope: Scope, queues: Sequence[str] | None, *, until_empty: bool, metrics_port: int | None, metrics_host: str) -> int:
    """Run a node to its end and return the exit code."""
    level = "DEBUG" if scope.debug else "INFO"
    configure(level=level)
    keep_job_logs()
    logging_of_processes = {"as_json": not sys.stderr.isatty(), "level": level}
    addresses: list[str] = []
    with exported():
        # Made before the loop runs: while it imports the jobs modules, Ctrl-C is what it is anywhere in Python.
        with redirect_stdout(sys.stderr):
            extra = partial(_observed, metrics_port, metrics_host, addresses)
            node = Node(
                scope.settings,
                queues=queues,
                migrate=True,
                extra=extra,
                end_process=_end_blocked,
                equipment=Equipment("tidegate.observe.logs:configure", logging_of_processes, echo=True),
                on_progress=say,
            )
        node.events.subscribe(log_event)
        with job_prints_kept(), bounded_end() as done:
            return asyncio.run(_run_to_its_end(scope, node, addresses, done, until_empty=until_empty))


def banner(node: Node, status: SchemaStatus, addresses: Sequence[str]) -> Iterator[str]:
    """Return the lines that a node begins with."""
    settings = node.settings
    where = f"in {settings.folder / '.tidegate'}" if node.database.embedded else f"at {mask_url(settings.database)}"
    kind = "embedded PostgreSQL" if node.database.embedded else "PostgreSQL"
    yield f"tidegate {__version__}, node {node.supervisor.node}"
    yield f"  database  {kind} {status.server_version} {where}, schema {status.schema_version}"
    if status.pooled:
        yield f"  pooler    no notifications come through it: each queue looks for jobs every {settings.poll / 4:g} s"
    width = max(len(name) for name in node.queues)
    for at, name in enumerate(node.queues):
        yield f"  {'queues' if at == 0 else '':<8}  {name:<{width}}  {_described(settings.queue(name))}"
    for at, address in enumerate(addresses):
        yield f"  {'metrics' if at == 0 else '':<8}  {address}/metrics"
    yield f"  Ctrl-C drains (up to {settings.drain_timeout:g} s); a second one stops now"


def leftovers(queues: Sequence[QueueView], served: Sequence[str]) -> Iterator[str]:
    """Return what a node leaves behind, a line for each queue that has something."""
    for view in queues:
        parts = [f"{getattr(view, state):,} {state}" for state in ("ready", "running", "scheduled") if getattr(view, state)]
        if parts:
            why = "; paused" if view.paused else "" if view.queue in served else "; not served here"
            held = f"; {view.gated:,} held back by circuits (tidegate circuits list)" if view.gated else ""
            yield f"{view.queue}: {', '.join(parts)}{why}{held}"


def _described(queue: QueueSettings) -> str:
    least, most = queue.consumers.min, queue.consumers.max
    size = str(most) if least == most else f"{least}-{most}"
    held = f", up to {queue.demand.max} jobs each" if queue.demand.max > 1 else ""
    return f"{size} {'consumer' if most == 1 else 'consumers'}, {queue.executor}{held}"


async def _run_to_its_end(
    scope: Scope, node: Node, addresses: Sequence[str], done: Callable[[int], None], *, until_empty: bool
) -> int:
    code = 1
    try:
        code = await _run(scope, node, addresses, until_empty=until_empty)
    finally:
        done(code)
    return code


async def _run(scope: Scope, node: Node, addresses: Sequence[str], *, until_empty: bool) -> int:
    left: list[str] = []
    with Signals(kill=node.kill, first=DRAINING, second=STOPPING_NOW) as signals:
        async with node:
            signals.listen()
            spare_collections()
            for line in banner(node, await asyncio.to_thread(node.database.status), addresses):
                say(line)
            reason = await _end(node, signals, until_empty=until_empty)
            if signals.stop.is_set():
                if busy := _busy(node):
                    say(f"{noun(busy, 'job')} may run on for up to {scope.settings.drain_timeout:g} s")
            elif reason is None:
                left = await asyncio.to_thread(_left, scope, node)
        if signals.exit_code is not None:
            return signals.exit_code
        if reason is not None and not signals.stop.is_set():
            raise TidegateError(
                f"the node gave up: {_said(reason)}", hint="what it logged before tells why; start it again once that is mended"
            )
    say("stopped" if signals.stop.is_set() else "nothing is left to do")
    for line in left:
        say(f"left behind: {line}")
    return 0


def _end_blocked() -> None:
    """End the process from the watchdog's thread, whatever the others do: what can be written within a moment is."""
    write_last_words()
    os._exit(UNHEALTHY)


def _observed(port: int | None, host: str, addresses: list[str], node: Node) -> Sequence[ChildSpec]:
    """Return the children that serve metrics and health."""
    chosen = DEFAULT_PORT if port is None else port
    return exporter(node, host=host, port=chosen, strict=bool(port), on_listening=addresses.append)


async def _end(node: Node, signals: Signals, *, until_empty: bool) -> Reason | None:
    """Wait for whatever ends this run first; return the reason if it is the node that gave up."""
    gave_up = spawn(node.join(), name="the node's end")
    asked = spawn(node.supervisor.asked_to_end.wait(), name="a word from elsewhere")
    waits: list[asyncio.Task[Any]] = [gave_up, asked, spawn(signals.stop.wait(), name="a signal")]
    if until_empty:
        waits.append(spawn(_empty(node), name="an empty line"))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            if not task.done():
                task.cancel()
    if node.supervisor.asked_to_end.is_set():
        say(ASKED)
        signals.stop.set()
    for task in waits:
        if task.done() and not task.cancelled():
            task.result()
    return gave_up.result() if gave_up.done() and not gave_up.cancelled() else None


async def _empty(node: Node) -> None:
    """Return once nothing is left to do; an outage is waited out."""
    while True:
        try:
            if not (await node.unfinished()).todo:
                return
        except DatabaseUnreachable as error:
            logger.warning("cannot tell whether anything is left to do: %s", error)
        await asyncio.sleep(LOOK)


def _busy(node: Node) -> int:
    return sum(manager.size().busy for manager in node.supervisor.managers.values())


def _left(scope: Scope, node: Node) -> list[str]:
    try:
        with connect(node.database.conninfo) as connection:
            return list(leftovers(scope.inspector_of(connection).queues(), node.queues))
    except DatabaseUnreachable as error:
        return [f"what the database knows, which went away just now ({error})"]


def _said(reason: Reason) -> str:
    error = getattr(reason, "error", None) or getattr(reason, "detail", None)
    return str(reason) if error is None else f"{type(error).__name__}: {error}"
