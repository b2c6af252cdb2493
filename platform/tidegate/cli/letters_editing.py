"""`tidegate dlq edit|diff`: mending what was wrong with a call, and seeing where two letters differ."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.letter_filter import actor_options
from tidegate.cli.output import emit_json, neutral, say
from tidegate.cli.params import JOB_ID, TEXT, json_option
from tidegate.cli.queues import is_interactive
from tidegate.cli.scope import Scope
from tidegate.cli.wording import value
from tidegate.errors import Refused, TidegateError, UsageError

if TYPE_CHECKING:
    from tidegate.dead_letters import Difference, LetterDetail
    from tidegate.dead_letters.editing import Corrected, Correction
    from tidegate.handlers import Signature

__all__ = ["diff", "edit"]

EDITORS: Final = ("VISUAL", "EDITOR")
LONGEST: Final = 2_000  # characters of one side of a difference
NOISE: Final = ("forensics.process", "forensics.queue_depths_age", "forensics.recent_errors", "forensics.unavailable")
"""What differs between any two deaths."""


@click.command("edit", cls=Command)
@click.argument("letter_id", metavar="ID", type=JOB_ID)
@click.option(
    "--call",
    type=TEXT,
    metavar="JSON",
    help='Not in an editor: {"args": [...], "kwargs": {...}, "meta": {...}}; - reads it, @FILE too.',
)
@click.option("--with-secrets", is_flag=True, help="Show secrets in the editor; else they are kept, unseen.")
@click.option("--no-check", is_flag=True, help="Take any arguments: for a handler that cannot be imported here.")
@actor_options
@json_option
@click.pass_obj
def edit(
    scope: Scope,
    /,
    letter_id: int,
    call: str | None,
    with_secrets: bool,
    no_check: bool,
    why: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Mend the arguments of a dead letter, and its meta, in $EDITOR.

    They are checked against the signature of the job's function. Nothing runs: `tidegate dlq retry ID` does that.
    """
    with scope.connection() as connection:
        letters = scope.letters_of(connection)
        letters.check_open([letter_id])
        detail, stored, meta = letters.stored_call(letter_id)
    signature = _signature(scope, detail.letter.kind, check=not no_check)
    correction = _correction(scope, detail, stored, meta, with_secrets=with_secrets)
    answer = correction.corrected(call, signature) if call is not None else _edited(correction, signature, detail)
    if answer is None or (not answer.changed and not detail.redacted):
        changed: list[str] = []
        say("nothing was changed")
    else:
        changed = answer.changed
        _check_size(scope, detail.letter.queue, len(answer.args))
        with scope.connection() as connection:
            scope.letters_of(connection, actor).edit(letter_id, answer, before=(stored, meta), why=why)
        if not as_json:
            say(f"dead letter {letter_id} has other arguments now: {', '.join(changed)}\n\nrun it: tidegate dlq retry {letter_id}")
    if as_json:
        emit_json({"id": letter_id, "changed": changed})


@click.command("diff", cls=Command)
@click.argument("first", metavar="ID", type=JOB_ID)
@click.argument("second", metavar="ID", type=JOB_ID)
@click.option("--all", "everything", is_flag=True, help="What differs between any two deaths, too.")
@json_option
@click.pass_obj
def diff(scope: Scope, /, first: int, second: int, everything: bool, as_json: bool) -> None:
    """Show where two dead letters differ: the error first, then the call, then what else was true. Secrets are left out."""
    from tidegate.dead_letters import compare  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.connection() as connection:
        letters = scope.letters_of(connection)
        found = compare(letters.show(first), letters.show(second))
    if as_json:
        emit_json([difference.as_json() for difference in found])
        return
    shown = [each for each in found if everything or not each.path.startswith(NOISE)]
    for difference in shown:
        for line in _difference(difference, first, second):
            click.echo(neutral(line))
    if not shown:
        say("they differ in nothing but their ids and times")


def _signature(scope: Scope, kind: str, *, check: bool) -> Signature:
    from tidegate.handlers import Signature  # noqa: PLC0415 - likewise

    return scope.handlers.resolve(kind).signature if check else Signature.unchecked(kind)


def _correction(scope: Scope, detail: LetterDetail, stored: str, meta: str | None, *, with_secrets: bool) -> Correction:
    from tidegate.dead_letters.editing import Correction  # noqa: PLC0415 - likewise
    from tidegate.introspection.stored import readable  # noqa: PLC0415 - likewise

    if with_secrets:
        shown = readable(stored)
    elif detail.args is None:
        shown = detail.stored
    else:
        shown = {"args": detail.args, "kwargs": detail.kwargs}
    return Correction(
        stored,
        shown,
        meta=meta,
        shown_meta=readable(meta) if with_secrets else detail.meta,
        positional=scope.redactor_of(detail.letter.kind).positional,
    )


def _edited(correction: Correction, signature: Signature, detail: LetterDetail) -> Corrected | None:
    """Let somebody edit until it fits, or until they have had enough; None: nothing came back."""
    if not is_interactive() and not any(os.environ.get(name) for name in EDITORS):
        raise UsageError(
            "there is no terminal to edit on, and $EDITOR is not set", hint="--call '{\"kwargs\": {...}}' says the arguments"
        )
    letter = detail.letter
    head = (
        f"# The arguments of dead letter {letter.id}: {letter.kind}{neutral(str(signature))}\n"
        "# Lines that begin with # are left out; save nothing to change nothing.\n"
    )
    text = correction.text
    while True:
        came = click.edit(head + text, extension=".json")
        text = "".join(line for line in (came or "").splitlines(keepends=True) if not line.startswith("#"))
        if not text.strip():
            return None
        try:
            return correction.corrected(text, signature)
        except TidegateError as error:
            if not is_interactive():
                raise
            say(f"error: {error}\n\nhint: {error.hint}\n")
            if not click.confirm("Edit it again?", default=True, err=True):
                raise Refused("nothing was changed") from error


def _check_size(scope: Scope, queue: str, size: int) -> None:
    settings = scope.settings
    limit = settings.queue(queue).max_args if queue in settings.queue_names else settings.defaults.max_args
    if size > limit:
        raise UsageError(f"the arguments are {size:,} bytes as JSON; max_args is {limit:,}")


def _difference(difference: Difference, first: int, second: int) -> Iterator[str]:
    one, other = difference.first, difference.second
    yield difference.path
    if isinstance(one, str) and isinstance(other, str) and "\n" in one + other:
        lines = list(difflib.unified_diff(one.splitlines(), other.splitlines(), str(first), str(second), lineterm="", n=2))
        yield from (f"  {line}".rstrip() for line in lines)
    else:
        yield f"  {first:>8}  {_cut(one)}"
        yield f"  {second:>8}  {_cut(other)}"
    yield ""


def _cut(anything: Any) -> str:
    text = value(anything)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"
