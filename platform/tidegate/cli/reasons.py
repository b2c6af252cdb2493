"""Reasons for people: one a paragraph, in order, each with the command that changes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tidegate.cli.output import neutral

if TYPE_CHECKING:
    from tidegate.introspection import Why

__all__ = ["show_reasons"]


def show_reasons(reasons: Sequence[Why]) -> None:
    """Write reasons to standard output, numbered where there are several."""
    for number, why in enumerate(reasons, start=1):
        mark = f"{number}. " if len(reasons) > 1 else ""
        click.echo(neutral(f"  {mark}{why.text}"))
        if why.command is not None:
            click.echo(neutral(f"  {' ' * len(mark)}-> {why.command}"))
