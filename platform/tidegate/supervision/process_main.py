"""The inside of a `ProcessChild`: reads what to run from its channel, says when it is ready, and dies with its parent.

    python -m tidegate.supervision.process_main FD TARGET

The channel is one end of a socket pair. First line in: what to run, as JSON. First line out: ready, or the error that it was not.
Then silence, until its end says that the parent is gone: what the parent cannot supervise any more must not run on.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from threading import Thread
from typing import Any

from tidegate.failure import describe
from tidegate.supervision.process import TERMINATED

__all__ = ["main", "resolve"]

PARENT_CHECK = 1.0  # seconds; for the case that a fork of the parent holds the channel open


def main(argv: list[str]) -> int:
    """Run the target that the channel names; return the exit code."""
    channel = socket.socket(fileno=int(argv[1]))
    channel.set_inheritable(False)
    parent = os.getppid()
    with channel.makefile("r", encoding="utf-8") as lines:
        line = lines.readline()
    if not line:  # the parent went away before it said anything
        return 1
    order = json.loads(line)
    signal.signal(signal.SIGTERM, _terminate)
    Thread(target=_die_with_parent, args=(channel, parent), name="parent watch", daemon=True).start()
    try:
        sys.path[:] = order["path"]
        target = resolve(order["target"])
    except Exception as error:  # noqa: BLE001 - whatever importing the user's module raises is what the parent must hear
        _say(channel, {"error": describe(error, skip=1).traceback, "message": f"{type(error).__name__}: {error}"})
        return 1
    return _run(target, channel, order["args"], signals_ready=order["signals_ready"])


def resolve(target: str) -> Callable[..., Any]:
    """Return the function that "package.module:qualified.name" stands for."""
    module, _, path = target.partition(":")
    if not module or not path:
        raise ValueError(f"a target is written package.module:function; got {target!r}")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"{target} is no function, but {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _run(target: Callable[..., Any], channel: socket.socket, args: list[Any], *, signals_ready: bool) -> int:
    def ready() -> None:
        _say(channel, {"ready": True})

    if signals_ready:
        args = [ready, *args]
    else:
        ready()
    result = target(*args)
    if inspect.iscoroutine(result):
        return asyncio.run(_cancel_on_sigterm(result))
    return 0


async def _cancel_on_sigterm(coroutine: Awaitable[object]) -> int:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    asked = False

    def ask() -> None:
        nonlocal asked
        asked = True
        if task is not None:
            task.cancel("SIGTERM")

    loop.add_signal_handler(signal.SIGTERM, ask)
    try:
        await coroutine
    except asyncio.CancelledError:
        if not asked:
            raise
        return TERMINATED
    return 0


def _terminate(_signal: int, _frame: object) -> None:
    sys.exit(TERMINATED)  # so that the target's `finally` runs


def _say(channel: socket.socket, words: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: the watch over the parent does the rest
        channel.sendall(json.dumps(words).encode() + b"\n")


def _die_with_parent(channel: socket.socket, parent: int) -> None:
    while os.getppid() == parent:
        readable, _, _ = select.select([channel], [], [], PARENT_CHECK)
        if readable and not channel.recv(1):
            break
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
