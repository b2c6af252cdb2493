"""`tidegate db`, on a database that is not embedded."""

from __future__ import annotations

import json

import psycopg
from click.testing import CliRunner

from tidegate.cli.program import program
from tidegate.store.migrate import EXPECTED


def run(*args: str, database: str) -> tuple[int, str, str]:
    ran = CliRunner().invoke(program, ["--database", database, *args])
    return ran.exit_code, ran.stdout, ran.stderr


def status(database: str) -> dict[str, object]:
    code, out, _ = run("db", "status", "--json", database=database)
    assert code == 0
    told: dict[str, object] = json.loads(out)
    return told


def test_an_empty_database_is_behind_and_reading_it_says_so(empty_database: str) -> None:
    told = status(empty_database)
    assert set(told) >= {"server_version", "schema_version", "expected_version", "embedded"}
    assert (told["schema_version"], told["expected_version"], told["embedded"]) == (0, EXPECTED, False)
    code, out, err = run("jobs", "list", database=empty_database)
    assert (code, out) == (7, "")
    assert (
        err == f"error: the database's schema is at version 0, this Tidegate needs {EXPECTED}\n\nhint: run: tidegate db migrate\n"
    )


def test_migrating_brings_it_up_to_date_with_room_for_a_week(empty_database: str) -> None:
    code, out, err = run("db", "migrate", database=empty_database)
    assert (code, out) == (0, "")
    assert "applied 0001_spine" in err
    assert status(empty_database)["schema_version"] == EXPECTED
    with psycopg.connect(empty_database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^history_completed_[0-9]{8}$'").fetchone()
    assert row == (9,)
    assert run("jobs", "list", "--json", database=empty_database)[:2] == (0, "[]\n")


def test_migrating_twice_changes_nothing(empty_database: str) -> None:
    first = run("db", "migrate", "--json", database=empty_database)
    second = run("db", "migrate", "--json", database=empty_database)
    assert len(json.loads(first[1])["applied"]) == EXPECTED
    assert json.loads(second[1]) == {"applied": [], "schema_version": EXPECTED}


def test_the_sql_does_by_hand_what_migrating_does(empty_database: str) -> None:
    code, out, _ = run("db", "sql", database=empty_database)
    assert code == 0
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(out.encode())
    assert status(empty_database)["schema_version"] == EXPECTED
    assert json.loads(run("db", "migrate", "--json", database=empty_database)[1])["applied"] == []


def test_the_sql_can_begin_later(empty_database: str) -> None:
    assert "CREATE TABLE tidegate.jobs" not in run("db", "sql", "--from", str(EXPECTED), database=empty_database)[1]


def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO tidegate.migrations (version, name) VALUES (9000, 'future')")
    code, _, err = run("jobs", "list", database=database)
    assert code == 7
    assert "at version 9000, newer than" in err
    assert "the schema is of a newer Tidegate" in run("db", "status", database=database)[2]
