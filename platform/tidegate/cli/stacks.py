"""What `workers stacks` prints: a heading for each running job, and under it where its code stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

from tidegate.cli.wording import span
from tidegate.plurals import noun

__all__ = ["stack_lines"]


def stack_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines about what a node answered: a blocked loop first, then its jobs, then what else runs in it."""
    if answer["loop"] == "blocked":
        yield "the event loop is BLOCKED:"
        yield _stack(answer["event_loop"])
    for run in answer["jobs"]:
        more = f" and {len(run['jobs']) - 1} more of its batch" if len(run["jobs"]) > 1 else ""
        left = run["deadline_in"]
        limit = f"{span(left)} left" if left >= 0 else f"{span(-left)} over its time-out"
        yield f"job {run['job']}{more}, {run['kind']}, queue {run['queue']}, attempt {run['attempt']}"
        yield f"  runs for {span(run['age'])}, {limit}; {run['where']}"
        yield _stack(run["stack"])
    if answer["left_out"]:
        yield f"{noun(answer['left_out'], 'more job')} left out\n"
    for thread in answer["threads"]:
        yield f"thread {thread['name']}, which no running job owns"
        yield _stack(thread["stack"])


def _stack(text: str) -> str:
    return f"{indent(text.rstrip() or 'it does not say: code in C may run there that never looks up', '    ')}\n"
