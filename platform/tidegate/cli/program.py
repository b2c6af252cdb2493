"""The root: which commands there are, and where each of them lives."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import click

from tidegate import __version__
from tidegate.cli.failures import exit_code_of
from tidegate.cli.lazy import LazyGroup, Target
from tidegate.cli.scope import Scope

__all__ = ["COMPLETE_VARIABLE", "LATER", "TARGETS", "Program", "program"]

COMPLETE_VARIABLE: Final = "_TIDEGATE_COMPLETE"

TARGETS: Final = {
    "up": Target("tidegate.cli.up:up", "Run a node: claim jobs and run them, until it is told to stop."),
    "enqueue": Target("tidegate.cli.enqueue:enqueue", "Enqueue one job."),
    "jobs": Target("tidegate.cli.jobs:jobs", "List, show, explain, cancel and retry jobs."),
    "dlq": Target("tidegate.cli.dlq:dlq", "Work on dead letters: what died and why, and the way back."),
    "errors": Target("tidegate.cli.errors:errors", "List, show, resolve and mute groups of errors."),
    "queues": Target("tidegate.cli.queues:queues", "List, show, explain, pause, resume and purge queues."),
    "circuits": Target(
        "tidegate.cli.circuits:circuits", "List and show circuits, and open, close, half-open or reset them by hand."
    ),
    "scale": Target("tidegate.cli.scale:scale", "Fix how many consumers a queue has, or leave it to the autoscaler again."),
    "autoscaler": Target("tidegate.cli.autoscaler:autoscaler", "Explain, record and simulate how many consumers queues have."),
    "workers": Target("tidegate.cli.workers:workers", "List the nodes of the fleet, and show what one of them is doing."),
    "db": Target("tidegate.cli.db:db", "Migrate the database, and show how it stands."),
    "config": Target("tidegate.cli.config:config", "Check and show the settings."),
    "notify": Target("tidegate.cli.notify:notify", "Test who is told when something goes wrong, and see what was told."),
    "demo": Target("tidegate.cli.demo:demo", "Run the demo shop: real jobs for a first look."),
    "init": Target("tidegate.cli.init:init", "Write a folder that runs: queues.yaml, jobs, a test."),
    "doctor": Target("tidegate.cli.doctor:doctor", "Look over database and fleet: what is wrong, and how to mend it."),
    "bench": Target("tidegate.cli.bench:bench", "Measure what one node reaches on this database server."),
    "completion": Target("tidegate.cli.completion:completion", "Print the completion script of a shell."),
    "help": Target("tidegate.cli.help:help_command", "Show the help of a command, or of a topic."),
}

LATER: Final = {
    "cron": "periodic jobs",
    "reload": "reload without restart",
    "top": "the live view",
}
"""Commands that are promised and not there yet -> what they belong to."""

HELP: Final = """Background jobs on PostgreSQL: demand-driven and supervised.

\b
  tidegate init shop && cd shop      a folder that runs
  tidegate up                        run its jobs, until Ctrl-C
  tidegate enqueue jobs:greet name=Ada --wait
  tidegate jobs list                 what there is and what became of it
  tidegate queues list               how the queues stand
"""

EPILOG: Final = "`tidegate help exit-codes` tells what the exit codes mean. Every command that reads takes --json."


class Program(LazyGroup):
    """The whole command line. `main` tells every error in our words and returns, or exits with, its code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line."""
        del windows_expand_args
        words = list(sys.argv[1:] if args is None else args)
        name = prog_name or "tidegate"
        scope = extra.setdefault("obj", Scope())
        variable = complete_var or COMPLETE_VARIABLE
        run = partial(self._complete, name, variable, extra) if os.environ.get(variable) else partial(self._run, name, words, extra)
        code = exit_code_of(run, scope)
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(self, name: str, words: list[str], extra: dict[str, Any]) -> None:
        with self.make_context(name, words, **extra) as ctx:
            self.invoke(ctx)

    def _complete(self, name: str, variable: str, extra: dict[str, Any]) -> None:
        from click.shell_completion import add_completion_class, shell_complete  # noqa: PLC0415 - only when a shell asks

        from tidegate.cli.bash import Bash  # noqa: PLC0415 - likewise

        add_completion_class(Bash)
        raise click.exceptions.Exit(shell_complete(self, extra, name, variable, os.environ[variable]))


@click.group(
    "tidegate",
    cls=Program,
    targets=TARGETS,
    later=LATER,
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="tidegate", message="%(prog)s %(version)s")
def program() -> None:
    """Everything that `tidegate` can do."""
