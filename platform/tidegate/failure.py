"""An exception turned into text that can be stored: bounded, and safe against exceptions that misbehave themselves."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace

from tidegate.jobs import Failure
from tidegate.redaction import SLACK

__all__ = ["MESSAGE_LIMIT", "TRACEBACK_LIMIT", "Clean", "class_name", "describe", "message_of", "storable"]

Clean = Callable[[str], str]

MESSAGE_LIMIT = 8_192  # characters; a message is read in a list, a longer one is data that went astray
TRACEBACK_LIMIT = 65_536  # characters; the end is kept, since the raising frame stands there


def describe(error: BaseException | Failure | str, *, skip: int = 0, clean: Clean = str) -> Failure:
    """Return what is kept of `error`; `skip` leaves out that many of the outermost frames (the runner's own).

    `clean` takes out of texts what must not be kept; it is given no more of them than is kept, and some slack.
    """
    match error:
        case Failure() if clean is str:
            return error
        case Failure(type=name, message=message, traceback=trace):
            return replace(error, type=name, message=_head(message, clean), traceback=_tail(trace, clean))
        case str():
            return Failure("Failed", _head(error, clean))
        case _:
            return Failure(class_name(type(error)), message_of(error, clean=clean), _tail(_trace(error, skip), clean))


def class_name(cls: type[BaseException]) -> str:
    """Return the name of an exception's class, with its module unless it is a builtin."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def message_of(error: BaseException, *, clean: Clean = str) -> str:
    """Return what an exception says, bounded; where saying it fails, that."""
    try:
        return _head(str(error), clean)
    except BaseException as broken:  # noqa: BLE001 - a user's __str__ may raise anything, and its failure is not the job's
        return f"<its __str__ raised {type(broken).__name__}>"


def storable(text: str) -> str:
    """Return a text as PostgreSQL takes it, which knows neither NUL nor lone surrogates: what holds them is worth keeping."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def _trace(error: BaseException, skip: int) -> str:
    tb = error.__traceback__
    for _ in range(skip):
        if tb is not None and tb.tb_next is not None:
            tb = tb.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, tb))
    except BaseException as broken:  # noqa: BLE001 - as above: __str__ of a chained exception may raise
        text = "".join(traceback.format_tb(tb)) + f"<formatting the exception raised {type(broken).__name__}>\n"
    return text


def _head(text: str, clean: Clean) -> str:
    """Return a message, cut behind."""
    cleaned = clean(text[: MESSAGE_LIMIT + SLACK])
    if max(len(text), len(cleaned)) <= MESSAGE_LIMIT:
        return cleaned
    return cleaned[: MESSAGE_LIMIT - 14] + " [... cut ...]"


def _tail(text: str, clean: Clean) -> str:
    """Return a traceback, cut in front."""
    if len(text) <= TRACEBACK_LIMIT:
        return clean(text)
    cleaned = clean(text[-TRACEBACK_LIMIT - SLACK :])
    return "[... cut ...]\n" + cleaned[SLACK:]  # what was cut through lies in the slack, however much was taken out behind it
