"""The mail: plain text, with the JSON attached for programs. With a password only over TLS, unless the server is this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tidegate.notifications.trust import tls, why_no_tls
from tidegate.notifications.undelivered import Undelivered
from tidegate.notifications.wording import line, plain
from tidegate.redaction import SHORTEST

__all__ = ["letter", "send_mail"]

SUBJECT: Final = 150  # characters
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def letter(told: Mapping[str, Any], *, to: Sequence[str], sender: str) -> EmailMessage:
    """Return the mail; whatever the title holds stays within the subject's line."""
    message = EmailMessage()
    message["Subject"] = line(f"[tidegate] {told['title']}", SUBJECT)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # so that no holiday notice answers
    message.set_content(f"{plain(told)}\n\n{told['at'] or ''}\n")
    message.add_attachment(json.dumps(told, indent=2).encode(), "application", "json", filename="notification.json")
    return message


async def send_mail(url: str, told: Mapping[str, Any], *, to: Sequence[str], sender: str) -> None:
    """Hand it to the server; Undelivered unless the server has taken it for every recipient."""
    import aiosmtplib  # noqa: PLC0415 - only who sends mail pays for it

    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    secure = parts.scheme == "smtps"
    starttls = False if secure else True if user and parts.hostname not in HERE else None  # None: where it is offered
    try:
        refused, _ = await aiosmtplib.send(
            letter(told, to=to, sender=sender),
            sender=sender,
            recipients=list(to),
            hostname=parts.hostname,
            port=parts.port or (465 if secure else 25),
            username=user or None,
            password=password or None,
            use_tls=secure,
            start_tls=starttls,
            tls_context=await tls(),
            timeout=None,  # the caller has one for the whole
        )
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise Undelivered(_said(error, password)) from None
    if refused:
        raise Undelivered(f"the server refused {', '.join(refused)}: {line(str(next(iter(refused.values()))), 200)}")


def _said(error: Exception, password: str) -> str:
    told = line(why_no_tls(error) or f"{type(error).__name__}: {error}", 300)
    return told.replace(password, "***") if len(password) >= SHORTEST else told
