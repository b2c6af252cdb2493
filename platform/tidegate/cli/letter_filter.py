"""The options by which dead letters are chosen, the same on every command that works on several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tidegate.cli.params import KIND, NAMED, QUEUE, SECONDS

if TYPE_CHECKING:
    from tidegate.dead_letters import DeadLetterQueue, Wanted

__all__ = ["REASONS", "Choice", "actor_options", "filter_options"]

F = TypeVar("F", bound=Callable[..., Any])

REASONS: Final = ("attempts_exhausted", "discarded", "invalid", "poison")
_NAMES: Final = ("groups", "kinds", "queues", "reasons", "older_than", "newer_than", "text")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was said on the line about which letters are meant."""

    ids: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    older_than: float | None = None
    newer_than: float | None = None
    text: str | None = None

    @property
    def empty(self) -> bool:
        """Tell whether nothing was said."""
        return self == Choice()

    @classmethod
    def taken(cls, said: dict[str, Any], ids: Sequence[int] = ()) -> Choice:
        """Take the options of `filter_options` out of what a command was given."""
        return cls(tuple(ids), **{name: said.pop(name) for name in _NAMES})

    def wanted(self, letters: DeadLetterQueue) -> Wanted:
        """Return the filter that is meant, of this moment."""
        from tidegate.dead_letters import Wanted  # noqa: PLC0415 - psycopg costs what `--help` should not pay

        plain = Wanted(ids=self.ids, kinds=self.kinds, queues=self.queues, reasons=self.reasons, text=self.text)
        return letters.resolve(plain, older_than=self.older_than, newer_than=self.newer_than, groups=self.groups)


def filter_options(queue_option: str = "--queue") -> Callable[[F], F]:
    """Add the options that choose dead letters; `queue_option` is how the one of queues is called."""
    options = (
        click.option(
            "--group", "groups", type=NAMED, multiple=True, metavar="FINGERPRINT", help="Of this group; its beginning is enough."
        ),
        click.option("--kind", "kinds", type=KIND, multiple=True, help="Of this kind; may be given several times."),
        click.option(queue_option, "queues", type=QUEUE, multiple=True, help="Of this queue; may be given several times."),
        click.option("--reason", "reasons", type=click.Choice(REASONS), multiple=True, help="Dead for this reason."),
        click.option("--older-than", type=SECONDS, metavar="AGE", help="Dead for longer than this: 30m, 2h, 1d."),
        click.option("--newer-than", type=SECONDS, metavar="AGE", help="Dead for no longer than this."),
        click.option("--text", type=NAMED, metavar="TEXT", help="With this in the error's class or message, or in the kind."),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def actor_options(command: F) -> F:
    """Add --why and --by, for the audit."""
    command = click.option("--by", "actor", metavar="NAME", help="Who does it; you, unless said.")(command)
    return click.option("--why", metavar="TEXT", help="Why, for the audit.")(command)
