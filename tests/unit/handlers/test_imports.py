"""Writing and calling jobs stays cheap: pydantic is imported only where an annotation needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from dataclasses import dataclass
from datetime import date
from tidegate.handlers import Handlers, job, handler_of

@dataclass
class Event:
    day: date | str

@job
def send(user_id: int, events: list[Event] | None = None) -> None: ...

signature = handler_of(send).signature
signature.decode(signature.encode((1,), {"events": [Event("2024-02-29")]}))
print(sorted(name for name in WATCHED if name in sys.modules))
"""


@pytest.mark.parametrize("line", ["from tidegate import job", "from tidegate.handlers import job", PROGRAM])
def test_jobs_of_plain_types_need_neither_pydantic_nor_sqlalchemy(line):
    program = f"WATCHED = ['pydantic', 'pydantic_core', 'sqlalchemy', 'psycopg', 'asyncio']\n{line}\n"
    program += "import sys\nprint(sorted(name for name in WATCHED if name in sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(said.stdout.split("\n")) == {"[]", ""}
