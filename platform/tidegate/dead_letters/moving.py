"""Dead letters on their way between databases, a line of JSON each.

Without secrets unless they are asked for: a letter that leaves without some of them is marked, and cannot run elsewhere until
`tidegate dlq edit` has given it what is missing. A letter keeps its origin, so that bringing the same lines twice brings each once,
also back to where they came from. Its job gets an id of the database that it comes to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from psycopg.rows import dict_row
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from tidegate.dead_letters.audit import Audited
from tidegate.dead_letters.letters import forensics_of, redactor_for
from tidegate.dead_letters.wanted import Wanted
from tidegate.errors import UsageError
from tidegate.failure import storable
from tidegate.introspection import AttemptView, iso
from tidegate.introspection.asking import asking
from tidegate.introspection.stored import call_parts, readable
from tidegate.redaction import Redactor
from tidegate.store.statements import statement

__all__ = ["FORMAT", "Imported", "Mover"]

FORMAT: Final = "tidegate.dead_letter.1"
BATCH: Final = 500  # letters in one statement

_ORIGIN: Final = re.compile(r"\S{1,200} [0-9]{1,18} [0-9TZ:.+-]{10,40}")
_Name = Annotated[str, Field(min_length=1, max_length=1_000)]
_Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Line(BaseModel):
    """One letter on its way; `args`, `meta`, `attempts`, `forensics` are JSON within JSON, so that no number of theirs changes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal["tidegate.dead_letter.1"]
    origin: str
    queue: _Name
    kind: _Name
    priority: Annotated[int, Field(ge=-100, le=100)]
    attempt: _Count
    lease: _Count
    max_attempts: Annotated[int, Field(ge=1, le=2**15 - 1)] | None
    crashes: Annotated[int, Field(ge=0, le=2**15 - 1)]
    enqueued_at: AwareDatetime
    run_at: AwareDatetime
    died_at: AwareDatetime
    reason: Literal["attempts_exhausted", "discarded", "invalid", "poison"]
    node: str | None
    args: str
    meta: str | None
    unique_key: str | None
    error_type: str | None
    error_message: str | None
    fingerprint: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")]
    attempts: str
    forensics: str | None
    redacted: bool

    @field_validator("origin")
    @classmethod
    def _known_form(cls, origin: str) -> str:
        if _ORIGIN.fullmatch(origin) is None:
            raise ValueError("expected a database, the id of a letter there, and when it died")
        return origin

    @property
    def first_id(self) -> int:
        """The id that it had in the database where it died."""
        return int(self.origin.split(" ")[1])


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: new letters, those that were here already, and how many of the new ones lack their secrets."""

    letters: int
    known: int
    redacted: int


class Mover(Audited):
    """Exports and imports; see `Audited`."""

    def export(
        self,
        wanted: Wanted = Wanted(),  # noqa: B008 - frozen
        *,
        with_secrets: bool = False,
        why: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the open letters that match, the oldest first; the export of secrets is audited."""
        if with_secrets:
            with asking("export"):
                self.audit.note("dlq.export", {"wanted": wanted.as_json(), "with_secrets": True}, why)
        after = 0
        while True:
            with asking("export"):
                rows = self._rows("letters_export", {**wanted.params(), "after": after, "n": BATCH})
            if not rows:
                return
            yield from (self._told(row, with_secrets=with_secrets) for row in rows)
            after = rows[-1]["id"]

    def take_in(self, lines: Iterable[str], *, why: str | None = None) -> Imported:
        """Import all letters of these lines, or none of them where one does not read; those that are here already are left."""
        done = Imported(0, 0, 0)
        with asking("import"), self._connection.transaction():
            batch: list[_Line] = []
            for line in _read(lines):
                batch.append(line)
                if len(batch) >= BATCH:
                    done, batch = self._insert(batch, done), []
            done = self._insert(batch, done)
            self.audit.note("dlq.import", {"letters": done.letters, "known": done.known, "redacted": done.redacted}, why)
        return done

    def _insert(self, batch: Sequence[_Line], done: Imported) -> Imported:
        once = list({line.origin: line for line in batch}.values())
        rows = self._rows("letters_import", _params(once)) if once else ()
        redacted = sum(row["redacted"] for row in rows)
        return Imported(done.letters + len(rows), done.known + len(batch) - len(rows), done.redacted + redacted)

    def _told(self, row: Mapping[str, Any], *, with_secrets: bool) -> dict[str, Any]:
        origin = row["origin"] or f"{''.join(row['database'].split())} {row['id']} {iso(row['died_at'])}"
        told = {name: row[name] for name in _Line.model_fields if name in row} | {"format": FORMAT, "origin": origin}
        told |= {name: iso(row[name]) for name in ("enqueued_at", "run_at", "died_at")}
        if not with_secrets:
            redactor = redactor_for(forensics_of(row["forensics"]), self._redactors(row["kind"]))
            told["args"], told["meta"] = _without_secrets(row["args"], redactor), _meta_without(row["meta"], redactor)
            told["redacted"] = row["redacted"] or (told["args"], told["meta"]) != (row["args"], row["meta"])
        return {"format": FORMAT, "id": row["id"], **told}

    def _rows(self, name: str, params: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


def _without_secrets(stored: str, redactor: Redactor) -> str:
    """Return a call as it may leave: unchanged to the letter where nothing of it is a secret."""
    args, kwargs = call_parts(stored)
    if args is None or kwargs is None:
        value = readable(stored)
        shown = redactor.value(value)
        return stored if shown == value else json.dumps(shown)
    shown_args, shown_kwargs = redactor.call(args, kwargs)
    if shown_args == args and shown_kwargs == kwargs:
        return stored
    return json.dumps({"args": shown_args, "kwargs": shown_kwargs})


def _meta_without(stored: str | None, redactor: Redactor) -> str | None:
    value = readable(stored)
    shown = redactor.value(value)
    return stored if shown == value else json.dumps(shown)


def _read(lines: Iterable[str]) -> Iterator[_Line]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate_json(text)
            for name in ("args", "meta", "attempts", "forensics"):
                json.loads(getattr(line, name) or "null")
            [AttemptView.of(each) for each in json.loads(line.attempts)]
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(each) for each in first["loc"])
            raise _unreadable(number, f"{place}: {first['msg']}" if place else first["msg"]) from None
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _unreadable(number, f"{type(error).__name__}: {error}") from None
        yield line


def _unreadable(number: int, why: str) -> UsageError:
    return UsageError(
        f"line {number} is not a dead letter: {why[:500]}; nothing was imported",
        hint="`tidegate dlq export` writes what can be imported, a line of JSON for each letter",
    )


def _params(batch: Sequence[_Line]) -> dict[str, Any]:
    columns = {
        "queues": "queue", "kinds": "kind", "priorities": "priority", "charged": "attempt", "leases": "lease", "due": "run_at",
        "max_attempts": "max_attempts", "crashes": "crashes", "enqueued": "enqueued_at", "died": "died_at", "reasons": "reason",
        "nodes": "node", "args": "args", "metas": "meta", "unique_keys": "unique_key", "error_types": "error_type",
        "error_messages": "error_message", "fingerprints": "fingerprint", "attempts": "attempts", "forensics": "forensics",
        "redacted": "redacted", "origins": "origin", "first_ids": "first_id",
    }  # fmt: skip
    return {name: [_stored(getattr(line, field)) for line in batch] for name, field in columns.items()}


def _stored(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value
