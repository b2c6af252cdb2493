"""The log of `tidegate up`: lines for people on a terminal, JSON for machines elsewhere, both to stderr.

    configure()                            # by the program that owns the process, once; the library never calls it
    keep_job_logs()                        # what jobs log is kept with their attempts: `tidegate jobs show`
    node.events.subscribe(log_event)       # what became of jobs and queues, as lines with fields

Any logger may add fields by `extra={"queue": ..., "job_id": ...}`: JSON has all of them, lines for people those of the job. What is
written by a job's own code has the job's fields, and what is written inside a trace says which one, as `trace_id` and `span_id`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from tidegate.events import DeadLettered, Event, JobEnded, JobRetried, NodeDown, NodeUp, QueueBroken, QueueMended
from tidegate.jobs import Failure, State
from tidegate.runtime.coroner import trace_id_of
from tidegate.runtime.runs import CURRENT
from tidegate.spans import ids_now

__all__ = ["HumanFormatter", "JobLog", "JsonFormatter", "configure", "fields_of", "keep_job_logs", "log_event"]

logger = logging.getLogger("tidegate.events")

JOB_FIELDS: Final = ("queue", "kind", "job_id", "attempt")
OF_THE_ATTEMPT: Final = (*JOB_FIELDS, "trace_id", "span_id")  # what is kept with an attempt need not say of which
QUIET: Final = ("uvicorn", "asyncio")  # their information is about themselves
MESSAGE: Final = 500  # characters of an error's message in a line; `jobs show` has all of it

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"}
_COLOURS: Final = {logging.DEBUG: "2", logging.INFO: "32", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}


def configure(*, stream: TextIO | None = None, as_json: bool | None = None, level: int | str = logging.INFO) -> logging.Handler:
    """Send everything from `level` on to `stream` (stderr); may be called again, and then replaces what it did before.

    `as_json` None means: for people where the stream is a terminal, else JSON.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    people = terminal if as_json is None else not as_json
    handler = _Handler(stream)
    handler.addFilter(_in_trace)
    handler.addFilter(_of_job)
    handler.setFormatter(HumanFormatter(colour=terminal and _may_colour(os.environ)) if people else JsonFormatter())
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    return handler


def keep_job_logs() -> None:
    """Keep what jobs log from here on with their attempts, for `tidegate jobs show`; once is enough.

    For programs that own their process, as `configure` is. Consumers' processes do without: all that they write is kept.
    """
    root = logging.getLogger()
    if not any(isinstance(each, JobLog) for each in root.handlers):
        root.addHandler(JobLog())


def log_event(event: Event) -> None:
    """Write a line about `event` where a person should know: `events.subscribe(log_event)`."""
    match event:
        case JobEnded(state=State.COMPLETED | State.CANCELLED):
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("job %d (%s): %s", event.job_id, event.kind, event.word, extra=_fields(event, outcome=event.word))
        case JobRetried(word=word, delay=delay, failure=failure):
            what = f"{word.replace('_', ' ')}{_said(failure)}"
            fields = _fields(event, outcome=word, error=failure.type if failure else None)
            logger.warning("job %d (%s): %s; it is tried again in %.3g s", event.job_id, event.kind, what, delay, extra=fields)
        case DeadLettered(reason=reason, failure=failure):
            fields = _fields(event, reason=reason, error=failure.type if failure else None)
            logger.error("job %d (%s) is dead: %s%s", event.job_id, event.kind, reason, _said(failure), extra=fields)
        case QueueBroken(queue=queue, error=error, retry_in=seconds):
            logger.error("queue %s is broken (%s); it is tried again in %.1f s", queue, error, seconds, extra={"queue": queue})
        case QueueMended(queue=queue):
            logger.warning("queue %s runs again", queue, extra={"queue": queue})
        case NodeUp(node=node, queues=queues):
            logger.info("node %s is in the fleet and serves %s", node, ", ".join(queues), extra={"node": node})
        case NodeDown(node=node, why=why):
            logger.info("node %s has left the fleet: %s", node, why, extra={"node": node})
        case _:
            pass  # the others are logged where they happen


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was given as `extra`, the job's own fields first."""
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {
        key: given[key] for key in (*(key for key in JOB_FIELDS if key in given), *(key for key in given if key not in JOB_FIELDS))
    }


class HumanFormatter(logging.Formatter):
    """Time, level, message, the job's fields; a traceback below. Control characters are shown, not sent to the terminal."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, tz=UTC).astimezone().strftime("%H:%M:%S")
        level = self._paint(_COLOURS.get(record.levelno, "0"), f"{record.levelname.lower():<8}")
        message = "\n    ".join(_harmless(record.getMessage()).splitlines())
        fields = "".join(f"  {key}={_harmless(str(value))}" for key, value in fields_of(record).items() if key in JOB_FIELDS)
        trace = "".join(f"\n    {line}" for line in _harmless(_trace(self, record)).splitlines())
        return f"{self._paint('2', at)} {level} {message}{self._paint('2', fields) if fields else ''}{trace}"

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


class JsonFormatter(logging.Formatter):
    """One object a line: time (ISO 8601, UTC), level, logger, message, the fields, and the traceback as `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        trace = _trace(self, record)
        fields = {key: value for key, value in fields_of(record).items() if key not in said}
        return json.dumps({**said, **fields, **({"exception": trace} if trace else {})}, default=str)


class JobLog(logging.Handler):
    """Gives what the code of a job logs, in whatever thread or task of it, to its run, as lines for people; the rest passes by."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        run = CURRENT.get()
        if run is None or not run.log_limit:
            return
        try:
            run.log.add(self._line(record))
        except Exception:  # noqa: BLE001 - what cannot be put into words is told the usual way of logging, and costs no job
            self.handleError(record)

    def _line(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        trace = _trace(logging.Formatter(), record)
        given = "".join(f"  {key}={value}" for key, value in fields_of(record).items() if key not in OF_THE_ATTEMPT)
        return f"{at}Z {record.levelname.lower()} {record.name}: {record.getMessage()}{given}" + (f"\n{trace}" if trace else "")


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `configure` finds it."""


def _in_trace(record: logging.LogRecord) -> bool:
    """Say in which trace a line was written."""
    if (ids := ids_now()) is not None:
        record.trace_id, record.span_id = ids
    return True


def _of_job(record: logging.LogRecord) -> bool:
    """Say of which job's code a line is, and in which trace that was enqueued, where it is of one's and does not say so itself."""
    if (run := CURRENT.get()) is not None and "job_id" not in vars(record):
        trace = trace_id_of(run.first.meta)
        fields = {**run.fields, "trace_id": trace} if trace is not None else run.fields
        vars(record).update({key: value for key, value in fields.items() if key not in vars(record)})
    return True


def _fields(event: JobEnded | JobRetried | DeadLettered, **more: str | None) -> dict[str, Any]:
    job = {"queue": event.queue, "kind": event.kind, "job_id": event.job_id, "attempt": event.attempt}
    return {**job, **{key: value for key, value in (*more.items(), ("trace_id", event.trace_id)) if value}}


def _said(failure: Failure | None) -> str:
    """Return an error as the end of a sentence: its type and the beginning of what it says, on one line."""
    if failure is None:
        return ""
    message = " ".join(failure.message.split())
    told = f"{failure.type}: {message}" if message else failure.type
    return f": {told if len(told) <= MESSAGE else told[: MESSAGE - 3] + '...'}"


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _harmless(text: str) -> str:
    return text.translate(_CONTROL)


def _may_colour(environ: Mapping[str, str]) -> bool:
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
