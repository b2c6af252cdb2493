"""`tidegate demo`: the demo shop for a while, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.output import emit_json
from tidegate.cli.params import LOOPBACK, PORT, SECONDS, Number, json_option
from tidegate.cli.scope import Scope
from tidegate.errors import ConfigurationError

__all__ = ["demo"]

RATE: Final = Number(1, 10_000, "a rate")


@click.command("demo", cls=Command)
@click.option(
    "--seconds",
    type=SECONDS,
    default=30.0,
    show_default="30",
    metavar="SECONDS",
    help="How long the shop is open; 0: until Ctrl-C.",
)
@click.option("--rate", type=RATE, default=20, show_default=True, metavar="N", help="Jobs a second.")
@click.option("--metrics-port", type=PORT, metavar="PORT", help="Where metrics are served; 9464 unless given or taken.")
@click.option("--metrics-host", default=LOOPBACK, metavar="ADDRESS", help="The address for that; 127.0.0.1 unless given.")
@json_option
@click.pass_obj
def demo(scope: Scope, seconds: float, rate: int, metrics_port: int | None, metrics_host: str, as_json: bool) -> None:
    """Run the demo shop: real jobs for a first look."""
    try:
        from tidegate.cli import demonstration  # noqa: PLC0415 - the demo's packages are an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the demo needs the package {error.name}", hint="pip install 'tidegate[demo]'") from error
    if scope.config is None:
        scope.config = str(demonstration.config_in(Path.cwd()))
    summary, code = demonstration.give(scope, seconds, rate, metrics_port, metrics_host)
    if code is not None:
        raise click.exceptions.Exit(code)
    if as_json:
        emit_json(summary.as_json())
    else:
        demonstration.tell(summary)
    if not summary.ok:
        raise click.exceptions.Exit(1)
