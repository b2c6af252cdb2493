"""Rows past their retention, removed a batch at a time: dead letters by age and number, errors, decisions on sizes.

What is partitioned is dropped by the day; see partitions.py.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

from tidegate.store.statements import statement

__all__ = ["prune_rows"]

BATCH: Final = 10_000  # rows under one transaction's locks
ROUNDS: Final = 50  # batches in one turn; the rest waits for the next
DECISIONS: Final = 14 * 86_400.0  # seconds for which the autoscaler's decisions are kept: last week can be replayed
GROUPS: Final = 10_000  # groups of errors that are kept, the ones seen last


async def prune_rows(connection: psycopg.AsyncConnection[Any], *, dead: float, most: int) -> int:
    """Remove dead letters older than `dead` seconds, those beyond the newest `most`, and errors not seen for as long."""
    pruned = 0
    for name, params in (
        ("prune_dead_letters", {"age": dead}),
        ("prune_dead_letters_beyond", {"most": most}),
        ("prune_errors", {"age": dead, "most": GROUPS}),
        ("prune_error_hours", {"age": dead}),
        ("prune_scaling_decisions", {"kept": DECISIONS}),
    ):
        for _ in range(ROUNDS):
            gone = (await connection.execute(statement(name), {**params, "n": BATCH})).rowcount
            pruned += gone
            if gone < BATCH:
                break
    return pruned
