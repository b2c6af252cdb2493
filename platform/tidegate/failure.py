"""An exception turned into text that can be stored: bounded, and safe against exceptions that misbehave themselves."""

from __future__ import annotations

import traceback

from tidegate.jobs import Failure

__all__ = ["MESSAGE_LIMIT", "TRACEBACK_LIMIT", "class_name", "describe", "message_of"]

MESSAGE_LIMIT = 8_192  # characters; a message is read in a list, a longer one is data that went astray
TRACEBACK_LIMIT = 65_536  # characters; the end is kept, since the raising frame stands there


def describe(error: BaseException | Failure | str, *, skip: int = 0) -> Failure:
    """Return what is kept of `error`; `skip` leaves out that many of the outermost frames (the runner's own)."""
    match error:
        case Failure():
            return error
        case str():
            return Failure("Failed", _bounded(error, MESSAGE_LIMIT))
        case _:
            return Failure(class_name(type(error)), message_of(error), _trace(error, skip))


def class_name(cls: type[BaseException]) -> str:
    """Return the name of an exception's class, with its module unless it is a builtin."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def message_of(error: BaseException) -> str:
    """Return what an exception says, bounded; where saying it fails, that."""
    try:
        return _bounded(str(error), MESSAGE_LIMIT)
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may do anything, and its failure is not the job's
        return f"<its __str__ raised {type(broken).__name__}>"


def _trace(error: BaseException, skip: int) -> str:
    tb = error.__traceback__
    for _ in range(skip):
        if tb is not None and tb.tb_next is not None:
            tb = tb.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, tb))
    except Exception as broken:  # noqa: BLE001 - as above: __str__ of a chained exception may raise
        text = "".join(traceback.format_tb(tb)) + f"<formatting the exception raised {type(broken).__name__}>\n"
    return text if len(text) <= TRACEBACK_LIMIT else "[... cut ...]\n" + text[-TRACEBACK_LIMIT:]


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 14] + " [... cut ...]"
