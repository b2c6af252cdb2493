"""The way a letter leaves the shop: the SMTP server that SMTP_URL names, or a Maildir where there is none."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate
from mailbox import Maildir
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tidegate.errors import ConfigurationError

__all__ = ["Undeliverable", "home", "letters_in", "send"]

TIMEOUT: Final = 10.0  # seconds for each answer of the server; a handler is cut off after 30


class Undeliverable(Exception):
    """The server refused every recipient for good; sending again would be refused again."""


def send(letter: EmailMessage) -> None:
    """Hand `letter` to the mail server.

    Raises `Undeliverable` where it was refused for good, and what smtplib raises where another try may go better.
    """
    letter["Date"] = formatdate(usegmt=True)
    url = os.environ.get("SMTP_URL", "")
    if url:
        _converse(letter, url)
    else:
        keep(letter, home() / "mail")


def keep(letter: EmailMessage, folder: Path) -> None:
    """Put `letter` into the Maildir at `folder`, which is made where it is missing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    Maildir(folder).add(letter)


def letters_in(folder: Path) -> Iterator[str]:
    """Return the Message-IDs of the Maildir at `folder`; a letter that came twice counts twice."""
    if folder.is_dir():
        yield from (letter["Message-ID"] for letter in Maildir(folder, create=False))


def home() -> Path:
    """Return the folder where the shop keeps its letters and models: SHOP_HOME, or `.tidegate/demo` here."""
    return Path(os.environ.get("SHOP_HOME") or ".tidegate/demo")


def _converse(letter: EmailMessage, url: str) -> None:
    host, port = _endpoint(url)
    with smtplib.SMTP(host, port, local_hostname="localhost", timeout=TIMEOUT) as server:
        try:
            server.send_message(letter)
        except smtplib.SMTPRecipientsRefused as refused:
            if all(code >= 500 for code, _ in refused.recipients.values()):
                raise Undeliverable(_words(refused)) from refused
            raise


def _endpoint(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 25
    except ValueError:  # a port that is not a number
        host, port, parts = None, 0, urlsplit("")
    if parts.scheme != "smtp" or not host:
        raise ConfigurationError(
            f"SMTP_URL is {url!r}", hint="write smtp://host:port, or leave it empty to keep letters in a Maildir"
        )
    return host, port


def _words(refused: smtplib.SMTPRecipientsRefused) -> str:
    return "; ".join(f"{who}: {code} {words.decode(errors='replace')}" for who, (code, words) in refused.recipients.items())
