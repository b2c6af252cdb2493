"""Which dead letters are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tidegate.jobs import Reason

__all__ = ["REASONS", "Wanted"]

REASONS: Final = tuple(reason.value for reason in Reason)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter of dead letters; an empty part asks for all. Dates are the database's, so that they mean the same tomorrow."""

    ids: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    """Fingerprints."""
    kinds: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    died_before: datetime | None = None
    died_after: datetime | None = None
    text: str | None = None
    """Something that stands in the error's class or message, or in the kind; case does not matter."""

    @property
    def everything(self) -> bool:
        """Tell whether it asks for all there are."""
        return self == Wanted()

    def params(self) -> dict[str, Any]:
        """Return the parameters of letters_matching.sql."""
        pattern = None if self.text is None else f"%{_literal(self.text)}%"
        return {
            "ids": list(self.ids) or None,
            "groups": list(self.groups) or None,
            "kinds": list(self.kinds) or None,
            "queues": list(self.queues) or None,
            "reasons": list(self.reasons) or None,
            "died_before": self.died_before,
            "died_after": self.died_after,
            "text": pattern,
        }

    def as_json(self) -> dict[str, Any]:
        """Return what was asked for, without the parts that were not."""
        told: dict[str, Any] = {
            "ids": list(self.ids),
            "groups": list(self.groups),
            "kinds": list(self.kinds),
            "queues": list(self.queues),
            "reasons": list(self.reasons),
            "died_before": None if self.died_before is None else self.died_before.isoformat(),
            "died_after": None if self.died_after is None else self.died_after.isoformat(),
            "text": self.text,
        }
        return {name: value for name, value in told.items() if value}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Wanted:
        """Return the filter that `as_json` told."""
        dates = {name: datetime.fromisoformat(told[name]) for name in ("died_before", "died_after") if told.get(name)}
        return cls(
            ids=tuple(told.get("ids", ())),
            groups=tuple(told.get("groups", ())),
            kinds=tuple(told.get("kinds", ())),
            queues=tuple(told.get("queues", ())),
            reasons=tuple(told.get("reasons", ())),
            died_before=dates.get("died_before"),
            died_after=dates.get("died_after"),
            text=told.get("text"),
        )


def _literal(text: str) -> str:
    """Return a text as a pattern that matches itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
