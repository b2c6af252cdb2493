"""The process that owns the embedded server: `python -m tidegate.store.embedded.keeper`.

It runs postgres as its child while anybody uses the folder, starts it again when it dies, and stops it and ends when the last user
is gone, however that one went. It learns this from the kernel: it waits for the users' lock, and gets it when nobody holds it any
more. Signals that mean "end" (Ctrl-C has no terminal here, SIGTERM, SIGHUP) do nothing: users drain first, and need their database.
kill -9 takes the server down with it (`shim`), and the next user to look starts another keeper.

    first start fails -> exit 1, the log says why            another keeper is there -> exit 0
    server dies       -> started again, after a growing delay while it does not become ready
    last user gone    -> fast shutdown, traces removed, exit 0

Nobody who waits for the keeper is told anything but through server.json (a server answers) and the keeper's lock.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import logging
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.store.embedded import cluster, locks
from tidegate.store.embedded.accounts import Account
from tidegate.store.embedded.places import claim_socket_folder
from tidegate.store.embedded.site import Running, Site

__all__ = ["Keeper", "arguments", "main", "restart_delay"]

PR_SET_CHILD_SUBREAPER = 36
POLL = 0.01  # seconds between looks at whether a starting server is ready, as pg_ctl does it

say = logging.getLogger(__name__)


class Alone:
    """The last user is gone."""


@dataclass(frozen=True, slots=True)
class Died:
    """The server ended; the code as subprocess tells it, negative for a signal."""

    code: int


def arguments(site: Site, binaries: Path, data: Path, socket: Path, account: Account) -> list[str]:
    """Return the words that make a keeper of `site`."""
    return [str(site.folder), str(binaries), str(data), str(socket), str(account.uid), str(account.gid), account.name]


def restart_delay(failures: int) -> float:
    """Seconds to wait before a server that failed to become ready so many times in a row is started again."""
    return min(10.0, 0.1 * 2**failures) if failures else 0.0


def main(words: Sequence[str]) -> int:
    """Keep one server; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tidegate.store.embedded.keeper")
    for name in ("folder", "binaries", "data", "socket"):
        parser.add_argument(name, type=Path)
    for name, kind in {"uid": int, "gid": int, "user": str}.items():
        parser.add_argument(name, type=kind)
    told = parser.parse_args(words)
    _detach()
    site = Site(told.folder)
    lock = locks.descriptor(site.lock)
    if not locks.take(lock, locks.KEEPER):
        return 0
    _adopt_orphans()
    before = site.running()  # of a keeper that was killed: its users still look for the server there
    socket = before.socket if before and os.access(before.socket.parent, os.W_OK | os.X_OK) else told.socket
    return Keeper(site, lock, told.binaries, told.data, socket, Account(told.uid, told.gid, told.user)).run()


@dataclass
class Keeper:
    """One server and what happens to it."""

    site: Site
    lock: int
    binaries: Path
    data: Path
    socket: Path
    account: Account
    name: str = ""
    server: subprocess.Popen[bytes] | None = None
    events: queue.SimpleQueue[Alone | Died] = field(default_factory=queue.SimpleQueue)

    def run(self) -> int:
        """Serve until nobody is left, and leave nothing behind; 1 if the server never became ready."""
        self.name = self.site.name
        _protect_from_cleaners(self.data.parent)
        threading.Thread(target=self._wait_for_users, daemon=True).start()
        try:
            return self._keep()
        finally:
            self._stop()
            self._clear()

    def _keep(self) -> int:
        failures, served = 0, False
        while True:
            server = self._start()
            event = self._until_ready(server)
            if event is None:
                failures, served = 0, True
                event = self._serve(server)
            else:
                failures += 1
            if isinstance(event, Alone):
                return 0
            say.warning("server %d ended (%d)", server.pid, event.code)
            if not served or not locks.names(self.lock, self.site.lock):
                return 1
            if self._alone_within(restart_delay(failures)):
                return 0

    def _wait_for_users(self) -> None:
        locks.wait_for(self.lock, locks.USERS)
        self.events.put(Alone())

    def _start(self) -> subprocess.Popen[bytes]:
        self.socket = claim_socket_folder(self.socket, self.account)
        _bury_orphans()
        cluster.clear(self.data, self.name, self.account, socket=self.socket)
        words = cluster.command(self.binaries, self.data, socket=self.socket, name=self.name)
        server = self.server = cluster.start(words, self.account, log=sys.stderr.fileno())
        threading.Thread(target=lambda: self.events.put(Died(server.wait())), daemon=True).start()
        return server

    def _until_ready(self, server: subprocess.Popen[bytes]) -> Alone | Died | None:
        """Wait until `server` answers, which after a crash takes as long as it takes; None then, else what came instead."""
        while True:
            try:
                return self.events.get(timeout=POLL)
            except queue.Empty:
                told = cluster.pid_file(self.data)
            if told is not None and told.pid == server.pid and told.ready:
                return None

    def _serve(self, server: subprocess.Popen[bytes]) -> Alone | Died:
        self.site.publish(Running(os.getpid(), server.pid, self.socket, self.data))
        event = self.events.get()
        self.site.withdraw()
        return event

    def _alone_within(self, seconds: float) -> bool:
        try:
            return isinstance(self.events.get(timeout=seconds), Alone)
        except queue.Empty:
            return False

    def _stop(self) -> None:
        for force, patience in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            if self.server is None or self.server.poll() is not None:
                return
            self.server.send_signal(force)
            try:
                self.server.wait(patience)
            except subprocess.TimeoutExpired:
                say.warning("server %d does not end by %s", self.server.pid, force.name)

    def _clear(self) -> None:
        self.site.withdraw()
        _bury_orphans()
        cluster.clear(self.data, self.name, self.account, socket=self.socket)
        try:
            self.socket.rmdir()
        except OSError as error:
            say.warning("the socket's folder stays: %s", error)


def _detach() -> None:
    """Belong to no folder of the user's, and hold none of its pipes open; it was started in a session of its own."""
    os.chdir("/")
    os.umask(0o077)
    os.closerange(3, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the server would inherit


def _adopt_orphans() -> None:
    """Be the parent of what a killed postmaster leaves, so that its end can be seen (Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _bury_orphans() -> None:
    """Take leave of what a killed postmaster left and is over; the postmaster itself was waited for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _protect_from_cleaners(folder: Path) -> None:
    """Keep those who remove old files from temporary directories (systemd-tmpfiles) out of `folder` while this process lives."""
    with contextlib.suppress(OSError):  # a file system without such locks
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)


if __name__ == "__main__":
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(format="%(asctime)s UTC [%(process)d] KEEPER:  %(message)s", level=logging.INFO)
    sys.exit(main(sys.argv[1:]))
