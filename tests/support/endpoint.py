"""A real HTTP endpoint for alerts that can be slow, fail, redirect, talk for ever, and be gone; it keeps what it was told."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

__all__ = ["Endpoint"]


class Endpoint:
    """Serves inside a block. `mode` says how it answers from now on: an HTTP status, or one of the words below."""

    def __init__(self, mode: int | str = 200, port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self.mode = mode
        self.told: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.asked = 0
        self.ended = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.asked += 1
                endpoint.headers.append(dict(self.headers))
                endpoint.answer(self, body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def answer(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        try:
            match self.mode:
                case "silent":
                    self.ended.wait(60)
                case "dripping":  # an answer that never comes to its end
                    request.wfile.write(b"HTTP/1.1 500 Oh\r\n")
                    while not self.ended.wait(0.02):
                        request.wfile.write(b"x: y\r\n")
                        request.wfile.flush()
                case "huge":
                    self.told.append(body)
                    request.send_response(200)
                    request.end_headers()
                    request.wfile.write(b"x" * 10_000_000)
                case "huge refusal":
                    request.send_response(500)
                    request.end_headers()
                    request.wfile.write(b"y" * 10_000_000)
                case "to a file":
                    request.send_response(302)
                    request.send_header("location", "file:///etc/passwd")
                    request.end_headers()
                case "nonsense":
                    request.wfile.write(b"\x00\x01 no http\r\n\r\n")
                case "later":
                    request.send_response(429)
                    request.send_header("retry-after", "77")
                    request.end_headers()
                case int() as status:
                    if status < 300:
                        self.told.append(body)
                    request.send_response(status)
                    request.send_header("content-length", "2")
                    request.end_headers()
                    request.wfile.write(b"ok" if status < 300 else b"no")
        except (BrokenPipeError, ConnectionResetError):
            pass  # whoever asked has heard enough

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/hooks/s3cret?key=qu3ry"

    def titles(self) -> list[str]:
        return [each["title"] for each in self.told]
