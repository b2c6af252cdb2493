"""The log of supervision: one line for each thing that happened, with its context (S13) and, for a crash, its traceback."""

from __future__ import annotations

import logging

from tidegate.supervision.child import ChildSpec, Restart
from tidegate.supervision.errors import MaxIntensity
from tidegate.supervision.exits import Crash, Reason, expected

__all__ = [
    "abandoned",
    "broken",
    "broken_observer",
    "child_terminated",
    "gave_up",
    "killed_late",
    "shutdown_error",
    "start_error",
    "started",
    "vanished",
]

logger = logging.getLogger("tidegate.supervision")


def started(supervisor: str, spec: ChildSpec) -> None:
    """Say that a child is up (the progress report)."""
    logger.debug("%s: started %s", supervisor, spec.id, extra=_facts("progress", supervisor, spec.id))


def child_terminated(supervisor: str, spec: ChildSpec, reason: Reason) -> None:
    """Say that a child ended by itself."""
    agreed = logging.WARNING if spec.restart is Restart.PERMANENT else logging.DEBUG  # a permanent child is not meant to end
    _report(agreed if expected(reason) else logging.ERROR, "child_terminated", supervisor, spec, reason)


def start_error(supervisor: str, spec: ChildSpec, reason: Reason) -> None:
    """Say that a child could not be started."""
    _report(logging.ERROR, "start_error", supervisor, spec, reason)


def shutdown_error(supervisor: str, spec: ChildSpec, reason: Reason) -> None:
    """Say that a child failed while it was being stopped."""
    _report(logging.ERROR, "shutdown_error", supervisor, spec, reason)


def killed_late(supervisor: str, spec: ChildSpec, timeout: float | None) -> None:
    """Say that a child had to be killed because it did not end in time."""
    facts = _facts("shutdown_error", supervisor, spec.id)
    limit = "without limit" if timeout is None else f"{timeout:g} s"
    logger.warning("%s: shutdown_error of %s: did not end when asked (%s), killed", supervisor, spec.id, limit, extra=facts)


def gave_up(supervisor: str, spec: ChildSpec, error: MaxIntensity) -> None:
    """Say that a supervisor ends because it would have had to restart too often."""
    facts = _facts("shutdown", supervisor, spec.id)
    logger.error("%s: shutdown (reached_max_restart_intensity): %s", supervisor, error, extra=facts, exc_info=_cause(error.reason))


def abandoned(supervisor: str, spec: ChildSpec, stack: str) -> None:
    """Say that a child outlived its kill, and where it hangs."""
    where = f"; it hangs at\n{stack}" if stack else ""
    facts = _facts("zombie", supervisor, spec.id)
    logger.error("%s: zombie: %s does not end although killed, and is abandoned%s", supervisor, spec.id, where, extra=facts)


def vanished(supervisor: str, spec: ChildSpec) -> None:
    """Say that an abandoned child ended after all."""
    logger.info("%s: zombie of %s ended after all", supervisor, spec.id, extra=_facts("zombie", supervisor, spec.id))


def broken(supervisor: str, error: BaseException) -> None:
    """Say that a supervisor itself failed, which is a bug of ours."""
    logger.critical("%s: the supervisor itself crashed and has killed its children: %r", supervisor, error, exc_info=error)


def broken_observer(supervisor: str, error: Exception) -> None:
    """Say that whoever wanted to be told about restarts could not bear it."""
    logger.error("%s: an observer raised %r", supervisor, error, exc_info=error)


def _report(level: int, context: str, supervisor: str, spec: ChildSpec, reason: Reason) -> None:
    facts = _facts(context, supervisor, spec.id)
    told = (supervisor, context, spec.id, spec.restart, reason)
    logger.log(level, "%s: %s of %s (%s): %s", *told, extra=facts, exc_info=_cause(reason))


def _facts(context: str, supervisor: str, child: str) -> dict[str, str]:
    return {"context": context, "supervisor": supervisor, "child": child}


def _cause(reason: Reason) -> BaseException | None:
    return reason.error if isinstance(reason, Crash) else None
