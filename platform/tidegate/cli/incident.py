"""A dead letter as a report that can be read from top to bottom: what, when, where, why, and what else was going on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tidegate.cli.tables import Column, plain_table
from tidegate.cli.wording import NOTHING, called, count, moment, span
from tidegate.dead_letters import LetterDetail
from tidegate.introspection import AttemptView
from tidegate.plurals import noun

__all__ = ["report", "size"]

ATTEMPTS: Final = (
    Column("attempt", right=True),
    Column("outcome"),
    Column("started"),
    Column("took", right=True),
    Column("node"),
    Column("error"),
)
DEPTHS: Final = (Column("queue"), Column("scheduled", right=True), Column("ready", right=True), Column("running", right=True))
POOLS: Final = (Column("pool"), Column("alive", right=True), Column("busy", right=True), Column("target", right=True))
RECENT: Final = (Column("at"), Column("kind"), Column("group"), Column("error"))


def report(detail: LetterDetail) -> Iterator[str]:
    """Return the report, line by line."""
    letter = detail.letter
    yield f"DEAD LETTER {letter.id}: {letter.kind} (job {letter.job_id})"
    yield ""
    yield from _record(_facts(detail))
    yield from _section("THE CALL", _record(_call(detail)))
    yield from _section("ATTEMPTS", _attempts(detail.attempts))
    yield from _section("WHAT ELSE WAS GOING ON", _around(detail.forensics))
    yield from _section("WHAT NEXT", _next(detail))


def size(number: float | None) -> str:
    """Return bytes for people."""
    if not isinstance(number, int | float):
        return NOTHING
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.4g} {unit}"
        number /= 1024
    return f"{number:.4g} GiB"


def _facts(detail: LetterDetail) -> Iterator[tuple[str, str]]:
    letter, forensics = detail.letter, detail.forensics
    yield "error", f"{letter.error_type or 'none'}: {letter.error_message or ''}"
    yield "reason", _REASONS.get(letter.reason, letter.reason)
    yield "died", moment(letter.died_at)
    yield "enqueued", f"{moment(detail.enqueued_at)}, due {moment(detail.run_at)}"
    yield "queue", letter.queue
    yield "node", str(forensics.get("node") or NOTHING)
    yield "versions", _versions(forensics.get("versions"))
    if forensics.get("trace_id"):
        yield "trace", str(forensics["trace_id"])
    alike = f", {noun(detail.alike, 'open letter')} alike" if detail.alike > 1 else ""
    yield "group", f"{letter.fingerprint or NOTHING}{alike}"
    if detail.retry_of is not None:
        yield "retry of", f"dead letter {detail.retry_of}"
    if detail.retried_as is not None:
        again = f", which died as letter {detail.died_again_as}" if detail.died_again_as is not None else ""
        yield "retried as", f"job {detail.retried_as}{again}"
    if detail.discarded_at is not None:
        yield "discarded", moment(detail.discarded_at)
    if detail.origin is not None:
        secrets = ", without its secrets" if detail.redacted else ""
        yield "came from", f"{detail.origin}{secrets}"


_REASONS: Final = {
    "attempts_exhausted": "attempts_exhausted: it failed as often as it may be tried",
    "discarded": "discarded: its handler gave it up",
    "invalid": "invalid: it cannot be run at all",
    "poison": "poison: it took processes or nodes down with it",
}


def _call(detail: LetterDetail) -> Iterator[tuple[str, str]]:
    yield from called(detail.args, detail.kwargs, stored=detail.stored, meta=detail.meta)
    yield "priority", str(detail.priority)
    if detail.unique_key is not None:
        yield "unique", detail.unique_key
    if detail.crashes:
        yield "crashes", count(detail.crashes)
    settings = detail.forensics.get("settings")
    if isinstance(settings, Mapping):
        yield "settings", ", ".join(f"{name} {_plain(each)}" for name, each in settings.items())


def _attempts(attempts: Sequence[AttemptView]) -> Iterator[str]:
    if not attempts:
        yield "it was never started"
        return
    rows = [
        (
            str(each.attempt),
            each.outcome,
            moment(each.started_at),
            _span(each.duration),
            each.node or NOTHING,
            NOTHING if each.error_type is None else f"{each.error_type}: {each.error_message or ''}".splitlines()[0],
        )
        for each in attempts
    ]
    yield from plain_table(ATTEMPTS, rows)
    told: dict[str, int] = {}
    for each in reversed(attempts):
        trace = str(each.traceback or "")
        if trace in told:
            yield ""
            yield f"traceback of attempt {each.attempt}: the same as that of attempt {told[trace]}"
        elif trace:
            told[trace] = each.attempt
            yield from _text(f"traceback of attempt {each.attempt}", each.traceback)
        if each.locals:
            yield from _locals(each)
        if each.output:
            yield from _text(f"output of attempt {each.attempt}", each.output)


def _locals(attempt: AttemptView) -> Iterator[str]:
    yield ""
    yield f"local variables of attempt {attempt.attempt}:"
    for frame in (each for each in _list(attempt.locals) if isinstance(each, Mapping)):
        yield f"  {frame.get('function')} ({frame.get('file')}:{frame.get('line')})"
        variables = frame.get("variables")
        for name, text in variables.items() if isinstance(variables, Mapping) else ():
            yield f"    {name} = {text}"


def _around(forensics: Mapping[str, Any]) -> Iterator[str]:
    yield from _record(_machine(forensics))
    depths, pools = forensics.get("queue_depths"), forensics.get("pools")
    if isinstance(depths, Mapping):
        yield ""
        rows = [(queue, *(_number(each, name) for name in ("scheduled", "ready", "running"))) for queue, each in depths.items()]
        yield from plain_table(DEPTHS, rows)
    if isinstance(pools, Mapping) and pools:
        yield ""
        yield from plain_table(
            POOLS, [(queue, *(_number(each, name) for name in ("alive", "busy", "target"))) for queue, each in pools.items()]
        )
    recent = [each for each in _list(forensics.get("recent_errors")) if isinstance(each, Mapping)]
    if recent:
        yield ""
        yield "errors shortly before, of the same kind and of the node:"
        rows = [
            (
                str(each.get("at") or NOTHING)[:19],
                str(each.get("kind")),
                str(each.get("fingerprint"))[:8],
                f"{each.get('type')}: {each.get('message')}",
            )
            for each in recent
        ]
        yield from plain_table(RECENT, [[cell.splitlines()[0] if cell else "" for cell in row] for row in rows])
    missing = forensics.get("unavailable")
    if isinstance(missing, Mapping) and missing:
        yield ""
        yield "not known: " + "; ".join(f"{name} ({why})" for name, why in missing.items())


def _machine(forensics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    system, process, circuit = forensics.get("system"), forensics.get("process"), forensics.get("circuit")
    if isinstance(system, Mapping):
        load = " ".join(map(_plain, _list(system.get("load"))))
        yield (
            "machine",
            (
                f"load {load or NOTHING} on {system.get('cpu_count')} CPUs, {_plain(system.get('cpu_percent'))}% busy; "
                f"{size(system.get('memory_available'))} of {size(system.get('memory_total'))} memory available"
            ),
        )
        container = system.get("container")
        if isinstance(container, Mapping):
            yield (
                "container",
                (
                    f"{size(container.get('memory_used'))} of {size(container.get('memory_limit'))} memory used; "
                    f"CPUs allowed: {_plain(container.get('cpu_limit'))}"
                ),
            )
    if isinstance(process, Mapping):
        yield (
            "process",
            (
                f"pid {process.get('pid')}, {size(process.get('rss'))} memory, {_plain(process.get('threads'))} threads, "
                f"{_plain(process.get('open_files'))} open files, up for {_span(process.get('uptime'))}"
            ),
        )
    if isinstance(circuit, Mapping):
        yield "circuit", ", ".join(f"{name} {_plain(each)}" for name, each in circuit.items() if each not in (None, ""))


def _next(detail: LetterDetail) -> Iterator[str]:
    letter = detail.letter
    if detail.retried_as is not None:
        yield f"tidegate jobs show {detail.retried_as}    what became of its retry"
        return
    if detail.discarded_at is not None:
        return
    if detail.redacted:
        yield f"tidegate dlq edit {letter.id}    give it the secrets that it came without"
    else:
        yield f"tidegate dlq debug {letter.id}    run it here, under the debugger where it raises"
        yield f"tidegate dlq retry {letter.id}    run it again as a new job"
    if detail.alike > 1:
        yield f"tidegate dlq retry --group {letter.fingerprint} --canary 1    run its like again, one first"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    body = list(lines)
    if body:
        yield ""
        yield title
        yield from (f"  {line}".rstrip() for line in body)


def _record(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in fields:
        first, *more = text.splitlines() or [""]
        yield f"{name:<10} {first}".rstrip()
        yield from (f"{'':<10} {line}" for line in more)


def _text(title: str, text: Any) -> Iterator[str]:
    yield ""
    yield f"{title}:"
    yield from (f"  {line}" for line in str(text).rstrip().splitlines())


def _versions(told: Any) -> str:
    if not isinstance(told, Mapping):
        return NOTHING
    names = {"app": "application", "tidegate": "Tidegate", "python": "Python"}
    return ", ".join(f"{names[name]} {told[name]}" for name in names if told.get(name)) or NOTHING


def _number(told: Any, name: str) -> str:
    number = told.get(name) if isinstance(told, Mapping) else None
    return count(number) if isinstance(number, int) else NOTHING


def _span(told: Any) -> str:
    return span(told) if isinstance(told, int | float) else NOTHING


def _list(told: Any) -> list[Any]:
    return told if isinstance(told, list) else []


def _plain(anything: Any) -> str:
    if isinstance(anything, Mapping):
        return " ".join(f"{name}={_plain(each)}" for name, each in anything.items())
    if isinstance(anything, float):
        return f"{anything:g}"
    return NOTHING if anything is None else str(anything)
