"""`tidegate up`: what can be said to a node that is about to run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tidegate.cli.lazy import Command
from tidegate.cli.params import LOOPBACK, PORT, QUEUE_NAMES, SECONDS
from tidegate.cli.scope import Scope

__all__ = ["up"]


@click.command("up", cls=Command)
@click.option("--queues", type=QUEUE_NAMES, metavar="A,B", help="Serve these queues only.")
@click.option("--until-empty", is_flag=True, help="End once nothing is left to do.")
@click.option(
    "--drain-timeout",
    type=SECONDS,
    metavar="SECONDS",
    help="How long running jobs may take to end; 30 unless queues.yaml says otherwise.",
)
@click.option(
    "--metrics-port",
    type=PORT,
    metavar="PORT",
    help="Where /metrics, /healthz and /readyz are served; 9464 unless given or taken, 0 takes any free port.",
)
@click.option(
    "--metrics-host",
    default=LOOPBACK,
    metavar="ADDRESS",
    help="The address that they are served at; 127.0.0.1 unless given. Whoever reaches it may read them.",
)
@click.option("--no-web", is_flag=True, expose_value=False, help="Without the dashboard, which this version does not have anyway.")
@click.pass_obj
def up(
    scope: Scope,
    queues: Sequence[str] | None,
    until_empty: bool,
    drain_timeout: float | None,
    metrics_port: int | None,
    metrics_host: str,
) -> None:
    """Run a node: claim jobs and run them, until it is told to stop.

    The first Ctrl-C or SIGTERM drains: nothing more is claimed, and what runs may end. The second one stops at once.
    """
    from tidegate.cli.serving import serve  # noqa: PLC0415 - what a node needs is imported by who runs one

    scope.given["drain_timeout"] = drain_timeout
    code = serve(scope, queues, until_empty=until_empty, metrics_port=metrics_port, metrics_host=metrics_host)
    if code:
        raise click.exceptions.Exit(code)
