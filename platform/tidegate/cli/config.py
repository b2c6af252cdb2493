"""`tidegate config`: what the settings say, where each of them comes from, and whether they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import data, emit_json, say
from tidegate.cli.params import json_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_table
from tidegate.errors import ConfigurationError, TidegateError
from tidegate.plurals import noun

__all__ = ["config"]

_PLAIN: Final = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
COLUMNS: Final = (Column("KEY"), Column("VALUE", cut=True), Column("FROM"))


@click.group(cls=Group)
def config() -> None:
    """Check and show the settings."""


@config.command("check")
@json_option
@click.pass_obj
def check(scope: Scope, as_json: bool) -> None:
    """Read the settings and import the jobs modules; tell everything that is wrong."""
    try:
        told = _checked(scope)
    except TidegateError as error:
        if as_json:
            emit_json({"ok": False, "problems": _problems(error)})
        raise
    if as_json:
        emit_json({"ok": True, **told})
        return
    for warning in told["warnings"]:
        say(f"warning: {warning}")
    file = told["file"] or "no file"
    say(f"{file}: {noun(len(told['queues']), 'queue')}, {noun(len(told['kinds']), 'kind')} of job: all is well")


@config.command("show")
@click.option("--origin", is_flag=True, help="Where each value comes from.")
@json_option
@click.pass_obj
def show(scope: Scope, origin: bool, as_json: bool) -> None:
    """Show the settings as they hold: arguments, then environment, then queues.yaml, then defaults."""
    from tidegate.settings import as_tree  # noqa: PLC0415 - pydantic costs what `--help` should not pay

    origins = scope.settings.origins()
    if origin and as_json:
        emit_json([{"key": each.key, "value": each.value, "origin": each.where} for each in origins])
    elif origin:
        show_table(COLUMNS, ((each.key, _scalar(each.value), each.where) for each in origins), empty="no settings")
    elif as_json:
        emit_json(as_tree(origins))
    else:
        for line in _yaml(as_tree(origins)):
            data(line)


@config.command("schema")
def schema() -> None:
    """Print the JSON Schema of queues.yaml, for editors."""
    from tidegate.settings.schema import schema_text  # noqa: PLC0415 - likewise

    click.echo(schema_text(), nl=False)


def _checked(scope: Scope) -> dict[str, Any]:
    from tidegate.circuit.assignment import assign  # noqa: PLC0415 - pydantic costs what `--help` should not pay
    from tidegate.settings import warnings_for  # noqa: PLC0415 - likewise

    settings = scope.settings
    if settings.path is None:
        raise ConfigurationError(
            "there is no queues.yaml here", hint="`tidegate init` writes one; --config PATH and TIDEGATE_CONFIG name one elsewhere"
        )
    handlers = scope.handlers
    handlers.check_queues(settings.queue_names)
    assign(settings, handlers, rng=float)
    batches = {}
    for kind in handlers.kinds():
        handler = handlers.resolve(kind)
        queue = handler.spec.queue or settings.default_queue
        if handler.batch is not None and queue is not None:
            batches[kind] = (queue, handler.batch)
    return {
        "file": str(settings.path),
        "queues": list(settings.queue_names),
        "kinds": list(handlers.kinds()),
        "warnings": list(warnings_for(settings, batches)),
    }


def _problems(error: TidegateError) -> list[Mapping[str, Any]]:
    """Return every problem with the place where it was written, as far as there is one."""
    found = getattr(error, "problems", ())
    if not found:
        return [{"source": None, "line": None, "column": None, "key": None, "message": str(error)}]
    from tidegate.settings.words import dotted  # noqa: PLC0415 - likewise

    return [
        {
            "source": problem.place.source,
            "line": problem.place.line or None,
            "column": problem.place.column or None,
            "key": dotted(problem.path) or None,
            "message": problem.sentence,
        }
        for problem in found
    ]


def _yaml(tree: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return a tree of settings as YAML."""
    lines = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{_scalar(key)}:", *_yaml(value, f"{indent}  ")]
        else:
            lines.append(f"{indent}{_scalar(key)}: {_scalar(value)}")
    return lines


def _scalar(value: Any) -> str:
    match value:
        case str() if _PLAIN.fullmatch(value) and value.lower() not in {"null", "true", "false"}:
            return value
        case float() if value.is_integer():
            return str(int(value))
        case list() | tuple():
            return f"[{', '.join(map(_scalar, value))}]"
        case Mapping() if not value:
            return "{}"
        case _:
            return json.dumps(value, ensure_ascii=False)
