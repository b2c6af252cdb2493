"""The port that an orchestrator and Prometheus look at: /metrics, /healthz, /readyz.

A Starlette app, served by uvicorn on the node's own loop as a supervised child. uvicorn is kept to serving: signals and logging
belong to the program.

    Node(..., extra=lambda node: exporter(node, on_listening=print))
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from tidegate.backoff import exponential
from tidegate.errors import TidegateError
from tidegate.observe.families import Family
from tidegate.observe.health import readiness
from tidegate.observe.metrics import Metrics
from tidegate.supervision import ChildSpec, FunctionChild, spawn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tidegate.runtime.node import Node

__all__ = ["DEFAULT_PORT", "Port", "PortTaken", "application", "exporter", "http_child"]

DEFAULT_PORT: Final = 9464  # the one that OpenTelemetry's Prometheus exporters use
LOOPBACK: Final = "127.0.0.1"
RETRY: Final = exponential(base=1, factor=2, cap=60)  # a port that fails costs scrapes; it must never use up the node's restarts
STOP_WITHIN: Final = 3.0  # seconds; uvicorn takes 0.2 to 0.3, or 1 more where a client does not read its answer


class PortTaken(TidegateError):
    """The port that was asked for cannot be listened on."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        if cause.errno == errno.EADDRINUSE:
            why, hint = "it is taken", "choose another port; 0 takes any free one"
        else:
            number = cause.errno or 0  # of a name that cannot be resolved it is none of the system's
            why = os.strerror(number) if number in errno.errorcode else str(cause.strerror)
            hint = "choose an address of this machine, 0.0.0.0 for all of them, and a port that you may open"
        super().__init__(f"cannot listen on {host}:{port}: {why}", hint=hint)
        self.host = host
        self.port = port


class Port:
    """Where to listen: the port that was asked for; where it is taken and not `strict`, a free one, the same at every start."""

    def __init__(self, host: str, port: int, *, strict: bool = False) -> None:
        self.host = host
        self.port = port
        self._strict = strict
        (self.open() if strict else self._free()).close()  # what cannot work is said before any queue runs

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def open(self) -> socket.socket:
        """Return a listening socket; raise PortTaken where there is none to be had."""
        try:
            opened = self._listen(self.port)
        except OSError as error:
            if self._strict or error.errno != errno.EADDRINUSE:
                raise PortTaken(self.host, self.port, error) from error
            opened = self._listen(0)
        self.port = opened.getsockname()[1]
        return opened

    def _free(self) -> socket.socket:
        try:
            return self._listen(0)
        except OSError as error:
            raise PortTaken(self.host, self.port, error) from error

    def _listen(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        return socket.create_server((self.host, port), family=family)


def exporter(
    node: Node,
    *,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    strict: bool = False,
    metrics: Metrics | None = None,
    on_listening: Callable[[str], None] | None = None,
) -> tuple[ChildSpec, ...]:
    """Return the children that observe a node: the port; see `http_child`."""
    return (http_child(node, host=host, port=port, strict=strict, metrics=metrics, on_listening=on_listening),)


def http_child(
    node: Node,
    *,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    strict: bool = False,
    metrics: Metrics | None = None,
    on_listening: Callable[[str], None] | None = None,
) -> ChildSpec:
    """Return the child that serves `node` at `host:port`, and tells its address to `on_listening` whenever it has begun to.

    A port that is taken is replaced by a free one; a `strict` one raises PortTaken instead, here already.
    """
    app = application(node, metrics or Metrics(node))
    where = Port(host, port, strict=strict)

    def start() -> FunctionChild:
        return _Serving(_serve, app, where, on_listening, signals_ready=True, name="metrics port")

    return ChildSpec("metrics", start, shutdown=STOP_WITHIN, backoff=RETRY)


def application(node: Node, metrics: Metrics) -> Starlette:
    """Return the app behind the port, for programs that mount it in one of their own; it belongs on the node's loop."""
    writer = ThreadPoolExecutor(1, thread_name_prefix="tidegate-metrics")  # the loop's own may be full of handlers' calls

    async def scrape(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        read = _Read(list(metrics.registry.collect()))
        text = await asyncio.get_running_loop().run_in_executor(writer, encode, read)  # ten times as long as the reading
        return Response(text, headers={"content-type": content_type})

    async def ready(_: Request) -> Response:
        now = readiness(node.supervisor)
        return JSONResponse(now.as_json(), status_code=200 if now.ready else 503)

    routes = [
        Route("/metrics", scrape, methods=["GET"]),
        Route("/healthz", _alive, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
    ]
    return Starlette(routes=routes)


class _Read(Collector):
    """What was read of a registry, as one."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families


class _Serving(FunctionChild):
    """The server of one port. uvicorn looks ten times a second whether it is to end, and gives answers under way another second."""

    kill_grace: Final = 1.5  # seconds


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _serve(ready: Callable[[], None], app: ASGIApp, where: Port, on_listening: Callable[[str], None] | None) -> None:
    with where.open() as listening:

        def begun() -> None:
            if on_listening is not None:
                on_listening(where.url)
            ready()

        server = _Server(app, begun)
        serving = spawn(server.serve(sockets=[listening]), name="uvicorn")
        try:
            await asyncio.wait({serving})
        finally:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    """uvicorn as a guest: leaves signals alone."""

    def __init__(self, app: ASGIApp, begun: Callable[[], None]) -> None:
        super().__init__(_Config(app, http=_Protocol, ws="none", lifespan="off", timeout_graceful_shutdown=1, server_header=False))
        self._begun = begun

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._begun()


class _Config(uvicorn.Config):
    """Leaves logging alone."""

    def configure_logging(self) -> None:
        return


class _Protocol(H11Protocol):
    """Writes no access lines, whatever the program does with uvicorn's access log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
