"""The demo shop, as `tidegate demo` runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.console import Console

from tidegate.cli.output import say
from tidegate.cli.scope import Scope
from tidegate.cli.signals import Signals
from tidegate.demo.run import config_in, run
from tidegate.demo.summary import Summary, show
from tidegate.observe.http import DEFAULT_PORT, exporter
from tidegate.observe.tracing import exported
from tidegate.runtime.node import Node
from tidegate.supervision import ChildSpec

__all__ = ["config_in", "give", "tell"]


def give(scope: Scope, seconds: float, rate: int, metrics_port: int | None, metrics_host: str) -> tuple[Summary, int | None]:
    """Run the shop; return what came of it, and the exit code where a second signal ended it."""
    with exported():
        return asyncio.run(_run(scope, seconds, rate, metrics_port, metrics_host))


def tell(summary: Summary) -> None:
    """Write the summary to standard output."""
    show(summary, Console())


async def _run(scope: Scope, seconds: float, rate: int, metrics_port: int | None, metrics_host: str) -> tuple[Summary, int | None]:
    nodes: list[Node] = []

    def extra(node: Node) -> Sequence[ChildSpec]:
        nodes.append(node)
        port = DEFAULT_PORT if metrics_port is None else metrics_port
        return exporter(
            node,
            host=metrics_host,
            port=port,
            strict=bool(metrics_port),
            on_listening=lambda url: say(f"metrics: {url}/metrics"),
        )

    def kill() -> None:
        for node in nodes:
            node.kill()

    with Signals(kill=kill, first="closing the shop; a second one stops now", second="stopping now") as signals:
        signals.listen()
        summary = await run(scope.settings, seconds=seconds, rate=float(rate), stop=signals.stop, extra=extra)
        return summary, signals.exit_code
