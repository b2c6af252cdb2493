"""Writes what is made from code, of docs/reference and of README: `python docs/build.py`; `--check` says whether it is current.

wrong-moves.md is made by its test, which runs every move.
"""  # noqa: INP001 - a script

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from making import commands, errors, events, later, runbooks, settings

from tidegate.observe import reference as metrics

ROOT: Final = Path(__file__).parent.parent
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "docs/reference/cli.md": commands.page,
    "docs/reference/errors.md": errors.page,
    "docs/reference/events.md": events.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/settings.md": settings.page,
    "docs/runbooks/README.md": runbooks.page,
    "README.md": later.page,
}


def main(words: list[str]) -> int:
    """Write the pages; with --check only tell which are not current."""
    check = words == ["--check"]
    stale = [name for name, page in PAGES.items() if not _is_current(ROOT / name, page())]
    for name in stale:
        if not check:
            (ROOT / name).write_text(PAGES[name](), "utf-8")
        sys.stderr.write(f"{name} {'is not current: make schema' if check else 'written'}\n")
    return 1 if check and stale else 0


def _is_current(file: Path, page: str) -> bool:
    return file.is_file() and file.read_text("utf-8") == page


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
