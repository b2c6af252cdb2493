"""A local SMTP server that behaves like the servers of the shop's customers.

It speaks real SMTP on a free port of 127.0.0.1, keeps every letter that it accepts in a Maildir, and refuses some recipients as the
world does: for now (greylisting, a full mailbox) or for good (no such user). It lives in a thread with an event loop of its own, so
that it takes no turns from the node beside it and can be used from blocking code, too.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import Counter
from concurrent.futures import Future
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from tidegate.demo.customers import Domain
from tidegate.demo.post import keep

__all__ = ["Postbox", "refusal"]

logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells every line of every conversation at INFO

_REFUSALS: Final = {
    Domain.GREYLISTING: "451 4.7.1 Greylisted, please try again later",
    Domain.FULL: "452 4.2.2 The mailbox is full",
    Domain.GONE: "550 5.1.1 No such user here",
}


def refusal(recipient: str, tries: int) -> str | None:
    """Return the server's answer to try number `tries` (1 is the first) for `recipient`, or None where it accepts."""
    where = recipient.rpartition("@")[2]
    if where == Domain.GREYLISTING and tries > 1:
        return None
    return next((answer for domain, answer in _REFUSALS.items() if domain == where), None)


class Postbox:
    """Serves from `with` to its end; `url` is what SMTP_URL wants. It thinks about each letter for `latency` seconds."""

    def __init__(self, folder: Path, *, latency: float = 0.0) -> None:
        self.folder = folder
        self.url = ""
        self.accepted = 0
        self.refused = 0
        self.away = False
        """It takes no new conversation, as a server that is down does not."""
        self._latency = latency
        self._talks: WeakSet[SMTP] = WeakSet()
        self._tries: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Postbox {self.url or 'closed'} accepted={self.accepted} refused={self.refused}>"

    def __enter__(self) -> Self:
        started: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="postbox", daemon=True)
        self._thread.start()
        self.url = started.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.url = ""

    def down(self) -> None:
        """Refuse every new conversation until `up`; those under way go on to their end."""
        self.away = True
        self._loop.call_soon_threadsafe(self._close)

    def up(self) -> None:
        """Take conversations again, on the same port."""
        self.away = False
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop)

    def _run(self, started: Future[str]) -> None:
        try:
            asyncio.run(self._serve(started))
        except OSError as error:  # no port to be had
            started.set_exception(error)

    async def _serve(self, started: Future[str]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with _bound(0) as place:  # not listened on: it keeps the port while the server is down
            self._port = place.getsockname()[1]
            await self._listen()
            started.set_result(f"smtp://127.0.0.1:{self._port}")
            await self._stop.wait()
            self._close()
            await _turns()  # what was accepted a moment ago becomes a conversation
            for talk in list(self._talks):
                if talk.transport is not None:
                    talk.transport.close()  # a client that still talks is cut off
            await _turns()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._conversation, sock=_bound(self._port))

    def _close(self) -> None:
        self._server.close()

    def _conversation(self) -> SMTP:
        talk = SMTP(self, hostname="localhost", loop=self._loop)
        self._talks.add(talk)
        return talk

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd looks for
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept or refuse one recipient."""
        self._tries[address] += 1
        answer = refusal(address, self._tries[address])
        if answer is not None:
            self.refused += 1
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Keep the letter, then say that it is kept."""
        await asyncio.sleep(self._latency)
        keep(_parsed(envelope), self.folder)
        self.accepted += 1
        return "250 OK"


async def _turns() -> None:
    """Let what is under way on this loop get on by some steps."""
    for _ in range(5):
        await asyncio.sleep(0)


def _bound(port: int) -> socket.socket:
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind(("127.0.0.1", port))
    return place


def _parsed(envelope: Envelope) -> EmailMessage:
    content = envelope.content
    return message_from_bytes(content if isinstance(content, bytes) else (content or "").encode(), policy=default)
