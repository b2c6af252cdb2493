"""A function in an interpreter of its own, as a child.

The process is the leader of its own session, is told what to run over a socket pair (see `process_main`), and dies when the other
end of that pair closes: a parent that is gone, even by kill -9, leaves no orphan behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping

from tidegate.supervision.child import Child
from tidegate.supervision.errors import AlreadyStarted, NotReady, ProcessDied, StartTimeout
from tidegate.supervision.exits import Crash, Killed, NoProc, Normal, Reason, Shutdown
from tidegate.supervision.tasks import spawn

__all__ = ["TERMINATED", "ProcessChild"]

TERMINATED = 128 + signal.SIGTERM  # the exit code by which shells, too, know an end by SIGTERM
LONGEST_LINE = 2**20  # bytes; the traceback of a failed import fits well


class ProcessChild(Child):
    """Runs `target(*args)`, a function or coroutine function written "package.module:name", in a fresh Python.

    The arguments travel as JSON. It is ready once the target is imported; with `signals_ready` the target is given a `ready`
    callable as its first argument, and `start()` returns once that was called. Asked to end, it gets a SIGTERM: a coroutine is
    cancelled, a function left by SystemExit, so that both may clean up. `kill()` is a SIGKILL for its whole process group.
    """

    kill_grace = 5.0  # seconds; the kernel may take its time over gigabytes of memory

    def __init__(
        self, target: str, *args: object, ready_timeout: float = 30.0, signals_ready: bool = False, name: str | None = None
    ) -> None:
        self.name = name or target
        self.target = target
        self.ready_timeout = ready_timeout
        try:
            json.dumps(args)
        except (TypeError, ValueError) as error:
            raise TypeError(f"the arguments of {target} must be JSON: {error}") from error
        self._args = args
        self._signals_ready = signals_ready
        self._process: Process | None = None
        self._channel: asyncio.StreamWriter | None = None
        self._end: asyncio.Task[Reason] | None = None
        self._asked: Reason | None = None
        self._killed = False

    def __repr__(self) -> str:
        return f"<ProcessChild {self.name} pid={self.pid} {'alive' if self.alive else 'not alive'}>"

    @property
    def pid(self) -> int | None:
        """The id of the process, once there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def alive(self) -> bool:
        """Whether the process runs and was not killed."""
        return self._end is not None and not self._end.done() and not self._killed

    def describe(self) -> Mapping[str, object]:
        """Return what there is to know about the process."""
        return {"pid": self.pid, "target": self.target}

    async def start(self) -> object:
        """Start the process and return once it is ready; leave nothing behind where that fails."""
        if self._process is not None:
            raise AlreadyStarted(self.name, self)
        ours, theirs = socket.socketpair()
        try:
            reader, self._channel = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
            self._process = process = await self._launch(theirs)
        except BaseException:
            (self._channel or ours).close()
            raise
        finally:
            theirs.close()
        self._end = spawn(self._watch(process), name=f"end of process {process.pid}")
        self._channel.write(self._order())
        hearing = spawn(_hear(reader), name=f"readiness of process {process.pid}")
        try:
            await asyncio.wait({hearing, self._end}, timeout=self.ready_timeout, return_when=asyncio.FIRST_COMPLETED)
            said = hearing.result() if hearing.done() else {}
            if "ready" not in said:
                await self._fail(process, self._end, said, in_time=hearing.done() or self._end.done())
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            hearing.cancel()
        return self

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Send SIGTERM and wait for the end; kill the process group after `timeout` seconds."""
        if self._process is None or self._end is None or self._end.done():
            return
        if self._asked is None:
            self._asked = reason
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        await asyncio.wait({self._end}, timeout=timeout)
        if not self._end.done():
            self.kill()
            await asyncio.wait({self._end}, timeout=self.kill_grace)

    async def join(self) -> Reason:
        """Wait for the end of the process and return its reason."""
        if self._end is None:
            return NoProc()
        await asyncio.wait({self._end})
        return Killed() if self._end.cancelled() else self._end.result()

    def kill(self) -> None:
        """Kill the process and everything in its process group."""
        if self._process is not None and self._process.returncode is None:
            self._killed = True
            _kill_group(self._process.pid)

    async def _launch(self, channel: socket.socket) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tidegate.supervision.process_main",
            str(channel.fileno()),
            self.target,
            stdin=DEVNULL,
            pass_fds=(channel.fileno(),),
            start_new_session=True,
        )

    def _order(self) -> bytes:
        order = {"target": self.target, "args": self._args, "path": sys.path, "signals_ready": self._signals_ready}
        return json.dumps(order).encode() + b"\n"

    async def _fail(self, process: Process, end: asyncio.Task[Reason], said: Mapping[str, str], *, in_time: bool) -> None:
        """Raise why the process is not ready, after its end."""
        if not in_time:
            self.kill()
        await asyncio.wait({end}, timeout=self.kill_grace)
        self.kill()
        if not in_time:
            raise StartTimeout(f"process {process.pid} ({self.target})", self.ready_timeout)
        if "message" in said:
            error = NotReady(f"process {process.pid} ({self.target}) could not begin: {said['message']}")
            error.add_note(said.get("error", ""))
            raise error
        reason = await self.join()
        raise (
            reason.error
            if isinstance(reason, Crash)
            else NotReady(f"process {process.pid} ({self.target}) ended before it was ready")
        )

    async def _watch(self, process: Process) -> Reason:
        try:
            returncode = await process.wait()
        except asyncio.CancelledError:  # the loop is being closed: nobody would look after the process any more
            self.kill()
            await process.wait()
            raise
        finally:
            _kill_group(process.pid)  # what the process left running in its session
            if self._channel is not None:
                self._channel.close()
        return self._reason(process.pid, returncode)

    def _reason(self, pid: int, returncode: int) -> Reason:
        if self._killed:
            return Killed()
        if self._asked is not None and returncode in {0, TERMINATED, -signal.SIGTERM}:
            return self._asked
        if returncode == 0:
            return Normal()
        if returncode > 0:
            return Crash(ProcessDied(self.target, pid, exit_code=returncode))
        return Crash(ProcessDied(self.target, pid, signal=_signal_name(-returncode)))


async def _hear(reader: asyncio.StreamReader) -> Mapping[str, str]:
    """Return the line that the process says about its start; nothing where it says none."""
    try:
        line = await reader.readline()
    except OSError:
        return {}
    words: Mapping[str, str] = json.loads(line) if line.endswith(b"\n") else {}
    return words


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, where only zombies are left
        os.killpg(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
