"""A function in an interpreter of its own, as a child.

The process is the leader of its own session, is told what to run over a socket pair (see `process_main`), and dies with its
parent: one that is gone, even by kill -9, leaves no orphan behind (see `lifeline`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from tidegate.supervision.capture import LIMIT, Capture
from tidegate.supervision.channel import TERMINATED, ParentEnd
from tidegate.supervision.child import Child
from tidegate.supervision.errors import AlreadyStarted, NotReady, ProcessDied, StartTimeout
from tidegate.supervision.exits import Crash, Killed, NoProc, Normal, Reason, Shutdown
from tidegate.supervision.glimpse import GLIMPSE, Glimpse
from tidegate.supervision.reaping import Ended, over, peak_rss, reap
from tidegate.supervision.tasks import spawn

__all__ = ["ProcessChild"]


class ProcessChild(Child):
    """Runs `target(*args)`, a function or coroutine function written "package.module:name", in a fresh Python.

    The arguments travel as JSON. It is ready once the target is imported; with `signals_ready` the target is given a `ready`
    callable as its first argument, and `start()` returns once that was called. Asked to end, it gets a SIGTERM: a coroutine is
    cancelled, a function left by SystemExit, so that both may clean up. `kill()` is a SIGKILL for its whole process group.

    With `converses` the target is given its end of the channel instead (`ChildEnd`, whose `ready(...)` it must call), and
    `channel` is this end: messages of bytes go either way. What it writes to stdout and stderr is then kept in `capture`, and with
    `echo` written to those of this process as well. Of its output, the last `max_output` bytes are kept.
    """

    kill_grace = 5.0  # seconds; the kernel may take its time over gigabytes of memory

    def __init__(
        self,
        target: str,
        *args: object,
        ready_timeout: float = 30.0,
        signals_ready: bool = False,
        converses: bool = False,
        echo: bool = False,
        max_output: int = LIMIT,
        name: str | None = None,
    ) -> None:
        self.name = name or target
        self.target = target
        self.ready_timeout = ready_timeout
        try:
            json.dumps(args)
        except (TypeError, ValueError) as error:
            raise TypeError(f"the arguments of {target} must be JSON: {error}") from error
        self.facts: Mapping[str, Any] = {}
        """What the target said of itself when it was ready."""
        self.ended: Ended | None = None
        """How the process ended, once it has."""
        self._args = args
        self._signals_ready = signals_ready
        self._converses = converses
        self._echo = echo
        self._max_output = max_output
        self._capture: Capture | None = None
        self._glimpse: Glimpse | None = None
        self._reaping = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: ParentEnd | None = None
        self._lifeline = -1
        self._end: asyncio.Task[Reason] | None = None
        self._asked: Reason | None = None
        self._killed = False
        self.carried_over = 0
        """Bytes: its parent's own peak when it was started, below which its own cannot be told."""

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

    @property
    def channel(self) -> ParentEnd:
        """The conversation with the target, from the start on."""
        if self._channel is None:
            raise NotReady(f"{self.name} was not started")
        return self._channel

    @property
    def capture(self) -> Capture:
        """What a conversing process writes, from the start on."""
        if self._capture is None:
            raise NotReady(f"{self.name} does not converse, or was not started")
        return self._capture

    @property
    def peak_rss(self) -> int | None:
        """The most memory that it ever used, in bytes; None while it runs, and where it stayed below `carried_over`."""
        return self.ended.peak_rss if self.ended is not None and self.ended.peak_rss > self.carried_over else None

    def describe(self) -> Mapping[str, object]:
        """Return what there is to know about the process."""
        return {"pid": self.pid, "target": self.target, **self.facts}

    async def start(self) -> object:
        """Start the process and return once it is ready; leave nothing behind where that fails."""
        if self._process is not None:
            raise AlreadyStarted(self.name, self)
        ours, theirs = socket.socketpair()
        life, self._lifeline = os.pipe()
        try:
            self._channel = await ParentEnd.open(ours)
            self._process = process = self._launch(theirs.fileno(), life)
        except BaseException:
            ours.close()
            self._hang_up()
            raise
        finally:
            theirs.close()
            os.close(life)
        self._end = spawn(self._watch(process), name=f"end of process {process.pid}")
        if self._capture is not None and self._glimpse is not None:
            self._capture.begin()
            self._glimpse.begin()
        try:
            heard = self._channel.receive()
            either: set[asyncio.Future[Any]] = {heard, self._end}
            await asyncio.wait(either, timeout=self.ready_timeout, return_when=asyncio.FIRST_COMPLETED)
            said = json.loads(heard.result() or b"{}") if heard.done() else {}
            if "ready" not in said:
                await self._fail(process, self._end, said, in_time=heard.done() or self._end.done())
            self.facts = said["ready"]
        except asyncio.CancelledError:
            self.kill()
            raise
        return self

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Send SIGTERM and wait for the end; kill the process group after `timeout` seconds."""
        if self._process is None or self._end is None or self._end.done():
            return
        if self._asked is None:
            self._asked = reason
            self._signal(signal.SIGTERM)
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

    def look(self) -> bool:
        """Ask a conversing process where it stands, without disturbing it; callable from any thread. False: there is none."""
        if self._glimpse is None or not self.facts:  # it takes the signal for an order to die before it is ready
            return False
        self._glimpse.clear()
        return self._signal(GLIMPSE)

    def seen(self, within: float) -> str:
        """Return where it said that it stands, in faulthandler's words; waits so many seconds at most, not on the loop."""
        return "" if self._glimpse is None else self._glimpse.read(within)

    def kill(self) -> None:
        """Kill the process and everything in its process group."""
        if self._process is not None and self._process.returncode is None:
            self._killed = True
            _kill_group(self._process.pid)

    def _launch(self, channel: int, life: int) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "tidegate.supervision.process_main", str(channel), str(life), self.target]
        self.carried_over = peak_rss()
        capture = self._capture = Capture(echo=self._echo, limit=self._max_output) if self._converses else None
        glimpse = self._glimpse = Glimpse() if self._converses else None
        pass_fds: tuple[int, ...] = (channel, life)
        if capture is not None and glimpse is not None:
            pass_fds += (capture.words, glimpse.theirs)
        order = {
            "target": self.target,
            "args": self._args,
            "path": sys.path,
            "signals_ready": self._signals_ready,
            "converses": self._converses,
            "words": capture and capture.words,
            "glimpse": glimpse and glimpse.theirs,
        }
        self.channel.send(json.dumps(order).encode())
        out, err = (None, None) if capture is None else (capture.stdout, capture.stderr)
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, pass_fds=pass_fds, start_new_session=True
        )

    async def _fail(
        self, process: subprocess.Popen[bytes], end: asyncio.Task[Reason], said: Mapping[str, str], *, in_time: bool
    ) -> None:
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
        early = NotReady(f"process {process.pid} ({self.target}) ended before it was ready")
        failure = reason.error if isinstance(reason, Crash) else early
        if self._capture is not None and (output := self._capture.take().output):
            failure.add_note(f"It wrote:\n{output}")
        raise failure

    async def _watch(self, process: subprocess.Popen[bytes]) -> Reason:
        try:
            await over(process)
        except asyncio.CancelledError:  # the loop is being closed: nobody would look after the process any more
            self._killed = True
            raise
        finally:
            _kill_group(process.pid)  # what the process left running in its session, before its id may be another's
            with self._reaping:  # from here on its id may be another's
                self.ended = reap(process)
            self._hang_up()
        return self._reason(process.pid, self.ended.returncode)

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._capture is not None:
            self._capture.end()
        if self._glimpse is not None:
            self._glimpse.close()
        os.close(self._lifeline)

    def _signal(self, number: int) -> bool:
        """Send a signal from any thread; tell whether there was a process to send it to."""
        with self._reaping:
            if self._process is None or self.ended is not None:
                return False
            os.kill(self._process.pid, number)
            return True

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


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, where only zombies are left
        os.killpg(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
