"""The inside of a `ProcessChild`: hears what to run from its parent, says when it is ready, and dies with it.

    python -m tidegate.supervision.process_main CHANNEL LIFELINE TARGET

The channel is one end of a socket pair, the lifeline one of a pipe. First message in: what to run, as JSON. First message out:
ready, or the error that it was not. What is said after that is the target's business.
"""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tidegate.supervision import lifeline
from tidegate.supervision.channel import TERMINATED, ChildEnd
from tidegate.supervision.glimpse import show
from tidegate.supervision.targets import resolve

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """Run the target that the channel names; return the exit code."""
    parent = os.getppid()
    sock = socket.socket(fileno=int(argv[1]))
    sock.set_inheritable(False)
    channel = ChildEnd(sock)
    lifeline.tie(int(argv[2]), parent)
    message = channel.receive()
    if message is None:  # the parent went away before it said anything
        return 1
    order = json.loads(message)
    signal.signal(signal.SIGTERM, lambda *_: channel.on_terminate())
    if order["words"] is not None:
        channel.words = order["words"]
        _speak(channel.words)
        show(order["glimpse"], lambda: channel.standing())  # noqa: PLW0108 - the target says it anew
    try:
        sys.path[:] = order["path"]
        target = resolve(order["target"])
    except Exception as error:  # noqa: BLE001 - whatever importing the user's module raises is what the parent must hear
        with suppress(OSError):  # nobody listens any more: the lifeline does the rest
            channel.refuse(error)
        return 1
    return _run(target, channel, order)


def _run(target: Callable[..., Any], channel: ChildEnd, order: dict[str, Any]) -> int:
    args = order["args"]
    if order["converses"]:
        args = [channel, *args]
    elif order["signals_ready"]:
        args = [lambda: _say_ready(channel), *args]
    else:
        _say_ready(channel)
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


def _speak(words: int) -> None:
    """Have the interpreter's last words go there: where every thread stands when a signal ends the process, or SIGTERM asks it to.

    Written by a signal handler in C, they come even where Python code cannot run any more.
    """
    os.set_inheritable(words, False)
    faulthandler.enable(words)
    faulthandler.register(signal.SIGTERM, words, chain=True)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]


def _say_ready(channel: ChildEnd) -> None:
    with suppress(OSError):  # as above
        channel.ready()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
