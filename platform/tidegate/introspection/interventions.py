"""What people do by hand: cancel, retry, pause, purge. Each is one statement, told to the nodes, and says what it changed.

Rows that somebody else is changing at that moment are skipped, never waited for (protocol A2), so a verb about named jobs looks
again until each of them is decided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tidegate.errors import NotFound, Refused
from tidegate.introspection.asking import asking
from tidegate.jobs import State
from tidegate.store.statements import statement

__all__ = ["Cancelled", "Operator", "Retried"]

TRIES: Final = 40
PAUSE: Final = 0.05  # seconds; two in all, while an ack or a claim of that row takes milliseconds
CANCEL_BATCH: Final = 400  # ids; a notification holds 8,000 bytes
PURGE_BATCH: Final = 5_000  # rows; some tens of milliseconds under their locks
CANCELLED: Final = "cancelled by hand"
PURGED: Final = "purged by hand"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a cancellation came to: `state` is the job's now, None where there is no such job."""

    id: int
    queue: str | None
    state: str | None
    requested: bool = False
    """It runs, and was asked to end."""

    @property
    def done(self) -> bool:
        """Whether this call did anything: the job was waiting or running."""
        return self.requested or self.state == State.CANCELLED


@dataclass(frozen=True, slots=True)
class Retried:
    """A job that is ready again: itself (`new_id` is `id`), or as a new one."""

    id: int
    new_id: int
    queue: str


class Operator:
    """Intervenes over one autocommit connection (`store.connection.connect`)."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def pause(self, queue: str, *, paused: bool) -> None:
        """Pause or resume a queue on every node, at once."""
        with asking("pause" if paused else "resume"):
            self._rows("pause", {"queue": queue, "paused": paused})

    def scale(self, queue: str, size: int | None, *, seconds: float | None = None) -> datetime | None:
        """Fix the fleet's sum of a queue's consumers, None for automatic again; return until when that holds, None for always."""
        with asking("scale"):
            [row] = self._rows("scale", {"queue": queue, "size": size, "seconds": seconds})
        until: datetime | None = row["scale_until"]
        return until

    def cancel(self, ids: Sequence[int]) -> list[Cancelled]:
        """End waiting jobs, ask running ones to end; return what became of each, in the order given.

        A job that was over already is left alone, and its state says so.
        """
        open_ids = list(dict.fromkeys(ids))
        found: dict[int, Cancelled] = {}
        with asking("cancel"):
            for try_ in range(TRIES):
                if try_:
                    time.sleep(PAUSE)
                for start in range(0, len(open_ids), CANCEL_BATCH):
                    found |= self._cancel(open_ids[start : start + CANCEL_BATCH])
                open_ids = [job_id for job_id in open_ids if job_id not in found]
                if not open_ids:
                    return [found[job_id] for job_id in dict.fromkeys(ids)]
        raise _busy(open_ids)

    def retry(self, job_id: int, *, again: bool = False) -> Retried:
        """Make a job ready again: a scheduled one now, a dead or cancelled one as a new job; a completed one only if `again`."""
        with asking("retry"):
            for try_ in range(TRIES):
                if try_:
                    time.sleep(PAUSE)
                where = self._states([job_id]).get(job_id)
                if where is None:
                    raise NotFound(f"there is no job {job_id}", hint="`tidegate jobs list` shows those there are")
                _refuse(job_id, where, again=again)
                rows = self._rows(_RETRY[where["state"]], {"id": job_id})
                if rows:
                    return Retried(job_id, rows[0]["id"], rows[0]["queue"])
        raise _busy([job_id])

    def purge(self, queue: str, *, on_progress: Callable[[int], None] | None = None) -> int:
        """Cancel everything that waits in a queue now, ready and scheduled; running jobs go on. Return how many it were."""
        ended = 0
        with asking("purge"):
            upto = self._rows("last_job")[0]["last_value"]
            for state in (State.READY, State.SCHEDULED):
                params = {"queue": queue, "state": state.value, "upto": upto, "n": PURGE_BATCH, "why": PURGED}
                while (count := self._connection.execute(statement("purge"), params).rowcount) > 0:
                    ended += count
                    if on_progress is not None:
                        on_progress(ended)
        return ended

    def _cancel(self, ids: Sequence[int]) -> dict[int, Cancelled]:
        """Return those that are decided."""
        rows = self._rows("cancel", {"ids": list(ids), "why": CANCELLED})
        found = {row["id"]: Cancelled(row["id"], row["queue"], row["state"], row["state"] == State.RUNNING) for row in rows}
        rest = [job_id for job_id in ids if job_id not in found]
        states = self._states(rest) if rest else {}
        for job_id in rest:
            where = states.get(job_id)
            if where is None:
                found[job_id] = Cancelled(job_id, None, None)
            elif where["state"] in _OVER:
                found[job_id] = Cancelled(job_id, where["queue"], where["state"])
        return found

    def _states(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        return {row["id"]: row for row in self._rows("inspect_states", {"ids": list(ids)})}

    def _rows(self, name: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


_OVER: Final = (State.COMPLETED, State.CANCELLED, State.DEAD)
_RETRY: Final[Mapping[str, str]] = {
    State.SCHEDULED: "retry_now",
    State.DEAD: "retry_dead",
    State.CANCELLED: "retry_finished",
    State.COMPLETED: "retry_finished",
}


def _refuse(job_id: int, where: Mapping[str, Any], *, again: bool) -> None:
    match where["state"]:
        case State.READY:
            raise Refused(f"job {job_id} is ready already: it runs as soon as a consumer is free")
        case State.RUNNING:
            raise Refused(f"job {job_id} is running", hint=f"end it first: tidegate jobs cancel {job_id}")
        case State.DEAD if (retried_as := where["retried_as"]) is not None:
            raise Refused(f"job {job_id} was retried already, as job {retried_as}", hint=f"tidegate jobs show {retried_as}")
        case State.DEAD if where["discarded"]:
            raise Refused(f"job {job_id} is dead, and its dead letter was discarded")
        case State.DEAD if where["redacted"]:
            raise Refused(f"job {job_id} came from another database without its secrets, so it cannot run as it is")
        case State.COMPLETED if not again:
            raise Refused(f"job {job_id} is completed", hint=f"to run it once more: tidegate jobs retry {job_id} --again")
        case _:
            pass


def _busy(ids: Sequence[int]) -> Refused:
    shown = ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
    return Refused(f"somebody else is changing job {shown} at this moment", hint="try again")
