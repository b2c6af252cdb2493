"""One cluster: made by initdb, run by postgres, and cleared of what a server that was killed left behind.

Whoever calls these holds the right to do so (set-up's lock, the keeper's lock); nothing here locks.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from tidegate.errors import ConfigurationError
from tidegate.store.embedded import trouble
from tidegate.store.embedded.accounts import Account, run_as
from tidegate.store.embedded.binaries import Binaries
from tidegate.store.embedded.places import SOCKET

__all__ = [
    "SETTINGS",
    "SUPERUSER",
    "PidFile",
    "clear",
    "command",
    "conninfo",
    "create",
    "is_stale",
    "major_version",
    "parse_pid_file",
    "pid_file",
    "remains",
    "start",
]

SUPERUSER = "tidegate"
SHIM = Path(__file__).with_name("shim.py")
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # only the socket: who may pass its folder is trusted
    "port": "5432",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "search_path": "public",  # not "$user": the user's name is the schema's, and a project's tables do not belong among ours
    "shared_buffers": "128MB",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
}


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a postmaster tells in its data folder; `started` is in seconds of the epoch."""

    pid: int
    started: int
    ready: bool


def create(binaries: Binaries, data: Path, account: Account) -> None:
    """Make an empty cluster at `data`, whole or not at all."""
    for leftover in data.parent.glob("data.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if data.exists():
        raise ConfigurationError(
            f"{data} exists and is no PostgreSQL data folder",
            hint=f"move it away to start with an empty database, or {trouble.ELSEWHERE}",
        )
    new = Path(tempfile.mkdtemp(prefix="data.new-", dir=data.parent))
    try:
        if account.other:
            os.chown(new, account.uid, account.gid)
        words: list[str | Path] = [binaries.folder / "initdb", "--pgdata", new, "--username", SUPERUSER, "--auth=trust"]
        words += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        done = run_as(account, words, env=_environment())
        if done.returncode != 0:
            lines = (done.stderr + done.stdout).splitlines()
            raise trouble.server_failed("initdb made no cluster", lines, log=None, free=trouble.free_bytes(new))
        new.rename(data)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def major_version(data: Path) -> str | None:
    """Return the major version of the cluster at `data`, or None where there is none."""
    try:
        return (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def command(binaries: Path, data: Path, *, socket: Path, name: str, settings: Mapping[str, str] = SETTINGS) -> list[str]:
    """Return the command line of a server whose processes carry `name` in their titles."""
    told = {**settings, "unix_socket_directories": f'"{socket}"', "cluster_name": name}
    return [str(binaries / "postgres"), "-D", str(data), *(f"--{key}={value}" for key, value in told.items())]


def start(words: Sequence[str], account: Account, *, log: int) -> subprocess.Popen[bytes]:
    """Start a server as a child that writes to descriptor `log`, and that stops fast when the calling *thread* ends (Linux)."""
    shim = [sys.executable, "-I", "-S", str(SHIM), str(os.getpid()), str(account.uid), str(account.gid)]
    return subprocess.Popen(  # noqa: S603 - our own script, and PostgreSQL's program, found by `binaries`
        [*shim, *words], env=_environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )


def pid_file(data: Path) -> PidFile | None:
    """Return what the postmaster of `data` tells, or told before it was killed."""
    try:
        return parse_pid_file((data / "postmaster.pid").read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None


def parse_pid_file(text: str) -> PidFile | None:
    """Read postmaster.pid: pid, data folder, start, port, socket's folder, address, shared memory, state."""
    lines = text.splitlines()
    try:
        return PidFile(int(lines[0]), int(lines[2]), ready=len(lines) > 7 and lines[7].strip() == "ready")
    except (IndexError, ValueError):
        return None


def clear(data: Path, name: str, account: Account, *, socket: Path) -> None:
    """Leave no process of an earlier server of `data`, and no file of one that would keep the next from starting."""
    path = data / "postmaster.pid"
    if path.exists():  # it ends with a server that ends well
        told = pid_file(data)
        _end(name, account)
        if told is None or is_stale(told, *_who_has(told.pid)):
            path.unlink(missing_ok=True)
    for left in (SOCKET, f"{SOCKET}.lock"):
        (socket / left).unlink(missing_ok=True)


def remains(name: str, account: Account) -> list[psutil.Process]:
    """Return the processes of the server with this name, told by their titles, which all may read."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.uids().real == account.uid and _belongs(words, name):
                found.append(process)
        except psutil.Error:
            continue
    return found


def is_stale(told: PidFile, name: str | None, started: float) -> bool:
    """Whether the pid in a pid file now belongs to a process that is no postmaster of that time.

    PostgreSQL believes the pid if any process of its user has it, as after a restart of a container, where pids are few. A pid that
    nobody has (`name` is None) is left to PostgreSQL, which then also looks for what else that server left.
    """
    if name is None:
        return False
    return name not in {"postgres", "postmaster"} or abs(started - told.started) > 10


def conninfo(socket: Path, database: str) -> str:
    """Return a libpq URL; port and user are said, because libpq would else take them from the environment."""
    return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={quote(str(socket), safe='')}&port=5432"


def _end(name: str, account: Account) -> None:
    for force, patience in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        for process in remains(name, account):
            _send(process, force)
        deadline = time.monotonic() + patience
        while remains(name, account) and time.monotonic() < deadline:
            time.sleep(0.02)


def _belongs(words: Sequence[str], name: str) -> bool:
    return bool(words) and (words[0].startswith(f"postgres: {name}: ") or f"--cluster_name={name}" in words)


def _who_has(pid: int) -> tuple[str | None, float]:
    try:
        process = psutil.Process(pid)
        return process.name(), process.create_time()
    except psutil.Error:
        return None, 0.0


def _send(process: psutil.Process, force: signal.Signals) -> None:
    try:
        process.send_signal(force)
    except psutil.Error:
        return  # gone already


def _environment() -> dict[str, str]:
    """Return what a server may see: nothing that would change its meaning, such as PGDATA or a locale."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
