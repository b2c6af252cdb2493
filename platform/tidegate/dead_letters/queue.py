"""The dead letter queue: what died, why, in which groups, and what is done about it by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.rows import dict_row

from tidegate.dead_letters.audit import Audited
from tidegate.dead_letters.editing import Corrected
from tidegate.dead_letters.letters import Group, Letter, LetterDetail, Statistics, letter_of
from tidegate.dead_letters.wanted import Wanted
from tidegate.errors import NotFound, Refused
from tidegate.introspection.asking import asking
from tidegate.introspection.stored import readable
from tidegate.store.statements import statement

__all__ = ["NEWEST", "DeadLetterQueue", "not_found"]

NEWEST: Final = 2**63 - 1
DISCARD_BATCH: Final = 5_000  # rows under the locks of one statement


class DeadLetterQueue(Audited):
    """Reads and discards dead letters; see `Audited`."""

    def list(self, wanted: Wanted = Wanted(), *, limit: int = 20, before: int | None = None) -> Sequence[Letter]:  # noqa: B008 - frozen
        """Return open letters, the newest first, those with an id below `before`."""
        params = {**wanted.params(), "n": limit, "before": NEWEST if before is None else before}
        with asking("list the dead letters"):
            return [letter_of(row) for row in self._rows("letters_list", params)]

    def show(self, letter_id: int) -> LetterDetail:
        """Return everything about one letter, open or not, without its secrets; NotFound where there is none."""
        with asking("look at the dead letter"):
            row = self._row(letter_id)
        return LetterDetail.of(row, self._redactors(row["kind"]))

    def group(self, wanted: Wanted = Wanted(), *, limit: int = 20) -> Sequence[Group]:  # noqa: B008 - frozen
        """Return the groups of open letters, the largest first."""
        with asking("group the dead letters"):
            rows = self._rows("letters_groups", {**wanted.params(), "n": limit})
        lists = ("kinds", "queues", "sample_ids")
        return [Group(**{**row, **{name: tuple(row[name]) for name in lists}}) for row in rows]

    def stats(self, wanted: Wanted = Wanted()) -> Statistics:  # noqa: B008 - frozen
        """Return how many open letters there are, by reason, queue, kind, group and hour."""
        with asking("count the dead letters"):
            return Statistics.of(self._rows("letters_stats", wanted.params()))

    def hours(self, wanted: Wanted = Wanted()) -> Mapping[datetime, Mapping[str, int]]:  # noqa: B008 - frozen
        """Return how many of the open letters died in each hour, by group; hours without deaths are left out."""
        found: dict[datetime, dict[str, int]] = {}
        with asking("count the dead letters"):
            for row in self._rows("letters_hours", wanted.params()):
                found.setdefault(row["hour"], {})[row["fingerprint"]] = row["count"]
        return found

    def count(self, wanted: Wanted) -> int:
        """Return how many open letters match."""
        with asking("count the dead letters"):
            return int(self._rows("letters_count", wanted.params())[0]["count"])

    def resolve(
        self, wanted: Wanted, *, older_than: float | None = None, newer_than: float | None = None, groups: Sequence[str] = ()
    ) -> Wanted:
        """Return `wanted` with ages (seconds) and beginnings of fingerprints turned into what they mean now."""
        with asking("look at the dead letters"):
            now: datetime = self._connection.execute(statement("moment")).fetchall()[0][0]
            found = tuple(dict.fromkeys(name for prefix in groups for name in self._groups(prefix)))
        return replace(
            wanted,
            groups=wanted.groups + found,
            died_before=wanted.died_before if older_than is None else now - timedelta(seconds=older_than),
            died_after=wanted.died_after if newer_than is None else now - timedelta(seconds=newer_than),
        )

    def discard(self, wanted: Wanted, *, why: str | None = None, on_progress: Callable[[int], None] | None = None) -> int:
        """Take the open letters that match off the list, and return how many they were. They stay until their retention is over."""
        gone = 0
        with asking("discard"):
            upto = self._rows("letters_count", wanted.params())[0]["upto"]
            while True:
                with self._connection.transaction():
                    ids = [
                        row["id"] for row in self._rows("letters_discard", {**wanted.params(), "upto": upto, "n": DISCARD_BATCH})
                    ]
                    if not ids:
                        return gone
                    gone += len(ids)
                    self.audit.note("dlq.discard", {"wanted": wanted.as_json(), "letters": len(ids), "first": min(ids)}, why)
                if on_progress is not None:
                    on_progress(gone)

    def stored_call(self, letter_id: int) -> tuple[LetterDetail, str, str | None]:
        """Return a letter, its arguments and its meta whole, as the JSON that is stored: to run or mend it; never to be shown."""
        with asking("look at the dead letter"):
            row = self._row(letter_id)
        return LetterDetail.of(row, self._redactors(row["kind"])), row["args"], row["meta"]

    def stored_job(self, letter_id: int) -> tuple[LetterDetail, str, Mapping[str, Any]]:
        """Return the same with the meta read, likewise never to be shown."""
        detail, args, stored = self.stored_call(letter_id)
        meta = readable(stored)
        return detail, args, meta if isinstance(meta, dict) else {}

    def edit(self, letter_id: int, corrected: Corrected, *, before: tuple[str, str | None], why: str | None = None) -> None:
        """Give an open letter another call, if nobody else has since `before`; the audit knows the names of what changed."""
        meta = None if corrected.meta is None else corrected.meta.decode()
        params = {"id": letter_id, "args": corrected.args.decode(), "meta": meta, "before": before[0], "before_meta": before[1]}
        with asking("edit"), self._connection.transaction():
            if not self._rows("letter_edit", params):
                self._refuse([letter_id])
                raise Refused(f"dead letter {letter_id} was changed by somebody else meanwhile", hint="look at it and try again")
            self.audit.note("dlq.edit", {"letter": letter_id, "changed": corrected.changed}, why)

    def check_open(self, ids: Sequence[int]) -> None:
        """Raise NotFound for a letter that is not there, Refused for one that is not open or cannot run as it is."""
        with asking("look at the dead letters"):
            self._refuse(ids)

    def _refuse(self, ids: Sequence[int]) -> None:
        found = {row["id"]: row for row in self._rows("letters_states", {"ids": [each for each in ids if each < NEWEST]})}
        for letter_id in ids:
            row = found.get(letter_id)
            if row is None:
                raise not_found(letter_id)
            if row["retried_as"] is not None:
                again = f"job {row['retried_as']}"
                raise Refused(
                    f"dead letter {letter_id} was retried already, as {again}", hint=f"tidegate jobs show {row['retried_as']}"
                )
            if row["discarded_at"] is not None:
                raise Refused(f"dead letter {letter_id} was discarded", hint=f"tidegate dlq show {letter_id}")

    def _groups(self, prefix: str) -> Sequence[str]:
        names = [row["fingerprint"] for row in self._rows("letters_of_group", {"prefix": prefix})]
        if not names:
            raise NotFound(
                f"there is no group {prefix}", hint="`tidegate dlq group` and `tidegate errors list` show those there are"
            )
        if len(names) > 1 and prefix not in names:
            raise Refused(f"{prefix} is the beginning of several groups: {', '.join(names)}", hint="write more of it")
        return [prefix] if prefix in names else names

    def _row(self, letter_id: int) -> Mapping[str, Any]:
        rows = self._rows("letter", {"id": letter_id}) if letter_id < NEWEST else ()
        if not rows:
            raise not_found(letter_id)
        return rows[0]

    def _rows(self, name: str, params: Mapping[str, Any] | None = None) -> Sequence[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


def not_found(letter_id: int) -> NotFound:
    """Return the error for a letter that is not there."""
    return NotFound(
        f"there is no dead letter {letter_id}",
        hint="`tidegate dlq list` shows the open ones, by their own ids; they go once their retention is over",
    )
