"""How long the database is waited for, and how those limits reach every connection.

They travel inside the conninfo, as the last words of its `options`, so that whoever is handed an address is handed its limits: the
sessions, the heartbeat's thread, the listener, the pools, the processes of consumers. They are taken out of it before anything is
connected, since a pooler refuses options; then they are set on the session or, through a pooler, in each transaction.

A statement is bounded twice: by the server, so that an abandoned one cannot commit much later (protocol L6 counts on that), and by
the caller, so that a half-open socket cannot hold it for ever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tidegate.settings.timeouts import DatabaseTimeouts

__all__ = ["IN_TRANSACTION", "Limits", "libpq_limits", "split", "with_limits"]

_MARK: Final = re.compile(
    r"\s*-c statement_timeout=(\d+) -c lock_timeout=(\d+) -c idle_in_transaction_session_timeout=(\d+)$", re.ASCII
)
_SESSION: Final = (
    "SELECT set_config('statement_timeout', %(statement)s, false),"
    " set_config('idle_in_transaction_session_timeout', %(idle)s, false)"
)
_SESSION_AND_LOCKS: Final = f"{_SESSION}, set_config('lock_timeout', %(lock)s, false)"
_SOFTLY: Final = "SELECT set_config('statement_timeout', %(statement)s, false) WHERE current_setting('statement_timeout') = '0'"
IN_TRANSACTION: Final = "SELECT set_config('statement_timeout', %(statement)s, true)"
"""Bounds the statements of the transaction that is open."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the statements of one connection, in seconds. Those of an application bound neither locks nor idle times (0)."""

    statement: float = DatabaseTimeouts().statement
    lock: float = DatabaseTimeouts().lock
    idle: float = DatabaseTimeouts().idle

    @property
    def of_application(self) -> bool:
        """Tell whether a limit that the role or the server has goes before: the statements are not the platform's own."""
        return not self.lock

    @property
    def uncertain(self) -> float:
        """Seconds after which a statement that was abandoned cannot commit any more (protocol L6)."""
        return self.statement + 1.0

    def session(self, *, locks: bool = False) -> LiteralString:
        """Return the statement that sets them for a session; `locks`: the wait for locks, too."""
        if self.of_application:
            return _SOFTLY
        return _SESSION_AND_LOCKS if locks else _SESSION

    def params(self) -> dict[str, str]:
        """Return the parameters of `session` and IN_TRANSACTION."""
        return {"statement": _ms(self.statement), "lock": _ms(self.lock), "idle": _ms(self.idle)}

    def at_most(self, seconds: float) -> Limits:
        """Return the same for statements that are of no use after `seconds`."""
        return Limits(min(self.statement, seconds), self.lock, self.idle)


def with_limits(conninfo: str, timeouts: DatabaseTimeouts, *, application: bool = False) -> str:
    """Return a normal conninfo with the platform's limits, or those for statements of an application, as its last words."""
    plain, parts, _ = split(conninfo)
    limits = Limits(timeouts.application, 0.0, 0.0) if application else Limits(timeouts.statement, timeouts.lock, timeouts.idle)
    said = limits.params()
    mark = (
        f"-c statement_timeout={said['statement']} -c lock_timeout={said['lock']}"
        f" -c idle_in_transaction_session_timeout={said['idle']}"
    )
    return make_conninfo(plain, options=f"{parts.get('options') or ''} {mark}".strip())


def split(conninfo: str) -> tuple[str, dict[str, Any], Limits]:
    """Return a conninfo without its limits, its parts, and the limits."""
    parts: dict[str, Any] = dict(conninfo_to_dict(conninfo))
    limits = Limits()
    found = _MARK.search(str(parts.get("options") or ""))
    if found is not None:
        limits = Limits(*(int(group) / 1000 for group in found.groups()))
        left = str(parts.pop("options"))[: found.start()]
        if left:
            parts["options"] = left
    return make_conninfo("", **parts), parts, limits


def libpq_limits(timeouts: DatabaseTimeouts) -> Mapping[str, int]:
    """Return what libpq itself bounds, by its parameters: connecting, and machines that vanished."""
    return {
        "connect_timeout": math.ceil(timeouts.connect),
        "keepalives_idle": max(round(timeouts.silence * 0.4), 1),
        "keepalives_interval": max(round(timeouts.silence * 0.2), 1),
        "keepalives_count": 3,
        "tcp_user_timeout": round(timeouts.silence * 1000),  # what was sent: keepalives see only an idle connection
    }


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
