"""What a notification says: a title of one line, a few lines below it, and the same as text for chat programs and for mail.

The names of jobs and the texts of errors are other people's: in a chat they must neither call everybody nor lead anywhere, in a
mail's header they must stay in their line. They are bounded, and without what would act on a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tidegate.plurals import noun
from tidegate.redaction import Redactor
from tidegate.store.alerts import Happening

__all__ = ["body", "chat", "digest_body", "for_chat", "line", "plain", "title", "trial_body"]

TITLE: Final = 300  # characters
TEXT: Final = 3_000  # characters; chat programs cut longer ones, or refuse them
FACT: Final = 1_000
LISTED: Final = 20  # groups of a digest that are named
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
_CALLS: Final = re.compile(r"@(?=\w)|(?<=\])(?=\()")
_NOTHING: Final = Redactor()


def title(happening: Happening) -> str:
    """Return what happened, in one line."""
    facts = happening.facts
    match happening.event:
        case "dead_letter":
            many = noun(happening.count, "dead letter") if happening.count > 1 else "dead letter"
            said = f"{many} in {facts['queue']}: {facts['kind']} ({facts['reason']}){_error(facts)}"
        case "error_new":
            said = f"new error in {_some(facts['kinds'])}{_error(facts)}"
        case "error_regressed":
            version = f" on version {facts['version']}" if facts.get("version") else ""
            said = f"error is back{version} in {_some(facts['kinds'])}{_error(facts)}"
        case "circuit_opened":
            by = f" by {facts['actor']}" if facts.get("actor") else ""
            said = f"circuit {facts['circuit']} opened{by}: {facts.get('note') or facts['reason']}"
        case "queue_late":
            waited = f"{facts['age']:.0f} s, more than {facts['target']:g} s"
            said = f"queue {facts['queue']} is late: its oldest ready job has waited for {waited}"
        case "node_lost":
            said = f"node {facts['node']} is lost: {facts['why']}"
        case event:
            said = f"{event} {happening.group}"
    return line(said)


def body(happening: Happening) -> dict[str, Any]:
    """Return what is stored to be sent, the same for every way."""
    return {
        "event": happening.event,
        "group": happening.group,
        "title": title(happening),
        "lines": list(_lines(happening)),
        "at": _moment(happening.at),
        "count": happening.count,
        "facts": _NOTHING.value(_bounded(happening.facts)),
    }


def digest_body(groups: Sequence[Mapping[str, Any]], *, since: float, now: float) -> dict[str, Any]:
    """Return the digest of what was held back, the groups with the most first."""
    total = sum(group["count"] for group in groups)
    minutes = max(now - since, 0.0) / 60
    lines = [f"{group['count']:,} x {group['title']}" for group in groups[:LISTED]]
    if groups[LISTED:]:
        lines.append(f"and {sum(group['count'] for group in groups[LISTED:]):,} of {noun(len(groups) - LISTED, 'other group')}")
    told = [{**group, "first": _moment(group["first"]), "last": _moment(group["last"])} for group in groups]
    return {
        "event": "digest",
        "group": "digest",
        "title": line(f"{total:,} more in {noun(len(groups), 'group')} within {minutes:.0f} min"),
        "lines": [line(each) for each in lines],
        "at": _moment(now),
        "count": total,
        "facts": {"since": _moment(since), "groups": told},
    }


def trial_body(channel: str) -> dict[str, Any]:
    """Return what `tidegate notify test` sends. It has no time: no database was asked for one."""
    said = f"test of the channel {channel}: whoever reads this will be told"
    return {"event": "test", "group": channel, "title": said, "lines": [], "at": None, "count": 1, "facts": {}}


def plain(told: Mapping[str, Any]) -> str:
    """Return a notification as the text of a mail or of a log."""
    return "\n".join([told["title"], *(f"  {each}" for each in told["lines"])])


def chat(told: Mapping[str, Any]) -> str:
    """Return a notification as the text of a chat: nothing in it calls anybody, or is a link of somebody else's."""
    return for_chat("\n".join([told["title"], *(f"> {each}" for each in told["lines"])]), quoted=True)


def for_chat(text: str, *, quoted: bool = False) -> str:
    """Return a text that says in a chat what it says here; `quoted`: its lines may begin with a > of ours."""
    told = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    told = _CALLS.sub(lambda match: f"{match[0]}\u200b", told)
    return (re.sub("^&gt; ", "> ", told, flags=re.MULTILINE) if quoted else told)[:TEXT]


def line(text: str, most: int = TITLE) -> str:
    """Return a text as one line, bounded, without secrets and without what is not to be seen."""
    told = " ".join(_UNSEEN.sub(" ", _NOTHING.text(text[: most + FACT])).split())
    return told if len(told) <= most else f"{told[: most - 1]}…"


def _lines(happening: Happening) -> Iterator[str]:
    facts = happening.facts
    match happening.event:
        case "dead_letter":
            yield f"job {facts['job']}, dead letter {facts['dead_letter']}: tidegate dlq show {facts['dead_letter']}"
        case "error_new" | "error_regressed":
            yield line(f"queues {_some(facts['queues'])}; jobs {_some(facts.get('jobs') or ())}")
            yield f"tidegate errors show {happening.group}"
        case "circuit_opened":
            yield f"{facts['failures']:,} of {noun(facts['calls'], 'run')} failed, {facts['slow']:,} slow"
            yield line(f"kinds {_some(facts['kinds'])}")
            yield line(f"tidegate circuits show {facts['circuit']}")
        case "queue_late":
            ready = noun(facts["ready"], "job is", "jobs are")
            yield line(f"{ready} ready, {facts['running']:,} running: tidegate queues explain {facts['queue']}")
        case "node_lost":
            yield line(f"host {facts['host']}, process {facts['pid']}, queues {_some(facts['queues'])}")
        case _:
            return


def _error(facts: Mapping[str, Any]) -> str:
    error = facts.get("error") or {}
    kind, message = error.get("type"), error.get("message")
    return f": {kind}: {message}" if kind and message else f": {kind or message}" if kind or message else ""


def _some(names: Sequence[Any]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(map(str, names[:5]))}{more}" or "none"


def _bounded(value: Any) -> Any:
    match value:
        case str():
            return value if len(value) <= FACT else f"{value[: FACT - 1]}…"
        case Mapping():
            return {key: _bounded(inner) for key, inner in list(value.items())[:50]}
        case list() | tuple():
            return [_bounded(inner) for inner in value[:50]]
        case _:
            return value


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
