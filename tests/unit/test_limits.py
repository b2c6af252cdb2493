"""How long the database is waited for travels inside the address, and is taken out before anything is connected."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict

from tidegate.settings.timeouts import DatabaseTimeouts
from tidegate.store.connection import normal_conninfo, sqlalchemy_url
from tidegate.store.limits import Limits, split, with_limits

ADDRESS = normal_conninfo("postgresql://user:secret@db:6432/app")
OWN = normal_conninfo("postgresql://user@db/app?options=-c%20search_path%3Dshop%20-c%20statement_timeout%3D5000")


def test_an_address_without_limits_has_the_usual_ones() -> None:
    assert split(ADDRESS)[2] == Limits(statement=10, lock=2, idle=10)


def test_limits_come_out_as_they_went_in_and_leave_the_address_as_it_was() -> None:
    for timeouts, limits in (
        (DatabaseTimeouts(statement=5, lock=0.25, idle=7.5), Limits(5.0, 0.25, 7.5)),
        (DatabaseTimeouts(), Limits()),
    ):
        plain, parts, found = split(with_limits(ADDRESS, timeouts))
        assert found == limits
        assert conninfo_to_dict(plain) == conninfo_to_dict(ADDRESS)
        assert "options" not in parts


def test_an_application_has_its_own_and_the_roles_go_before() -> None:
    timeouts = DatabaseTimeouts(statement=5, application="20m")
    limits = split(with_limits(ADDRESS, timeouts, application=True))[2]
    assert (limits.statement, limits.of_application) == (1200.0, True)
    assert "current_setting" in limits.session()
    assert not split(with_limits(ADDRESS, timeouts))[2].of_application


def test_options_of_the_address_stay_and_limits_replace_only_limits() -> None:
    once = with_limits(OWN, DatabaseTimeouts(statement=5))
    again = with_limits(once, DatabaseTimeouts(statement=6))
    plain, parts, limits = split(again)
    assert limits.statement == 6.0
    assert conninfo_to_dict(plain) == conninfo_to_dict(OWN)
    assert parts["options"] == "-c search_path=shop -c statement_timeout=5000"
    assert sqlalchemy_url(again).query["options"] == "-c search_path=shop -c statement_timeout=5000"


def test_libpq_is_told_what_only_it_can_bound_unless_the_address_says_it() -> None:
    timeouts = DatabaseTimeouts(connect=3.5, silence=50)
    said = conninfo_to_dict(normal_conninfo("postgresql://user@db/app?tcp_user_timeout=5000", timeouts))
    names = ("connect_timeout", "tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count")
    assert [str(said[name]) for name in names] == ["4", "5000", "20", "10", "3"]


def test_reconciliation_waits_until_an_abandoned_claim_cannot_commit_any_more() -> None:
    assert Limits(statement=3.0).uncertain > 3.0
    assert Limits(statement=3.0).at_most(2.0).statement == 2.0
