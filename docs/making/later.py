"""The part of README that tells what does not exist yet: what the command line and the settings refuse, and why."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import click

from making.commands import promised
from making.words import code
from tidegate.cli.program import LATER, program
from tidegate.settings.absent import EXECUTORS, QUEUE, TOP

README: Final = Path(__file__).parents[2] / "README.md"
PART: Final = re.compile(r"(<!-- made by `make schema` -->\n).*?(<!-- end -->)", re.DOTALL)
ALSO: Final = "Not here either: unique jobs, rate limits, workflows of jobs that wait for each other."


def page() -> str:
    """Return README with that part as it is now."""
    return PART.sub(lambda found: f"{found[1]}{_part()}\n{found[2]}", README.read_text("utf-8"))


def _part() -> str:
    refused: dict[str, list[str]] = defaultdict(list)
    for name, what in LATER.items():
        refused[what].append(code(f"tidegate {name}"))
    for name, what in promised(click.Context(program, info_name="tidegate")):
        refused[what].append(code(name))
    for key, what in TOP.items():
        refused[what].append(code(f"{key}:"))
    for key, what in QUEUE.items():
        refused[what].append(code(f"queues.NAME.{key}:"))
    for value, what in EXECUTORS.items():
        refused[what].append(code(f"executor: {value}"))
    lines = [f"- {what}: {', '.join(names)}" for what, names in sorted(refused.items(), key=lambda each: each[0].lower())]
    return "\n".join([*lines, "", ALSO])
