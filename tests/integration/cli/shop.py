"""A project with a real database, and the command line used on it: in this process for speed, in one of its own for exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from click.testing import CliRunner, Result
from psycopg.rows import dict_row

from tidegate.cli.program import program

PATIENCE = 60.0


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_") and name != "DATABASE_URL"}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


class Shop:
    """A folder with queues.yaml and jobs, and its database."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database

    def run(self, *args: str, stdin: str | None = None) -> Result:
        """Run a command in this process; an error that nobody expected is raised."""
        result = CliRunner().invoke(program, args, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *args: str) -> Any:
        """Return the JSON value that a command prints; it succeeds."""
        result = self.run(*args, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def call(self, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        words = [sys.executable, "-m", "tidegate", *args]
        env = environment(**({"TIDEGATE_DATABASE": self.database} | more.pop("env", {})))
        return subprocess.run(
            words,
            check=False,
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=100,
            stdin=subprocess.DEVNULL,
            **more,
        )

    @contextmanager
    def started(self, *args: str) -> Iterator[Started]:
        """Start a command that goes on, such as `up`; it is killed at the end where it has not ended."""
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "tidegate", *args],
                cwd=self.folder,
                env=environment(TIDEGATE_DATABASE=self.database),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            try:
                yield Started(process, self.folder / "err")
            finally:
                process.kill()
                process.wait()

    def execute(self, query: str, *params: Any) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(query, params)

    def rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, params).fetchall()

    def insert(self, **columns: Any) -> int:
        """Insert a row into `jobs` and return its id; what is not said is a ready job of the queue email."""
        state = columns.get("state", "ready")
        row = {
            "queue": "email",
            "kind": "shopjobs:greet",
            "state": state,
            "args": '{"kwargs":{"name":"Ada"}}',
            "seq": 0 if state == "scheduled" else 1,
            **columns,
        }
        names = ", ".join([*row, "run_at"] if "run_at" not in row else row)
        values = ", ".join(["%s"] * len(row) + ([] if "run_at" in row else ["now()"]))
        [made] = self.rows(f"INSERT INTO tidegate.jobs ({names}) VALUES ({values}) RETURNING id", *row.values())
        return int(made["id"])

    def until(self, condition: Callable[[], Any], *, what: str = "it") -> Any:
        """Look until a condition holds; used on other processes, whose time cannot be jumped."""
        deadline = time.monotonic() + PATIENCE
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"waited {PATIENCE:g} s for {what}"
            time.sleep(0.02)
        return answer

    def state(self, job_id: int) -> str | None:
        """Return the state that a job is in, wherever it is."""
        found = self.rows(
            "SELECT state FROM tidegate.jobs WHERE id = %s UNION ALL SELECT state FROM tidegate.history WHERE id = %s"
            " UNION ALL SELECT 'dead' FROM tidegate.dead_letters WHERE job_id = %s",
            *[job_id] * 3,
        )
        return found[0]["state"] if found else None


class Started:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[bytes], err: Path) -> None:
        self.process = process
        self._err = err

    @property
    def words(self) -> str:
        """What it wrote to standard error so far."""
        return self._err.read_text()

    def says(self, text: str) -> None:
        """Wait until it has said something; a process that ended without a word about it fails the test."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.words:
            ended = self.process.poll()
            if ended is not None and text in self.words:
                return
            assert ended is None, f"ended with {ended}:\n{self.words}"
            assert time.monotonic() < deadline, f"did not say {text!r}:\n{self.words}"
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self, within: float = PATIENCE) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(within)
