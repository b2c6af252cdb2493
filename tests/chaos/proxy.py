"""A TCP proxy in front of a server's Unix socket, for when the network must fail: refuse, hang half-open, or be slow."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]

CHUNK = 65_536


class Proxy:
    """Runs in a thread of its own; `port` takes connections from its start."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._up = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = (0.0, 0.0)
        self._rng = random.Random(1)
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection, and each new one."""
        self._do(self._cut())

    def hang(self) -> None:
        """Carry nothing more on any connection, without a word: what the other end sees of a vanished machine."""
        self._do(self._set(flowing=False))

    def slow(self, seconds: float, jitter: float) -> None:
        """Carry everything so much later, each way."""
        self._delay = (seconds, jitter)

    def mend(self) -> None:
        """Be a good network again. Connections that hung stay lost, as they do when a machine comes back."""
        self._delay = (0.0, 0.0)
        self._do(self._mend())

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        self._up = False
        for writer in list(self._writers):
            writer.transport.abort()

    async def _set(self, *, flowing: bool) -> None:
        (self._flowing.set if flowing else self._flowing.clear)()

    async def _mend(self) -> None:
        if not self._flowing.is_set():
            await self._cut()
        self._up = True
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            upstream_reader, upstream = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(upstream)
        try:
            await asyncio.gather(self._carry(reader, upstream), self._carry(upstream_reader, writer))
        except asyncio.CancelledError:  # the experiment is over; streams of 3.11 would print a traceback for each connection
            return
        finally:
            for each in (writer, upstream):
                self._writers.discard(each)
                each.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                seconds, jitter = self._delay
                if seconds:
                    await asyncio.sleep(max(seconds + self._rng.uniform(-jitter, jitter), 0.0))
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()
