"""Nodes as processes of their own: `python -m tidegate up`, started, watched, signalled, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent


class NodeProcess:
    """One `tidegate up`, of the Tidegate in `path` if that is given. Leaving the block kills it if it still runs."""

    def __init__(self, database: str, folder: Path, *options: str, path: Path | None = None) -> None:
        self.log = folder / f"up-{time.monotonic_ns()}.log"
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(each) for each in (path, ROOT) if each is not None),
            "TIDEGATE_DATABASE": database,
            "TRACE_FILE": str(folder / "trace"),
            "NO_COLOR": "1",
        }
        words = [sys.executable, "-m", "tidegate", "--config", str(folder / "queues.yaml"), "up", "--metrics-port", "0", *options]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(words, cwd=folder, env=environ, stdout=out, stderr=out)

    def __enter__(self) -> Self:
        try:
            self.wait_for("Ctrl-C drains", within=60)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def wait_for(self, words: str, within: float = 60) -> None:
        deadline = time.monotonic() + within
        while words not in self.said:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the node did not say {words!r}; it said:\n{self.said}")
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, within: float = 60) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(within)

    def node(self) -> str:
        """Return the name that it goes by."""
        return self.said.split(", node ", 1)[1].split()[0]
