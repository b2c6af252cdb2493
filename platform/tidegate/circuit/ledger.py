"""Who failed lately, and of what: so that one job counts once as a failure, and a transition can show its evidence.

Kept small, since a circuit's row carries it: the newest failed jobs, and the most frequent kinds of errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from tidegate.failure import storable

__all__ = ["Ledger"]

JOBS: Final = 128  # failed jobs that are known by name; who fails again after that many others counts again
ERRORS: Final = 8  # types of errors that are told apart
MESSAGE: Final = 200  # characters of an error's message
SAMPLES: Final = 5


class Ledger:
    """The failed jobs of a circuit's window and their errors."""

    def __init__(self) -> None:
        self._failed: dict[int, float] = {}  # job -> when it counted as a failure; the oldest first
        self._errors: dict[str, tuple[int, str]] = {}  # type -> how often, the last message

    @property
    def samples(self) -> list[int]:
        """The jobs that failed last, the newest first."""
        return list(self._failed)[: -SAMPLES - 1 : -1]

    @property
    def top_errors(self) -> list[dict[str, Any]]:
        """The errors, the most frequent first."""
        ranked = sorted(self._errors.items(), key=lambda item: -item[1][0])
        return [{"type": name, "count": count, "message": message} for name, (count, message) in ranked]

    def is_first(self, job_id: int, now: float, window: float | None) -> bool:
        """Take note that a job failed; False where it has done so before, within the last `window` seconds (None: ever)."""
        if window is not None:
            self._failed = {job: at for job, at in self._failed.items() if now - at < window}
        if job_id in self._failed:
            return False
        self._failed[job_id] = now
        if len(self._failed) > JOBS:
            del self._failed[next(iter(self._failed))]
        return True

    def note_error(self, error: str, message: str) -> None:
        """Take note of a failure's error."""
        error = storable(error)
        count = self._errors.get(error, (0, ""))[0] + 1
        self._errors[error] = (count, storable(message[:MESSAGE]))
        if len(self._errors) > ERRORS:
            rarest = min((name for name in self._errors if name != error), key=lambda name: self._errors[name][0])
            del self._errors[rarest]

    def written(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"failed": list(self._failed.items()), "errors": {name: list(told) for name, told in self._errors.items()}}

    @classmethod
    def recalled(cls, written: Mapping[str, Any]) -> Self:
        """Return what was written down."""
        ledger = cls()
        ledger._failed = {int(job): float(at) for job, at in written.get("failed", ())}
        ledger._errors = {str(name): (int(count), str(message)) for name, (count, message) in written.get("errors", {}).items()}
        return ledger
