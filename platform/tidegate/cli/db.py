"""`tidegate db`: the schema and its versions."""

from __future__ import annotations

from typing import Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import data, emit_json, say
from tidegate.cli.params import Number, json_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import show_record
from tidegate.plurals import noun

__all__ = ["db"]

VERSION: Final = Number(0, 9_999, "a version")


@click.group(cls=Group)
def db() -> None:
    """Migrate the database, and show how it stands."""


@db.command("migrate")
@json_option
@click.pass_obj
def migrate_database(scope: Scope, as_json: bool) -> None:
    """Bring the schema up to date; safe to be run by any number at once."""
    from tidegate.cli.partitions import make_room  # noqa: PLC0415 - psycopg costs what `--help` should not pay
    from tidegate.introspection.asking import asking  # noqa: PLC0415 - likewise
    from tidegate.store import migrate  # noqa: PLC0415 - likewise
    from tidegate.store.connection import connect  # noqa: PLC0415 - likewise

    with scope.place() as database, connect(database.conninfo) as connection, asking("migrate"):
        applied = migrate.migrate(connection)
        made = make_room(connection)
        version = migrate.status(connection).schema_version
    if as_json:
        emit_json({"applied": [f"{each.version:04}_{each.name}" for each in applied], "schema_version": version})
        return
    for each in applied:
        say(f"applied {each.version:04}_{each.name}")
    say(f"the schema is at version {version}" + ("" if applied else ": there was nothing to do"))
    if made:
        say(f"{noun(made, 'partition')} made for the coming days")


@db.command("status")
@json_option
@click.pass_obj
def status(scope: Scope, as_json: bool) -> None:
    """Show the versions of server and schema."""
    from tidegate.introspection.asking import asking  # noqa: PLC0415 - likewise

    with scope.place() as database, asking("look at the schema"):
        found, embedded = database.status(), database.embedded
    told = {
        "server_version": found.server_version,
        "schema_version": found.schema_version,
        "expected_version": found.expected_version,
        "embedded": embedded,
        "pooled": found.pooled,
    }
    if as_json:
        emit_json(told)
    else:
        show_record((name, "yes" if value is True else "no" if value is False else str(value)) for name, value in told.items())
    if found.schema_version < found.expected_version and found.fits:
        say("\nthe rest waits for the end of the nodes of an older version; then run `tidegate db migrate`")
    elif found.schema_version < found.expected_version:
        say(f"\nthe schema is behind: `tidegate db migrate` brings it to version {found.expected_version}")
    elif found.schema_version > found.expected_version and found.fits:
        say("\nthe schema is of a newer Tidegate, with which this one still works")
    elif found.schema_version > found.expected_version:
        say("\nthe schema is of a newer Tidegate: upgrade this one")


@db.command("roles")
def print_roles() -> None:
    """Print the SQL of roles with no more rights than nodes, clients and readers need."""
    from tidegate.store.roles import script  # noqa: PLC0415 - likewise

    data(script().rstrip())


@db.command("sql")
@click.option(
    "--from", "start", type=VERSION, default=0, show_default=True, metavar="VERSION", help="Only what comes after this version."
)
def print_sql(start: int) -> None:
    """Print the SQL of the migrations, for whoever applies it by hand."""
    from tidegate.store.migrate import migrations  # noqa: PLC0415 - likewise
    from tidegate.store.statements import statement  # noqa: PLC0415 - likewise

    record = statement("migration_record")
    script = ["BEGIN", statement("schema_create"), statement("migrations_table")]
    for each in migrations():
        if each.version > start:
            script += [f"\n-- {each.version:04}_{each.name}\n{each.sql.strip().removesuffix(';')}"]
            script += [record.format(version=each.version, name=each.name)]
    for part in [*script, "\nCOMMIT"]:
        data(f"{part};")
