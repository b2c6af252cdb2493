"""`tidegate dlq`: which commands there are for dead letters, and where each of them lives."""

from __future__ import annotations

from typing import Final

import click

from tidegate.cli.lazy import LazyGroup, Target

__all__ = ["TARGETS", "dlq"]

TARGETS: Final = {
    "list": Target("tidegate.cli.letters_reading:list_letters", "List dead letters, the newest first."),
    "show": Target("tidegate.cli.letters_reading:show_letter", "Show one as an incident report."),
    "group": Target("tidegate.cli.letters_reading:group_letters", "Group those that look alike."),
    "stats": Target("tidegate.cli.letters_stats:stats", "Count them by reason, queue, kind, group and hour."),
    "retry": Target("tidegate.cli.letters_retrying:retry", "Run them again as new jobs: some, a group, all."),
    "redrives": Target("tidegate.cli.letters_retrying:redrives", "List the retries of many, and how far they are."),
    "cancel": Target("tidegate.cli.letters_retrying:cancel", "End a retry of many, from any terminal."),
    "edit": Target("tidegate.cli.letters_editing:edit", "Mend the arguments of one in $EDITOR."),
    "diff": Target("tidegate.cli.letters_editing:diff", "Show where two of them differ."),
    "debug": Target("tidegate.cli.letters_debugging:debug", "Run the handler of one here, under the debugger."),
    "export": Target("tidegate.cli.letters_moving:export", "Write them as lines of JSON."),
    "import": Target("tidegate.cli.letters_moving:import_letters", "Take in what was exported elsewhere."),
    "discard": Target("tidegate.cli.letters_reading:discard", "Take them off the list."),
    "audit": Target("tidegate.cli.letters_reading:audit", "Tell who did what, when and why."),
}


@click.group("dlq", cls=LazyGroup, targets=TARGETS)
def dlq() -> None:
    """Work on dead letters: what died and why, and the way back.

    They are jobs that will not be tried again. Letters have ids of their own. A retried or discarded one leaves the list, and can
    still be shown.
    """
