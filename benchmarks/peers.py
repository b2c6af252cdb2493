"""Tidegate beside its peers: no-op jobs, one worker process each, on one machine, in turns.

    python benchmarks/peers.py [--jobs N] [--runs N] [NAME ...]

The peers are installed into environments of their own (benchmarks/contestants/requirements*.txt, into build/peers*); celery,
taskiq, saq and streaq take part where redis-server is installed, oban where a Python of 3.12 or newer is. Each is a program of
benchmarks/contestants at its documented best; each job appends 16 bytes to a file, from which every figure of time is read.
PostgreSQL syncs as it would in production; Redis appends to its file and syncs it every second. Printed are medians: jobs per
second from the first job's beginning to the last one's, how that stands to the raw baseline (`nothing`: no retries, no
heartbeat, no history), milliseconds from enqueue to the handler's first line on an idle worker, CPU seconds per 10,000 jobs of
the worker and of the server, and the worker's memory.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from ground import DURABLE, ROOT, Report, Server, Size, machine, parser
from working import cpu, rss

HERE = ROOT / "benchmarks" / "contestants"
PEERS = ROOT / "build" / "peers"
NEWER = ("python3.14", "python3.13", "python3.12")  # than this one may be: for oban
POSTGRES = ("nothing", "tidegate", "pgqueuer", "oban", "chancy", "procrastinate")
REDIS = ("celery", "taskiq", "saq", "streaq")
STAMP = struct.Struct("<qq")
PAUSE = 0.02
LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Drained:
    rate: float
    worker_cpu: float
    server_cpu: float
    memory: float
    """Jobs per second; seconds of CPU per 10,000 jobs, of the worker with its children and of the server; MiB, the highest seen."""


@dataclass(slots=True)
class Contestant:
    name: str
    python: Path
    server: psutil.Process
    environment: dict[str, str]

    def call(self, *words: str) -> None:
        subprocess.run(self._command(*words), env=self.environment, cwd=HERE, check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def working(self) -> Iterator[psutil.Process]:
        process = subprocess.Popen(
            self._command("work"),
            env=self.environment,
            cwd=HERE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def drain(self, jobs: int) -> Drained:
        """Have jobs done that all wait when the worker starts."""
        self._forget()
        self.call("fill", str(jobs))
        with self.working() as worker:
            self._until(1)
            before, server = cpu(worker), cpu(self.server)
            memory = 0.0
            while (done := self._done()) < jobs:
                self._check(worker)
                memory = max(memory, rss(worker))
                time.sleep(0.02)
            spent, served = cpu(worker) - before, cpu(self.server) - server
        stamps = sorted(began for _, began in self._stamps())
        per = 10_000 / done
        return Drained((done - 1) / (stamps[-1] - stamps[0]) * 1e9, spent * per, served * per, memory)

    def latency(self, jobs: int) -> list[float]:
        """Milliseconds from enqueue to the first line, one job every 20 ms, in order."""
        self._forget()
        with self.working() as worker:
            self.call("trickle", "20", str(PAUSE))  # the worker is up, and both sides are warm
            self._until(20)
            self.call("trickle", str(jobs), str(PAUSE))
            self._until(20 + jobs)
            self._check(worker)
        return sorted((began - sent) / 1e6 for sent, began in self._stamps()[20:])

    def _command(self, *words: str) -> list[str]:
        return [str(self.python), f"with_{self.name}.py", *words]

    def _check(self, worker: psutil.Process) -> None:
        if not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"the worker of {self.name} ended by itself")

    def _until(self, jobs: int) -> None:
        end = time.monotonic() + LIMIT
        while self._done() < jobs:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} has done {self._done()} of {jobs} jobs in {LIMIT:.0f} s")
            time.sleep(0.005)

    @property
    def _file(self) -> Path:
        return Path(self.environment["STAMPS"])

    def _forget(self) -> None:
        self._file.write_bytes(b"")

    def _done(self) -> int:
        return self._file.stat().st_size // STAMP.size

    def _stamps(self) -> list[tuple[int, int]]:
        return [(sent, began) for sent, began in STAMP.iter_unpack(self._file.read_bytes())]


def environment(folder: Path, requirements: str, python: str = sys.executable) -> Path:
    """The interpreter of an environment that has these peers, made when it is not there or they have changed."""
    inside, wanted = folder / "bin" / "python", (HERE / requirements).read_text("utf-8")
    ready = folder / "ready"
    if not ready.exists() or ready.read_text("utf-8") != wanted:
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(inside), "-m", "pip", "install", "--quiet", "-r", str(HERE / requirements)], check=True)
        ready.write_text(wanted, "utf-8")
    return inside


def newer_python() -> str | None:
    """A Python of 3.12 or newer: this one, one on the path, or one that pyenv or uv has beside it."""
    if sys.version_info >= (3, 12):
        return sys.executable
    beside = sorted(Path(sys.base_prefix).parent.glob("*3.1[2-9]*/bin/python3"))
    for candidate in (*NEWER, *map(str, beside)):
        with suppress(OSError):
            ran = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
            if ran.returncode == 0 and re.match(r"Python 3\.1[2-9]", ran.stdout):
                return candidate
    return None


def interpreters(names: Sequence[str]) -> dict[str, Path]:
    """Which interpreter each contestant runs in. One that cannot take part here is not among them."""
    found = {"tidegate": Path(sys.executable)}
    for name in names:
        if name == "oban":
            newer = newer_python()
            if newer is not None:
                found[name] = environment(PEERS.with_name("peers-oban"), "requirements-oban.txt", newer)
        elif name != "tidegate" and (name not in REDIS or shutil.which("redis-server")):
            found[name] = environment(PEERS, "requirements.txt")
    return found


@contextmanager
def redis(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec"]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def contestant(name: str, python: Path, folder: Path) -> Iterator[Contestant]:
    """A contestant with a server of its own, so that none works on what another left behind."""
    given = {**os.environ, "STAMPS": str(folder / "stamps"), "PYTHONWARNINGS": "ignore"}
    if name in REDIS:
        with redis(folder) as (url, process):
            yield Contestant(name, python, process, {**given, "CONTEST_REDIS": url, "CONTEST_DATABASE": ""})
        return
    with Server(settings={**DURABLE, "shared_buffers": "512MB"}) as server:
        database = server.create_database()
        pid = int((server.data / "postmaster.pid").read_text("utf-8").split()[0])
        yield Contestant(name, python, psutil.Process(pid), {**given, "CONTEST_DATABASE": database})


def measure(name: str, python: Path, jobs: int, trickled: int) -> tuple[Drained, list[float]]:
    with tempfile.TemporaryDirectory() as folder, contestant(name, python, Path(folder)) as one:
        one.call("setup")
        return one.drain(jobs), one.latency(trickled)


def main() -> None:
    words = parser(__doc__)
    words.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(POSTGRES + REDIS)}; all unless given")
    words.add_argument("--jobs", type=int)
    words.add_argument("--runs", type=int)
    asked = words.parse_args()
    jobs, rounds = asked.jobs or asked.size.pick(20_000, 10_000, 100), asked.runs or asked.size.pick(3, 1, 1)
    wanted = [name for name in POSTGRES + REDIS if not asked.names or name in asked.names or name == "nothing"]
    if asked.size is Size.SMOKE and not asked.names:
        wanted = ["tidegate"]  # nothing is installed for a test
    pythons = interpreters(wanted)
    names = [name for name in wanted if name in pythons]
    runs: dict[str, list[tuple[Drained, list[float]]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(measure(name, pythons[name], jobs, asked.size.pick(300, 300, 20)))
    print(f"{machine()}, {rounds} runs of {jobs:,} jobs in turns, medians")
    print(f"{'':14}{'of raw':>8}{'jobs/s':>9}{'P50 ms':>8}{'P99 ms':>8}{'worker s':>10}{'server s':>10}{'MiB':>6}")
    raw = statistics.median(drained.rate for drained, _ in runs[names[0]])
    report = Report("peers", asked, {"peers": {}})
    for name, found in runs.items():
        rate, worker, server, memory = (
            statistics.median(getattr(drained, figure) for drained, _ in found)
            for figure in ("rate", "worker_cpu", "server_cpu", "memory")
        )
        p50, p99 = (statistics.median(times[int(len(times) * share)] for _, times in found) for share in (0.5, 0.99))
        print(f"{name:14}{rate / raw:8.2f}{rate:9,.0f}{p50:8.1f}{p99:8.1f}{worker:10.2f}{server:10.2f}{memory:6.0f}")
        report.figures["peers"][name] = {
            "rate": rate,
            "worker_cpu": worker,
            "server_cpu": server,
            "memory": memory,
            "p50": p50,
            "p99": p99,
            "waits": sorted(wait for _, times in found for wait in times),
        }
    for name in wanted:
        if name not in pythons:
            lacking = "redis-server is not installed" if name in REDIS else "no Python of 3.12 or newer was found"
            print(f"{name} did not take part: {lacking}")
    report.write()


if __name__ == "__main__":
    main()
