"""Messages between a process and its parent: frames of bytes over a socket pair, each behind its length.

The parent's end lives on its loop. The child's end blocks and has no thread behind it: the child reads when it is ready for more,
and may look whether something waits. When one side ends, the other hears of it; and the parent learns whether the child had
read everything by then.
"""

from __future__ import annotations

import asyncio
import json
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from tidegate.failure import describe

__all__ = ["TERMINATED", "ChildEnd", "ParentEnd", "leave"]

TERMINATED: Final = 128 + signal.SIGTERM  # the exit code by which shells, too, know an end by SIGTERM

_LENGTH: Final = 4  # bytes, the most significant first


class ParentEnd(asyncio.Protocol):
    """The parent's end. One message is received at a time; None is the end of the conversation."""

    def __init__(self) -> None:
        self.closed = False
        self.undelivered = False
        """Whether the child ended without having read all that it was sent; only Linux tells."""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._messages: deque[bytes] = deque()
        self._waiting: asyncio.Future[bytes | None] | None = None

    @classmethod
    async def open(cls, sock: socket.socket) -> ParentEnd:
        """Take the socket over."""
        _, end = await asyncio.get_running_loop().create_unix_connection(cls, sock=sock)
        return end

    def send(self, message: bytes) -> None:
        """Send; what cannot be sent any more is undelivered."""
        if self._transport is None or self.closed:
            self.undelivered = True
        else:
            self._transport.write(len(message).to_bytes(_LENGTH, "big") + message)

    def receive(self) -> asyncio.Future[bytes | None]:
        """Return the next message, to be awaited; None once the child has ended or closed its end."""
        waiting: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        if self._messages or self.closed:
            waiting.set_result(self._messages.popleft() if self._messages else None)
        else:
            self._waiting = waiting
        return waiting

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # What the loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut what arrived into messages."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTH and len(buffer) >= (end := _LENGTH + int.from_bytes(buffer[:_LENGTH], "big")):
            message = bytes(memoryview(buffer)[_LENGTH:end])
            del buffer[:end]
            self._received(message)

    def connection_lost(self, error: Exception | None) -> None:
        """End; an error means that the child had not read everything (it is what the kernel says then)."""
        self.closed = True
        self.undelivered = self.undelivered or error is not None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _received(self, message: bytes) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(message)
        else:
            self._messages.append(message)


def leave() -> None:
    """End the process, so that the `finally` of what it runs is run."""
    sys.exit(TERMINATED)


class ChildEnd:
    """The child's end; used from one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.on_terminate: Callable[[], None] = leave
        """Called on the main thread when the parent asks the process to end, by SIGTERM; usually it raises SystemExit."""
        self.standing: Callable[[], str] = str
        """Says what the stacks of its threads do not, when the parent looks where the process stands."""
        self.words = -1
        """Where the interpreter's last words go, where the parent keeps them."""

    def fileno(self) -> int:
        """Return the descriptor, to wait on."""
        return self._socket.fileno()

    def block(self) -> None:
        """Let `receive` wait again, where a loop has watched the descriptor meanwhile: that may leave it non-blocking."""
        self._socket.setblocking(True)

    def ready(self, **facts: Any) -> None:
        """Say that the target can begin, and what the parent should know about it."""
        self.send(json.dumps({"ready": facts}).encode())

    def refuse(self, error: BaseException) -> None:
        """Say that the target cannot begin, and why."""
        failure = describe(error, skip=1)
        self.send(json.dumps({"message": f"{type(error).__name__}: {failure.message}", "error": failure.traceback}).encode())

    def waiting(self) -> bool:
        """Tell whether a message, or the end, is there to be received."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def receive(self) -> bytes | None:
        """Wait for a message and return it; None once the parent has ended or hung up."""
        length = self._exactly(_LENGTH)
        return None if length is None else self._exactly(int.from_bytes(length, "big"))

    def send(self, message: bytes) -> None:
        """Send a message; BrokenPipeError where nobody listens any more."""
        self._socket.sendall(len(message).to_bytes(_LENGTH, "big") + message)

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:  # a signal whose handler does not raise cuts a long message, and no more
            try:
                part = self._socket.recv(size - len(data), socket.MSG_WAITALL)
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data
