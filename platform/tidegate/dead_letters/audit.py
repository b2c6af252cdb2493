"""Who did what to which dead letters and errors, when and why. Arguments are never in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tidegate.introspection import iso
from tidegate.introspection.actor import whoami
from tidegate.introspection.asking import asking
from tidegate.introspection.stored import readable
from tidegate.redaction import Redactor
from tidegate.store.statements import statement

__all__ = ["Audit", "AuditEntry", "Audited", "Redactors", "whoami"]

Redactors = Callable[[str], Redactor]
"""What is secret about the calls of a kind, as its handler here says."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done by hand."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: Any
    why: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": self.id, "at": iso(self.at), "actor": self.actor, "action": self.action, "subject": self.subject, "why": self.why,
        }  # fmt: skip


class Audit:
    """The audit of one actor over one connection; a note joins the transaction that is open on it."""

    def __init__(self, connection: psycopg.Connection[Any], actor: str | None = None) -> None:
        self.actor = actor or whoami()
        self._connection = connection

    def note(self, action: str, subject: Mapping[str, Any], why: str | None = None) -> None:
        """Note that the actor did it."""
        params = {"actor": self.actor, "action": action, "subject": json.dumps(subject), "why": why}
        self._connection.execute(statement("audit_note"), params)

    def entries(self, actions: Sequence[str] = (), *, limit: int = 20) -> list[AuditEntry]:
        """Return what was done, the newest first."""
        with asking("read the audit"), self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("audit_list"), {"actions": list(actions) or None, "n": limit}).fetchall()
        return [AuditEntry(**{**row, "subject": readable(row["subject"])}) for row in rows]


class Audited:
    """Works over one autocommit connection. What changes anything is audited, in the same transaction."""

    def __init__(
        self, connection: psycopg.Connection[Any], *, redactors: Redactors | None = None, actor: str | None = None
    ) -> None:
        self.audit = Audit(connection, actor)
        self._connection = connection
        self._redactors: Redactors = redactors or (lambda _kind: Redactor())
