"""Writes the pages of docs/reference that are made from code: `python docs/build.py`; `--check` says whether they are current.

wrong-moves.md is made by its test, which runs every move.
"""  # noqa: INP001 - a script

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from making import commands, errors, settings

from tidegate.observe import reference as metrics

FOLDER: Final = Path(__file__).parent / "reference"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": commands.page,
    "errors.md": errors.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
}


def main(words: list[str]) -> int:
    """Write the pages; with --check only tell which are not current."""
    check = words == ["--check"]
    stale = [name for name, page in PAGES.items() if not _is_current(FOLDER / name, page())]
    for name in stale:
        if not check:
            (FOLDER / name).write_text(PAGES[name](), "utf-8")
        sys.stderr.write(f"docs/reference/{name} {'is not current: make schema' if check else 'written'}\n")
    return 1 if check and stale else 0


def _is_current(file: Path, page: str) -> bool:
    return file.is_file() and file.read_text("utf-8") == page


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
