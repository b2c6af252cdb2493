"""What a user's type checker says about calls of jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tidegate

SNIPPET = """
from dataclasses import dataclass
from typing import Any

from tidegate.handlers import JobContext, job
from tidegate.jobs import Dead, Job

@dataclass
class Event:
    name: str

@job(queue="email", max_attempts=5, timeout=30, on_error={ValueError: Dead})
async def send(user_id: int, locale: str = "en") -> None: ...

@job
def bare(a: int) -> str:
    return ""

@job("ml")
def with_context(ctx: JobContext, a: int) -> int:
    return a

@job
async def with_context_later(a: int, ctx: JobContext, b: int = 2) -> int:
    return a

@job(queue="analytics", batch=100)
async def events(jobs: list[Job[Event]]) -> None: ...

@job(batch=100)
def events_with_context(jobs: list[Job[Any]], ctx: JobContext) -> None: ...

send.call(user_id=1)
send.call(1, locale="de")
with_context.call(a=1)
with_context_later.call(a=1)
with_context_later.call(1, b=3)
events.call(name="x")
events_with_context.call(name="x")
text: str = bare(1)

async def main(ctx: JobContext) -> None:
    await send(user_id=1)
    number: int = with_context(ctx, 1)

send.call(user_id="x")  # wrong
send.call()  # wrong
send.call(user_id=1, colour="red")  # wrong
bare("x")  # wrong
with_context.call("x")  # wrong
with_context(1)  # wrong
job(timeout="30")  # wrong
job(queue="email", colour="red")  # wrong
events.call(name="x").options(delay="5")  # wrong

@job(batch=5)  # wrong
def no_batch(a: int) -> None: ...
"""


def test_mypy_accepts_the_right_calls_and_finds_exactly_the_wrong_ones(tmp_path):
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    source = Path(tidegate.__file__).parents[1]
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = {source}\nexplicit_package_bases = true\n")
    command = [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "--cache-dir=cache", "--no-error-summary", snippet.name]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = sorted({int(line.split(":")[1]) for line in said.stdout.splitlines() if ": error:" in line})
    assert found == [number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# wrong")], (
        said.stdout + said.stderr
    )
