"""Groups of failures, dying or not, as the nodes' trackers count them; and what is said about them by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tidegate.dead_letters.audit import Audit
from tidegate.dead_letters.wanted import Wanted
from tidegate.errors import NotFound, Refused
from tidegate.introspection import iso
from tidegate.introspection.asking import asking
from tidegate.store.statements import statement

__all__ = ["STATUSES", "ErrorGroup", "ErrorGroups"]

STATUSES: Final = ("open", "resolved", "muted")
NEW_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """One group of failures."""

    fingerprint: str
    type: str
    message: str
    grounds: str
    count: int
    deaths: int
    first_seen: datetime
    last_seen: datetime
    kinds: tuple[str, ...]
    queues: tuple[str, ...]
    nodes: tuple[str, ...]
    versions: tuple[str, ...]
    jobs: tuple[int, ...]
    status: str
    changed_at: datetime | None
    changed_by: str | None
    changed_why: str | None
    resolved_versions: tuple[str, ...]
    regressed_at: datetime | None
    last_day: int
    """Failures of the last 24 hours."""
    now: datetime
    hours: Sequence[Mapping[str, Any]] = ()
    letters: int | None = None
    """Open dead letters."""

    @property
    def new(self) -> bool:
        """Whether it was first seen within the last day."""
        return self.now - self.first_seen < NEW_FOR

    @property
    def regressed(self) -> bool:
        """Whether it came back on a newer version after it had been resolved."""
        return self.status == "open" and self.regressed_at is not None

    @property
    def mark(self) -> str:
        """The one word that lists show: what matters most about it."""
        if self.status != "open":
            return self.status
        return "regressed" if self.regressed else "new" if self.new else "open"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        told: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "error": {"type": self.type, "message": self.message},
            "grounds": self.grounds,
            "count": self.count,
            "deaths": self.deaths,
            "last_day": self.last_day,
            "first_seen": iso(self.first_seen),
            "last_seen": iso(self.last_seen),
            "kinds": list(self.kinds),
            "queues": list(self.queues),
            "nodes": list(self.nodes),
            "versions": list(self.versions),
            "job_ids": list(self.jobs),
            "status": self.status,
            "new": self.new,
            "regressed": self.regressed,
            "regressed_at": iso(self.regressed_at),
            "changed_at": iso(self.changed_at),
            "changed_by": self.changed_by,
            "changed_why": self.changed_why,
        }
        if self.letters is not None:
            told |= {"hours": list(self.hours), "dead_letters": self.letters}
        return told


class ErrorGroups:
    """Answers and changes over one autocommit connection. What changes anything is audited."""

    def __init__(self, connection: psycopg.Connection[Any], *, actor: str | None = None) -> None:
        self.audit = Audit(connection, actor)
        self._connection = connection

    def list(
        self,
        *,
        statuses: Sequence[str] = ("open",),
        kinds: Sequence[str] = (),
        queues: Sequence[str] = (),
        text: str | None = None,
        limit: int = 20,
    ) -> Sequence[ErrorGroup]:
        """Return groups, those seen last first."""
        params = {
            "statuses": list(statuses) or None, "kinds": list(kinds) or None, "queues": list(queues) or None,
            "text": Wanted(text=text).params()["text"], "n": limit,
        }  # fmt: skip
        with asking("list the errors"):
            now = self._now()
            return [_group(row, now) for row in self._rows("errors_list", params)]

    def show(self, name: str) -> ErrorGroup:
        """Return one group by its fingerprint, or the beginning of it; NotFound where there is none."""
        with asking("look at the error"):
            now, fingerprint = self._now(), self._fingerprint(name)
            rows = self._rows("error", {"fingerprint": fingerprint})
        if not rows:
            raise _no_error(name)
        return _group(rows[0], now)

    def resolve(self, names: Sequence[str], *, why: str | None = None) -> Sequence[str]:
        """Say that these are mended: seen again on a version that had not shown them, they are open and regressed."""
        return self._say(names, "resolved", "errors.resolve", why)

    def mute(self, names: Sequence[str], *, why: str | None = None) -> Sequence[str]:
        """Say that nobody wants to hear of these: they are counted, and neither listed nor notified."""
        return self._say(names, "muted", "errors.mute", why)

    def reopen(self, names: Sequence[str], *, why: str | None = None) -> Sequence[str]:
        """Take back that these were resolved or muted."""
        return self._say(names, "open", "errors.reopen", why)

    def _say(self, names: Sequence[str], status: str, action: str, why: str | None) -> Sequence[str]:
        with asking(action), self._connection.transaction():
            fingerprints = list(dict.fromkeys(self._fingerprint(name) for name in names))
            params = {"fingerprints": fingerprints, "status": status, "actor": self.audit.actor, "why": why}
            changed = {row["fingerprint"] for row in self._rows("error_status", params)}
            for name in fingerprints:
                if name not in changed:
                    raise _no_error(name)
            self.audit.note(action, {"fingerprints": fingerprints}, why)
        return fingerprints

    def _fingerprint(self, name: str) -> str:
        found = [row["fingerprint"] for row in self._rows("letters_of_group", {"prefix": name})]
        if name in found:
            return name
        if not found:
            raise _no_error(name)
        if len(found) > 1:
            raise Refused(f"{name} is the beginning of several groups: {', '.join(found)}", hint="write more of it")
        return str(found[0])

    def _now(self) -> datetime:
        now: datetime = self._connection.execute(statement("moment")).fetchall()[0][0]
        return now

    def _rows(self, name: str, params: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


def _group(row: Mapping[str, Any], now: datetime) -> ErrorGroup:
    lists = ("kinds", "queues", "nodes", "versions", "jobs", "resolved_versions")
    told = {**row, **{name: tuple(row[name] or ()) for name in lists}, "now": now}
    if "hours" in told:
        hours = json.loads(told["hours"])
        told["hours"] = [{"hour": iso(datetime.fromisoformat(each["hour"])), "count": each["count"]} for each in hours]
    return ErrorGroup(**told)


def _no_error(name: str) -> NotFound:
    return NotFound(f"there is no error {name}", hint="`tidegate errors list --all` shows those there are")
