"""The command line: `tidegate`.

A command's module is imported when the command is invoked, and what it works with when it gets there, so that `tidegate --help`
costs little more than Python itself (a test looks at what was imported).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tidegate.cli import failures, streams
from tidegate.cli.program import program
from tidegate.cli.scope import Scope

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    streams.settle()
    scope = Scope()
    sys.excepthook = failures.excepthook(scope)
    code: int = program.main(args, prog_name="tidegate", standalone_mode=False, obj=scope)
    if code == failures.INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # Python would die of SIGINT instead where the interrupt met an import, although it was caught
    return code
