"""This process among the users of a folder.

All users of one folder in one process are one user to the keeper: they share the process's only descriptor of the lock file, the
first of them takes the users' lock and the last gives it back. A forked child has inherited no lock, so it is nobody until it
enters for itself, and leaving what its parent entered does nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tidegate.errors import DatabaseUnreachable, TidegateError
from tidegate.store.embedded import locks, trouble
from tidegate.store.embedded.launch import STEP, Launcher
from tidegate.store.embedded.site import Running, Site

__all__ = ["Membership", "membership_of"]

LOOK = 0.5  # seconds between two looks at whether the keeper lives
LONGEST_LOOK = 30.0  # seconds between two tries to start one where that fails
PATIENCE = 90.0  # seconds that the last leaver waits: longer than the keeper needs, SIGKILL included

log = logging.getLogger(__name__)


@dataclass
class Membership:
    """How many users of `site` this process holds, and what it does for them: keep a keeper there."""

    site: Site
    lock: int
    launcher: Launcher
    pid: int = field(default_factory=os.getpid)
    count: int = 0
    mutex: threading.Lock = field(default_factory=threading.Lock)
    left: threading.Event = field(default_factory=threading.Event)
    watcher: threading.Thread | None = None

    def enter(self, *, binaries: Path | None, seconds: float, say: Callable[[str], None]) -> Running:
        """Become one user more and return a server that answered a moment ago; nothing is held if that fails."""
        with self.mutex:
            if self.count == 0:
                self._take(seconds)
            self.count += 1
            try:
                running = self.launcher.ensure(binaries=binaries, seconds=seconds, say=say)
            except BaseException:
                self._leave()
                raise
            if self.watcher is None:
                self.watcher = threading.Thread(target=self._watch, args=(binaries,), daemon=True, name="embedded-postgres")
                self.watcher.start()
            return running

    def leave(self) -> None:
        """Become one user less; return once the server is down, unless others use it."""
        if self.pid == os.getpid():
            with self.mutex:
                self._leave()

    def _take(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not locks.share(self.lock, locks.USERS):
            if time.monotonic() >= deadline:
                raise DatabaseUnreachable(
                    f"the embedded PostgreSQL of {self.site.folder} is being stopped, for more than {seconds:g} s",
                    hint=f"look at {self.site.log} and try again, or {trouble.ELSEWHERE}",
                )
            time.sleep(STEP)

    def _leave(self) -> None:
        self.count -= 1
        if self.count == 0:
            keeper = locks.holder(self.lock, locks.KEEPER)
            locks.release(self.lock, locks.USERS)
            self.left.set()
            if keeper is not None:
                self._await_end(keeper.pid, time.monotonic() + PATIENCE)

    def _await_end(self, keeper: int, deadline: float) -> None:
        """Wait until the keeper is gone; not while others use it, nor for another keeper that they started meanwhile."""
        while time.monotonic() < deadline:
            users = locks.holder(self.lock, locks.USERS)
            if users is not None and not users.exclusive:
                return
            held = locks.holder(self.lock, locks.KEEPER)
            self.launcher.bury()
            if (held is None or held.pid != keeper) and not _lives(keeper):
                return
            time.sleep(STEP / 2)
        log.warning("keeper %d of %s did not end within %g s", keeper, self.site.folder, PATIENCE)

    def _watch(self, binaries: Path | None) -> None:
        """Start another keeper when it is gone; end when this process has neither users nor keepers to bury."""
        pause = LOOK
        while True:
            self.left.wait(pause)
            with self.mutex:
                self.left.clear()
                ours = self.launcher.bury()
                if self.count == 0 and not ours:
                    self.watcher = None
                    return
                if self.count == 0 or locks.holder(self.lock, locks.KEEPER) or self._start_again(binaries):
                    pause = LOOK
                else:
                    pause = min(LONGEST_LOOK, pause * 2)

    def _start_again(self, binaries: Path | None) -> bool:
        log.warning("the keeper of %s is gone; starting another", self.site.folder)
        try:
            self.launcher.ensure(binaries=binaries, seconds=10, say=log.info)
        except TidegateError as error:
            log.warning("%s", error)
            return False
        return True


def membership_of(site: Site) -> Membership:
    """Return this process's one membership of `site`."""
    with trouble.translated(site.folder):
        lock = locks.descriptor(site.lock)
    return _memberships.setdefault(lock, Membership(site, lock, Launcher(site, lock)))


def _lives(pid: int) -> bool:
    try:
        return pid > 0 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


_memberships: dict[int, Membership] = {}
os.register_at_fork(after_in_child=_memberships.clear)
