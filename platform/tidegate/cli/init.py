"""`tidegate init`: a folder that runs as it is."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.output import say
from tidegate.errors import Refused, TidegateError

__all__ = ["init"]

FILES: Final = {
    "queues.yaml": "queues.yaml",
    "jobs.py": "jobs.py.txt",
    "test_jobs.py": "test_jobs.py.txt",
    ".env.example": "env.example.txt",
}
"""What is written -> the file of the starter that it is made of."""


@click.command("init", cls=Command)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
def init(folder: Path) -> None:
    """Write a folder that runs: queues.yaml, jobs, a test.

    Nothing that is there already is touched.
    """
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        where = "this folder" if folder == Path() else str(folder)
        raise Refused(f"{where} has {', '.join(there)} already", hint="choose another folder: tidegate init DIR")
    starter = files("tidegate.cli") / "starter"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in FILES.items():
            (folder / name).write_text((starter / source).read_text("utf-8"), "utf-8")
    except OSError as error:
        raise TidegateError(f"cannot write to {folder}: {(error.strerror or str(error)).lower()}") from error
    for name in FILES:
        say(f"wrote {folder / name}")
    into = "" if folder == Path() else f"cd {shlex.quote(str(folder))}\n  "
    say(f"\nnext:\n  {into}tidegate up\n  tidegate enqueue jobs:greet name=Ada --wait     # in another terminal")
