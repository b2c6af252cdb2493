"""How a user comes to a server that answers: find the keeper, or make the cluster and start one.

A user holds USERS before it looks, so a keeper that it finds is not on its way out. One user at a time holds SETUP and makes what
is missing; the others wait, and then find it. What keeps a cluster from being made is raised here; what keeps a server from
starting is in the log, and the user whose keeper failed reads it there. The others try for themselves.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.errors import ConfigurationError, TidegateError
from tidegate.store.embedded import cluster, keeper, leftovers, locks, trouble
from tidegate.store.embedded.accounts import server_account
from tidegate.store.embedded.binaries import Binaries, Candidate, find
from tidegate.store.embedded.places import data_folder, socket_folder, within_reach
from tidegate.store.embedded.site import Running, Site

__all__ = ["STEP", "Launcher", "choose_binaries", "prepare"]

STEP = 0.01  # seconds between two looks
TAIL = 5  # lines of the log that an error quotes
LOG_KEPT = 16 << 20  # bytes: a longer log is set aside when the next keeper starts
PACKAGES = Path(__file__).resolve().parents[3]  # the folder that `tidegate` is imported from


@dataclass
class Launcher:
    """Finds or starts the keeper of `site`, and buries the keepers that this process started."""

    site: Site
    lock: int
    children: dict[int, int | None] = field(default_factory=dict)  # the keepers' pids, and how they ended

    def ensure(self, *, binaries: Path | None, seconds: float, say: Callable[[str], None]) -> Running:
        """Return a server that answered a moment ago; the caller holds USERS."""
        deadline = time.monotonic() + seconds
        start, child = self._log_size(), 0
        while True:
            found = locks.holder(self.lock, locks.KEEPER)
            if (self.ended(child) or 0) > 0 and (found is None or found.pid == child):
                raise self._failed(start)
            if found is None and locks.take(self.lock, locks.SETUP):
                start = self._log_size()
                child = self._start_keeper(binaries, seconds, say) or child
                deadline = time.monotonic() + seconds  # to make a cluster takes as long as it takes
            elif found and (running := self.site.running()) and found.pid in {0, running.keeper}:
                return running
            if time.monotonic() >= deadline:
                raise self._no_answer(start, seconds, found)
            time.sleep(STEP)

    def ended(self, child: int) -> int | None:
        """Return how a keeper of ours ended, as subprocess tells it; None while it lives."""
        if child in self.children and self.children[child] is None:
            try:
                pid, status = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:  # somebody in this process buries all children
                pid, status = child, 0
            self.children[child] = os.waitstatus_to_exitcode(status) if pid else None
        return self.children.get(child)

    def bury(self) -> bool:
        """Take note of our keepers that ended; whether any is left."""
        return None in [self.ended(child) for child in self.children]

    def _start_keeper(self, binaries: Path | None, seconds: float, say: Callable[[str], None]) -> int:
        """Make what is missing, start a keeper and wait until it holds its lock; 0 if somebody else was faster."""
        try:
            if locks.holder(self.lock, locks.KEEPER):
                return 0
            if not locks.names(self.lock, self.site.lock):
                raise ConfigurationError(
                    f"{self.site.folder} was removed while it was in use", hint="start again, or put the folder back"
                )
            with trouble.translated(self.site.folder):
                words = prepare(self.site, binaries, say)
                say("starting PostgreSQL")
                self._set_log_aside()
                child = _spawn(words, self.site.log)
            self.children[child] = None
            deadline = time.monotonic() + seconds
            while self.ended(child) is None and not locks.holder(self.lock, locks.KEEPER) and time.monotonic() < deadline:
                time.sleep(STEP / 2)
            return child
        finally:
            locks.release(self.lock, locks.SETUP)

    def _failed(self, start: int) -> TidegateError:
        lines = self._lines(start)
        free = trouble.free_bytes(self.site.folder)
        return trouble.server_failed("the embedded PostgreSQL did not start", lines, log=self.site.log, free=free)

    def _no_answer(self, start: int, seconds: float, found: locks.Holder | None) -> TidegateError:
        doing = f"its keeper is process {found.pid}" if found else "it has no keeper"
        lines = self._lines(start) or self._lines(0)
        return trouble.no_answer(self.site.folder, seconds=seconds, doing=doing, lines=lines[-TAIL:])

    def _set_log_aside(self) -> None:
        if self._log_size() > LOG_KEPT:
            self.site.log.replace(self.site.log.with_suffix(".log.1"))

    def _log_size(self) -> int:
        try:
            return self.site.log.stat().st_size
        except FileNotFoundError:
            return 0

    def _lines(self, start: int) -> list[str]:
        try:
            with self.site.log.open("rb") as log:
                log.seek(max(start, self._log_size() - (64 << 10)))
                return [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        except FileNotFoundError:
            return []


def prepare(site: Site, folder: Path | None, say: Callable[[str], None]) -> list[str]:
    """Make the cluster if there is none; return the words that a keeper needs to run it."""
    account = server_account()
    data = data_folder(site, account, say)
    account = server_account(data)
    socket = socket_folder(site.name, account, os.environ)
    if data != site.folder / "data":
        leftovers.label(data.parent, site)
        leftovers.sweep(data.parent, account, say)
    version = cluster.major_version(data)
    binaries = within_reach(choose_binaries(data, version, folder), account)
    if version is None:
        say(f"creating a database with {binaries}")
        cluster.create(binaries, data, account)
    return keeper.arguments(site, binaries.folder, data, socket, account)


def choose_binaries(data: Path, version: str | None, folder: Path | None) -> Binaries:
    """Return the best binaries for the cluster at `data`: those of its own version, if it exists already."""
    places = None if folder is None else [Candidate(str(folder), folder)]
    best = find(places)
    if version is None or version == str(best.version.major):
        return best
    try:
        return find(places, major=int(version))
    except (ConfigurationError, ValueError):
        raise trouble.other_version(data, version=version, binaries=str(best)) from None


def _spawn(words: list[str], log: Path) -> int:
    """Start a keeper in a session of its own, its words going to `log`; not as a Popen, which complains when it is left alone."""
    command = [sys.executable, "-P", "-m", keeper.__name__, *words]
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(sys.executable, command, _environment(), file_actions=files, setsid=True, setsigmask=())


def _environment() -> dict[str, str]:
    """Return an environment in which a fresh interpreter finds the package that runs here."""
    environ = dict(os.environ)
    if str(PACKAGES) not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGES), environ.get("PYTHONPATH")]))
    return environ
