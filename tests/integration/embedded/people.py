"""Processes that use an embedded server, and a place for them to do it in.

A `User` is a process of its own that enters, says so, and leaves when it is told to. A `Project` is a folder (its path has spaces)
that knows every process which has to do with it.
"""

from __future__ import annotations

import functools
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

import tidegate.store.embedded
from tidegate.store.embedded.site import Site

PROGRAM = """
import json, signal, sys
from pathlib import Path
from tidegate.errors import TidegateError
from tidegate.store.embedded import EmbeddedPostgres

def tell(**facts):
    print(json.dumps(facts), flush=True)

folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
if "binaries" in options:
    options["binaries"] = Path(options["binaries"])
signal.signal(signal.SIGINT, signal.SIG_IGN if options.pop("drains", False) else signal.SIG_DFL)
try:
    with EmbeddedPostgres(folder, on_progress=lambda words: tell(progress=words), **options) as server:
        tell(conninfo=server.conninfo, data=str(server.data), version=server.server_version)
        sys.stdin.readline()
    tell(left=True)
except TidegateError as error:
    tell(error=type(error).__name__, message=str(error), hint=error.hint)
    sys.exit(error.exit_code)
"""
PACKAGE = Path(tidegate.store.embedded.__file__).parents[3]


def until(what: Callable[[], Any], *, seconds: float = 30) -> Any:
    """Return what `what` returns once it is true; AssertionError when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"still not after {seconds} s: {what}"
        time.sleep(0.005)
    return found


class User:
    """A process that uses the server of a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        account: str | None = None,
        before: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        environ = {**os.environ, **(env or {})}
        python = sys.executable
        who: dict[str, Any] = {}
        if account:
            entry = pwd.getpwnam(account)
            python, environ["PYTHONPATH"] = interpreter_for(account)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        words = [*before, python, "-W", "error", "-P", "-c", PROGRAM, str(folder), json.dumps(options)]
        self.process = subprocess.Popen(
            words, env=environ, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **who
        )
        self.progress: list[str] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> dict[str, Any]:
        """Wait for the next thing that it says, progress aside."""
        while line := self.process.stdout.readline():
            told = json.loads(line)
            if "progress" not in told:
                return told
            self.progress.append(told["progress"])
        pytest.fail(f"user {self.pid} ended ({self.process.wait()}) without a word")

    def until_progress(self, word: str) -> None:
        """Wait until it says a sentence with `word` in it."""
        while line := self.process.stdout.readline():
            if word in json.loads(line).get("progress", ""):
                return
        pytest.fail(f"user {self.pid} never said {word!r}")

    def ready(self) -> str:
        """Wait until it is in; return the server's address."""
        told = self.said()
        assert "conninfo" in told, told
        return told["conninfo"]

    def refused(self) -> dict[str, Any]:
        """Wait until it is refused; return what it was told."""
        told = self.said()
        assert "error" in told, told
        assert self.close() != 0
        return told

    def leave(self) -> None:
        """Let it leave; return when it is gone."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.said() == {"left": True}
        assert self.close() == 0

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal; return when it is gone."""
        self.process.send_signal(number)
        self.close()

    def close(self) -> int:
        code = self.process.wait(60)
        self.process.stdin.close()
        self.process.stdout.close()
        return code


class Project:
    """A folder with a `.tidegate/` in it, and all processes that have to do with that."""

    def __init__(self, *, owner: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tidegate it "))
        self.folder.chmod(0o755)
        if owner:
            os.chown(self.folder, pwd.getpwnam(owner).pw_uid, pwd.getpwnam(owner).pw_gid)
        self.owner = owner
        self.tidegate = self.folder / ".tidegate"
        self.users: list[User] = []
        self._names: set[str] = set()

    def user(self, **options: Any) -> User:
        """Start a user of this project, as its owner."""
        options.setdefault("account", self.owner)
        self.users.append(User(self.tidegate, **options))
        return self.users[-1]

    @property
    def site(self) -> Site:
        return Site(self.tidegate.resolve())

    @property
    def data(self) -> Path:
        return self.site.place() or self.tidegate / "data"

    @property
    def keeper(self) -> psutil.Process:
        return psutil.Process(self.site.running().keeper)

    @property
    def postmaster(self) -> psutil.Process:
        return psutil.Process(self.site.running().postmaster)

    def log(self) -> str:
        return self.site.log.read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """Return what lives of users, keepers, servers and initdbs of this project."""
        marks = {str(self.folder), *self.names()}
        if place := self.site.place():
            marks.add(str(place.parent))
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if any(mark in words for mark in marks) and process.pid != os.getpid():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def names(self) -> set[str]:
        """Return the names of this project's clusters: one, unless its folder was removed and made again."""
        if self.site.lock.exists():
            self._names.add(self.site.name)
        return self._names

    def socket_folders(self) -> list[Path]:
        return [folder for name in self.names() for folder in Path("/tmp").glob(f"{name}*")]

    def empty(self) -> bool:
        """Whether no process is left, nor the socket's folder."""
        return not self.processes() and not self.socket_folders()

    def remove(self) -> list[psutil.Process]:
        """Remove everything; return the processes that should have been gone by now, now killed."""
        for user in self.users:
            if user.process.poll() is None:
                user.process.kill()
            user.close()
        deadline = time.monotonic() + 20
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        for process in left:
            process.kill()
        for folder in (*self.socket_folders(), *([self.data.parent] if self.site.place() else [])):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        return left


def ask(conninfo: str, question: str) -> Any:
    """Return the only value that the database answers."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(question).fetchone()[0]


def answers(conninfo: str) -> bool:
    """Whether somebody answers."""
    try:
        return ask(conninfo, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def tell(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement)


@functools.cache
def interpreter_for(account: str) -> tuple[str, str]:
    """Return a Python that a plain user can run, and the PYTHONPATH that makes it this one's equal; skips where there is none."""
    entry = pwd.getpwnam(account)
    path = os.pathsep.join([str(PACKAGE), *(step for step in sys.path if step.endswith("-packages"))])
    names = [sys.executable, "/usr/bin/python3", f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"]
    for python in names:
        try:
            done = subprocess.run(
                [python, "-P", "-c", "import psutil, psycopg, tidegate.store.embedded"],
                env={**os.environ, "PYTHONPATH": path},
                cwd="/",
                user=entry.pw_uid,
                group=entry.pw_gid,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return python, path
    pytest.skip(f"no Python that user {account} can run has what this one has")
