"""Every connection is bounded, and the address has the last word."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict

from tidegate.store.connection import normal_conninfo, sqlalchemy_url

LIMITS = {"connect_timeout": "10", "tcp_user_timeout": "25000", "keepalives_idle": "10", "keepalives_interval": "5"}


def test_a_connection_gives_up_on_a_machine_that_vanished() -> None:
    said = conninfo_to_dict(normal_conninfo("postgresql://user@db/app"))
    assert {name: str(said[name]) for name in LIMITS} == LIMITS
    assert {name: sqlalchemy_url("postgresql://user@db/app").query[name] for name in LIMITS} == LIMITS


def test_what_the_address_says_goes_before() -> None:
    said = conninfo_to_dict(normal_conninfo("postgresql://user@db/app?connect_timeout=3&tcp_user_timeout=5000"))
    assert (str(said["connect_timeout"]), str(said["tcp_user_timeout"])) == ("3", "5000")
