"""libpq's words for not getting through, and ours."""

import pytest

from tidegate.cli.reaching import unreachable
from tidegate.errors import DatabaseUnreachable

TCP = 'connect: connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "reason", "hint"),
    [
        (f"{TCP}Connection refused", "Connection refused", "is PostgreSQL running there? check host and port"),
        (
            f'{TCP}FATAL:  password authentication failed for user "app"',
            'password authentication failed for user "app"',
            "check user and password",
        ),
        (
            f'{TCP}FATAL:  database "shop" does not exist',
            'database "shop" does not exist',
            "`createdb shop` on that server makes it",
        ),
        (f'{TCP}FATAL:  role "nobody" does not exist', 'role "nobody" does not exist', "check user and password"),
        (f"{TCP}FATAL:  sorry, too many clients already", "sorry, too many clients already", "raise max_connections"),
        (f"{TCP}FATAL:  the database system is starting up", "the database system is starting up", "try again in a moment"),
        (
            'connect: connection failed: connection to server on socket "/run/postgresql/.s.PGSQL.5432" failed: No such file or directory',
            "No such file or directory",
            "is PostgreSQL running there?",
        ),
        (
            'connect: connection failed: connection to server at "db.example" (10.0.0.7), port 5432 failed: timeout expired',
            "timeout expired",
            "nothing answers there",
        ),
        (
            "connect: failed to resolve host 'nosuch': [Errno -2] Name or service not known",
            "failed to resolve host",
            "no such host is known",
        ),
        ("connect: connection timeout expired", "connection timeout expired", "nothing answers there"),
        ("connect: something new", "something new", "check host and port"),
    ],
)
def test_why_a_database_cannot_be_reached(said, reason, hint):
    told = unreachable(DatabaseUnreachable(said), "postgresql://app:***@db.example/shop")
    assert str(told).startswith(f"cannot reach the database postgresql://app:***@db.example/shop: {reason}")
    assert hint in told.hint
    assert told.exit_code == 6


def test_other_weather_is_told_as_it_is():
    error = DatabaseUnreachable("list the jobs: server closed the connection unexpectedly")
    assert unreachable(error, "postgresql://db") is error


def test_an_error_that_has_its_own_hint_keeps_it():
    error = DatabaseUnreachable("connect: refused", hint="look at the log")
    assert unreachable(error, None) is error
