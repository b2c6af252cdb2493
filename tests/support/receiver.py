"""A real HTTP server on a free port that takes what is posted to it; what it makes of a body is told by `take`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

__all__ = ["Posted"]


class Posted:
    """Serves inside a block. Subclasses say what a POST means."""

    answers = "text/plain"

    def __init__(self) -> None:
        posted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = posted.take(self.path, self.headers, body)
                self.send_response(200)
                self.send_header("content-type", posted.answers)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Keep what was posted, in a thread of the server's; return the answer."""
        raise AssertionError(f"nothing is expected at {path}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"
