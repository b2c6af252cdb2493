"""Why a database cannot be reached, in one sentence and with what to do about it. Pure: libpq's words in, ours out."""

from __future__ import annotations

import re
from typing import Final

from tidegate.errors import DatabaseUnreachable

__all__ = ["unreachable"]

_OPENING: Final = "connect: "
_PLACE: Final = re.compile(
    r'^(?:connection failed: )?(?:connection to server (?:at|on socket) ".*?"(?: \(.*?\))?(?:, port \d+)? failed: )?'
)

_ADDRESS: Final = "check host and port: --database, TIDEGATE_DATABASE or `database:` in queues.yaml"
_ACCOUNT: Final = "check user and password: --database, TIDEGATE_DATABASE or `database:` in queues.yaml"
_HINTS: Final = (
    (r'database "(?P<name>[^"]*)" does not exist', "`createdb {name}` on that server makes it; or name another database"),
    (r"password|authentication failed|role .* does not exist|no pg_hba", _ACCOUNT),
    (r"Connection refused|No such file or directory", f"is PostgreSQL running there? {_ADDRESS}"),
    (r"resolve|Name or service|nodename|Temporary failure in name", f"no such host is known: {_ADDRESS}"),
    (r"timeout|timed out|unreachable|No route", f"nothing answers there: {_ADDRESS}, and the firewalls between"),
    (r"too many (clients|connections)|connection slots", "end other connections, or raise max_connections of the server"),
    (r"starting up|shutting down|recovery", "try again in a moment"),
    (r"unsupported startup parameter", "a pooler refuses it: leave it out of the address, or have the pooler ignore it"),
    (r"invalid response|expected authentication request", f"what answers there is no PostgreSQL: {_ADDRESS}"),
    (r"SSL|certificate", "check sslmode and certificates in the address of the database"),
)


def unreachable(error: DatabaseUnreachable, database: str | None) -> DatabaseUnreachable:
    """Return a failure to connect to `database` (as it may be shown) as a sentence with its hint; any other error as it is."""
    said = str(error)
    if error.hint is not None or not said.startswith(_OPENING):
        return error
    reason = _PLACE.sub("", said.removeprefix(_OPENING)).removeprefix("FATAL:").strip()
    place = f" {database}" if database else ""
    told = DatabaseUnreachable(f"cannot reach the database{place}: {reason}", hint=_hint(reason))
    told.__cause__ = error
    return told


def _hint(reason: str) -> str:
    for pattern, hint in _HINTS:
        if match := re.search(pattern, reason):
            return hint.format(**match.groupdict())
    return _ADDRESS
