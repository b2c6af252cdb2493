"""Servers that are not what a client hopes for: a PostgreSQL that is too old, and one that is none."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["no_postgresql", "old_postgresql"]

STARTUP = 196_608  # protocol 3.0; whatever else comes first asks for encryption


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


READY = message(b"Z", b"I")


class OldPostgreSQL(socketserver.BaseRequestHandler):
    """Lets everybody in, tells its version, and answers every question with one number."""

    def handle(self) -> None:
        file = self.request.makefile("rwb")
        while (first := file.read(8)) and struct.unpack("!I", first[4:])[0] >> 16 != STARTUP >> 16:
            file.write(b"N")
            file.flush()
        file.read(struct.unpack("!I", first[:4])[0] - 8)
        settings = {"server_version": "13.16", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
        file.write(message(b"R", struct.pack("!I", 0)))
        file.write(b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items()))
        file.write(message(b"K", struct.pack("!II", 42, 0)) + READY)
        file.flush()
        column = b"pg_backend_pid\0" + struct.pack("!IhIhih", 0, 0, 23, 4, -1, 0)
        described, row = message(b"T", struct.pack("!h", 1) + column), message(b"D", struct.pack("!hI", 1, 2) + b"42")
        done = message(b"C", b"DONE\0")
        answers = {  # to a statement with parameters, step by step: parse, bind, describe, execute, sync
            b"P": message(b"1", b""), b"B": message(b"2", b""), b"D": described, b"E": row + done, b"S": READY,
        }  # fmt: skip
        while (kind := file.read(1)) in {b"Q", *answers}:
            asked = file.read(struct.unpack("!I", file.read(4))[0] - 4)
            file.write(answers.get(kind) or (described + row if asked.startswith(b"SELECT") else b"") + done + READY)
            file.flush()


class NoPostgreSQL(socketserver.BaseRequestHandler):
    """Speaks another language."""

    def handle(self) -> None:
        self.request.recv(1024)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@contextmanager
def old_postgresql() -> Iterator[int]:
    """Listen as a PostgreSQL 13 does; yields the port."""
    with _serving(OldPostgreSQL) as port:
        yield port


@contextmanager
def no_postgresql() -> Iterator[int]:
    """Listen as a web server does; yields the port."""
    with _serving(NoPostgreSQL) as port:
        yield port


@contextmanager
def _serving(handler: type[Any]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
